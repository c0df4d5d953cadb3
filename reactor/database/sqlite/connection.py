"""One connection to the bot's database, in a thread of its own.

A function of `downloads.py` or `saving.py` is one transaction. `Database.run` carries it out in the connection's
thread in one hop, so nothing is ever awaited inside a transaction, and whoever waits may be cancelled at any time:
the transaction is over, one way or the other, before anybody else's turn.

The database file is never opened by other means than SQLite: closing such a file would drop the locks that every
connection of this process holds, and with them committed data.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import aiosqlite
import anyio

from reactor.database.contract import GONE, REPLACED
from reactor.database.sqlite.errors import cannot_open, is_busy, translate
from reactor.database.sqlite.migration import columns, empties, is_empty, migrate, refuse_unready
from reactor.database.sqlite.mounts import refuse_mounted_file
from reactor.database.sqlite.statements import Connection, decode, script
from reactor.database_path import database_path
from reactor.errors import DatabaseError
from reactor.files import private

BUSY_SLICE_MS = 100
BUSY_SLICES = 50
"""So often another writer is waited for, for so long: in between we can see that we are to leave, which ends no wait
of SQLite's own."""

Identity = tuple[int, int]
"""Device and inode: which file it is, whatever its name."""
Check = Callable[[sqlite3.Connection], None]
P = ParamSpec("P")
Result = TypeVar("Result")


class Database:
    """The open database. Made by `Database.open` only."""

    def __init__(
        self, path: Path, connection: aiosqlite.Connection, *, read_only: bool = False, check: Check | None = None
    ) -> None:
        self.path = path
        """As it was given, absolute; may be a symbolic link."""
        self.file = path.resolve()
        """What it leads to: the -wal is beside that."""
        self._beside = {suffix: self.file.with_name(f"{self.file.name}{suffix}") for suffix in ("-wal", "-shm")}
        self.created = not path.exists()
        """True when there was no such file before."""
        self.instance = ""
        """The database's own id: gids and staging folders derive from it."""
        self.journal_mode = ""
        """As found, or as made: `wal`, `delete`, …"""
        self._connection = connection
        self._read_only = read_only
        self._check = check
        self._pid = os.getpid()
        self._loop = asyncio.get_running_loop()
        self._identity: Identity | None = None
        self._wal: Identity | None = None
        self._shm: Identity | None = None
        self._schema: int | None = None
        """SQLite's number of the schema that was found to fit."""
        self._closed = False
        self._leaving = False
        self._ring: Callable[[], None] | None = None
        self._hooked = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: str | os.PathLike[str], *, create: bool = True, read_only: bool = False, check: Check | None = None
    ) -> AsyncIterator[Database]:
        """Open it, make it fit the contract, close it at the end.

        A missing file is made with `create`. A database without any table becomes one in WAL mode; how a bot's own
        database keeps its journal is the bot's decision. With `look` it is only looked at: nothing is made, added or
        written, and what it lacks of the contract is an error. `check` sees the schema before it is used, and again
        when it has changed: it may refuse it with a DatabaseError. Raises DatabaseError when it cannot be used."""
        given = absolute(path)
        if refusal := cannot_open(given, create=create and not read_only):
            raise refusal
        refuse_mounted_file(given)
        mode = read_only_mode(given) if read_only else "rwc" if create else "rw"
        if mode == "rwc" and not given.exists():
            private.make(given.resolve())  # once in a database's life; not worth a thread
        database = cls(given, await _connect(given, mode), read_only=read_only, check=check)
        try:
            await database._hop(database._prepare)
            yield database
        finally:
            await database.close()

    async def close(self) -> None:
        """Close it now, and end its thread; a second time does nothing.

        When another file has taken its place, what it left beside that one, a -wal and a -shm, is cleared away:
        SQLite would take them for the other's, and mix the two databases."""
        if self._closed or self._pid != os.getpid():
            return
        self._closed = True
        with anyio.CancelScope(shield=True):
            if self._is_replaced():
                await in_thread_of(self._connection, self._leave_nothing)
            await self._connection.close()
        self._connection._thread.join()  # it has said its last word; it is gone when we say so

    async def run(
        self, function: Callable[Concatenate[sqlite3.Connection, P], Result], *args: P.args, **more: P.kwargs
    ) -> Result:
        """Call `function(connection, …)` in the connection's thread. It must be one transaction, or only read.

        Raises DatabaseError: `retryable` when the database is locked by somebody else, or not there at the time."""
        return await self._hop(lambda: self._perform(lambda: function(self._sqlite, *args, **more)))

    def hurry(self) -> None:
        """From now on wait for nobody's lock for longer than a moment, what waits already included: we are leaving."""
        self._leaving = True

    async def install_hook(self, ring: Callable[[], None]) -> None:
        """From now on call `ring`, on the event loop, after each commit of this connection that did what a bot
        does: rows added, deleted, cancelled, sent back to pending."""
        if self._read_only:
            return  # it will never do what a bot does
        self._ring = ring
        await self._hop(lambda: _install_hook(self._sqlite, self._note))

    async def remove_hook(self) -> None:
        """Ring no more."""
        self._ring = None
        if not self._closed and not self._read_only:
            await self._hop(lambda: _remove_hook(self._sqlite))

    def trouble(self) -> DatabaseError | None:
        """What is wrong with the file under the database's name; None while it is the one that is open.

        Costs two calls of stat. A -wal lives as long as somebody has the database open: when another one stands in
        its place, what others write no longer reaches us."""
        found, wal = _identity(self.path), _identity(self._beside["-wal"])
        if found is None:
            return DatabaseError(f"The database {self.path} is gone.", code=GONE, retryable=True)
        if found != self._identity or self._wal not in (None, wal):
            message = f"The database {self.path} was replaced by another file."
            return DatabaseError(message, code=REPLACED, retryable=True)
        self._wal = wal
        return None

    # The hop

    async def _hop(self, function: Callable[[], Result]) -> Result:
        if self._pid != os.getpid():
            raise DatabaseError(
                f"The database {self.path} was opened in another process, before a fork.",
                hint="Open it in each process.",
            )
        if self._closed:
            raise self.trouble() or DatabaseError(f"The database {self.path} is closed.")
        try:
            with anyio.CancelScope(shield=True):
                result = await in_thread_of(self._connection, lambda: self._patiently(function))
        except sqlite3.ProgrammingError:
            raise  # our mistake, not the database's
        except sqlite3.DatabaseError as error:
            raise translate(error, self.path) from error
        return result

    # In the connection's thread

    def _patiently(self, function: Callable[[], Result]) -> Result:
        """What was refused for somebody's lock has left nothing behind: it is one transaction, and tried again."""
        for _ in range(BUSY_SLICES - 1):
            try:
                return function()
            except sqlite3.OperationalError as error:
                if self._leaving or not is_busy(error):
                    raise
        return function()

    @property
    def _sqlite(self) -> sqlite3.Connection:
        return self._connection._conn

    def _is_replaced(self) -> bool:
        return _identity(self.path) not in (None, self._identity)

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
            self._close_to_others()
        self._identity = _identity(self.path)
        self._wal, self._shm = _identity(self._beside["-wal"]), _identity(self._beside["-shm"])

    def _close_to_others(self) -> None:
        """SQLite gives a new -wal and -shm the database's mode. They keep it when that is changed."""
        with suppress(OSError):
            mode = self.file.stat().st_mode & 0o777
            for path in self._beside.values():
                private.narrow(path, mode)

    def _fit(self) -> None:
        """Make it fit the contract, now and whenever its schema has changed since: a bot that makes its table anew
        (Alembic does, for a column that goes) drops our columns, or our indexes with the old one."""
        while True:
            (version,) = self._sqlite.execute("PRAGMA schema_version").fetchone()
            if version == self._schema:
                return
            if self._schema is not None and not columns(self._sqlite):
                # Made now, it would be in the way of the one that is about to get this name.
                raise DatabaseError(f"The database {self.path} has no table `downloads`.", code=GONE, retryable=True)
            if self._check is not None:
                self._check(self._sqlite)
            if self._read_only:
                refuse_unready(self._sqlite)
            else:
                self.instance = migrate(self._sqlite)
                cast("Connection", self._sqlite).empties = empties(self._sqlite)
            self._schema = version

    def _leave_nothing(self) -> None:
        """What only the -wal holds goes into the file it belongs to, wherever that is now, before the -wal goes."""
        with suppress(sqlite3.Error):
            self._sqlite.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        for suffix, ours in (("-wal", self._wal), ("-shm", self._shm)):
            if ours is not None and _identity(self._beside[suffix]) == ours:
                self._beside[suffix].unlink(missing_ok=True)

    def _perform(self, function: Callable[[], Result]) -> Result:
        if trouble := self.trouble():
            raise trouble  # or we would write into a file that nobody will ever see again
        self._fit()
        self._hooked = False
        result = function()
        if self._hooked and self._ring is not None:
            self._loop.call_soon_threadsafe(self._ring)
        return result

    def _note(self) -> None:
        """Called by the triggers, in the midst of the transaction: it is too early to ring."""
        self._hooked = True


async def in_thread_of(connection: aiosqlite.Connection, function: Callable[..., Result], *args: Any) -> Result:
    """Call `function` in a connection's own thread, in one hop.

    aiosqlite's own methods are made of `_execute`; each of them is one hop, and a transaction of several statements
    would be several, with room for a cancellation between them."""
    return await cast("Callable[..., Awaitable[Result]]", connection._execute)(function, *args)


async def _connect(path: Path, mode: str) -> aiosqlite.Connection:
    uri = f"{path.as_uri()}?mode={mode}"
    connection = aiosqlite.connect(
        uri, uri=True, isolation_level=None, timeout=BUSY_SLICE_MS / 1000, factory=Connection
    )
    connection._thread.daemon = True  # a program that ends without closing it does not wait for it for ever
    try:
        with anyio.CancelScope(shield=True):  # nobody would end the thread of half a connection
            await connection
    except sqlite3.DatabaseError as error:
        raise translate(error, path) from error
    return connection


def read_only_mode(path: Path) -> str:
    """How to open what is only looked at. Who may write there opens it so, or SQLite would leave its -wal and -shm
    behind; where they are not there and may not be made, a database in WAL mode can only be read as it stands."""
    file = path.resolve()
    if not os.access(file.parent, os.W_OK):
        return "ro" if file.with_name(f"{file.name}-wal").exists() else "ro&immutable=1"
    return "rw" if os.access(file, os.W_OK) else "ro"


def absolute(path: str | os.PathLike[str]) -> Path:
    """The path as messages and locks have it, symbolic links left alone. Raises DatabaseError for what is none."""
    return database_path(path).absolute()


def _identity(path: Path) -> Identity | None:
    try:
        found = os.stat(path)  # noqa: PTH116  (a third of the price of Path.stat)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _refuse_read_only(connection: sqlite3.Connection) -> None:
    """SQLite opens what it may not write for reading, and says so at the first write: better now than in an hour."""
    try:
        connection.execute("UPDATE reactor_meta SET value = value WHERE key IS NULL")
    except sqlite3.OperationalError as error:
        if not is_busy(error):
            raise


def _install_hook(connection: sqlite3.Connection, note: Callable[[], None]) -> None:
    connection.create_function("reactor_hook", 0, note)
    for statement in script("hook.sql"):
        connection.execute(statement)


def _remove_hook(connection: sqlite3.Connection) -> None:
    for (name,) in connection.execute("SELECT name FROM temp.sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER temp.{name}")
    connection.create_function("reactor_hook", 0, None)
