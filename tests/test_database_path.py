"""Where the database is, as people write it: into DOWNLOAD_DB, `--db`, Queue, SyncQueue and Runner."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reactor.database import engine
from reactor.database.sqlite.lock import lock
from reactor.database_path import database_path
from reactor.errors import DatabaseError, ReactorError, SettingsError
from reactor.queue import Queue
from reactor.runner import Runner
from reactor.server_address import ServerAddress, server_address
from reactor.settings import Settings
from reactor.sync_queue import SyncQueue


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is empty at the end, too: nothing is made of a name that is none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("DOWNLOAD_DB", raising=False)
    return tmp_path


UNDERSTOOD = {
    "bot.db": "bot.db",
    "./data/bot.db": "data/bot.db",
    "/srv/bot.db": "/srv/bot.db",
    " bot.db\n": "bot.db",
    "bot.db\r\n": "bot.db",
    '"bot.db"': "bot.db",
    "'/srv/my bot.db'": "/srv/my bot.db",
    "~/bot.db": "/home/me/bot.db",
    "bot:1.db": "bot:1.db",
    "bot ü#?%20.db": "bot ü#?%20.db",
    "sqlite:////srv/bot.db": "/srv/bot.db",
    "sqlite+aiosqlite:////srv/bot.db": "/srv/bot.db",
    "sqlite+pysqlite:////srv/bot.db?timeout=30&check_same_thread=False": "/srv/bot.db",
    "SQLITE:////srv/bot.db": "/srv/bot.db",
    "file:/srv/bot.db": "/srv/bot.db",
    "file:///srv/bot.db": "/srv/bot.db",
    "file://localhost/srv/bot.db": "/srv/bot.db",
    "file:///srv/my%20bot.db?mode=rwc": "/srv/my bot.db",
    '"sqlite:////srv/bot.db"': "/srv/bot.db",
}
REFUSED = {
    "": "is empty",
    "  ": "is empty",
    '""': "is empty",
    ":memory:": "in memory",
    "sqlite://": "in memory",
    "sqlite:///:memory:": "in memory",
    "sqlite+aiosqlite:///:memory:": "in memory",
    "file::memory:?cache=shared": "in memory",
    "file:bot?mode=memory&cache=shared": "in memory",
    "sqlite:///bot.db": "Write the path: bot.db ",
    "sqlite:///./data/bot.db?timeout=5": "Write the path: ./data/bot.db ",
    "sqlite://bot.db": "Write the path: bot.db ",
    "sqlite:bot.db": "Write the path: bot.db ",
    "sqlite+aiosqlite:///bot.db": "Write the path: bot.db ",
    "sqlite3:///bot.db": "Write the path: bot.db ",
    "jdbc:sqlite:bot.db": "Write the path: bot.db ",
    "file:bot.db": "Write the path: bot.db ",
    "file:my%20bot.db?mode=rw": "Write the path: my bot.db ",
    "file://bot.db": "Write the path: bot.db ",
    "file:///srv/bot.db?mode=ro": "for reading only",
    "file:///srv/bot.db?immutable=1": "for reading only",
    "sqlite:////srv/my%20bot.db": "has % in it",
    "psql://me:secret@db.example/bot": "database server",
    "mysql+pymysql://me:secret@db.example/bot": "database server",
    "https://host.example/bot.db": "is a URL",
    "$DATA/bot.db": "a variable",
    "${DATA_DIR}/bot.db": "a variable",
    "%APPDATA%/bot.db": "a variable",
    "~nobody-of-this-name/bot.db": "home folder",
    "bot\0.db": "NUL",
}


SERVERS = {
    "postgresql://me:secret@db.example/bot": "postgresql://me@db.example/bot",
    "postgres://db.example:5433/bot": "postgresql://db.example:5433/bot",
    "postgresql+asyncpg://me:secret@db.example/bot?sslmode=require": "postgresql://me@db.example/bot",
    ' "postgresql://me@/bot?host=%2Frun%2Fpostgresql" ': "postgresql://me@/run/postgresql/bot",
    "postgresql://me:sec/ret@db.example/bot": "postgresql://…",
    "postgresql://a.example:1,b.example:2/bot": "postgresql://a.example:1,b.example:2/bot",
}


@pytest.mark.parametrize("given", SERVERS)
def test_a_servers_address_is_shown_without_its_password_and_handed_on_with_it(given: str) -> None:
    address = Settings.load(download_db=given).download_db
    assert isinstance(address, ServerAddress)
    assert str(address) == f"{address.absolute()}" == SERVERS[given]
    assert "ret" not in repr(address)
    assert os.fspath(address).endswith(given.strip().strip('"').partition("://")[2])
    assert server_address(os.fspath(address)) == address
    assert Runner(download_db=address)._environment["DOWNLOAD_DB"] == os.fspath(address)


def test_without_its_driver_a_server_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.raises(DatabaseError, match="psycopg") as refused, SyncQueue("postgresql://me:secret@db.example/bot"):
        pass
    assert "secret" not in str(refused.value)
    assert "extra `postgres`" in str(refused.value.hint)


@pytest.mark.parametrize("given", UNDERSTOOD)
def test_what_is_clear_is_understood(given: str) -> None:
    assert database_path(given) == Path(UNDERSTOOD[given])
    assert Settings.load(download_db=given).download_db == Path(UNDERSTOOD[given])


@pytest.mark.parametrize("given", REFUSED)
def test_what_is_not_is_refused_in_a_sentence(given: str, here: Path) -> None:
    with pytest.raises(SettingsError, match="DOWNLOAD_DB: ") as caught:
        Settings.load(download_db=given)
    assert REFUSED[given] in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises(DatabaseError) as refused, SyncQueue(given):
        pass
    assert REFUSED[given] in str(refused.value)
    with pytest.raises(DatabaseError), lock(given):
        pass
    assert list(here.iterdir()) == []


async def test_queue_and_runner_refuse_it_too(here: Path) -> None:
    with pytest.raises(DatabaseError, match="Write the path"):
        async with Queue("sqlite:///bot.db"):
            pass
    with pytest.raises(ReactorError, match="Write the path"):
        Runner(download_db="sqlite:///bot.db")
    with pytest.raises(DatabaseError, match="programs do not agree"):
        database_path(Path("sqlite:////srv/bot.db"))  # a Path has lost the slashes
    assert list(here.iterdir()) == []


def test_the_file_of_a_url_is_found_where_it_is(here: Path) -> None:
    for name in ("my bot.db", "your%20bot.db"):
        (here / name).touch()
    assert database_path(f"sqlite:///{here}/my%20bot.db") == here / "my bot.db"
    assert database_path(f"sqlite:///{here}/your%20bot.db") == here / "your%20bot.db"


def test_a_file_that_is_there_is_taken_whatever_its_name(here: Path) -> None:
    for name in (":memory:", " bot.db ", "file:bot.db", '"bot.db"'):
        (here / name).touch()
        assert database_path(name) == Path(name)


def folder(here: Path) -> Path:
    return here


def in_no_folder(here: Path) -> Path:
    return here / "data" / "bot.db"


@pytest.mark.parametrize(("place", "sentence"), [(folder, "is a folder"), (in_no_folder, "there is no folder")])
def test_a_place_that_is_none_is_refused_and_nothing_made(
    here: Path, place: Callable[[Path], Path], sentence: str
) -> None:
    path = place(here)
    with pytest.raises(DatabaseError, match=sentence), lock(path), SyncQueue(path):
        pass
    assert [found for found in here.iterdir() if found.suffix != ".lock"] == []
