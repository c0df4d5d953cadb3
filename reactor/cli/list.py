"""`reactor list`: the rows of the table."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from reactor.cli.options import Db

if TYPE_CHECKING:
    from reactor.models import Download
    from reactor.settings import Settings


def list_rows(
    db: Db = None,
    status: Annotated[
        str | None, typer.Option("--status", metavar="STATUS", help="Only rows with this status, such as downloading.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array, every column included.")] = False,
) -> None:
    """List the downloads, oldest first."""
    from reactor.cli.running import run_async
    from reactor.settings import Settings

    rows = run_async(partial(_read, Settings.load(download_db=db), status))
    if as_json:
        import json

        typer.echo(json.dumps([row.model_dump(mode="json") for row in rows], indent=2))
        return
    from rich.console import Console

    from reactor.cli.table import table

    Console(highlight=False, emoji=False).print(table(rows))


async def _read(settings: Settings, status: str | None) -> list[Download]:
    from reactor.queue import Queue

    async with Queue(settings.download_db, create=False) as queue:
        return await queue.list(status)
