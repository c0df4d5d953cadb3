"""What was published for rows, whatever the engine."""

from __future__ import annotations

from dataclasses import replace

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.database.contract import RETRY_MAX_S
from reactor.database.published import Published
from reactor.database.store import Store
from reactor.models import Placed
from tests.database.contract.engines import Engine

NOW = 1_800_000_000.0
HERE = "a" * 32


async def downloaded(
    engine: Engine, store: Store, name: str = "a.bin", size: int = 10, content: str = "c", at: float = NOW
) -> Attempt:
    """A row, served to its end."""
    engine.sql("INSERT INTO downloads (url) VALUES ('http://host.example/a')")
    (claimed,) = (await store.poll(commands.PollRows((), 1), at, RETRY_MAX_S)).rows.claimed
    save = commands.SaveDownloaded(claimed.attempt, f"/d/{name}", size, None, placed=Placed(HERE, content, name))
    assert await store.save([save], at) == ()
    return claimed.attempt


async def test_what_was_published_is_noted_with_its_row(engine: Engine, store: Store) -> None:
    first = await downloaded(engine, store)
    second = await downloaded(engine, store, "b.bin", 20, "d", NOW + 1)
    files = store.published
    assert files.instance == store.instance
    one, two = await files.page(HERE, None, 10)
    assert one == Published(one.id, first.download_id, first.number, "a.bin", 10, "c", NOW, "downloaded")
    assert two == Published(two.id, second.download_id, second.number, "b.bin", 20, "d", NOW + 1, "downloaded")
    assert await files.page(HERE, None, 1) == (one,)
    assert await files.page(HERE, (one.at, one.id), 10) == (two,)
    assert await files.page("another folder", None, 10) == ()
    assert (await files.total(HERE), await files.total("another folder")) == (30, 0)
    async with engine.open_table() as table:
        again = await table.published()
        assert again.instance == store.instance
        assert await again.page(HERE, None, 10) == (one, two)


async def test_nothing_is_noted_of_what_is_not_ours_to_see(engine: Engine, store: Store) -> None:
    engine.sql("INSERT INTO downloads (url) VALUES ('http://host.example/a')")
    (claimed,) = (await store.poll(commands.PollRows((), 1), NOW, RETRY_MAX_S)).rows.claimed
    await store.save([commands.SaveDownloaded(claimed.attempt, "/d/a", 1, None)], NOW)
    assert await store.published.page(HERE, None, 10) == ()


async def test_nothing_is_noted_of_a_row_that_a_bot_has_cancelled(engine: Engine, store: Store) -> None:
    engine.sql("INSERT INTO downloads (url) VALUES ('http://host.example/a')")
    (claimed,) = (await store.poll(commands.PollRows((), 1), NOW, RETRY_MAX_S)).rows.claimed
    engine.sql("UPDATE downloads SET cancelled = 1")
    save = commands.SaveDownloaded(claimed.attempt, "/d/a", 1, None, placed=Placed(HERE, "c", "a"))
    assert await store.save([save], NOW) != ()
    assert await store.published.page(HERE, None, 10) == ()


async def test_the_same_content_counts_once(engine: Engine, store: Store) -> None:
    for name in ("a", "b"):
        await downloaded(engine, store, name, 100)
    await downloaded(engine, store, "c", 7, "other")
    assert await store.published.total(HERE) == 107


async def test_the_status_is_that_of_the_row_that_has_the_file(engine: Engine, store: Store) -> None:
    await downloaded(engine, store)
    files = store.published

    async def status() -> str | None:
        (found,) = await files.page(HERE, None, 10)
        return found.status

    engine.sql("UPDATE downloads SET status = 'uploaded'")
    assert await status() == "uploaded"
    engine.sql("UPDATE downloads SET file_path = '/elsewhere/b.bin'")
    assert await status() is None
    engine.sql("UPDATE downloads SET file_path = '/d/a.bin', attempt = 2")
    assert await status() is None
    engine.sql("DELETE FROM downloads")
    assert await status() is None


async def test_an_entry_is_forgotten_once_and_the_row_says_why(engine: Engine, store: Store) -> None:
    first, second, third = [await downloaded(engine, store, name) for name in "abc"]
    engine.sql("UPDATE downloads SET status = 'sent' WHERE id = ?", second.download_id)
    engine.sql("UPDATE downloads SET notes = 'Before.' WHERE id = ?", third.download_id)
    files = store.published
    for found in await files.page(HERE, None, 10):
        assert await files.forget(found.id, "Deleted.")
        assert not await files.forget(found.id, "Deleted.")
    assert await files.page(HERE, None, 10) == ()
    notes = engine.sql("SELECT notes FROM downloads ORDER BY id")
    assert notes == [("Deleted.",), (None,), ("Before.\nDeleted.",)]
    assert engine.sql("SELECT DISTINCT file_path FROM downloads WHERE id = ?", first.download_id) == [("/d/a",)]


async def test_a_table_that_takes_no_note_costs_the_note_only(engine: Engine, store: Store) -> None:
    await downloaded(engine, store)
    engine.forbid("notes", "Deleted.")
    (found,) = await store.published.page(HERE, None, 10)
    assert await store.published.forget(found.id, "Deleted.")
    assert await store.published.page(HERE, None, 10) == ()
    assert engine.sql("SELECT notes FROM downloads") == [(None,)]


async def test_another_attempt_has_an_entry_of_its_own(engine: Engine, store: Store) -> None:
    first = await downloaded(engine, store)
    engine.sql("UPDATE downloads SET status = 'pending'")
    (claimed,) = (await store.poll(commands.PollRows((), 1), NOW, RETRY_MAX_S)).rows.claimed
    again = replace(first, number=first.number + 1)
    assert claimed.attempt == again
    save = commands.SaveDownloaded(again, "/d/a (2).bin", 10, None, placed=Placed(HERE, "d", "a (2).bin"))
    assert await store.save([save], NOW + 1) == ()
    found = await store.published.page(HERE, None, 10)
    assert [(each.attempt, each.status) for each in found] == [(1, None), (2, "downloaded")]


async def test_what_is_deleted_has_no_url_any_more(engine: Engine, store: Store) -> None:
    for name in ("a", "b", "c"):
        await downloaded(engine, store, name)
    engine.sql("UPDATE downloads SET file_url = 'https://files.example/' || id")
    engine.sql("UPDATE downloads SET status = 'uploaded' WHERE id = 2")
    for file in await store.published.page(HERE, None, 10):
        assert await store.published.forget(file.id, None if file.name == "c" else "Deleted.")
    urls = engine.sql("SELECT file_url FROM downloads ORDER BY id")
    assert urls == [(None,), ("https://files.example/2",), ("https://files.example/3",)], "2 is the bot's, 3 was gone"
