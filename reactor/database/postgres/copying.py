"""Copies a queue into a PostgreSQL database: every row with its id, all or none.

What is read comes from one transaction of the other database. The tables are made ready first, as `reactor run` makes
them; the rows come in one transaction, at the end of which they are counted, read again and compared. Values are said
as texts (COPY), so that each is read by the type of its column; one that has no place there is told, with its row.

Plans stay behind: their files belong to the other database. What was under way is fetched anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, cast

import psycopg
from psycopg import errors as postgres

from reactor.database.contract import COLUMNS, TRUE_WORDS
from reactor.database.copied import Copied
from reactor.database.postgres import machines
from reactor.database.postgres.connection import PostgresConnection, connected
from reactor.database.postgres.errors import REFUSED, translate
from reactor.database.postgres.migration import fit
from reactor.database.postgres.waking import NOTIFY
from reactor.database.sql.connection import CONSTANT, Column, Connection, columns, has_table
from reactor.database.sql.statements import quoted
from reactor.errors import DatabaseError, DatabaseInUse
from reactor.patterns import pattern
from reactor.server_address import ServerAddress

WHOLE = ("smallint", "integer", "bigint")
TEXTS = ("text", "character", "citext")
COMPARED = (*WHOLE, *TEXTS, "double precision", "boolean", "bytea")
"""Types whose values come back as they went in; of the others (moments, JSON) it is compared which are NULL."""
OTHERS = {"reactor_defaults": "owner", "reactor_owners": "owner", "reactor_published": "id", "reactor_history": ""}
"""What else is copied, and by what its rows are known: one that the other database has already stays as it is there."""
TYPES = {
    "INT": "bigint",
    "CHAR": "text",
    "CLOB": "text",
    "TEXT": "text",
    "BLOB": "bytea",
    "REAL": "double precision",
    "FLOA": "double precision",
    "DOUB": "double precision",
    "BOOL": "boolean",
    "DEC": "numeric",
    "NUM": "numeric",
}
"""By a word in the type that a column has in SQLite, the type of a new one."""
BEGUN = "status = 'downloading' AND coalesce(stage, '') <> 'items'"
FRESH = {"status": "pending", "stage": None, "download_speed": None, "eta_seconds": None}
"""What is said of a row that was under way."""
MIRRORS = "reactor_mirrors"
UNCLAIMED = ("claimed_by", "lease_until")
COUNT_ON = """SELECT setval(s, greatest((SELECT max(id) FROM downloads), nextval(s)))
    FROM (SELECT pg_get_serial_sequence('downloads', 'id') AS s) AS found WHERE s IS NOT NULL"""
"""The next row gets an id that none has."""
TRUE = ("true", *TRUE_WORDS, "1")
LINE = pattern(r"line (\d+)(?:, column (\w+))?")
PAGE = 1000
"""Rows that are compared at once."""

Value = Any
Row = tuple[Value, ...]


def copy(source: Connection, address: ServerAddress) -> Copied:
    """Copy what `source` has, whose transaction stays as it is. Raises DatabaseError, in one sentence, and
    DatabaseInUse where a reactor serves the other database; no row was copied then."""
    _refuse_source(source)
    try:
        raw = connected(address)
        with raw:
            target = PostgresConnection(raw)
            fit(target)
            _refuse_served(target, address)
            raw.execute("BEGIN")
            copied = _copy(source, target)
            raw.execute(NOTIFY)
            raw.execute("COMMIT")
            return copied
    except psycopg.Error as error:
        raise translate(error, str(address)) from error


def _refuse_source(source: Connection) -> None:
    if not has_table(source, "downloads"):
        raise DatabaseError("There is no table `downloads` to copy.", hint="Is it the bot's database?")
    attached = source.execute("SELECT name FROM reactor_mirrors").fetchall() if has_table(source, MIRRORS) else []
    if attached:
        raise DatabaseError(
            f"The table `{attached[0][0]}` is attached, and its rows are not copied.",
            hint=f"Detach it first: reactor detach {attached[0][0]}.",
        )


def _refuse_served(target: PostgresConnection, address: ServerAddress) -> None:
    for each in machines.of_queue(cast("Connection", target)):
        if not each.lost and not (each.presence is not None and each.presence.stopped):
            raise DatabaseInUse(
                f"The reactor {each.name} serves the database {address}.",
                hint="Stop it first; one that was killed counts as gone 30 s later.",
            )


def _copy(source: Connection, target: PostgresConnection) -> Copied:
    target.raw.execute("LOCK TABLE downloads IN SHARE ROW EXCLUSIVE MODE")
    _refuse_known(source, target)
    added = _add_columns(columns(source), target)
    downloads = _Table(source, target, "downloads", "id", _fresh)
    copied = downloads.copy()
    (begun,) = source.execute(f"SELECT count(*) FROM downloads WHERE {BEGUN}").fetchone()
    others = {name: _Table(source, target, name, key).copy() for name, key in OTHERS.items() if has_table(source, name)}
    target.raw.execute(COUNT_ON)
    return Copied(copied, begun, others, added, downloads.left_out)


def _fresh(row: dict[str, Value]) -> dict[str, Value]:
    """A row of `downloads` that nobody serves."""
    begun = row.get("status") == "downloading" and row.get("stage") != "items"
    said = dict.fromkeys(UNCLAIMED) | (FRESH if begun else {})
    return row | {name: value for name, value in said.items() if name in row}


def _add_columns(theirs: dict[str, Column], target: PostgresConnection) -> tuple[str, ...]:
    """The bot's own, into a table that has none but the contract's: it is not the bot's yet."""
    ours = columns(cast("Connection", target))
    if ours.keys() - COLUMNS:
        return ()
    new = [column for name, column in theirs.items() if name not in ours and not column.generated]
    for column in new:
        constant = column.default if column.default and CONSTANT.fullmatch(column.default) else None
        default = f" DEFAULT {_literal(constant)}" if constant else ""
        target.raw.execute(
            f"ALTER TABLE downloads ADD COLUMN {quoted(column.name.lower())} {_type(column.type)}{default}".encode()
        )
    return tuple(column.name.lower() for column in new)


def _type(declared: str) -> str:
    return next((type for word, type in TYPES.items() if word in declared.upper()), "text")


def _literal(constant: str) -> str:
    """A number as a text: it takes the type of its column, a boolean too."""
    return constant if constant.startswith("'") else f"'{constant}'"


def _refuse_known(source: Connection, target: PostgresConnection) -> None:
    """No id stands for two rows."""
    found = source.execute("SELECT id FROM downloads ORDER BY id")
    while ids := [id for (id,) in islice(found, PAGE)]:
        known = target.raw.execute("SELECT id FROM downloads WHERE id = ANY (%s) LIMIT 1", (ids,)).fetchone()
        if known is not None:
            raise DatabaseError(
                f"The other database has a row {known[0]} already.", hint="Copy into an empty one, once only."
            )


class _Table:
    """One that is copied: the columns that both have. Without a `key` its rows get numbers of their own."""

    def __init__(
        self,
        source: Connection,
        target: PostgresConnection,
        name: str,
        key: str,
        changed: Callable[[dict[str, Value]], dict[str, Value]] = dict,
    ) -> None:
        self._source, self._target, self._name, self._key, self._changed = source, target, name, key, changed
        self._theirs = columns(source, name)
        self._ours = columns(cast("Connection", target), name)
        taken = [each for each in self._theirs if each in self._ours and not _is_computed(self._ours[each])]
        self._names = [each for each in taken if key or each != "id"]
        self.left_out = tuple(column.name for each, column in self._theirs.items() if each not in self._ours)

    def copy(self) -> int:
        """How many rows were copied; those that were there already are none of them."""
        listed, count = ", ".join(map(quoted, self._names)), 0
        known = {id for (id,) in self._found(self._key)} if self._name in OTHERS and self._key else set()
        sent: list[Value] = []
        try:
            with (
                psycopg.Cursor(self._target.raw) as cursor,
                cursor.copy(f"COPY {self._name} ({listed}) FROM STDIN".encode()) as copying,
            ):
                for row in self._rows():
                    if row.get(self._key) not in known:
                        sent.append(row.get("id"))
                        copying.write_row([*row.values()])
                        count += 1
        except (*REFUSED, postgres.FeatureNotSupported) as error:
            raise self._refusal(error, sent) from error
        if self._key:
            self._compare(known, count)
        return count

    def _compare(self, known: set[Value], count: int) -> None:
        """Each row is there, with the values that were read."""
        rows, found = (row for row in self._rows() if row[self._key] not in known), 0
        while page := {row[self._key]: row for row in islice(rows, PAGE)}:
            for there in self._found(*self._names, among=[*page]):
                arrived = dict(zip(self._names, there, strict=True))
                row = page[arrived[self._key]]
                found += 1
                for name in self._names:
                    if not _is_same(row[name], arrived[name], self._ours[name].type):
                        raise DatabaseError(
                            f"Row {row[self._key]} of `{self._name}` is another one in the other database: its column"
                            f" `{name}` differs.",
                            hint="Does a trigger of the table change what is written?",
                        )
        if found != count:
            raise DatabaseError(f"Of {count} rows of `{self._name}` {found} arrived.", hint="Has it a trigger?")

    def _rows(self) -> Iterator[dict[str, Value]]:
        """What is to be there, by the columns' names."""
        listed = ", ".join(quoted(self._theirs[name].name) for name in self._names)
        order = self._key or "id"
        for row in self._source.execute(f"SELECT {listed} FROM {self._name} ORDER BY {order}"):
            said = self._changed(dict(zip(self._names, row, strict=True)))
            yield {name: _said(value, self._ours[name]) for name, value in said.items()}

    def _found(self, *names: str, among: Sequence[Value] | None = None) -> list[Row]:
        """What is there; of these keys only."""
        what = f"SELECT {', '.join(map(quoted, names))} FROM {self._name}"
        if among is None:
            return self._target.raw.execute(what.encode()).fetchall()
        return self._target.raw.execute(f"{what} WHERE {self._key} = ANY (%s)".encode(), (list(among),)).fetchall()

    def _refusal(self, error: psycopg.Error, sent: Sequence[Value]) -> DatabaseError:
        """Which row of which column it was."""
        said = error.diag.message_primary or str(error)
        where = LINE.search(error.diag.context or "")
        number = int(where[1]) if where else 0
        row = f"Row {sent[number - 1]}" if 0 < number <= len(sent) and sent[number - 1] is not None else "A row"
        column = f" (column `{where[2]}`)" if where and where[2] else ""
        return DatabaseError(
            f"{row} of `{self._name}` does not fit into the other database{column}: {said}.",
            hint="Mend the value, or the type of the column, and copy again.",
        )


def _is_computed(column: Column) -> bool:
    """By the database, for ever; a number that it counts may be said."""
    return column.generated and column.default is None


def _said(value: Value, column: Column) -> Value:
    """A value as the type of its column reads it."""
    if isinstance(value, str):
        if value == "" and not column.type.startswith(TEXTS):
            return None
        return value.replace("\0", "\ufffd")
    if isinstance(value, float) and column.type.startswith(WHOLE) and value.is_integer():
        return int(value)
    if isinstance(value, int) and column.type == "boolean":
        return bool(value)
    if isinstance(value, bytes) and column.type != "bytea":
        return value.decode("utf-8", "replace").replace("\0", "\ufffd")
    return value


def _is_same(said: Value, found: Value, type: str) -> bool:
    if said is None or found is None or not type.startswith(COMPARED):
        return (said is None) == (found is None)
    if isinstance(found, bytes | memoryview):
        return bytes(found) == (said.encode() if isinstance(said, str) else bytes(said))
    if isinstance(found, str):
        return found.rstrip() == (repr(said) if isinstance(said, float) else str(said)).rstrip()
    if isinstance(found, bool):
        return found == (str(said).lower() in TRUE)
    return float(found) == float(said)
