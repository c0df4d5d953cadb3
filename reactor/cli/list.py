"""`reactor list`: the rows of the table."""

from __future__ import annotations

import base64
import math
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reactor.cli.options import ID_MAX, Db, fits, no_download
from reactor.errors import ReactorError

if TYPE_CHECKING:
    from reactor.models import Download
    from reactor.settings import Settings


LIMIT = 1000


def list_rows(
    number: Annotated[int | None, typer.Argument(metavar="ID", help="A list: print its entries, in order.")] = None,
    db: Db = None,
    status: Annotated[
        str | None, typer.Option("--status", metavar="STATUS", help="Only rows with this status, such as downloading.")
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            "--limit", metavar="N", min=0, help="Only the newest N rows, or the first N entries of a list; 0: all."
        ),
    ] = LIMIT,
    everything: Annotated[bool, typer.Option("--all", help="Include the entries of lists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array with every column.")] = False,
) -> None:
    """List the downloads, oldest first.

    A list is one line; --all, --status or its ID print its entries.
    """
    from reactor.cli.runtime import run_async
    from reactor.settings import Settings

    if number is not None and (status is not None or everything):
        raise ReactorError("The ID of a list goes with neither --status nor --all.")
    if number is not None and not fits(number):
        raise no_download(number)
    folded = status is None and not everything
    rows, count = run_async(partial(_read, Settings.load(download_db=db), number, status, limit, folded=folded))
    if as_json:
        import json

        typer.echo(json.dumps([_plain(row.model_dump()) for row in rows], indent=2))
    else:
        from rich.console import Console

        from reactor.cli.table import table

        console = Console(highlight=False, emoji=False)
        console.print(table(rows, console.width))
    if count > len(rows):
        left = f"{count - len(rows)} {'more entries' if number is not None else 'older downloads'}"
        typer.echo(f"reactor: and {left}; --limit 0 lists all.", err=True)


async def _read(
    settings: Settings, number: int | None, status: str | None, limit: int, *, folded: bool
) -> tuple[list[Download], int]:
    """The rows, and how many there are."""
    from reactor.database.engine import open_table

    most = limit or ID_MAX
    async with open_table(settings.download_db, read_only=True) as table:
        if number is not None:
            if await table.get(number) is None:
                raise no_download(number)
            found = await table.entries(number, 0, most)
            if not found[1]:
                raise ReactorError(f"Download {number} is no list with entries.")
            return found
        if folded:
            return await table.folded(most)
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
