"""Real ORMs in front of a table that is attached; see tests/database/sqlite/test_mirror_orms.py for others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, Protocol

import pytest

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.database.engine import attach
from reactor.database.mirror import Mirror
from tests.database.contract.engines import Engine
from tests.database.mirrors import BROKEN, NOW, claim, watched

RUNNING, STOPPING = ("downloading", False), ("downloading", True)


class Bot(Protocol):
    """Keys are of the bot's own type; words are QUEUED, RUNNING, DONE, FAILED, STOPPED and SENT."""

    mirror: Mirror

    def close(self) -> None: ...
    def add(self, *links: str) -> list[Any]: ...
    def add_many(self, links: Sequence[str]) -> list[Any]: ...
    def abandon(self, link: str) -> None: ...
    def rows(self) -> dict[Any, tuple[str, str | None]]: ...
    def load(self, key: Any) -> Any: ...
    def save(self, job: Any) -> None: ...
    def write(self, key: Any, word: str) -> None: ...
    def write_many(self, old: str, word: str) -> list[Any]: ...
    def delete(self, key: Any) -> None: ...
    def delete_many(self, word: str) -> int: ...


def alchemy(engine: Engine) -> Bot:
    from tests.database.contract import alchemy  # loaded by those that run it

    return alchemy.Bot(engine.sqlalchemy)


def pee(engine: Engine) -> Bot:
    from tests.database.contract import pee

    return pee.Bot(engine.place)


ORMS = {"SQLAlchemy": alchemy, "peewee": pee}


@pytest.fixture(params=ORMS)
def bot(request: pytest.FixtureRequest, engine: Engine) -> Iterator[Bot]:
    """It has made its table."""
    made: Callable[[Engine], Bot] = ORMS[request.param]
    bot = made(engine)
    yield bot
    bot.close()


def words(bot: Bot, *keys: Any) -> list[str]:
    found = bot.rows()
    return [found[key][0] for key in keys]


def done(attempt: Attempt) -> commands.SaveDownloaded:
    return commands.SaveDownloaded(attempt, f"/d/{attempt.download_id}", 1, None)


async def test_objects_come_and_go(engine: Engine, bot: Bot) -> None:
    (early,) = bot.add("http://h/0")
    assert (await attach(engine.place, bot.mirror)).taken == 1
    async with engine.open_store() as store:
        one, two = bot.add("http://h/1", "http://h/2")
        bot.abandon("http://h/3")
        waiting = [(f"http://h/{n}", "7", "pending") for n in range(3)]
        assert engine.sql("SELECT url, owner, status FROM downloads ORDER BY id") == waiting
        zeroth, first, second = await claim(store)
        assert words(bot, early, one, two) == ["RUNNING"] * 3
        assert await store.save([done(first), commands.SaveFailed(second, BROKEN)], NOW) == ()
        assert [bot.rows()[key] for key in (one, two)] == [("DONE", f"/d/{first.download_id}"), ("FAILED", None)]
        bot.write(two, "QUEUED")
        (again,) = await claim(store)
        assert (again.download_id, again.number) == (second.download_id, second.number + 1)
        bot.write(early, "STOPPED")
        assert await watched(store, zeroth, again) == [STOPPING, RUNNING]
        assert await store.save([commands.SaveCancelled(zeroth)], NOW) == ()
        bot.write(one, "SENT")
        assert words(bot, early, one, two) == ["STOPPED", "SENT", "RUNNING"]
        bot.delete(two)
        assert await watched(store, again) == []
        assert engine.sql("SELECT url FROM downloads ORDER BY id") == [("http://h/0",), ("http://h/1",)]


async def test_an_object_that_was_read_before_and_is_saved_late(engine: Engine, bot: Bot) -> None:
    await attach(engine.place, bot.mirror)
    async with engine.open_store() as store:
        one, two = bot.add("http://h/1", "http://h/2")
        waited = bot.load(one)
        first, second = await claim(store)
        bot.save(waited)
        assert await watched(store, first, second) == [RUNNING, RUNNING]
        ran = bot.load(two)
        assert await store.save([done(first), done(second)], NOW) == ()
        assert words(bot, one, two) == ["DONE", "DONE"]
        bot.save(ran)
        assert await claim(store) == [], "it has come, whatever an old object says"
        assert engine.sql("SELECT DISTINCT status FROM downloads") == [("downloaded",)]


async def test_many_at_once(engine: Engine, bot: Bot) -> None:
    await attach(engine.place, bot.mirror)
    async with engine.open_store() as store:
        keys = bot.add_many([f"http://h/{n:03}" for n in range(120)])
        assert len(set(keys)) == 120
        assert engine.sql("SELECT url FROM downloads ORDER BY url") == [(f"http://h/{n:03}",) for n in range(120)]
        attempts = await claim(store, 100)
        assert await store.save([*map(done, attempts[:50])], NOW) == ()
        assert await store.save([commands.SaveFailed(each, BROKEN) for each in attempts[50:60]], NOW) == ()
        found = [word for word, _ in bot.rows().values()]
        counts = {"DONE": 50, "FAILED": 10, "RUNNING": 40, "QUEUED": 20}
        assert {word: found.count(word) for word in set(found)} == counts
        assert len(bot.write_many("RUNNING", "STOPPED")) == 40
        assert await watched(store, *attempts[60:]) == [STOPPING] * 40
        assert len(bot.write_many("FAILED", "QUEUED")) == 10
        assert bot.delete_many("STOPPED") == 40
        assert await watched(store, *attempts[60:]) == []
        assert bot.delete_many("DONE") == 50
        assert len(await claim(store, 100)) == 30
        assert len(bot.rows()) == 30


async def test_a_migration_by_peewee(engine: Engine) -> None:
    from tests.database.contract import pee

    with closing(pee.Bot(engine.place)) as bot:
        await attach(engine.place, bot.mirror)
        async with engine.open_store() as store:
            _, two = bot.add("http://h/1", "http://h/2")
            first, second = await claim(store)
            bot.migrate()
            engine.sql("INSERT INTO jobs (link, state, extra) VALUES ('http://h/3', 0, 7)")
            assert await store.save([done(first), commands.SaveFailed(second, BROKEN)], NOW) == ()
            assert len(await claim(store)) == 1
            assert engine.sql("SELECT state, extra FROM jobs ORDER BY id") == [(2, None), (9, None), (1, 7)]
            bot.upsert(two, "http://h/4")
            (again,) = await claim(store)
            assert (again.download_id, again.number) == (second.download_id, second.number + 1)
            asked = "SELECT url FROM downloads WHERE id = ?"
            assert engine.sql(asked, again.download_id) == [("http://h/4",)]
            assert (await store.unserved()).mirrors == ()
