"""Reports rows that will never be served, each kind once: at the start, and after changes of the table."""

from __future__ import annotations

import anyio

from reactor import notices
from reactor.daemon.effects.database import Rows
from reactor.database.mirror import MirrorTrouble
from reactor.database.store import Unserved
from reactor.errors import DatabaseError
from reactor.journal.journal import Journal

SETTLE_S, PAUSE_S = 1.0, 30.0
"""After a change: a bot may still correct what it has inserted; and no more often than that."""


async def tell_unserved(rows: Rows, journal: Journal) -> None:
    """Report until cancelled."""
    told: set[str | MirrorTrouble | None] = set()
    table_told, pause_s = False, 0.0
    while True:
        changed = rows.changed.next
        try:
            found = await rows.store.unserved()
        except DatabaseError:  # the machine meets it too, and tells
            found = Unserved((), None)
        for each in found.statuses:
            if each.status not in told:
                told.add(each.status)
                journal.tell(
                    notices.StatusUnserved(status=each.status, count=each.count, first_download_id=each.download_id)
                )
        for mended in found.mended:
            journal.tell(notices.MirrorMended(table=mended.table, taken=mended.taken))
        for trouble in found.mirrors:
            if trouble not in told:
                told.add(trouble)
                journal.tell(notices.MirrorBroken(table=trouble.table, reason=trouble.reason))
        for error, id in [*rows.stuck.items()]:
            if error not in told:
                told.add(error)
                journal.tell(notices.DownloadStuck(download_id=id, error=error))
        if found.table is not None and not table_told:
            table_told = True
            journal.tell(notices.TableUnserved(table=found.table))
        await anyio.sleep(pause_s)
        await changed.wait()
        await anyio.sleep(SETTLE_S)
        pause_s = PAUSE_S
