"""Checks that a bot's table accepts what reactor writes, on a copy of its schema in memory, before the first claim.

Constraints that involve only columns of the contract are refused here, with a sentence that names the column. Where the
bot's own columns matter, only the rows can show it: a row that is rejected fails alone (see saving.py and per_row.py).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.database.sql import errors
from reactor.database.sql.connection import columns, empties, required
from reactor.database.sql.downloads import CLAIM
from reactor.database.sql.rehearsal import IDS, MOMENT, NOW, STATUSES, TOLD, endings, steps
from reactor.database.sql.saving import Unit, write
from reactor.database.sql.statements import fitted, quoted
from reactor.database.sqlite.migration import contract, migrate
from reactor.database.sqlite.statements import Connection
from reactor.errors import DatabaseError
from reactor.patterns import pattern

TYPES: tuple[tuple[str, type], ...] = (("INT", int), ("CHAR", str), ("CLOB", str), ("TEXT", str), ("BLOB", bytes))
"""What a declared type that holds this word takes, as SQLite has it."""


def check_table(connection: sqlite3.Connection) -> None:
    """Raise DatabaseError, which names the column or the trigger, when no download could go through the table. Nothing
    is written."""
    theirs = _definitions(connection)
    triggers = connection.execute(TRIGGERS).fetchall()
    if not theirs or (theirs == [contract().table] and not triggers):
        return
    with _copy(theirs) as copy:
        if copy is None:
            return  # it cannot be copied: only the rows can tell
        for error in _play(copy):
            if what := _meaning(with_check(str(error), theirs[0]), frozenset(columns(copy))):
                raise _unfit(*what)
    for name, trigger in triggers:
        with _copy(theirs, [sql for (sql,) in connection.execute(OTHERS).fetchall()]) as copy:
            if copy is not None:
                _check_trigger(copy, name, trigger, {table.lower() for (table,) in connection.execute(NAMES)})


TRIGGERS = """SELECT name, sql FROM main.sqlite_master WHERE type = 'trigger' AND tbl_name = 'downloads' COLLATE NOCASE
    AND sql IS NOT NULL ORDER BY name"""
OTHERS = """SELECT sql FROM main.sqlite_master WHERE type IN ('table', 'view') AND sql IS NOT NULL
    AND tbl_name <> 'downloads' COLLATE NOCASE AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'reactor%'"""
"""What a trigger may write into."""
NAMES = "SELECT name FROM main.sqlite_master WHERE type IN ('table', 'view')"
LOST = pattern(r"no such table: (?:main\.)?(\w+)")
STORED = pattern(r"cannot store (\w+) value in (\w+) column")
MISSING = pattern(r"(?:no such|unknown) (function|collation sequence): (\w+)")
"""What SQLite says of what a program has added to its own connection."""


def _unfit(what: str, hint: str) -> DatabaseError:
    return DatabaseError(f"The table `downloads` cannot be served: {what}", hint=hint)


def _refuse_missing(error: sqlite3.Error, whose: str) -> None:
    if found := MISSING.search(str(error)):
        raise _unfit(
            f"{whose} uses the {found[1]} `{found[2]}`, which only the bot's own connection has.",
            "SQLite needs it for each write of any program: do without it there.",
        ) from error


@contextmanager
def _copy(theirs: Sequence[str], others: Sequence[str] = ()) -> Iterator[Connection | None]:
    """The table in memory, made ready; None where it cannot be made."""
    with closing(sqlite3.connect(":memory:", isolation_level=None, factory=Connection)) as copy:
        copy.execute("PRAGMA ignore_check_constraints = ON")
        for definition in others:
            with suppress(sqlite3.Error):  # a virtual table of the bot's, and what belongs to one
                copy.execute(definition)
        try:
            for definition in theirs:
                copy.execute(definition)
            migrate(copy)
        except sqlite3.Error as error:
            _refuse_missing(error, "it")
            yield None
        else:
            copy.empties = empties(copy)
            yield copy


def _definitions(connection: sqlite3.Connection) -> list[str]:
    """The table and its indexes."""
    found = connection.execute(
        """SELECT sql FROM main.sqlite_master WHERE tbl_name = 'downloads' COLLATE NOCASE AND (type = 'table'
        OR (type = 'index' AND sql IS NOT NULL AND name NOT LIKE 'reactor%')) ORDER BY type DESC"""
    )
    return [definition for (definition,) in found.fetchall()]


def _play(copy: sqlite3.Connection) -> Iterator[Exception]:
    """What SQLite says against the way of two rows, for each of the ways that there are."""
    for last in range(len(endings(Attempt(1, 1)))):
        if (error := _inserted(copy)) is not None:
            if STORED.match(str(error)):
                yield error
            return  # what a bot's row has to be cannot be guessed
        yield from _claimed(copy)
        if isinstance(endings(Attempt(1, 1))[last], commands.SaveCancelled):
            copy.execute("UPDATE downloads SET cancelled = 1")
        for step in range(len(steps(Attempt(1, 1)))):
            yield from _tried(copy, [steps(Attempt(id, 1))[step] for id in IDS])
        yield from _tried(copy, [endings(Attempt(id, 1))[last] for id in IDS])


def _check_trigger(copy: Connection, name: str, trigger: str, there: Collection[str]) -> None:
    """Raises DatabaseError when it lets no row be downloaded, whatever the download and the bot's columns are."""
    if _inserted(copy) is not None:
        return
    before = {str(error) for error in _downloaded(copy)}
    _inserted(copy)
    try:
        copy.execute(trigger)
        said = [str(error) for error in _downloaded(copy)]
    except sqlite3.OperationalError as error:
        if (lost := LOST.search(str(error))) and lost[1].lower() not in there:
            raise _unfit(
                f"its trigger `{name}` needs the table `{lost[1]}`, which is not there.", "Drop that trigger."
            ) from error
        return _refuse_missing(error, f"its trigger `{name}`")
    if _is_certain(trigger) and (new := [error for error in said if error not in before]):
        raise _unfit(
            f"its trigger `{name}` does not let in what reactor writes: {new[0]}.",
            f"Change it. Statuses are {STATUSES}.",
        )


def _is_certain(trigger: str) -> bool:
    """True when nothing but columns of ours decides what it does."""
    asked = {name.lower() for name in re.findall(r"\b(?:NEW|OLD)\s*\.\s*[\"`\[]?(\w+)", trigger, re.IGNORECASE)}
    return asked <= contract().names_of_columns - TOLD and not re.search(r"\bFROM\b", trigger, re.IGNORECASE)


def _downloaded(copy: sqlite3.Connection) -> Iterator[Exception]:
    """What is said against the way of rows that just work."""
    yield from _claimed(copy)
    for id in IDS:
        yield from _tried(copy, [*steps(Attempt(id, 1)), endings(Attempt(id, 1))[0]])


def _claimed(copy: sqlite3.Connection) -> Iterator[Exception]:
    """The rows under way, as they are where nothing is said against it too."""
    asked = {"owner": "reactor", "lease": NOW, "moment": MOMENT, "told": f"[{IDS[0]}]"}
    try:
        if copy.execute(f"UPDATE downloads SET {fitted(copy, CLAIM)}", asked).rowcount < len(IDS):
            yield errors.passed_over()
    except errors.REJECTED as error:
        yield error
        copy.execute("PRAGMA ignore_check_constraints = ON")
        with suppress(sqlite3.Error):
            copy.execute("UPDATE downloads SET status = 'downloading', attempt = 1")
        copy.execute("PRAGMA ignore_check_constraints = OFF")


def _inserted(copy: sqlite3.Connection) -> sqlite3.Error | None:
    """The rows as a bot has them, with nothing in the bot's own columns where that is allowed; what is said against
    that."""
    try:
        copy.execute("PRAGMA ignore_check_constraints = ON")
        _insert(copy)
        copy.execute("PRAGMA ignore_check_constraints = OFF")
    except sqlite3.Error as error:
        return error
    return None


def _insert(copy: sqlite3.Connection) -> None:
    copy.execute("DELETE FROM downloads")
    there = columns(copy)
    known = required(there)
    for id in IDS:
        values: dict[str, object] = {"id": id, "url": f"http://host.example/{id}", "status": "pending", **known}
        for name, column in there.items():
            ours = name in contract().names_of_columns
            if name not in values and (not ours or (column.not_null and column.default is None)):
                values[name] = _something(column.type, id) if column.not_null else None
        values = {name: value for name, value in values.items() if not there[name].generated}
        names = ", ".join(map(quoted, values))
        marks = ", ".join("?" * len(values))
        copy.execute(f"INSERT INTO downloads ({names}) VALUES ({marks})", tuple(values.values()))


def _something(declared: str, id: int) -> object:
    kind = next((kind for word, kind in TYPES if word in declared.upper()), float)
    return str(id).encode() if kind is bytes else kind(id)


def _tried(copy: sqlite3.Connection, units: Sequence[Unit]) -> Iterator[Exception]:
    for unit in units:
        try:
            write(copy, unit, NOW, NOW, plan=(b"{}",))
        except errors.REJECTED as error:
            yield error


def _meaning(error: str, there: frozenset[str]) -> tuple[str, str] | None:
    """What is wrong and what to do, when only columns of ours are at fault, and whatever the download is."""
    kind, _, what = error.partition(" constraint failed: ")
    ours = contract().names_of_columns
    named = [name.lower() for name in re.findall(r"downloads\.(\w+)", error, re.IGNORECASE)]
    if not ours.issuperset(named):
        return None
    listed = ", ".join(f"`{name}`" for name in named)
    if kind == "NOT NULL" and named:
        return f"its column {listed} is NOT NULL, and reactor has to empty it.", f"Let {listed} be NULL."
    if kind == "UNIQUE" and named:
        return f"its {listed} is UNIQUE, and two downloads may have the same.", "Take that constraint or index away."
    if kind == "CHECK" and words_of(what) & there and not words_of(what) & (there - ours | TOLD):
        return f"its CHECK ({what}) does not let in what reactor writes.", f"Change it. Statuses are {STATUSES}."
    if stored := STORED.match(error):
        return f"its STRICT column {listed} is {stored[2]}, and {stored[1]} is written there.", f"Make it {stored[1]}."
    return None


def with_check(error: str, table: str) -> str:
    """The error with the text of a CHECK in place of its name, which is all that SQLite tells of one that has any."""
    kind, _, name = error.partition(" constraint failed: ")
    named = re.search(rf"CONSTRAINT\s+[\"`\[]?{re.escape(name)}[\"`\]]?\s+CHECK\s*\(", table, re.IGNORECASE)
    if kind != "CHECK" or named is None:
        return error
    depth, end = 1, named.end()
    while depth and end < len(table):
        depth += (table[end] == "(") - (table[end] == ")")
        end += 1
    return f"{kind} constraint failed: {table[named.end() : end - 1]}"


def words_of(expression: str) -> set[str]:
    """The names in a CHECK. Of one that has a name itself SQLite tells no more than that."""
    return {word.lower() for word in re.findall(r"\w+", re.sub(r"'(?:[^']|'')*'", "", expression))}
