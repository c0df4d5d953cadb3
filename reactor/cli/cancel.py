"""`reactor cancel`: ask for a stop."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from reactor.cli.options import Db

if TYPE_CHECKING:
    from reactor.queue import Queue
    from reactor.settings import Settings


def cancel(
    ids: Annotated[list[int], typer.Argument(metavar="ID", help="Ids, as `add` and `list` print them.")],
    db: Db = None,
) -> None:
    """Stop downloads.

    Exits with 1 when one of them is not there or already over.
    """
    from reactor.cli.running import run_async
    from reactor.settings import Settings

    sentences = run_async(partial(_cancel, Settings.load(download_db=db), ids))
    for sentence in sentences:
        typer.echo(f"reactor: {sentence}", err=True)
    raise typer.Exit(1 if sentences else 0)


async def _cancel(settings: Settings, ids: list[int]) -> list[str]:
    """Cancel them; a sentence for each that could not be."""
    from reactor.queue import Queue

    async with Queue(settings.download_db, create=False) as queue:
        return [sentence for number in ids if (sentence := await _cancel_one(queue, number))]


async def _cancel_one(queue: Queue, number: int) -> str | None:
    if await queue.cancel(number):
        return None
    row = await queue.get(number)
    return f"There is no download {number}." if row is None else f"Download {number} is already {row.status}."
