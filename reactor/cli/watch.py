"""`reactor watch`: follow the downloads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from reactor.cli.options import Db, fits, no_download
from reactor.errors import ReactorError

if TYPE_CHECKING:
    from reactor.models import Download
    from reactor.settings import Settings

ENDED_SHOWN = 10
"""Downloads that are over and still shown, the latest."""
SHOWN_MAX = 200
"""Rows of each other kind; no screen has more lines."""
GATHER_S = 0.1
"""After a change: for what comes with it."""


def watch(
    number: Annotated[int | None, typer.Argument(metavar="ID", help="Id of a download; without it, all.")] = None,
    db: Db = None,
) -> None:
    """Follow downloads as they change.

    A live table on a terminal, otherwise one line per change; a list is one line. With an ID, ends with the download,
    and exits with 0 only if it succeeded.
    """
    from rich.console import Console

    from reactor.cli.runtime import run_async
    from reactor.settings import Settings

    settings = Settings.load(download_db=db)
    if number is not None:
        if not fits(number):
            raise no_download(number)
        raise typer.Exit(0 if run_async(partial(_one, settings, number)) else 1)
    live = Console(highlight=False, emoji=False).is_terminal
    run_async(partial(_table if live else _lines, settings))


async def _one(settings: Settings, number: int) -> bool:
    """Follow one; whether it arrived."""
    from reactor.queue import Queue

    row: Download | None = None
    async with Queue(settings.download_db, read_only=True) as queue:
        with _shower() as show:
            async for row in queue.watch(number):
                show([row])
        if row is None:
            raise no_download(number)
        if await queue.get(number) is None:
            raise ReactorError(f"Download {number} was deleted.")
    return row.status == "downloaded"


async def _lines(settings: Settings) -> None:
    """A line for each change; entries of lists change the line of their list."""
    from reactor.cli.table import line
    from reactor.queue import Queue

    async with Queue(settings.download_db, read_only=True) as queue:
        async for row in queue.watch_all():
            if row.parent_id is None or row.item_key is None:
                typer.echo(line(row))


async def _table(settings: Settings) -> None:
    """What is under way, what is next, and the latest of what is over; as many as a screen has lines."""
    from contextlib import aclosing

    import anyio

    from reactor.queue import Queue

    async with Queue(settings.download_db, read_only=True) as queue, aclosing(queue.changes()) as beats:
        with _shower() as show:
            async for _ in beats:
                seen = await queue.overview(SHOWN_MAX)
                show([*reversed(seen.over[:ENDED_SHOWN]), *seen.under_way, *seen.choosing, *seen.queued])
                await anyio.sleep(GATHER_S)


@contextmanager
def _shower() -> Iterator[Callable[[list[Download]], None]]:
    """Shows rows, in place of those before; without a terminal a line each."""
    from rich.console import Console
    from rich.live import Live

    from reactor.cli.table import line, table

    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        yield lambda rows: typer.echo("\n".join(map(line, rows)))
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda rows: live.update(table(rows, console.width), refresh=True)
