"""Keeps mirrors on PostgreSQL: attaches a bot's table, detaches it, and finds what a migration of the bot's has taken
away or changed.

What was asked for stands in `reactor_mirrors`, with the columns that it uses as they were when the functions were made
(`mirror_tables.SHAPE`): one question says whether all is as it was (`kept`). A process that serves the database makes
the functions and triggers anew otherwise, and tells what the bot had locked (`reactor_untold`). Each public function is
one transaction, or only reads, but for what adds a column and an index to `downloads`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, cast

import psycopg
from psycopg import errors as postgres

from reactor.database.mirror import (
    Attached,
    Detached,
    Mirror,
    MirrorMended,
    MirrorState,
    MirrorTrouble,
    plain_name,
    read_mirror,
)
from reactor.database.postgres.connection import PostgresConnection
from reactor.database.postgres.migration import contract_columns, patiently
from reactor.database.postgres.mirror_sql import MirrorSql
from reactor.database.postgres.mirror_tables import SHAPE, Kind, array, functions, triggers, used
from reactor.database.postgres.waking import NOTIFY
from reactor.database.sql.connection import Column, Connection, columns, has_table, transaction
from reactor.database.sql.mirror_words import IS_LIVE, WORDS_MAX, attached_before, index_name, text_literal
from reactor.database.sql.statements import quoted
from reactor.errors import DatabaseError

HURRY = "SET LOCAL lock_timeout = '200ms'"
"""What is mended while rows are served waits for nobody: it is tried again with the next poll."""
IN = "SET LOCAL reactor.mirror = 'in'"
UNTOLD_MAX = 1000
KINDS = """SELECT lower(a.attname), format_type(a.atttypid, a.atttypmod), CAST(t.typcategory AS text)
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped"""
PATH = """SELECT string_agg(DISTINCT quote_ident(CAST(relnamespace AS regnamespace)::text), ', ') FROM pg_class
    WHERE oid IN (to_regclass('downloads'), to_regclass(%s))"""
UNSOUND = f"""SELECT m.name FROM reactor_mirrors AS m
    WHERE m.shape IS DISTINCT FROM {SHAPE.format(table="quote_ident(m.name)", columns="m.columns")}
    OR cardinality(m.triggers) > (SELECT count(*) FROM pg_trigger AS g WHERE g.tgname = ANY (m.triggers)
        AND g.tgrelid IN (to_regclass(quote_ident(m.name)), to_regclass('downloads')) AND g.tgenabled IN ('O', 'A'))"""
KEPT = f"SELECT EXISTS (SELECT 1 FROM reactor_untold), ARRAY({UNSOUND})"
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"
SOURCES = "SELECT prosrc FROM pg_proc WHERE oid = to_regproc(%s)"


def stored(connection: PostgresConnection) -> list[Mirror]:
    """The mirrors that there should be."""
    if not has_table(_shared(connection), "reactor_mirrors"):
        return []
    found = connection.raw.execute("SELECT name, definition FROM reactor_mirrors ORDER BY name").fetchall()
    return [read_mirror(table, definition) for table, definition in found]


def find(connection: PostgresConnection, table: str) -> Mirror | None:
    """The mirror of a table."""
    return next((each for each in stored(connection) if each.table.lower() == table.lower()), None)


def attach(connection: PostgresConnection, mirror: Mirror) -> Attached:
    """Attach what `checked` has found good; a table that is attached as asked is mended.

    Raises DatabaseError for one that is attached and sound, or was attached in another way."""
    found, mended = _attached_before(connection, mirror)
    try:
        taken = _made(connection, found, mended=mended) or 0
    except BaseException:
        if not mended and not connection.raw.closed:
            for statement in _columns_dropped(connection, found):
                patiently(connection, statement)
        raise
    return _shown(connection, found, taken, mended=mended)


def planned(connection: PostgresConnection, mirror: Mirror) -> Attached:
    """What `attach` would do. Nothing is written. Raises as it does."""
    found, mended = _attached_before(connection, mirror)
    waiting = f"SELECT count(*) FROM {quoted(found.table)} AS t WHERE {sql_of(connection, found).into.waiting()}"
    ((waits,),) = connection.raw.execute(waiting.encode()).fetchall()
    return _shown(connection, found, waits, mended=mended)


def detach(connection: PostgresConnection, table: str, *, dry_run: bool = False) -> Detached:
    """Take away all that `attach` has made. The bot's table keeps its rows as they are; what has not ended in
    `downloads` is deleted there, which stops it. Raises DatabaseError for a table that is not attached."""
    mirror = find(connection, table)
    if mirror is None:
        attached = ", ".join(each.table for each in stored(connection)) or "none"
        raise DatabaseError(f"The table `{table}` is not attached.", hint=f"Attached: {attached}.")
    there = columns(_shared(connection))
    linked = f"{quoted(mirror.links[0])} IS NOT NULL AND {IS_LIVE}"
    known = mirror.links[0].lower() in there
    statements = [f"DROP FUNCTION IF EXISTS {name}() CASCADE" for name in functions(mirror)]
    statements += [f"DELETE FROM downloads WHERE {linked}"] if known else []
    statements += [*_columns_dropped(connection, mirror)]
    statements += [f"DELETE FROM reactor_mirrors WHERE name = {text_literal(mirror.table)}"]
    if dry_run:
        counted = f"SELECT count(*) FROM downloads WHERE {linked}"
        ((count,),) = connection.raw.execute(counted.encode()).fetchall() if known else [(0,)]
        return Detached(tuple(statements), count)
    forgotten = 0
    with transaction(_shared(connection)):
        for statement in (*statements, NOTIFY):
            done = connection.raw.execute(statement.encode())
            forgotten += done.rowcount if statement.startswith("DELETE FROM downloads") else 0
    return Detached(tuple(statements), forgotten)


# While rows are served


def refresh(connection: PostgresConnection) -> list[MirrorMended]:
    """At the start: make anew what another version has made otherwise, too."""
    for mirror in stored(connection):
        if _is_others(connection, mirror):
            _mend(connection, mirror, partial(_is_others, connection, mirror))
    return keep(connection)


def keep(connection: PostgresConnection) -> list[MirrorMended]:
    """Mend what a migration of the bot's has dropped or changed, and catch up with what was missed; tell what the bot
    had locked. A table that is not there, or lacks a column, is left alone: `troubles` tells."""
    ((untold, unsound),) = connection.raw.execute(KEPT).fetchall()
    mended = [*_mended(connection, {*unsound})] if unsound else []
    if untold:
        with suppress(postgres.LockNotAvailable, psycopg.IntegrityError, psycopg.DataError):
            _tell(connection)
    return mended


def _mended(connection: PostgresConnection, unsound: set[str]) -> Iterator[MirrorMended]:
    """Of several processes one mends a table: the others find it sound when they have its lock."""
    for mirror in stored(connection):
        if mirror.table in unsound:
            taken = _mend(connection, mirror, partial(_is_unsound, connection, mirror))
            if taken is not None:
                yield MirrorMended(mirror.table, taken)


def _mend(connection: PostgresConnection, mirror: Mirror, needed: Callable[[], bool]) -> int | None:
    """How many rows were taken; None where nothing was done."""
    if not _lost_columns(connection, mirror):
        with suppress(*LET_BE):
            return _made(connection, mirror, mended=True, needed=needed)
    return None


def _unsound(connection: PostgresConnection) -> set[str]:
    """The tables whose functions or triggers are not as they were made."""
    return {name for (name,) in connection.raw.execute(UNSOUND).fetchall()}


LET_BE = postgres.LockNotAvailable, psycopg.IntegrityError, psycopg.DataError, postgres.InsufficientPrivilege
"""Somebody is about the table, or a constraint of the bot's is in the way; the others are served."""


def troubles(connection: PostgresConnection) -> Iterator[MirrorTrouble]:
    """What keeps a mirror from working, a sentence each."""
    if not (mirrors := stored(connection)):
        return
    unsound = _unsound(connection)
    for mirror in mirrors:
        if not columns(_shared(connection), mirror.table):
            yield MirrorTrouble(mirror.table, f"there is no table `{mirror.table}` any more")
        elif lost := _lost_columns(connection, mirror):
            yield MirrorTrouble(mirror.table, f"its column `{lost[0]}` is gone")
        elif mirror.table in unsound:
            yield MirrorTrouble(mirror.table, "its triggers are gone, as when a migration makes the table anew")


def strangers(connection: PostgresConnection, mirror: Mirror) -> tuple[tuple[str, int], ...]:
    """Words in the bot's table that its map does not name, the commonest first."""
    found = connection.raw.execute(sql_of(connection, mirror).strangers(WORDS_MAX).encode())
    return tuple((str(word), int(count)) for word, count in found.fetchall())


def states(connection: PostgresConnection) -> list[MirrorState]:
    """How it is with each."""
    lost = {each.table: each.reason for each in troubles(connection)}
    return [
        MirrorState(each, lost.get(each.table), () if each.table in lost else strangers(connection, each))
        for each in stored(connection)
    ]


# How it is done


def kinds_of(connection: PostgresConnection, table: str) -> dict[str, Kind]:
    """The types of a table's columns, by their names in lower case."""
    found = connection.raw.execute(KINDS, (quoted(table),)).fetchall()
    return {name: Kind(type, category) for name, type, category in found}


def ours(connection: PostgresConnection) -> dict[str, Column]:
    """The columns of `downloads`, as it is or will be."""
    if there := columns(_shared(connection)):
        return there
    found = {}
    for name, text in contract_columns().items():
        kind, _, default = text.partition(" ")[2].partition(" DEFAULT ")
        type = kind.removesuffix(" NOT NULL").partition(" GENERATED")[0]
        found[name] = Column(name, type, default or None, "NOT NULL" in text, int(name == "id"))
    return found


def sql_of(connection: PostgresConnection, mirror: Mirror) -> MirrorSql:
    """Its statements, for both tables as they are."""
    table = quoted(mirror.table)
    ((path,),) = connection.raw.execute(PATH, (table,)).fetchall()
    shape = SHAPE.format(table=text_literal(table), columns=array(used(mirror)))
    ((seen,),) = connection.raw.execute(f"SELECT {shape}".encode()).fetchall()
    there, kinds = columns(_shared(connection), mirror.table), kinds_of(connection, mirror.table)
    return MirrorSql(mirror, there, kinds, ours(connection), f"{path}, pg_temp", seen or "")


def _attached_before(connection: PostgresConnection, asked: Mirror) -> tuple[Mirror, bool]:
    """The mirror to be, and whether it was there and is to be mended."""
    there = find(connection, asked.table)
    if there is None:
        return _named(connection, asked), False
    return attached_before(there, asked, sound=not any(_trouble(connection, there))), True


def _trouble(connection: PostgresConnection, mirror: Mirror) -> Iterator[MirrorTrouble]:
    return (each for each in troubles(connection) if each.table == mirror.table)


def _outside(connection: PostgresConnection, mirror: Mirror) -> list[str]:
    """What no transaction holds."""
    there = columns(_shared(connection))
    missing = [link for link in mirror.links if link.lower() not in there]
    valid = connection.raw.execute(VALID, (index_name(mirror),)).fetchone()
    missing += [] if valid == (True,) else [index_name(mirror)]
    # The building of one may have been interrupted.
    old = [f"DROP INDEX CONCURRENTLY {index_name(mirror)}"] if valid == (False,) else []
    return [*old, *sql_of(connection, mirror).links(missing)]


def _inside(connection: PostgresConnection, mirror: Mirror, *, mended: bool) -> list[str]:
    """All that one transaction writes, in order."""
    sql = sql_of(connection, mirror)
    into, _ = functions(mirror)
    names = ", ".join(map(text_literal, (mirror.table, mirror.stored())))
    row = f"{names}, {array(used(mirror))}, {array(triggers(mirror))}, {text_literal(sql.shape)}"
    return [
        f"LOCK TABLE {quoted(mirror.table)} IN SHARE ROW EXCLUSIVE MODE",
        IN,
        f"DELETE FROM reactor_mirrors WHERE name = {text_literal(mirror.table)}",
        f"INSERT INTO reactor_mirrors (name, definition, columns, triggers, shape) VALUES ({row})",
        *([f"DROP FUNCTION IF EXISTS {into}() CASCADE", *sql.catch_up()] if mended else []),
        sql.into.take(),
        *sql.made(),
        NOTIFY,
    ]


def _made(
    connection: PostgresConnection, mirror: Mirror, *, mended: bool, needed: Callable[[], bool] | None = None
) -> int | None:
    """How many rows of the bot's were taken. `needed` is for what rows are served meanwhile: asked with the table
    locked; None, and nothing done, where it says no."""
    for statement in _outside(connection, mirror):
        patiently(connection, statement)
    taken, take = 0, sql_of(connection, mirror).into.take()
    orphans = [sql_of(connection, mirror).into.forget_orphans()] if mended and needed is None else []
    lock, *statements = _inside(connection, mirror, mended=mended)
    with transaction(_shared(connection)):
        if needed is not None:
            connection.raw.execute(HURRY)
        connection.raw.execute(lock.encode())
        if needed is not None and not needed():
            return None
        for statement in (*statements, *orphans):
            done = connection.raw.execute(statement.encode())
            taken += done.rowcount if statement == take else 0
    return taken


def _shown(connection: PostgresConnection, mirror: Mirror, taken: int, *, mended: bool) -> Attached:
    inside = ["BEGIN", *_inside(connection, mirror, mended=mended), "COMMIT"]
    return Attached(mirror, (*_outside(connection, mirror), *inside), taken, mended, strangers(connection, mirror))


def _columns_dropped(connection: PostgresConnection, mirror: Mirror) -> Iterator[str]:
    there = columns(_shared(connection))
    yield f"DROP INDEX IF EXISTS {index_name(mirror)}"
    for link in mirror.links:
        if link.lower() in there:
            yield f"ALTER TABLE downloads DROP COLUMN IF EXISTS {quoted(link)}"


def _is_unsound(connection: PostgresConnection, mirror: Mirror) -> bool:
    return mirror.table in _unsound(connection)


def _is_others(connection: PostgresConnection, mirror: Mirror) -> bool:
    """True where the functions are those of another version, and can be made."""
    if _lost_columns(connection, mirror):
        return False
    sql = sql_of(connection, mirror)
    there = [connection.raw.execute(SOURCES, (name,)).fetchone() for name in functions(mirror)]
    return there != [(source,) for source in sql.sources()]


def _lost_columns(connection: PostgresConnection, mirror: Mirror) -> list[str]:
    """Columns of the bot's that are not there; all of them, without the table."""
    there = columns(_shared(connection), mirror.table)
    return [name for name in used(mirror) if name.lower() not in there]


def _tell(connection: PostgresConnection) -> None:
    """Tell the bot's rows that were locked when there was something to tell, and are free now."""
    noted = dict(
        connection.raw.execute(f"SELECT id, download_id FROM reactor_untold ORDER BY id LIMIT {UNTOLD_MAX}").fetchall()
    )
    wanted, locked = [*noted.values()], set[int]()
    with transaction(_shared(connection)):
        connection.raw.execute(HURRY)
        for mirror in stored(connection):
            if _lost_columns(connection, mirror):
                continue
            sql = sql_of(connection, mirror)
            told = _ids(connection, sql.back.locked(), wanted)
            connection.raw.execute(sql.back.tell().encode(), (told,))
            locked |= set(_ids(connection, sql.back.there(), wanted)) - set(told)
        done = [id for id, download_id in noted.items() if download_id not in locked]
        connection.raw.execute("DELETE FROM reactor_untold WHERE id = ANY (%s)", (done,))


def _ids(connection: PostgresConnection, statement: str, wanted: list[Any]) -> list[int]:
    return [id for (id,) in connection.raw.execute(statement.encode(), (wanted,)).fetchall()]


def _named(connection: PostgresConnection, mirror: Mirror) -> Mirror:
    """With a name that nothing here has yet."""
    plain, there = plain_name(mirror.table), columns(_shared(connection))
    for number in range(1, 1000):
        found = replace(mirror, name=plain if number == 1 else f"{plain}{number}")
        taken = connection.raw.execute("SELECT to_regproc(%s) IS NOT NULL", (functions(found)[0],)).fetchone()
        indexed = has_table(_shared(connection), index_name(found))
        if taken == (False,) and not indexed and not there.keys() & {*found.links}:
            return found
    raise DatabaseError(f"There is no name left for the mirror of `{mirror.table}`.")


def _shared(connection: PostgresConnection) -> Connection:
    return cast("Connection", connection)
