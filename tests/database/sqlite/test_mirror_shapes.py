"""A bot's own table in every shape: taken, downloaded, failed, retried, cancelled, deleted, given back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reactor.database.sql.statements import quoted
from tests.database.mirrors import URL, walk
from tests.database.sqlite.shapes import SHAPES, Shape

SCHEMA = """SELECT type, name, tbl_name, sql FROM sqlite_master
    WHERE name NOT LIKE 'reactor%' AND tbl_name <> 'downloads' AND name NOT LIKE 'sqlite%' ORDER BY name"""


class Bot:
    """A program of any language: one connection, plain SQL, each statement a commit."""

    def __init__(self, connection: sqlite3.Connection, shape: Shape) -> None:
        self._sql = connection
        self._shape = shape
        self._quoted = quoted(shape.table)

    def add(self, number: int) -> None:
        """Row number so and so."""
        statement = self._shape.insert.replace("?", ":url")
        self._sql.execute(statement, {"n": number, "url": URL.format(number)})

    def write(self, number: int, status: str) -> None:
        """The bot's word for a status."""
        given, assigned = dict[str, Any](), self._shape.writes.get(status)
        if assigned is None:
            assigned, given = f'"{self._shape.status[0]}" = :word', {"word": self._shape.says[status]}
        self._sql.execute(f"UPDATE {self._quoted} SET {assigned} WHERE {self._shape.row}", {"n": number, **given})

    def state(self, number: int) -> Any:
        """What it reads."""
        return self.read(number, self._shape.state)

    def read(self, number: int, what: str) -> Any:
        """An expression of a row."""
        asked = f"SELECT {what} FROM {self._quoted} WHERE {self._shape.row}"
        return self._sql.execute(asked, {"n": number}).fetchone()[0]

    def delete(self, number: int) -> None:
        """Without a word."""
        self._sql.execute(f"DELETE FROM {self._quoted} WHERE {self._shape.row}", {"n": number})

    def rows(self) -> list[Any]:
        """All that its tables hold."""
        tables = [name for kind, name, *_ in self._sql.execute(SCHEMA).fetchall() if kind == "table"]
        return [self._sql.execute(f"SELECT * FROM {quoted(name)}").fetchall() for name in tables]

    def schema(self) -> list[Any]:
        """What it has made."""
        return self._sql.execute(SCHEMA).fetchall()


@pytest.fixture(params=[False, True], ids=["", "recursive"])
def pragma(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bot.db"


@pytest.fixture
def connection(path: Path, pragma: bool) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        opened.execute(f"PRAGMA recursive_triggers = {pragma:d}")
        opened.execute("PRAGMA foreign_keys = ON")
        opened.execute("PRAGMA trusted_schema = OFF")
        yield opened


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
async def test_a_table_of_the_field(path: Path, connection: sqlite3.Connection, shape: Shape) -> None:
    for statement in shape.schema:
        connection.execute(statement)
    await walk(path, Bot(connection, shape), shape)
    assert not [name for (_, name, *_) in connection.execute("PRAGMA table_info(downloads)") if "mirror" in name]
