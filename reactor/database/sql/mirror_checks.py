"""What is wrong with a table that is to be attached, as far as its columns tell."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from reactor.database.mirror import Mirror
from reactor.database.sql.connection import Column
from reactor.errors import DatabaseError


def named(mirror: Mirror, table: str, there: Mapping[str, Column]) -> Mirror:
    """The mirror, with names as the table has them. Raises DatabaseError."""
    return replace(
        mirror,
        table=table,
        url=_column(there, table, mirror.url),
        status=tuple(_column(there, table, name) for name in mirror.status),
        read={name: _column(there, table, column) for name, column in mirror.read.items()},
        written={name: _column(there, table, column) for name, column in mirror.written.items()},
        keys=tuple(_column(there, table, name) for name in mirror.keys),
    )


def key_of(mirror: Mirror, there: Mapping[str, Column], unique: Collection[set[str]]) -> Mirror:
    """With the key of its table; `unique`: the columns of its unique indexes, in lower case. Raises DatabaseError."""
    key = [column.name for column in sorted(there.values(), key=lambda each: each.key) if column.key]
    if not mirror.keys:
        if not key:
            raise DatabaseError(
                f"The table `{mirror.table}` has no PRIMARY KEY.", hint="Name a UNIQUE column with --id."
            )
        return replace(mirror, keys=tuple(key))
    if {name.lower() for name in mirror.keys} not in [{name.lower() for name in key}, *unique]:
        listed = ", ".join(f"`{name}`" for name in mirror.keys)
        raise DatabaseError(
            f"Rows of `{mirror.table}` may be equal in {listed}.",
            hint="A key is the PRIMARY KEY, or has a UNIQUE index.",
        )
    return mirror


def refuse_twice(mirror: Mirror) -> None:
    """A column that is written has one meaning."""
    read = [mirror.url, *mirror.keys, *mirror.read.values()]
    written = [*mirror.status, *mirror.written.values()]
    for place, column in enumerate(written):
        if column in written[:place] or column in read:
            raise DatabaseError(f"The column `{column}` is named for two things.")


def refuse_written(mirror: Mirror, there: Mapping[str, Column]) -> None:
    """What the database computes takes nothing."""
    for column in (*mirror.status, *mirror.written.values()):
        if there[column.lower()].generated:
            raise DatabaseError(f"The column `{column}` of `{mirror.table}` is GENERATED, and has to be written.")


def refuse_own_downloads(there: Mapping[str, Column], ours: Collection[str]) -> None:
    """A `downloads` of the bot's that needs more than a mirror has would refuse the bot's own INSERT."""
    for name, column in there.items():
        if column.not_null and column.default is None and name not in ours and not column.generated and not column.key:
            raise DatabaseError(
                f"The column `{column.name}` of `downloads` is NOT NULL, and a mirror has nothing for it.",
                hint="Give it a default.",
            )


def _column(there: Mapping[str, Column], table: str, name: str) -> str:
    column = there.get(name.lower())
    if column is None:
        hint = f"Columns are {', '.join(each.name for each in there.values())}."
        raise DatabaseError(f"The table `{table}` has no column `{name}`.", hint=hint)
    return column.name
