"""`reactor add`: queue URLs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reactor.cli.asked import with_flags
from reactor.cli.options import Db, readable

if TYPE_CHECKING:
    from reactor.settings import Settings


@with_flags()
def add(
    urls: Annotated[list[str], typer.Argument(metavar="URL", help="URLs, magnet links or info hashes.")],
    db: Db = None,
    *,
    said: dict[str, Any] | None,
) -> None:
    """Queue URLs and print their ids.

    Creates the database if it does not exist.
    """
    from reactor.cli.runtime import run_async
    from reactor.settings import Settings

    run_async(partial(_add, Settings.load(download_db=db), readable(urls), said))


async def _add(settings: Settings, urls: list[str], said: dict[str, Any] | None) -> None:
    from reactor.queue import Queue

    async with Queue(settings.download_db) as queue:
        for url in urls:
            typer.echo(await queue.add(url, options=said))
