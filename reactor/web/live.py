"""The live view of the page: rows from the table, with the progress that the journal reports.

Nothing is read while the page is open nowhere. A viewer holds only the ids of the rows that changed for it, so a slow
viewer costs a set of ids and gets the latest version of each row when it reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio

from reactor import notices as n
from reactor.database.table import Overview
from reactor.errors import DatabaseError
from reactor.journal.format import clean, name_in
from reactor.models import Download, Status
from reactor.net.credentials import redact
from reactor.web.store import RowStore

SHOWN_MAX = 50
"""Rows of each kind: under way, queued, failed, ended otherwise."""
GATHER_S = 0.1
"""Debounce after a change, for related changes and the reactor's own last writes."""
AGAIN_S = 1.0
MIB = 1024 * 1024

View = dict[str, Any]
NOTHING: View = {"queued": 0, "under_way": 0, "failed": 0, "shown_max": SHOWN_MAX}


class LiveRows:
    """`offer` is a sink of the journal, `on_change` listens to the change feed, `run` is a task."""

    def __init__(self, store: RowStore) -> None:
        self._store = store
        self._viewers: set[Viewer] = set()
        self._news = anyio.Event()
        self._live: dict[int, View] = {}
        """The last progress of each running row."""
        self._read: dict[int, tuple[Download, View]] = {}
        """The rows as last read, so that only changed rows are rendered again."""
        self._rows: dict[int, View] = {}
        """The rendered rows, with their progress."""
        self.state: View = {}
        """Totals, and the database's error if there is one."""

    def offer(self, entry: n.Entry) -> None:
        """Take a notice."""
        notice = entry.notice
        if isinstance(notice, n.DownloadProgressed):
            self._progressed(notice)
        else:
            self.on_change(notice.event)

    def on_change(self, _why: str) -> None:
        """The table may have changed."""
        if self._viewers:
            self._news.set()

    @contextmanager
    def viewing(self) -> Iterator[Viewer]:
        """Register a viewer for the time of the block."""
        if not self._viewers:  # stale since the last viewer left
            self._rows, self._live, self.state = {}, {}, {}
        viewer = Viewer(self)
        self._viewers.add(viewer)
        self._news.set()
        try:
            yield viewer
        finally:
            self._viewers.discard(viewer)

    @property
    def viewers(self) -> int:
        """How many viewers there are."""
        return len(self._viewers)

    def row(self, number: int) -> View | None:
        """The rendered row; None when it is not shown."""
        return self._rows.get(number)

    def numbers(self) -> set[int]:
        """Ids of the rows that are shown."""
        return set(self._rows)

    async def run(self) -> None:
        """Read the table after each change while there are viewers. May be restarted after an error."""
        self.on_change("start")
        while True:
            await self._news.wait()
            await anyio.sleep(GATHER_S)
            self._news = anyio.Event()
            try:
                seen = await self._store.run(lambda queue: queue.overview(SHOWN_MAX))
            except DatabaseError as error:
                self._take_state(NOTHING | self.state | {"trouble": clean(error.message)})
                await anyio.sleep(AGAIN_S)
                self.on_change("trouble")
            else:
                self._take(seen)

    def _take(self, seen: Overview) -> None:
        found = (*seen.under_way, *seen.choosing, *seen.queued, *seen.failed, *seen.ended)
        self._read = {row.id: (row, self._view(row)) for row in found}
        rows = {number: view for number, (_, view) in self._read.items()}
        for place, row in enumerate(seen.queued):
            stands = seen.places.get(row.id)
            rows[row.id] = rows[row.id] | {"place": place, "waits": stands.text if stands is not None else None}
        self._live = {number: live for number, live in self._live.items() if _is_of(live, rows.get(number))}
        for number, live in self._live.items():
            rows[number] = rows[number] | live
        changed = {number for number in rows.keys() | self._rows.keys() if rows.get(number) != self._rows.get(number)}
        self._rows = rows
        self._tell(changed)
        counts = seen.counts
        queued = counts.pending + counts.waiting + counts.choosing
        told = {"queued": queued, "under_way": counts.downloading, "failed": counts.failed}
        self._take_state(NOTHING | told | {"trouble": None})

    def _view(self, row: Download) -> View:
        before = self._read.get(row.id)
        return before[1] if before is not None and before[0] == row else view(row)

    def _take_state(self, state: View) -> None:
        if state != self.state:
            self.state = state
            for viewer in self._viewers:
                viewer.tell_state()

    def _progressed(self, notice: n.DownloadProgressed) -> None:
        row = self._rows.get(notice.download_id)
        if not self._viewers or row is None or row["status"] != Status.DOWNLOADING:
            return
        live = {
            "stage": notice.stage,
            "progress": notice.progress,
            "completed": notice.completed,
            "size": notice.size,
            "speed": notice.speed,
            "eta": notice.eta_s,
        }
        self._live[notice.download_id] = live
        self._rows[notice.download_id] = row | live
        self._tell({notice.download_id})

    def _tell(self, numbers: set[int]) -> None:
        for viewer in self._viewers:
            viewer.tell(numbers)


class Viewer:
    """One open page. The first `news` has every row, later ones the changes."""

    def __init__(self, live_rows: LiveRows) -> None:
        self._live_rows = live_rows
        self._first = True
        self._state_told = False
        self._numbers: set[int] = set()
        self._changed = anyio.Event()

    def tell(self, numbers: set[int]) -> None:
        """These rows changed or disappeared."""
        if numbers:
            self._numbers |= numbers
            self._changed.set()

    def tell_state(self) -> None:
        """The totals changed."""
        self._state_told = True
        self._changed.set()

    async def news(self) -> View:
        """Wait for changes: `rows` as they are now, ids that are `gone`, the `state`; `all`: the rows are complete."""
        while not self._live_rows.state:  # before the first read
            await self._wait()
        if self._first:
            numbers = self._live_rows.numbers()
        else:
            while not (self._numbers or self._state_told):
                await self._wait()
            numbers = self._numbers
        news = {
            "all": self._first,
            "rows": [row for number in sorted(numbers) if (row := self._live_rows.row(number)) is not None],
            "gone": [number for number in sorted(numbers) if self._live_rows.row(number) is None],
            "state": self._live_rows.state,
        }
        self._first, self._state_told, self._numbers = False, False, set()
        return news

    async def _wait(self) -> None:
        await self._changed.wait()
        self._changed = anyio.Event()


def _is_of(live: View, row: View | None) -> bool:
    """True while the progress belongs to the stage that the row is in."""
    return row is not None and row["status"] == Status.DOWNLOADING and row["stage"] in (None, live["stage"])


def view(row: Download) -> View:
    """A row for the page, without secrets and control characters."""
    url = redact(row.url)
    return {
        "id": row.id,
        "name": clean(row.title or name_in(url), 200),
        "url": clean(url, 300),
        "status": clean(row.status, 40),
        "stage": row.stage,
        "kind": row.url_type,
        "progress": row.progress,
        "completed": None,
        "size": row.file_size,
        "speed": None if row.download_speed is None else round(row.download_speed * MIB),
        "eta": row.eta_seconds,
        "error": clean(row.error, 600) if row.error else None,
        "path": clean(row.file_path, 600) if row.file_path else None,
        "retries": row.retry_count,
        "retry_at": row.next_attempt_at if row.status == Status.PENDING else None,
        "place": None,
        "waits": None,
        "list": None if row.items_total is None else _counted(row),
        "partial": row.status == Status.DOWNLOADED and row.error_code == "partial",
        "asks": row.answerable,
        "until": row.next_attempt_at if row.status == Status.CHOOSING else None,
        "added": row.added_date,
        "finished": row.finished_at,
        "cancelling": row.cancelled and row.status in (Status.PENDING, Status.DOWNLOADING, Status.CHOOSING),
    }


def _counted(row: Download) -> View:
    """Of a list: how many entries there are, came, and did not."""
    return {"total": row.items_total, "done": row.items_done or 0, "failed": row.items_failed or 0}
