"""A bot's own table in every shape that PostgreSQL lets it have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from reactor.database.sql.statements import quoted
from tests.database.mirrors import URL, walk
from tests.database.postgres.server import Server
from tests.database.postgres.shapes import SHAPES
from tests.database.sqlite.shapes import Shape

TABLES = """SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'reactor%'
    AND tablename <> 'downloads' ORDER BY 1"""
SCHEMA = """SELECT CAST(tgrelid AS regclass)::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger
    WHERE NOT tgisinternal
    UNION ALL SELECT proname, prosrc, '' FROM pg_proc WHERE pronamespace = CAST('public' AS regnamespace)
    UNION ALL SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'
        AND table_name NOT LIKE 'reactor%' AND table_name <> 'downloads' ORDER BY 1, 2"""
ELSEWHERE_NOT = (
    *("UUIDs", "a key of two columns", "a status of a type of its own", "columns that are NOT NULL, and moments"),
    *("a URL that is generated from parts", "names that have to be quoted"),
)
"""What SQLite does not have, or not so. It has a shape like each of the others, which are nightly here."""
THESE_FIRST = sorted(SHAPES, key=lambda shape: shape.name not in ELSEWHERE_NOT)
LEFT = """SELECT relname FROM pg_class WHERE relname ~ '^reactor_mirror_'
    UNION ALL SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('downloads') AND attname LIKE 'mirror%'
    UNION ALL SELECT name FROM reactor_mirrors UNION ALL SELECT CAST(id AS text) FROM reactor_untold"""


class Bot:
    """A program of any language: one connection, plain SQL, each statement a commit."""

    def __init__(self, connection: psycopg.Connection[Any], shape: Shape) -> None:
        self._sql, self._shape, self._quoted = connection, shape, quoted(shape.table)

    def _execute(self, statement: str, number: int, **more: Any) -> psycopg.Cursor[Any]:
        """A number in its place, as a bot's text of SQL has it; values come as parameters."""
        return self._sql.execute(statement.replace(":n", str(number)).encode(), more or None)

    def add(self, number: int) -> None:
        self._execute(self._shape.insert.replace("?", "%(url)s"), number, url=URL.format(number))

    def write(self, number: int, status: str) -> None:
        given, assigned = dict[str, Any](), self._shape.writes.get(status)
        if assigned is None:
            assigned, given = f"{quoted(self._shape.status[0])} = %(word)s", {"word": self._shape.says[status]}
        self._execute(f"UPDATE {self._quoted} SET {assigned} WHERE {self._shape.row}", number, **given)

    def state(self, number: int) -> Any:
        return self.read(number, self._shape.state)

    def read(self, number: int, what: str) -> Any:
        ((found,),) = self._execute(f"SELECT {what} FROM {self._quoted} WHERE {self._shape.row}", number).fetchall()
        return found

    def delete(self, number: int) -> None:
        self._execute(f"DELETE FROM {self._quoted} WHERE {self._shape.row}", number)

    def rows(self) -> list[Any]:
        tables = [name for (name,) in self._sql.execute(TABLES).fetchall()]
        found = [self._sql.execute(f"SELECT * FROM {quoted(name)}".encode()).fetchall() for name in tables]
        return [sorted(map(str, rows)) for rows in found]

    def schema(self) -> list[Any]:
        return self._sql.execute(SCHEMA).fetchall()


@pytest.fixture
def url(postgres: Server) -> Iterator[str]:
    with postgres.database() as url:
        yield url


@pytest.fixture
def connection(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as opened:
        yield opened


@pytest.mark.variants(len(ELSEWHERE_NOT))
@pytest.mark.parametrize("shape", THESE_FIRST, ids=lambda shape: shape.name)
async def test_a_table_of_the_field(url: str, connection: psycopg.Connection[Any], shape: Shape) -> None:
    for statement in shape.schema:
        connection.execute(statement.encode())
    await walk(url, Bot(connection, shape), shape)
    assert connection.execute(LEFT).fetchall() == []
