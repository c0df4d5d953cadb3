"""`reactor machines`: list and drain the machines of a queue on PostgreSQL."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from reactor.cli.options import Db

if TYPE_CHECKING:
    from reactor.database.presence import Machine
    from reactor.settings import Settings


def machines(
    drain: Annotated[
        str | None, typer.Option("--drain", metavar="NAME", help="Let this machine start no more downloads.")
    ] = None,
    undrain: Annotated[
        str | None, typer.Option("--undrain", metavar="NAME", help="Let it start downloads again.")
    ] = None,
    db: Db = None,
) -> None:
    """List or drain the machines that serve a queue on PostgreSQL."""
    from reactor.cli.runtime import run_async
    from reactor.settings import Settings

    changes = {name: draining for name, draining in ((drain, True), (undrain, False)) if name is not None}
    found = [parts(each) for each in run_async(partial(_machines, Settings.load(download_db=db), changes))]
    widths = [max(map(len, column)) for column in zip(*found, strict=True)]
    for each in found:
        typer.echo("  ".join(f"{part:{width}}" for part, width in zip(each, widths, strict=True)).rstrip())


def parts(machine: Machine) -> tuple[str, ...]:
    """One machine, for people, in columns."""
    from reactor.journal.format import clean

    told = machine.presence
    slots = f" of {told.slots}" if told is not None else ""
    version = f"reactor {clean(told.version, 40)}" if told is not None else ""
    if told is not None and told.stopped:
        state = "stopped"
    elif machine.lost:
        state = "lost"
    else:
        state = "draining" if machine.draining else "serving"
    doing, seen = f"{machine.downloading}{slots} downloading", f"seen {machine.seen_s:.0f} s ago"
    return clean(machine.name, 200), state, doing, seen, version


async def _machines(settings: Settings, changes: dict[str, bool]) -> list[Machine]:
    from reactor.database import engine
    from reactor.errors import DatabaseError
    from reactor.server_address import server_address

    if server_address(settings.download_db) is None:
        raise DatabaseError(
            "One reactor serves a database of SQLite.", hint="Several serve one on a PostgreSQL server."
        )
    async with engine.open_table(settings.download_db, create=False, read_only=not changes) as table:
        for name, draining in changes.items():
            if not await table.drain(name, draining):
                raise DatabaseError(f"No machine of the name {name} serves this queue.")
        return await table.machines()
