"""`reactor watch`: the table while it changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from reactor.cli.options import Db

if TYPE_CHECKING:
    from reactor.models import Download
    from reactor.settings import Settings

ENDED_SHOWN = 10
"""Downloads that are over and still shown, the latest."""


class Show(Protocol):
    """Shows a row that changed."""

    def __call__(self, row: Download) -> None: ...


def watch(
    number: Annotated[int | None, typer.Argument(metavar="[ID]", help="One download; without it, all of them.")] = None,
    db: Db = None,
) -> None:
    """Show downloads while they change.

    Live on a terminal, else a line for each change. With an ID it ends with the download, and exits with 0 only
    when the file is there.
    """
    from reactor.cli.running import run_async
    from reactor.settings import Settings

    settings = Settings.load(download_db=db)
    with _shower() as show:
        arrived = run_async(partial(_watch, settings, number, show))
    raise typer.Exit(0 if arrived else 1)


async def _watch(settings: Settings, number: int | None, show: Show) -> bool:
    from reactor.errors import ReactorError
    from reactor.queue import Queue

    row: Download | None = None
    async with Queue(settings.download_db, create=False) as queue:
        async for row in queue.watch_all() if number is None else queue.watch(number):
            show(row)
    if row is None:
        raise ReactorError(f"There is no download {number}.")
    return row.status == "downloaded"


@contextmanager
def _shower() -> Iterator[Show]:
    from rich.console import Console
    from rich.live import Live

    from reactor.cli.table import line, table

    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        yield lambda row: typer.echo(line(row))
        return
    rows: dict[int, Download] = {}
    with Live(console=console, auto_refresh=False) as live:

        def show(row: Download) -> None:
            rows[row.id] = row
            live.update(table(_shown(rows.values())), refresh=True)

        yield show


def _shown(rows: Iterable[Download]) -> list[Download]:
    """What is under way, and the latest of what is over, by id."""
    from reactor.models import Status

    final = {status.value for status in Status if status.final}
    ordered = sorted(rows, key=lambda row: row.id)
    ended = [row for row in ordered if row.status in final][-ENDED_SHOWN:]
    return sorted([row for row in ordered if row.status not in final] + ended, key=lambda row: row.id)
