"""The change feed: rings when a program may have changed the database.

Three layers, each for changes that the one before cannot notice:

    hook   our own connection did what a bot does. SQLite's update hook sees its own connection only; a TEMP trigger
           that calls a function of ours is the same thing, and rings after the commit.
    file   another process wrote. The event comes BEFORE the commit can be seen (the -wal is written, then synced,
           then made visible through shared memory, which tells nobody): after each one `PRAGMA data_version` is
           read again and again, in growing steps.
    poll   `data_version` once in `poll_interval`, where nothing else tells: network disks, limits, lost events. TRUST
           times less often as long as inotify reported every change: these wakes are all that an idle reactor does.

A ring carries no data: the reader reads the rows again. A needless ring costs one query; a missed one loses a change.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import field, replace
from typing import Self

import anyio

from reactor.concurrency.groups import unwrapped
from reactor.database.contract import REPLACED
from reactor.database.rings import Rings
from reactor.database.sqlite.connection import Database
from reactor.database.sqlite.errors import is_busy, translate
from reactor.database.sqlite.files import WATCHER, Watcher, watch_files
from reactor.database.table import Change
from reactor.errors import DatabaseError
from reactor.records import dataclass

SETTLE_S = 0.25
"""How long a commit is expected after its file event. A sync of the disk lies between the two."""
STEP_MIN_S, STEP_MAX_S = 0.0002, 0.005
STEP_GROWTH = 2
"""A step is the time since the event, divided by this."""
OWN_PAUSE_S = 0.01
"""Interval of the checks after a commit of our own, for commits of other programs."""
TRUST = 5
"""Intervals between two polls, until the first change that only a poll noticed."""
UNSURE = -1
"""For a data_version that the light connection cannot read, and ours perhaps can (a journal to roll back)."""


@dataclass(slots=True)
class FeedStatistics:
    """What the feed has done so far."""

    rings: dict[Change, int] = field(default_factory=dict)
    stirs: int = 0
    """File events."""
    peeks: int = 0
    """Reads of data_version on the loop, 2 µs each."""
    confirms: int = 0
    """Questions to the database's own connection, which tell our own commits from everybody else's."""


class ChangeFeed(Rings, anyio.AsyncContextManagerMixin):
    """`async with ChangeFeed(database) as feed: async for layer in feed: …`, for one reader.

    Every commit after `async with` has begun rings; so scan the rows once inside it, then follow the feed. It also
    rings when the database file is deleted or put back: reading then says what is wrong. Another file under its name is
    reported as `replaced`, the last item: the database is closed then, open it anew."""

    def __init__(
        self,
        database: Database,
        *,
        poll_interval: float = 1.0,
        watcher: Watcher = WATCHER,
        on_fallback: Callable[[str], None] | None = None,
    ) -> None:
        """`on_fallback` is called once, with the reason, when only the poll is left to notice changes."""
        super().__init__()
        self._database = database
        self._poll_interval = poll_interval
        self._trusted = watcher == "inotify"
        self._watcher: Watcher = watcher
        self._on_fallback = on_fallback or (lambda reason: None)
        self._statistics = FeedStatistics()
        self._stirred = anyio.Event()
        self._step: asyncio.Future[None] | None = None
        """While the next look is waited for."""
        self._watching = False
        """True while file events arrive."""
        self._gone = False
        self._replaced = False
        self._polled = False
        self._seen: int | None = None
        """data_version as the light connection had it last. Our own commits change it too."""
        self._known: int | None = None
        """data_version of the database's own connection: only others change it."""
        self._writes: int | None = None
        """Of the database, when that was read."""

    def statistics(self) -> FeedStatistics:
        """What it has done so far."""
        return replace(self._statistics, rings=dict(self._statistics.rings))

    async def __anext__(self) -> Change:
        layer = await super().__anext__()
        self._statistics.rings[layer] = self._statistics.rings.get(layer, 0) + 1
        return layer

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self, None]:
        file = self._database.file
        names = {f"{file.name}{suffix}" for suffix in ("", "-wal", "-journal")} | {self._database.path.name}
        with closing(self._open_light()) as self._light:
            # In this order: a commit between the two is seen by the first comparison, or was there before.
            self._seen = self._peek()
            await self._confirm()
            await self._database.install_hook(lambda: self._ring("hook"))
            try:
                with unwrapped():
                    async with (
                        watch_files(file.parent, names, self._stir, self._distrust, self._watcher),
                        anyio.create_task_group() as tasks,
                    ):
                        self._watching = True
                        self._tell()
                        tasks.start_soon(self._serve)
                        yield self
                        tasks.cancel_scope.cancel()
            finally:
                self._watching = False
                self._tell()
                with suppress(DatabaseError):  # a hook without a listener is as good
                    await self._database.remove_hook()

    def _open_light(self) -> sqlite3.Connection:
        """A second connection, for the loop's own thread: it never waits for a lock."""
        uri = f"{self._database.file.as_uri()}?mode=ro"
        try:
            return sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)
        except sqlite3.DatabaseError as error:
            raise translate(error, self._database.path) from error

    def _stir(self) -> None:
        self._statistics.stirs += 1
        self._stirred.set()
        self._go_on()

    def _distrust(self, reason: str) -> None:
        self._trusted = False
        self._tell()
        self._on_fallback(reason)

    def _tell(self) -> None:
        """Let the database rely on what we see, or not."""
        self._database.told(self._watching and self._trusted and not self._gone and not self._replaced)

    # The two layers that look

    async def _serve(self) -> None:
        self._is_there("poll")  # the file may have been replaced since it was opened
        self._wind()
        try:
            while not self._replaced:
                await self._stirred.wait()
                if self._polled:
                    self._polled, self._stirred = False, anyio.Event()
                    await self._compare("poll")
                else:
                    await self._settle()
        finally:
            self._timer.cancel()
        # Before anybody opens the other file: see Database.close.
        self._light.close()
        await self._database.close()
        self._ring("replaced")

    def _wind(self) -> None:
        """The light poll: a timer and no task, for it is all that an idle reactor does."""
        interval = self._poll_interval * (TRUST if self._trusted else 1)
        self._timer = asyncio.get_running_loop().call_later(interval, self._tick)

    def _tick(self) -> None:
        self._wind()
        if self._differs() and not self._stirred.is_set():
            self._polled = True
            self._stirred.set()

    def _differs(self) -> bool:
        """True when there is something to look at more closely."""
        trouble = self._database.trouble()
        if trouble is not None or self._gone:
            return trouble is None or trouble.code == REPLACED or not self._gone
        version = self._peek()
        return version is not None and (version != self._seen or version == UNSURE)

    async def _settle(self) -> None:
        """Look until no commit can come of the last event any more."""
        while True:
            if self._stirred.is_set():
                self._stirred, since = anyio.Event(), anyio.current_time()
                self._polled = False
            ours = await self._compare("file")
            elapsed = anyio.current_time() - since
            if elapsed > SETTLE_S or self._replaced:
                return
            if ours:
                await anyio.sleep(OWN_PAUSE_S)
            else:
                await self._pause(min(max(elapsed / STEP_GROWTH, STEP_MIN_S), STEP_MAX_S))

    async def _pause(self, delay: float) -> None:
        """Wait for so long, or for the next file event: ten times for each of them, so by nothing but a timer."""
        loop = asyncio.get_running_loop()
        self._step = loop.create_future()
        timer = loop.call_later(delay, self._go_on)
        try:
            await self._step
        finally:
            timer.cancel()
            self._step = None

    def _go_on(self) -> None:
        if self._step is not None and not self._step.done():
            self._step.set_result(None)

    async def _compare(self, layer: Change) -> bool:
        """Ring when somebody else has committed. True when there was a commit, and it was our own."""
        if not self._is_there(layer):
            return False
        version = self._peek()
        if version is None or (version == self._seen and version != UNSURE):
            return False
        if version == UNSURE and layer != "poll":
            return False
        self._seen = version
        # Where we have not written since we asked last, it cannot be ours, and the reader need not wait for the answer.
        # What is committed before that comes, and is part of it, rings once more.
        early = layer == "file" and version != UNSURE and self._database.writes == self._writes is not None
        if early:
            self._ring(layer)
        if not await self._confirm():
            return not early
        if early:
            self._seen, before = self._peek(), self._seen
            if self._seen == before:
                return False
        if layer == "poll" and self._trusted:
            self._distrust("a change came without a word")
        self._ring(layer)
        return False

    def _is_there(self, layer: Change) -> bool:
        """Whether the file is the one that we have open. Going and coming back ring."""
        trouble = self._database.trouble()
        if trouble is not None and trouble.code == REPLACED:
            self._replaced = True
            self._tell()
        elif (trouble is not None) != self._gone:
            self._gone = not self._gone
            self._tell()
            self._ring(layer)
        return trouble is None

    def _peek(self) -> int | None:
        """data_version as everybody sees it; None when somebody holds a lock that forbids even this."""
        self._statistics.peeks += 1
        try:
            (version,) = self._light.execute("PRAGMA data_version").fetchone()
        except sqlite3.OperationalError as error:
            # A lock means: at the next tick. To begin anew here would take what was missed for known.
            return None if is_busy(error) else UNSURE
        return int(version)

    async def _confirm(self) -> bool:
        """True when somebody else has committed since this was asked last."""
        self._statistics.confirms += 1
        before = self._known
        try:
            self._known, self._writes = await self._database.data_version()
        except DatabaseError:
            self._seen = None  # asked again at the next tick
            return False
        return self._known != before
