"""Rows as a part of the bot's own transaction, on each kind of connection that a bot may have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from importlib import import_module
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from reactor.errors import DatabaseError, DownloadError
from reactor.queue import Queue
from reactor.sync_queue import SyncQueue
from tests.database.postgres.bot import Bot
from tests.database.postgres.server import Server

DEADLINE_S = 30.0
URL = "http://host.example/100%25?a=1&b='x'\\\\y"
CHATS = "CREATE TABLE chats (id bigint PRIMARY KEY, download bigint)"

Execute = Callable[[str], Awaitable[object]]
End = Callable[[], Awaitable[object]]
Opened = AbstractAsyncContextManager[tuple[Any, Execute, End, End]]
"""A connection in a transaction, and how a statement of the bot's goes there; its commit and rollback."""


@pytest.fixture
async def bot(postgres: Server) -> AsyncIterator[Bot]:
    """Whose table has columns of several types of its own."""
    with postgres.database() as url, closing(Bot(url)) as bot:
        bot.sql(
            "CREATE TABLE downloads (id bigserial PRIMARY KEY, url text NOT NULL, cancelled boolean, options jsonb,"
            " added_date timestamptz, owner bigint, speed_max numeric DEFAULT 1.5, vip boolean DEFAULT false)"
        )
        bot.sql(CHATS)
        async with bot.table():
            yield bot


def module(name: str) -> Any:
    """A package that only these tests use."""
    return import_module(name)


@asynccontextmanager
async def by_psycopg(url: str) -> AsyncIterator[tuple[Any, Execute, End, End]]:
    async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row) as one:
        yield one, lambda statement: one.execute(statement.encode()), one.commit, one.rollback


@asynccontextmanager
async def by_asyncpg(url: str) -> AsyncIterator[tuple[Any, Execute, End, End]]:
    async with module("asyncpg").create_pool(url, min_size=1, max_size=1) as pool, pool.acquire() as one:
        transaction = one.transaction()
        await transaction.start()
        try:
            yield one, one.execute, transaction.commit, transaction.rollback
        finally:
            if one.is_in_transaction():
                await transaction.rollback()


@asynccontextmanager
async def by_sqlalchemy(url: str, driver: str, session: bool) -> AsyncIterator[tuple[Any, Execute, End, End]]:
    alchemy, text = module("sqlalchemy.ext.asyncio"), module("sqlalchemy").text
    engine = alchemy.create_async_engine(url.replace("postgresql://", f"postgresql+{driver}://"))
    try:
        async with alchemy.AsyncSession(engine) if session else engine.connect() as one:
            yield one, lambda statement: one.execute(text(statement)), one.commit, one.rollback
    finally:
        await engine.dispose()


KINDS: dict[str, Callable[[str], Opened]] = {
    "psycopg": by_psycopg,
    "asyncpg": by_asyncpg,
    "SQLAlchemy, asyncpg": lambda url: by_sqlalchemy(url, "asyncpg", False),
    "SQLAlchemy, psycopg": lambda url: by_sqlalchemy(url, "psycopg", False),
    "a session, asyncpg": lambda url: by_sqlalchemy(url, "asyncpg", True),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_both_commit_and_who_watches_is_woken(bot: Bot, kind: str) -> None:
    async with asyncio.timeout(DEADLINE_S), Queue(bot.url, poll_interval=3600) as queue:
        beats = queue.changes()
        await anext(beats)
        beat = asyncio.ensure_future(anext(beats))
        async with KINDS[kind](bot.url) as (connection, execute, commit, _):
            own = Queue.within(connection)
            id = await own.add(URL, options={"want": "audio"}, owner=7, vip=True)
            await execute(f"INSERT INTO chats VALUES (1, {id})")
            assert await queue.list() == [], "it is not committed"
            (row,) = await own.list()
            assert (row.url, row.owner, row.options) == (URL, "7", {"want": "audio"})
            assert not await own.cancel(id + 1)
            await commit()
        await beat
        await beats.aclose()
        assert [row.id for row in await queue.list("pending")] == [id]
    assert bot.sql("SELECT download, vip FROM chats JOIN downloads ON downloads.id = download") == [(id, True)]


@pytest.mark.parametrize("kind", KINDS)
async def test_neither_commits(bot: Bot, kind: str) -> None:
    async with Queue(bot.url) as queue:
        id = await queue.add(URL)
        async with asyncio.timeout(DEADLINE_S), KINDS[kind](bot.url) as (connection, execute, _, rollback):
            own = Queue.within(connection)
            assert await own.cancel(id)
            await own.set_defaults(None, {"want": "audio"})
            await own.add(URL)
            await execute("INSERT INTO chats VALUES (1, 1)")
            row = await own.get(id)
            assert row is not None
            assert row.cancelled
            with pytest.raises(DownloadError):
                await own.add(URL, options={"wants": 1})
            with pytest.raises(DatabaseError, match="no column `chat`"):
                await own.add(URL, chat=1)
            await rollback()
        (row,) = await queue.list()
        assert not row.cancelled
        assert await queue.defaults(None) == {}
    assert bot.sql("SELECT count(*) FROM chats") == [(0,)]


def test_a_bot_without_asyncio(postgres: Server) -> None:
    with postgres.database() as url, SyncQueue(url) as queue:
        for connection in _blocking(url):
            own = SyncQueue.within(connection)
            id = own.add(URL, owner=3)
            assert queue.get(id) is None
            connection.rollback()
            assert own.get(id) is None
            id = own.add(URL, owner=3)
            assert own.cancel(id)
            connection.commit()
            row = queue.get(id)
            assert row is not None
            assert (row.cancelled, row.owner, row.url) == (True, "3", URL)


def _blocking(url: str) -> Iterator[Any]:
    with psycopg.connect(url, row_factory=dict_row) as one:
        yield one
    engine = module("sqlalchemy").create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as two:
        yield two
    with module("sqlalchemy.orm").Session(engine) as three:
        yield three
    engine.dispose()


def test_what_is_no_connection_is_told(postgres: Server) -> None:
    with pytest.raises(DatabaseError, match=r"of aiosqlite, or .*, and got builtins.str"):
        Queue.within("bot.db")
    with pytest.raises(DatabaseError, match=r"of sqlite3, or .*, and got builtins.str"):
        SyncQueue.within("bot.db")
    engine = module("sqlalchemy").create_engine("sqlite://")
    with closing(engine.connect()) as connection, pytest.raises(DatabaseError, match="got one to sqlite"):
        SyncQueue.within(connection)
    engine.dispose()
