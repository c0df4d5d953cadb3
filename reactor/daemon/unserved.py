"""Reports rows that will never be served, each kind once: at the start, and after changes of the table."""

from __future__ import annotations

import anyio

from reactor import notices
from reactor.daemon import clock
from reactor.daemon.effects.database import Rows
from reactor.database.mirror import MirrorTrouble
from reactor.database.store import Unserved
from reactor.errors import DatabaseError
from reactor.journal.journal import Journal

SETTLE_S = 1.0
"""After a change: a bot may still correct what it has inserted."""
PAUSE_MIN_S, PAUSE_MAX_S, SHARE = 2.0, 30.0, 100
"""Between two looks: so many times what the last one took, for all rows are looked at, within these limits."""


async def tell_unserved(rows: Rows, journal: Journal) -> None:
    """Report until cancelled."""
    told: set[str | MirrorTrouble | None] = set()
    table_told, pause_s = False, 0.0
    while True:
        changed, began = rows.changed.next, clock.monotonic()
        try:
            found = await rows.store.unserved()
        except DatabaseError:  # the machine meets it too, and tells
            found = Unserved((), None)
        took_s = clock.monotonic() - began
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
        pause_s = min(PAUSE_MAX_S, max(PAUSE_MIN_S, SHARE * took_s))
