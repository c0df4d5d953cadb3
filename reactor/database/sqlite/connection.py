"""One connection to the bot's database, in a thread of its own.

Each function of the modules beside this one is one transaction. `Database.run` executes it in the connection's thread
in one hop, so nothing is awaited inside a transaction, and a caller may be cancelled at any time: the transaction is
committed or rolled back before the next one begins. `Database.promptly` is the same for the short ones of a reactor,
and does without the hop where it can.

The database file is opened by SQLite only: closing another descriptor of it would drop the POSIX locks that every
connection of this process holds, and committed data would be lost.
"""

from __future__ import annotations

import asyncio
import math
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import aiosqlite
import anyio

from reactor.database.contract import GONE
from reactor.database.sql.connection import columns, empties
from reactor.database.sqlite import hook, mirrors
from reactor.database.sqlite.errors import cannot_open, is_busy, translate
from reactor.database.sqlite.migration import is_empty, migrate, refuse_unready
from reactor.database.sqlite.mounts import refuse_mounted_file
from reactor.database.sqlite.opened import OpenedFile, absolute, read_only_mode
from reactor.database.sqlite.statements import Connection, decode
from reactor.errors import DatabaseError
from reactor.files import private

BUSY_SLICE_MS = 100
BUSY_SLICES = 50
"""A wait for another writer is cut into slices, since SQLite's own wait cannot be interrupted by `hurry`."""

CHECKPOINT_PAGES = 1000
"""SQLite's own default."""
PROMPT_ROWS = 1000
"""So many rows are written between two checkpoints at least, where the -wal is long enough for one."""
SLOW_S, SLOW_PAUSE_S = 0.05, 5.0
"""What holds the loop for longer than it ever should; a disk that does so once does it again."""
THERE_S = 0.05
"""How long a file that is watched counts as the one that was seen."""

Check = Callable[[sqlite3.Connection], None]
P = ParamSpec("P")
Result = TypeVar("Result")


class Database:
    """The open database. Made by `Database.open` only."""

    def __init__(
        self,
        path: Path,
        connection: aiosqlite.Connection,
        *,
        read_only: bool = False,
        check: Check | None = None,
        mend: Check | None = None,
    ) -> None:
        self._opened = OpenedFile(path)
        self.created = not path.exists()
        """True when there was no such file before."""
        self.instance = ""
        """The database's own id: gids and staging folders derive from it."""
        self.journal_mode = ""
        """`wal`, `delete`, …"""
        self._connection = connection
        self._read_only = read_only
        self._check = check
        self._mend = mend
        self._pid = os.getpid()
        self._loop = asyncio.get_running_loop()
        self._schema: int | None = None
        """PRAGMA schema_version of the schema that was found to fit the contract."""
        self._told = False
        """True while somebody watches the file."""
        self._waits = True
        """False while SQLite neither waits for a lock nor checkpoints."""
        self._in_thread_until = -math.inf
        """When the loop's thread may be tried again."""
        self._written, self._to_thread = 0, 0
        """Rows that were written when the thread had its last turn, and how many turns it gets yet."""
        self._version: int | None = None
        """PRAGMA data_version, as it was last asked for."""
        self._there_at = -math.inf
        """When the file was last seen to be the one that is open."""
        self._doubts, self._settled = 1, 0
        """How often another program may have changed the schema, and how many of these were looked into."""
        self._calls = 0
        """Those under way."""
        self._writes = 0
        """Calls that may have committed something."""
        self._closed = False
        self._leaving = False
        self._ring: Callable[[], None] | None = None
        self._hooked = False

    @property
    def path(self) -> Path:
        """As it was given, absolute; may be a symbolic link."""
        return self._opened.path

    @property
    def file(self) -> Path:
        """The file itself, symbolic links resolved: the -wal is beside it."""
        return self._opened.file

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: str | os.PathLike[str],
        *,
        create: bool = True,
        read_only: bool = False,
        check: Check | None = None,
        mend: Check | None = None,
    ) -> AsyncIterator[Database]:
        """Open it, make it fit the contract, close it at the end.

        With `create` a missing file is created. A database without any table is put into WAL mode; the journal mode of
        a bot's own database stays as it is. With `read_only` nothing is created, added or written, and what it lacks of
        the contract is an error. `check` is called with the schema before it is used, and again after each change of
        it; it refuses a schema with a DatabaseError. `mend` is called after `check`, once the schema fits the contract;
        it may change it. Raises DatabaseError when the database cannot be used."""
        given = absolute(path)
        if refusal := cannot_open(given, create=create and not read_only):
            raise refusal
        refuse_mounted_file(given)
        mode = read_only_mode(given) if read_only else "rwc" if create else "rw"
        if mode == "rwc" and not given.exists():
            private.make(given.resolve())  # once in a database's life; not worth a thread
        database = cls(given, await _connect(given, mode), read_only=read_only, check=check, mend=mend)
        try:
            await database._hop(database._prepare)
            yield database
        finally:
            await database.close()

    async def close(self) -> None:
        """Close it now, and end its thread; a second time does nothing.

        When another file stands under its name, the -wal and -shm that it left beside that one are removed: SQLite
        would apply them to the other database."""
        if self._closed or self._pid != os.getpid():
            return
        self._closed = True
        with anyio.CancelScope(shield=True):
            if self._opened.is_replaced():
                await in_thread_of(self._connection, self._opened.leave_nothing, self._sqlite)
            await self._connection.close()
        self._connection._thread.join()  # it has said its last word; it is gone when we say so

    async def run(
        self, function: Callable[Concatenate[sqlite3.Connection, P], Result], *args: P.args, **more: P.kwargs
    ) -> Result:
        """Call `function(connection, …)` in the connection's thread. It must be one transaction, or only read.

        Raises DatabaseError: `retryable` when the database is locked by somebody else, or not there at the time."""
        return await self._hop(lambda: self._perform(lambda: function(self._sqlite, *args, **more)))

    async def promptly(
        self, function: Callable[Concatenate[sqlite3.Connection, P], Result], *args: P.args, **more: P.kwargs
    ) -> Result:
        """As `run`, for what takes microseconds: at once and on the loop's thread, where somebody watches the file
        (`told`) and nothing else is under way. A hop to the other thread and back costs more than such a transaction.

        What would wait there for a disk or a lock goes by the thread: whatever is locked, every checkpoint, and for
        SLOW_PAUSE_S all that follows upon a transaction of more than SLOW_S."""
        if not self._may_be_prompt():
            return await self.run(function, *args, **more)
        began = time.monotonic()
        try:
            return self._perform(lambda: function(self._sqlite, *args, **more))
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.DatabaseError:
            pass
        finally:
            if time.monotonic() - began > SLOW_S:
                self._in_thread_until = time.monotonic() + SLOW_PAUSE_S
        return await self.run(function, *args, **more)  # which waits, mends, or says what it is

    def hurry(self) -> None:
        """From now on wait at most BUSY_SLICE_MS for a lock, in calls under way too."""
        self._leaving = True

    @property
    def writes(self) -> int | None:
        """How many calls may have committed something; None while one is under way."""
        return None if self._calls else self._writes

    async def data_version(self) -> tuple[int, int]:
        """A number that changes with each commit of another program and with none of ours, and `writes` as it was
        then."""
        return await self.promptly(lambda _: self._data_version())

    def told(self, told: bool) -> None:
        """With `told` the caller watches the file from now on: it asks for `data_version` after each commit of another
        program, and takes this back when the file is gone. So the schema is looked at when that has changed, and the
        file, whose folder may be moved without a word, once in THERE_S; and `promptly` is. Without, both before each
        transaction: each such look may have to wait for the loop's thread, and costs more than what it reads."""
        self._told = told
        self._doubts += 1

    async def install_hook(self, ring: Callable[[], None]) -> None:
        """From now on call `ring`, on the event loop, after each commit of this connection that added, deleted or
        cancelled rows, or sent them back to pending."""
        if self._read_only:
            return  # it commits nothing
        self._ring = ring
        await self._hop(lambda: hook.install(self._sqlite, self._note))

    async def remove_hook(self) -> None:
        """Call `ring` no more."""
        self._ring = None
        if not self._closed and not self._read_only:
            await self._hop(lambda: hook.remove(self._sqlite))

    def trouble(self) -> DatabaseError | None:
        """What is wrong with the file under the database's name; None while it is the one that is open.

        Costs two calls of stat. A -wal lives as long as any program has the database open: when another one stands in
        its place, commits of other programs no longer reach this connection."""
        return self._opened.trouble()

    # The hop

    async def _hop(self, function: Callable[[], Result]) -> Result:
        if self._pid != os.getpid():
            raise DatabaseError(
                f"The database {self.path} was opened in another process, before a fork.",
                hint="Open it in each process.",
            )
        if self._closed:
            raise self.trouble() or DatabaseError(f"The database {self.path} is closed.")
        self._calls += 1
        try:
            with anyio.CancelScope(shield=True):
                result = await in_thread_of(self._connection, lambda: self._patiently(function))
        except sqlite3.ProgrammingError:
            raise  # a bug of the caller, not the state of the database
        except sqlite3.DatabaseError as error:
            raise translate(error, self.path) from error
        finally:
            self._calls -= 1
        return result

    # On the loop's thread

    def _may_be_prompt(self) -> bool:
        if self._calls or self._waits or self._closed or not self._told or self._pid != os.getpid():
            return False
        if time.monotonic() < self._in_thread_until:
            return False
        if self._sqlite.total_changes - self._written > PROMPT_ROWS:
            # One that lets SQLite checkpoint, and one that begins the -wal anew, which waits for the disk as well.
            self._written, self._to_thread = self._sqlite.total_changes, 2
        if self._to_thread:
            self._to_thread -= 1
            return False
        doubts = self._doubts
        if doubts != self._settled and self._schema_version() == self._schema:
            self._settled = doubts
        return doubts == self._settled

    # In the connection's thread

    def _patiently(self, function: Callable[[], Result]) -> Result:
        """Try again while another program holds the lock: the transaction left nothing behind."""
        self._let_wait(True)
        try:
            for _ in range(BUSY_SLICES - 1):
                try:
                    return function()
                except sqlite3.OperationalError as error:
                    if self._leaving or not is_busy(error):
                        raise
            return function()
        finally:
            # In every other journal mode each commit waits for the disk.
            self._let_wait(not self._told or self.journal_mode != "wal" or self._read_only)

    def _let_wait(self, waits: bool) -> None:
        if waits != self._waits:
            self._sqlite.execute(f"PRAGMA busy_timeout = {BUSY_SLICE_MS if waits else 0}")
            self._sqlite.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES if waits else 0}")
            self._waits = waits

    @property
    def _sqlite(self) -> sqlite3.Connection:
        return self._connection._conn

    def _prepare(self) -> None:
        sqlite = self._sqlite
        sqlite.text_factory = decode
        sqlite.execute("PRAGMA query_only = ON" if self._read_only else "PRAGMA synchronous = NORMAL")
        empty = is_empty(sqlite) and not self._read_only
        mode = "PRAGMA journal_mode = WAL" if empty else "PRAGMA journal_mode"
        self.journal_mode = sqlite.execute(mode).fetchone()[0]
        self._fit()
        if not self._read_only:
            _refuse_read_only(sqlite)
            self._opened.close_to_others()
        self._opened.remember()

    def _fit(self) -> None:
        """Make it fit the contract, now and whenever its schema has changed since: a bot that makes its table anew
        (Alembic does, for a column that goes) drops our columns, or our indexes with the old one."""
        while True:
            version = self._schema_version()
            if version == self._schema:
                return
            self._writes += 1
            known = self._schema is not None
            if known and not columns(self._sqlite):
                raise DatabaseError(f"The database {self.path} has no table `downloads`.", code=GONE, retryable=True)
            if self._check is not None:
                self._check(self._sqlite)
            if self._read_only:
                refuse_unready(self._sqlite)
            else:
                # A table created now would be in the way of the one that the bot is about to rename to this.
                self.instance = migrate(self._sqlite, create=not known)
                cast("Connection", self._sqlite).empties = empties(self._sqlite)
                if self._mend is not None:
                    self._mend(self._sqlite)
                mirrors.install(self._sqlite)
            self._schema = version

    def _perform(self, function: Callable[[], Result]) -> Result:
        doubts, now = self._doubts, time.monotonic()
        unsure = doubts != self._settled or not self._told
        if unsure or now - self._there_at > THERE_S:
            if trouble := self.trouble():
                raise trouble  # a write would go into a file that no program opens again
            self._there_at = now
        if unsure:
            self._fit()
            self._settled = doubts
        self._hooked, changes = False, self._sqlite.total_changes
        try:
            result = function()
        except sqlite3.OperationalError:
            # Somebody has dropped a table since it was looked at; the transaction left nothing behind.
            if self._schema_version() == self._schema:
                raise
            self._fit()
            result = function()
        finally:
            self._writes += self._sqlite.total_changes != changes
        if self._hooked and self._ring is not None:
            self._loop.call_soon_threadsafe(self._ring)
        return result

    def _schema_version(self) -> int:
        """Grows with each change of the schema."""
        (version,) = self._sqlite.execute("PRAGMA schema_version").fetchone()
        return int(version)

    def _data_version(self) -> tuple[int, int]:
        (version,) = self._sqlite.execute("PRAGMA data_version").fetchone()
        self._doubts += version != self._version
        self._version = int(version)
        return self._version, self._writes

    def _note(self) -> None:
        """Called by the triggers, before the commit."""
        self._hooked = True


async def in_thread_of(connection: aiosqlite.Connection, function: Callable[..., Result], *args: Any) -> Result:
    """Call `function` in a connection's own thread, in one hop.

    aiosqlite's own methods are made of `_execute`; each of them is one hop, and a transaction of several statements
    would be several, with room for a cancellation between them."""
    return await cast("Callable[..., Awaitable[Result]]", connection._execute)(function, *args)


async def _connect(path: Path, mode: str) -> aiosqlite.Connection:
    uri = f"{path.as_uri()}?mode={mode}"
    connection = aiosqlite.connect(
        uri,
        uri=True,
        isolation_level=None,
        timeout=BUSY_SLICE_MS / 1000,
        check_same_thread=False,  # `promptly`; never two threads at once
        factory=Connection,
    )
    connection._thread.daemon = True  # a program that ends without closing it must not hang
    try:
        with anyio.CancelScope(shield=True):  # nobody would end the thread of half a connection
            await connection
    except sqlite3.DatabaseError as error:
        raise translate(error, path) from error
    return connection


def _refuse_read_only(connection: sqlite3.Connection) -> None:
    """Raise now when the file cannot be written: SQLite would open it for reading, and fail at the first write."""
    try:
        connection.execute("UPDATE reactor_meta SET value = value WHERE key IS NULL")
    except sqlite3.OperationalError as error:
        if not is_busy(error):
            raise
