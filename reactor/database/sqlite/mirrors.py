"""Keeps mirrors: attaches a bot's table, detaches it, and finds what a migration of the bot's has taken away.

What was asked for stands in `reactor_mirrors`. The triggers of the way in are in the schema; those of the way back are
made anew in each connection of ours whenever the schema has changed (`install`). A bot that rebuilds its table drops
the triggers with the old one: the process that serves the database makes them again from what was asked for, as soon as
it sees the new table with the columns that it takes (`mend`). Each public function is one transaction, or only reads.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace

from reactor.database.mirror import Attached, Detached, Mirror, MirrorMended, MirrorTrouble, plain_name, read_mirror
from reactor.database.sql.connection import columns, has_table, transaction
from reactor.database.sql.mirror_words import (
    IS_LIVE,
    WORDS_MAX,
    attached_before,
    index_name,
    index_statement,
    text_literal,
)
from reactor.database.sql.statements import quoted
from reactor.database.sqlite.errors import is_busy
from reactor.database.sqlite.migration import contract
from reactor.database.sqlite.mirror_sql import MirrorSql, link_statements, trigger_names
from reactor.errors import DatabaseError


def stored(connection: sqlite3.Connection) -> list[Mirror]:
    """The mirrors that there should be."""
    if not has_table(connection, "reactor_mirrors"):
        return []
    found = connection.execute("SELECT name, definition FROM reactor_mirrors ORDER BY name")
    return [read_mirror(table, definition) for table, definition in found.fetchall()]


def find(connection: sqlite3.Connection, table: str) -> Mirror | None:
    """The mirror of a table."""
    return next((each for each in stored(connection) if each.table.lower() == table.lower()), None)


def attach(connection: sqlite3.Connection, mirror: Mirror) -> Attached:
    """Attach what `checked` has found good; a table that is attached as asked is mended.

    Raises DatabaseError for one that is attached and sound, or was attached in another way."""
    with transaction(connection):
        found, mended = _attached_before(connection, mirror)
        taken = _carried_out(connection, found, statements := _statements(connection, found, mended=mended))
    install(connection)
    return _shown(connection, found, statements, taken, mended=mended)


def planned(connection: sqlite3.Connection, mirror: Mirror) -> Attached:
    """What `attach` would do. Nothing is written. Raises as it does."""
    found, mended = _attached_before(connection, mirror)
    waiting = f"SELECT count(*) FROM {quoted(found.table)} AS t WHERE {MirrorSql(found, {}, {}).waiting()}"
    (waits,) = connection.execute(waiting).fetchone()
    return _shown(connection, found, _statements(connection, found, mended=mended), waits, mended=mended)


def detach(connection: sqlite3.Connection, table: str, *, dry_run: bool = False) -> Detached:
    """Take away all that `attach` has made. The bot's table keeps its rows as they are; what has not ended in
    `downloads` is deleted there, which stops it. Raises DatabaseError for a table that is not attached."""
    mirror = find(connection, table)
    if mirror is None:
        raise DatabaseError(f"The table `{table}` is not attached.", hint=_attached_ones(connection))
    linked = f"{quoted(mirror.links[0])} IS NOT NULL AND {IS_LIVE}"
    there = columns(connection)
    known = [link for link in mirror.links if link.lower() in there]
    statements = [f"DELETE FROM downloads WHERE {linked}"] if known else []
    statements += [f"DROP TRIGGER IF EXISTS {quoted(name)}" for name in trigger_names(mirror).values()]
    statements += [f"DROP INDEX IF EXISTS {quoted(index_name(mirror))}"]
    statements += [f"ALTER TABLE downloads DROP COLUMN {quoted(link)}" for link in known]
    statements += [f"DELETE FROM reactor_mirrors WHERE name = {text_literal(mirror.table)}"]
    if dry_run:
        counted = f"SELECT count(*) FROM downloads WHERE {linked}"
        return Detached(tuple(statements), connection.execute(counted).fetchone()[0] if known else 0)
    forgotten = 0
    with transaction(connection):
        _remove_back(connection)
        for statement in statements:
            done = connection.execute(statement)
            forgotten += done.rowcount if statement.startswith("DELETE FROM downloads") else 0
    install(connection)
    return Detached(tuple(statements), forgotten)


def install(connection: sqlite3.Connection) -> None:
    """Make the triggers of the way back, in this connection, for the tables that are as they were attached."""
    mirrors = stored(connection)
    _remove_back(connection)
    for mirror in mirrors:
        if not _lacks(connection, mirror):
            for statement in _sql(connection, mirror).back().values():
                connection.execute(statement)


def mend(connection: sqlite3.Connection) -> list[MirrorMended]:
    """Make the triggers again that a migration of the bot's has dropped, and catch up with what they have missed. A
    table that is not there, or lacks a column, is left alone: `troubles` tells."""
    mended = []
    for mirror in stored(connection):
        if _is_sound(connection, mirror) or _lost_columns(connection, mirror):
            continue
        try:
            with transaction(connection):
                statements = _statements(connection, mirror, mended=True, orphans=False)
                taken = _carried_out(connection, mirror, statements)
        except sqlite3.Error as error:
            if is_busy(error):
                raise
            continue  # a constraint of the bot's; the others are served
        mended.append(MirrorMended(mirror.table, taken))
    return mended


def troubles(connection: sqlite3.Connection) -> Iterator[MirrorTrouble]:
    """What keeps a mirror from working, a sentence each."""
    for mirror in stored(connection):
        if reason := _trouble(connection, mirror):
            yield MirrorTrouble(mirror.table, reason)


def strangers(connection: sqlite3.Connection, mirror: Mirror) -> tuple[tuple[str, int], ...]:
    """Words in the bot's table that its map does not name, the commonest first."""
    found = connection.execute(MirrorSql(mirror, {}, {}).strangers(WORDS_MAX))
    return tuple((str(word), int(count)) for word, count in found.fetchall())


# How it is done


def _sql(connection: sqlite3.Connection, mirror: Mirror) -> MirrorSql:
    ours = columns(connection) or {column.name: column for column in contract().columns}
    return MirrorSql(mirror, columns(connection, mirror.table), ours)


def _attached_before(connection: sqlite3.Connection, asked: Mirror) -> tuple[Mirror, bool]:
    """The mirror to be, and whether it was there and is to be mended."""
    there = find(connection, asked.table)
    if there is None:
        return named(connection, asked), False
    return attached_before(there, asked, sound=_is_sound(connection, there)), True


def _statements(connection: sqlite3.Connection, mirror: Mirror, *, mended: bool, orphans: bool = True) -> list[str]:
    """All that is to be written, in order: what is missing in the schema, what was missed, and what waits."""
    there, sql = columns(connection), _sql(connection, mirror)
    strict = connection.execute(STRICT).fetchone() == (1,)
    links = [link for link in mirror.links if link.lower() not in there]
    old = [f"DROP TRIGGER {quoted(name)}" for name in _of_the_name(connection, trigger_names(mirror).values())]
    values = f"{text_literal(mirror.table)}, {text_literal(mirror.stored())}"
    return [
        *([] if mended else [f"INSERT INTO reactor_mirrors VALUES ({values})"]),
        *link_statements(links, strict=strict),
        index_statement(mirror),
        *old,
        *(sql.catch_up() if mended else []),
        *([sql.forget_orphans()] if mended and orphans else []),
        sql.take(),
        *sql.triggers(replaces=_replaces(connection, mirror)).values(),
    ]


STRICT = "SELECT strict FROM pragma_table_list WHERE schema = 'main' AND name = 'downloads' COLLATE NOCASE"


def _carried_out(connection: sqlite3.Connection, mirror: Mirror, statements: list[str]) -> int:
    """Inside a transaction; how many rows of the bot's were taken."""
    taken, take = 0, _sql(connection, mirror).take()
    for statement in statements:
        done = connection.execute(statement)
        taken += done.rowcount if statement == take else 0
    return taken


def _shown(
    connection: sqlite3.Connection, mirror: Mirror, statements: list[str], taken: int, *, mended: bool
) -> Attached:
    back = _sql(connection, mirror).back().values()
    return Attached(mirror, (*statements, *back), taken, mended, strangers(connection, mirror))


def _is_sound(connection: sqlite3.Connection, mirror: Mirror) -> bool:
    if _lacks(connection, mirror):
        return False
    wanted = _sql(connection, mirror).triggers(replaces=_replaces(connection, mirror))
    return _triggers(connection, mirror) == wanted and bool(_of_the_name(connection, [index_name(mirror)]))


def _of_the_name(connection: sqlite3.Connection, names: Iterable[str]) -> list[str]:
    """Those of them that there are."""
    there = {name for (name,) in connection.execute("SELECT name FROM main.sqlite_master")}
    return [name for name in names if name in there]


def _triggers(connection: sqlite3.Connection, mirror: Mirror) -> dict[str, str]:
    names = [*trigger_names(mirror).values()]
    found = connection.execute(
        f"""SELECT name, sql FROM main.sqlite_master WHERE type = 'trigger' AND name IN ({", ".join("?" * len(names))})
        AND tbl_name = ? COLLATE NOCASE""",
        (*names, mirror.table),
    )
    return dict(found.fetchall())


def _remove_back(connection: sqlite3.Connection) -> None:
    found = connection.execute(
        r"SELECT name FROM temp.sqlite_master WHERE type = 'trigger' AND name LIKE 'reactor\_mirror\_%' ESCAPE '\'"
    )
    for (name,) in found.fetchall():
        connection.execute(f"DROP TRIGGER temp.{quoted(name)}")


def _lost_columns(connection: sqlite3.Connection, mirror: Mirror) -> list[str]:
    """Columns of the bot's that are not there; all of them, without the table."""
    there = columns(connection, mirror.table) if has_table(connection, mirror.table) else {}
    wanted = (*mirror.keys, mirror.url, *mirror.status, *mirror.read.values(), *mirror.written.values())
    return [name for name in dict.fromkeys(wanted) if name.lower() not in there]


def _lacks(connection: sqlite3.Connection, mirror: Mirror) -> bool:
    """True where the way back would meet something that is not there."""
    ours = columns(connection)
    return any(link.lower() not in ours for link in mirror.links) or bool(_lost_columns(connection, mirror))


def _trouble(connection: sqlite3.Connection, mirror: Mirror) -> str:
    if not columns(connection, mirror.table):
        return f"there is no table `{mirror.table}` any more"
    if lost := _lost_columns(connection, mirror):
        return f"its column `{lost[0]}` is gone"
    if not _is_sound(connection, mirror):
        return "its triggers are gone, as when a migration makes the table anew"
    return ""


def _replaces(connection: sqlite3.Connection, mirror: Mirror) -> bool:
    """True where something other than the key is UNIQUE."""
    keys = {key.lower() for key in mirror.keys}
    return any(set(each) != keys for each in unique_columns(connection, mirror.table))


def unique_columns(connection: sqlite3.Connection, table: str) -> list[tuple[str, ...]]:
    """The columns, in lower case, of each index of a table that lets no two rows be equal."""
    found = connection.execute('SELECT name FROM pragma_index_list(?) WHERE "unique" AND NOT partial', (table,))
    indexes = [
        connection.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (name,)).fetchall()
        for (name,) in found.fetchall()
    ]
    return [tuple(str(name).lower() for (name,) in each) for each in indexes if all(name for (name,) in each)]


def named(connection: sqlite3.Connection, mirror: Mirror) -> Mirror:
    """With a name that nothing here has yet."""
    taken = {name.lower() for (name,) in connection.execute("SELECT name FROM main.sqlite_master")} | {
        *columns(connection)
    }
    plain = plain_name(mirror.table)
    for number in range(1, 1000):
        found = replace(mirror, name=plain if number == 1 else f"{plain}{number}")
        if not taken & {index_name(found), *trigger_names(found).values(), *found.links}:
            return found
    raise DatabaseError(f"There is no name left for the mirror of `{mirror.table}`.")


def _attached_ones(connection: sqlite3.Connection) -> str:
    return f"Attached: {', '.join(each.table for each in stored(connection)) or 'none'}."
