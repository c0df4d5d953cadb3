"""`reactor list`: the rows of the table."""

from __future__ import annotations

import base64
import math
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reactor.cli.options import ID_MAX, Db

if TYPE_CHECKING:
    from reactor.models import Download
    from reactor.settings import Settings


LIMIT = 1000


def list_rows(
    db: Db = None,
    status: Annotated[
        str | None, typer.Option("--status", metavar="STATUS", help="Only rows with this status, such as downloading.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="Only the newest N; 0: all. [1000]")
    ] = LIMIT,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array with every column.")] = False,
) -> None:
    """List the downloads, oldest first."""
    from reactor.cli.runtime import run_async
    from reactor.settings import Settings

    rows, count = run_async(partial(_read, Settings.load(download_db=db), status, limit))
    if as_json:
        import json

        typer.echo(json.dumps([_plain(row.model_dump()) for row in rows], indent=2))
    else:
        from rich.console import Console

        from reactor.cli.table import table

        console = Console(highlight=False, emoji=False)
        console.print(table(rows, console.width))
    if count > len(rows):
        typer.echo(f"reactor: and {count - len(rows)} older downloads; --limit 0 lists all.", err=True)


async def _read(settings: Settings, status: str | None, limit: int) -> tuple[list[Download], int]:
    """The rows, and how many there are."""
    from reactor.database.engine import open_table

    most = limit or ID_MAX
    async with open_table(settings.download_db, read_only=True) as table:
        rows = await table.list(status, most)
        return rows, len(rows) if len(rows) < most else await table.count(status)


def _plain(value: Any) -> Any:
    """What JSON can hold: a bot may keep a picture in a column of its own, or a number that is none."""
    match value:
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case bytes():
            return base64.b64encode(value).decode()
        case float() if not math.isfinite(value):
            return None
        case _:
            return value
