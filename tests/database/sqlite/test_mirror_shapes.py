"""A bot's own table in every shape: taken, downloaded, failed, retried, cancelled, deleted, given back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.database import engine
from reactor.database.contract import RETRY_MAX_S
from reactor.database.mirror import READ, WRITTEN, Mirror, read_words
from reactor.database.sql.statements import quoted
from reactor.database.store import Store
from reactor.errors import Failure
from reactor.models import Status
from tests.database.sqlite.shapes import SHAPES, Shape

NOW = 1_800_000_000.0
URL = "http://host.example/{}"
BROKEN = Failure("timeout", "The server stopped answering.")
SCHEMA = """SELECT type, name, tbl_name, sql FROM sqlite_master
    WHERE name NOT LIKE 'reactor%' AND tbl_name <> 'downloads' AND name NOT LIKE 'sqlite%' ORDER BY name"""


def mirror_of(shape: Shape) -> Mirror:
    return Mirror(
        table=shape.table,
        url=shape.url,
        status=shape.status,
        words=read_words([shape.words], len(shape.status)),
        read={name: column for name, column in shape.further.items() if name in READ},
        written={name: column for name, column in shape.further.items() if name in WRITTEN},
        keys=shape.keys,
    )


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


async def claim(store: Store, room: int = 9) -> list[Attempt]:
    polled = await store.poll(commands.PollRows((), room), NOW, RETRY_MAX_S)
    assert polled.stuck == {}
    assert polled.rows.rejected == ()
    return [row.attempt for row in polled.rows.claimed]


async def saved(store: Store, *saves: commands.Save) -> None:
    assert await store.save(saves, NOW) == ()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
async def test_a_table_of_the_field(path: Path, connection: sqlite3.Connection, shape: Shape) -> None:
    for statement in shape.schema:
        connection.execute(statement)
    bot, says = Bot(connection, shape), shape.says
    bot.add(1)
    schema, rows = bot.schema(), bot.rows()
    attached = await engine.attach(path, mirror_of(shape))
    assert attached.taken == 1
    assert bot.rows() == rows
    async with engine.open_store(path, owner="me") as store:
        bot.add(2)
        bot.add(3)
        first, second, third = await claim(store)
        begun = says.get("downloading", says["pending"])
        assert [bot.state(number) for number in (1, 2, 3)] == [begun] * 3
        path_1 = "/downloads/1.bin"
        await saved(store, commands.SaveDownloaded(first, path_1, 1000, "One"))
        assert (bot.state(1), bot.read(1, f'"{shape.further["file_path"]}"')) == (says["downloaded"], path_1)
        await saved(store, commands.SaveFailed(second, BROKEN))
        assert bot.state(2) == says["failed"]
        bot.write(2, Status.PENDING)
        (again,) = await claim(store)
        assert again.download_id == second.download_id
        assert again.number == second.number + 1
        bot.write(3, Status.CANCELLED)
        polled = await store.poll(commands.PollRows((third.download_id,), 0), NOW, RETRY_MAX_S)
        assert [(row.id, row.cancelled) for row in polled.rows.watched] == [(third.download_id, True)]
        assert await store.save([commands.SaveDownloaded(third, "/downloads/3.bin", 9, None)], NOW) != ()
        await saved(store, commands.SaveCancelled(third))
        if "cancelled" in says:
            assert bot.state(3) == says["cancelled"]
        bot.delete(2)
        assert (await store.poll(commands.PollRows((again.download_id,), 0), NOW, RETRY_MAX_S)).rows.watched == ()
    before = bot.rows()
    detached = await engine.detach(path, shape.table)
    assert detached.forgotten == 0
    assert (bot.schema(), bot.rows()) == (schema, before)
    assert not [name for (_, name, *_) in connection.execute("PRAGMA table_info(downloads)") if "mirror" in name]
