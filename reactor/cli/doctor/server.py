"""What `reactor doctor` looks at in a database on a PostgreSQL server. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from reactor.cli.doctor.findings import DoctorFinding, mirror, other_table, served_by
from reactor.cli.runtime import run_async
from reactor.database import engine
from reactor.database.contract import UNREADY
from reactor.database.presence import Presence
from reactor.database.table import Counts
from reactor.errors import DatabaseError, DatabaseInUse
from reactor.server_address import ServerAddress


def examine(address: ServerAddress) -> Iterator[DoctorFinding]:
    """The database, its mirrors, who serves it, and whether notifications come through."""
    try:
        counts, presence = run_async(partial(_look, address))
        mirrors, other = run_async(partial(engine.attached, address))
    except DatabaseError as error:
        if error.code == UNREADY:
            what = "not ready yet: `add` and `run` make it so"
            yield DoctorFinding("database", "ok", what, where=str(address), needed=True)
            return
        advice = error.hint or "Set DOWNLOAD_DB to the bot's database."
        yield DoctorFinding("database", "missing", error.message, where=str(address), advice=advice, needed=True)
        return
    what = f"{counts.pending} pending, {counts.downloading} downloading, {counts.failed} failed"
    unserved = other_table(other) if other else ""
    yield DoctorFinding(
        "database", "note" if unserved else "ok", what, where=str(address), advice=unserved, needed=True
    )
    for each in mirrors:
        yield mirror(each.mirror.table, each.mirror.links, each.trouble, each.strangers)
    yield served_by(presence)
    yield _session(address)


async def _look(address: ServerAddress) -> tuple[Counts, Presence | None]:
    async with engine.open_table(address, read_only=True) as table:
        return await table.counts(), await table.presence()


def _session(address: ServerAddress) -> DoctorFinding:
    """A pooler may give the connection to somebody else between two transactions."""
    try:
        with engine.lock(address, "doctor"):
            pass
    except DatabaseInUse:
        pass  # another one looks at the same time
    except DatabaseError as error:
        return DoctorFinding("notifications", "missing", error.message, advice=error.hint or "", needed=True)
    return DoctorFinding("notifications", "ok", "the server tells of new rows")
