"""One connection to a PostgreSQL server, used by one thread at a time.

Each function of `reactor.database.sql` is one transaction. `Database.run` executes it in a worker thread in one hop, so
nothing is awaited inside a transaction, and a caller may be cancelled at any time: the transaction is committed or
rolled back before the next one begins.

Values are put into the statements by the client: the planner sees them, and a literal takes the type of its column.
Only the statements of a process that serves, which are always the same, are prepared by the server, and planned once.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from functools import cached_property
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import anyio
import psycopg
from anyio import to_thread
from psycopg.adapt import AdaptersMap
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import FloatLoader
from psycopg.types.string import StrDumperUnknown, TextLoader

from reactor.database.contract import GONE, REPLACED, moment_of
from reactor.database.postgres.errors import AGAIN, CHANGED, REFUSED, UNPREPARED, refused, translate
from reactor.database.postgres.together import Answer, Together
from reactor.database.postgres.waking import NOTIFY
from reactor.database.postgres.words import Words
from reactor.database.sql.connection import (
    ALONE,
    Column,
    Connection,
    Cursor,
    begin,
    by_itself,
    columns,
    empties,
    has_table,
    machine_name,
    read_still,
    ring,
    still,
    storable,
    tables,
    unique_columns,
)
from reactor.database.sql.errors import Refused
from reactor.database.sql.statements import quoted
from reactor.errors import DatabaseError
from reactor.server_address import ServerAddress

CONNECT_S = 10
"""How long a server may take to answer at first, in seconds."""
ALIVE: Mapping[str, int] = MappingProxyType(
    {"tcp_user_timeout": 10_000, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2}
)
"""By which a server that is gone without a word is found out, in ms, s, s and times, unless the address says otherwise:
as it is, a connection waits for a quarter of an hour, and one that was cut for a minute takes as long to go on."""
LOCK_S, HURRY_S = 5.0, 0.1
"""How long another transaction is waited for, in seconds; and when the process is about to end."""
STOPPED_S = 10
"""A process that was stopped in the middle of a transaction keeps its locks for so long, in seconds."""
NAMED = "SELECT set_config('reactor.machine', %s, false)"
CLAIMS = "'claims'"
IDLE_S = 30.0
"""A connection that was not used for so long is asked first whether it is still there."""
TRIES = 5
"""Of a transaction that was undone in favour of another one."""
PLANS = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off"
"""Of one that serves: a statement is planned once, and none of them reads the whole table, which may have been small
when it was planned."""
INTEGER_BITS = 64

P = ParamSpec("P")
Result = TypeVar("Result")


class BoolDumper(StrDumperUnknown):
    """True and False as '1' and '0', which a column of booleans takes, and one of numbers."""

    def dump(self, obj: Any) -> bytes:
        return b"1" if obj else b"0"

    def quote(self, obj: Any) -> bytes:
        return b"'1'" if obj else b"'0'"


def adapters() -> AdaptersMap:
    """How values go in and come out: JSON and booleans as the contract reads them."""
    made = AdaptersMap(psycopg.adapters)
    made.register_dumper(bool, BoolDumper)
    for name in ("json", "jsonb"):
        made.register_loader(name, TextLoader)
    made.register_loader("numeric", FloatLoader)
    return made


class PostgresConnection:
    """`reactor.database.sql.connection.Connection`, in autocommit."""

    def __init__(self, raw: psycopg.Connection[Any], *, read_only: bool = False) -> None:
        self._raw = raw
        self.words = Words({})
        self.empties: Mapping[str, str] = MappingProxyType({})
        self.prepares = False
        """What is asked again and again is prepared: to plan it takes longer than to answer it."""
        self.machine = ""
        """Of one that serves: the name of its machine."""
        self.rings = False
        """Others are woken with the next COMMIT."""
        self.has_claimed, self.patience = False, 0
        """The poll before has claimed a row; and for so many more polls a claim goes the longer way (`claims.poll`)."""
        self._read_only = read_only
        self._begun = self._claims = False
        """A transaction whose statements are sent together; one that claims."""
        self._opening = 0
        """Of these so many only begin it."""

    @property
    def backend(self) -> int | None:
        """The number of the server's process, as long as there is one. For any thread: nothing is sent for it."""
        return None if self._raw.closed else self._raw.info.backend_pid

    @property
    def raw(self) -> psycopg.Connection[Any]:
        """psycopg's, for what is asked by itself."""
        if self._begun:
            self._together.send()
        return self._raw

    @cached_property
    def _together(self) -> Together:
        return Together(self._raw)

    def learn(self) -> None:
        """Look at the table, whose columns the statements speak of."""
        self.words = Words(columns(self))
        self.empties = empties(self)

    def forget_prepared(self) -> None:
        """Drop what is prepared, and prepare nothing more."""
        if self.prepares:
            self.prepares = False
            self.raw.execute("DEALLOCATE ALL")
            self._together.forget_prepared()

    @property
    def in_transaction(self) -> bool:
        """True while a transaction can be rolled back."""
        status = self._raw.info.transaction_status
        unsent = self._begun and status == TransactionStatus.IDLE
        return unsent or status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
        """Carry out one shared statement. Raises Refused where the bot's table does not take a value. In a transaction
        of statements that are sent together that may be when its answer is read, or a later one's."""
        if self._read_only and not sql.lstrip().upper().startswith(READS):
            raise DatabaseError("The database was opened for reading only.")
        if sql == "COMMIT":
            return self._commit()
        if sql == "ROLLBACK" and self._begun and self._undone():
            return Answer(self._together)
        if self.prepares and sql.startswith(PREPARED):
            return self._prepared(sql, parameters)
        try:
            return self.raw.cursor().execute(self.words.sql(sql), _fitting(parameters))
        except REFUSED as error:
            raise refused(error) from error

    def ask(self, sql: str, parameters: Any = (), /) -> Cursor:
        """As `execute`, of a statement that only reads: it need not be sent before the next one."""
        return self._asked(sql, parameters) if self.prepares else self.execute(sql, parameters)

    def begin(self, *statements: str, claims: bool = False) -> None:
        """Begin a transaction by these. Where statements are prepared they are sent with the first one whose answer is
        read. `claims`: it is committed first, and on the disk afterwards (FLUSH)."""
        self._claims = claims
        if not self.prepares:
            self.raw.execute("; ".join(statements).encode())
            return
        for each in statements:
            self._together.ask(each)
        self._begun, self._opening = True, len(self._together)

    def _prepared(self, sql: str, parameters: Any) -> Cursor:
        answer = self._asked(sql, parameters)
        if not self._begun:
            answer.read()
        return answer

    def _asked(self, sql: str, parameters: Any) -> Answer:
        text, stand_for = self.words.numbered(sql)
        fitting = _fitting(parameters)
        return self._together.ask(text, [fitting[each] for each in stand_for])

    def _commit(self) -> Cursor:
        begun, self._begun = self._begun, False
        rings, self.rings = self.rings, False
        claims, self._claims = self._claims, False
        statements = ["COMMIT", *(FLUSH if claims else ()), *([NOTIFY] if rings else [])]
        if (
            begun
            and len(self._together) == self._opening
            and self._raw.info.transaction_status == TransactionStatus.IDLE
        ):
            self._together.drop()  # it has asked nothing
            return Answer(self._together)
        if begun:
            answers = [self._together.ask(each) for each in statements]
            self._together.send()
            return answers[0]
        try:
            done = [self._raw.cursor().execute(each) for each in statements]
        except REFUSED as error:
            raise refused(error) from error
        return done[0]

    def _undone(self) -> bool:
        """What was not sent is not to be. True when nothing of the transaction was."""
        self._together.drop()
        self._begun = False
        return not self.in_transaction

    def executemany(self, sql: str, parameters: Any, /) -> object:
        """The same with each of several values."""
        for each in parameters:
            self.execute(sql, each)
        return None


PREPARED = ("SELECT", "WITH", "UPDATE", "INSERT", "DELETE")
READS = ("SELECT", "WITH", "BEGIN", "COMMIT", "ROLLBACK")


def how_alive(address: ServerAddress) -> Mapping[str, Any]:
    """What a connection is told beside its address."""
    said = conninfo_to_dict(address.conninfo)
    return {name: value for name, value in ALIVE.items() if name not in said}


def unclear(address: ServerAddress) -> DatabaseError:
    """For what libpq does not take for an address; what it says may have the password in it."""
    return DatabaseError(
        f"The address of the database {address} cannot be understood.",
        hint="In a user's name and a password, @ / : ? # and % are written as %40 %2F %3A %3F %23 and %25.",
    )


def _fitting(values: Any) -> Any:
    """What PostgreSQL has room for: no NUL in a text; a number of more than 64 bits is the caller's mistake."""
    if isinstance(values, Mapping):
        return {name: _fit(value) for name, value in values.items()}
    return tuple(map(_fit, values))


def _fit(value: Any) -> Any:
    if isinstance(value, str) and "\0" in value:
        return value.replace("\0", "\ufffd")
    if isinstance(value, int) and value.bit_length() >= INTEGER_BITS:
        raise OverflowError(value)
    return value


# What PostgreSQL does its own way

COLUMNS = """SELECT a.attname, format_type(a.atttypid, NULL), pg_get_expr(d.adbin, d.adrelid), a.attnotnull,
    coalesce(array_position(CAST(i.indkey AS smallint[]), a.attnum) + 1, 0), CAST(a.attidentity AS text),
    CAST(a.attgenerated AS text)
    FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN pg_index AS i ON i.indrelid = a.attrelid AND i.indisprimary
    WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
TABLES = """SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename NOT LIKE 'reactor%'
    AND tablename <> 'downloads' ORDER BY 1"""
UNIQUE = """SELECT ARRAY(SELECT coalesce(lower(a.attname), '') FROM unnest(i.indkey) AS k
    LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k)
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
    WHERE i.indrelid = to_regclass('downloads') AND i.indisunique AND c.relname !~ '^reactor(?!_mirror_)'"""


@columns.register
def _columns(connection: PostgresConnection, table: str = "downloads") -> dict[str, Column]:
    found = connection.raw.execute(COLUMNS, (quoted(table),)).fetchall()
    return {
        name.lower(): Column(
            name,
            kind,
            "an identity" if identity else _literal(default) if not generated else None,
            bool(not_null),
            int(key),
            bool(generated) or identity == "a",
        )
        for name, kind, default, not_null, key, identity, generated in found
    }


def _literal(default: str | None) -> str | None:
    """A default without the type that PostgreSQL writes behind it."""
    return None if default is None else default.partition("::")[0]


@has_table.register
def _has_table(connection: PostgresConnection, name: str) -> bool:
    (found,) = connection.raw.execute("SELECT to_regclass(%s) IS NOT NULL", (quoted(name),)).fetchone() or (False,)
    return bool(found)


@unique_columns.register
def _unique_columns(connection: PostgresConnection) -> list[list[str]]:
    return [list(names) for (names,) in connection.raw.execute(UNIQUE, ()).fetchall()]


@tables.register
def _tables(connection: PostgresConnection) -> list[str]:
    return [name for (name,) in connection.raw.execute(TABLES).fetchall()]


def lock_key(what: str) -> str:
    """The key of an advisory lock: each schema has its own. `what` it is for is a piece of SQL."""
    return f"hashtext('reactor'), hashtext(current_schema() || ':' || {what})"


READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
CLAIMING = (
    "BEGIN",
    f"SELECT set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock({lock_key(CLAIMS)})",
)
"""The turns of owners, and what limits them, are read and written by one claim after the other. The next one need not
wait until this one is on the disk; who has claimed does (FLUSH)."""
FLUSH = "BEGIN", "SELECT pg_logical_emit_message(true, 'reactor', '')", "COMMIT"
"""What was committed before is on the disk then, and wherever else `synchronous_commit` wants it."""


@begin.register
def _begin(connection: PostgresConnection, kind: str) -> None:
    """DEFERRED reads as it was at one moment; one that writes sees what was committed before each statement, and locks
    the rows that it is about to change."""
    if kind != ALONE:
        connection.begin(READING if kind == "DEFERRED" else "BEGIN")
        return
    try:
        connection.begin(*CLAIMING, claims=True)
    except BaseException:
        if connection.in_transaction:
            connection.raw.execute("ROLLBACK")
        raise


@by_itself.register
def _by_itself(connection: PostgresConnection) -> AbstractContextManager[object]:
    return _savepoint(connection)


@contextmanager
def _savepoint(connection: PostgresConnection) -> Iterator[None]:
    connection.raw.execute("SAVEPOINT reactor")
    try:
        yield
    except BaseException:
        with suppress(psycopg.Error):
            connection.raw.execute("ROLLBACK TO SAVEPOINT reactor")
        raise
    connection.raw.execute("RELEASE SAVEPOINT reactor")


STILL = """WITH locked AS MATERIALIZED (
    SELECT * FROM downloads WHERE id = ANY (:wanted) FOR UPDATE SKIP LOCKED
    ) SELECT {} FROM locked AS downloads WHERE {}"""
"""The rows are found by their ids, locked, and asked as they are then. With the condition beside the ids the planner
reads the index of all that wait, where it takes them for few."""


@still.register
def _still(connection: PostgresConnection, ids: Sequence[int], which: str, asked: Mapping[str, Any]) -> Sequence[int]:
    """Locked until the end of the transaction; a row that another one is about to change is left to that."""
    if not ids:
        return ids
    locked = {id for (id,) in read_still(cast("Connection", connection), "id", ids, which, asked)}
    return [id for id in ids if id in locked]


@read_still.register
def _read_still(
    connection: PostgresConnection, columns: str, ids: Sequence[int], which: str, asked: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    return connection.execute(STILL.format(columns, which), {**asked, "wanted": list(ids)}).fetchall()


@ring.register
def _ring(connection: PostgresConnection) -> None:
    connection.rings = True


@machine_name.register
def _machine_name(connection: PostgresConnection) -> str:
    return connection.machine


@storable.register
def _storable(connection: PostgresConnection, column: Column, value: Any) -> Any:
    """A number for a column of texts is a text; SQLite takes it for one too."""
    if isinstance(value, str) and "\0" in value:
        raise DatabaseError("A text with a NUL in it cannot be stored.", hint="Take it out first.")
    if column.name == "added_date" and isinstance(value, str) and connection.words.is_number("added_date"):
        return moment_of(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if number and connection.words.is_text(column.name.lower()) else value


def connected(address: ServerAddress, machine: str = "") -> psycopg.Connection[Any]:
    """A connection as the statements want it; `machine`: the name of one that serves by it."""
    try:
        raw = psycopg.connect(
            address.conninfo,
            autocommit=True,
            cursor_factory=psycopg.ClientCursor,
            connect_timeout=CONNECT_S,
            prepare_threshold=5,
            context=adapters(),
            **how_alive(address),
        )
    except psycopg.ProgrammingError as error:
        raise unclear(address) from error
    try:
        raw.execute(f"SET lock_timeout = '{LOCK_S}s'")
        raw.execute("SET timezone = 'UTC'")
        if machine:
            raw.execute(NAMED, (machine,))
            raw.execute(PLANS)
            raw.execute(f"SET idle_in_transaction_session_timeout = '{STOPPED_S}s'")
    except BaseException:
        raw.close()
        raise
    return raw


# The database

Fit = Callable[[PostgresConnection, bool], str]
"""Makes the table fit the contract, with True also where there is none; the database's instance id comes back."""


class Database:
    """The open database. Made by `Database.open` only."""

    def __init__(self, address: ServerAddress, fit: Fit, *, create: bool, read_only: bool, machine: str) -> None:
        self.address = address
        self.created = False
        """True when there was no table before."""
        self.instance = ""
        """The database's own id: gids and staging folders derive from it."""
        self._fit_table, self._create, self._read_only = fit, create, read_only
        self._connection: PostgresConnection | None = None
        self._used = 0.0
        self._limiter = anyio.CapacityLimiter(1)
        self._closed = self._leaving = False
        self._prepares, self._machine = bool(machine), machine
        self._replaced = False
        self._pid = os.getpid()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        address: ServerAddress,
        fit: Fit,
        *,
        create: bool = True,
        read_only: bool = False,
        machine: str = "",
    ) -> AsyncIterator[Database]:
        """Connect, make it fit the contract, close it at the end. `machine`: the name of one that serves, and
        asks the same again and again. Raises DatabaseError."""
        database = cls(address, fit, create=create, read_only=read_only, machine=machine)
        try:
            await database._hop(database._connected)
            yield database
        finally:
            await database.close()

    @property
    def backend(self) -> int | None:
        """The number of the server's process for this connection."""
        connection = self._connection
        return connection.backend if connection is not None else None

    async def close(self) -> None:
        """Close it now; a second time does nothing."""
        if self._closed or self._pid != os.getpid():
            return
        self._closed = True
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self._let_go, limiter=self._limiter)

    async def run(
        self, function: Callable[Concatenate[Connection, P], Result], *args: P.args, **more: P.kwargs
    ) -> Result:
        """Call `function(connection, …)` in a worker thread. It must be one transaction, or only read.

        Raises DatabaseError: `retryable` when a lock is held by somebody else, or the server is not there."""

        def call() -> Result:
            return function(cast("Connection", self._connected()), *args, **more)

        return await self._hop(lambda: self._perform(call))

    def hurry(self) -> None:
        """From now on wait at most HURRY_S for a lock."""
        self._leaving = True

    async def _hop(self, function: Callable[[], Result]) -> Result:
        if self._pid != os.getpid():
            raise DatabaseError(
                f"The database {self.address} was opened in another process, before a fork.",
                hint="Open it in each process.",
            )
        if self._closed:
            raise DatabaseError(f"The database {self.address} is closed.")
        try:
            with anyio.CancelScope(shield=True):
                result = await to_thread.run_sync(function, limiter=self._limiter)
        except psycopg.Error as error:
            raise translate(error, str(self.address)) from error
        except Refused as error:
            raise DatabaseError(f"The database {self.address} refused: {error}.") from error
        return result

    # In the worker thread

    def _perform(self, function: Callable[[], Result]) -> Result:
        changed = False
        for again in range(TRIES):
            try:
                return function()
            except AGAIN:
                if again == TRIES - 1:
                    raise
            except CHANGED:
                if changed or again == TRIES - 1:
                    raise
                changed = True
                self._fit(self._connected())
            except UNPREPARED:
                if not self._prepares:
                    raise
                self._prepares = self._connected().prepares = False  # a pooler has given the connection away
        raise AssertionError("the last of the tries raises")

    def _connected(self) -> PostgresConnection:
        connection = self._connection
        if connection is not None and time.monotonic() - self._used > IDLE_S and not connection.in_transaction:
            with suppress(psycopg.Error):
                connection.raw.execute("SELECT 1")
        if connection is None or connection.raw.closed:
            self._let_go()
            connection = PostgresConnection(connected(self.address, self._machine), read_only=self._read_only)
            connection.machine = self._machine
            try:
                self._fit(connection)
            except BaseException:
                connection.raw.close()
                raise
            self._connection = connection
        self._used = time.monotonic()
        if self._leaving and not connection.in_transaction:
            connection.raw.execute(f"SET lock_timeout = '{HURRY_S}s'")
        return connection

    def _fit(self, connection: PostgresConnection) -> None:
        """Now, with each new connection, and whenever a statement finds the table to be another one. What was prepared
        is dropped: it speaks of the table as it was, and not of the copy that the check is made on."""
        connection.forget_prepared()
        known = bool(self.instance)
        there = has_table(cast("Connection", connection), "downloads")
        if known and not there:
            raise DatabaseError(f"The database {self.address} has no table `downloads`.", code=GONE, retryable=True)
        instance = self._fit_table(connection, self._create and not known)
        if known and instance != self.instance:
            message = f"The database {self.address} was replaced by another one."
            raise DatabaseError(message, code=REPLACED, retryable=True)
        self.created = self.created or not (known or there)
        self.instance = instance
        connection.learn()
        connection.prepares = self._prepares

    def _let_go(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.raw.close()
        self._connection = None
