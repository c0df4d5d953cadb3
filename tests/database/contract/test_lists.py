"""Lists: parents and children, cancelled, sent back, counted and ended, whatever the engine."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.core import commands
from reactor.core.events import ListEnded, RowsPolled, SaveRejected, SaveStale
from reactor.core.job import Attempt
from reactor.core.rows import ClaimedRow
from reactor.database.contract import RETRY_MAX_S
from reactor.database.store import Store
from reactor.errors import Failure
from reactor.lists import Entry
from reactor.models import Kind, Stage, Status
from tests.database.contract.engines import Engine

NOW = 1_800_000_000.0
MIB = 1024 * 1024
URL = "http://host.example/list"
NONE: dict[str, Any] = {}
GONE = Failure("not_found", "It is not there.")


def entries(*numbers: int) -> tuple[Entry, ...]:
    return tuple(Entry(key=f"k{n}", url=f"http://host.example/{n}", title=f"Film {n}", position=n) for n in numbers)


async def poll(store: Store, claim: int = 0) -> RowsPolled:
    return (await store.poll(commands.PollRows((), claim), NOW, RETRY_MAX_S)).rows


async def claimed(store: Store) -> ClaimedRow:
    (row,) = (await poll(store, 1)).claimed
    return row


async def expanded(
    store: Store, engine: Engine, *numbers: int, most: int = 50, columns: dict[str, Any] = NONE
) -> Attempt:
    """A list whose entries have rows."""
    names, values = ", ".join(["url", *columns]), [URL, *columns.values()]
    engine.sql(f"INSERT INTO downloads ({names}) VALUES ({', '.join('?' * len(values))})", *values)
    attempt = (await claimed(store)).attempt
    found = entries(*numbers)
    for page in (found[:2], found[2:]):
        assert await store.save([commands.SaveEntries(attempt, page, most)], NOW) == ()
    listed = commands.SaveListed(attempt, Kind.YTDLP, "A list", len(found))
    assert await store.save([listed], NOW) == ()
    return attempt


async def over(store: Store, *, failed: bool = False) -> None:
    """The next row is over."""
    attempt = (await claimed(store)).attempt
    save = commands.SaveFailed(attempt, GONE) if failed else commands.SaveDownloaded(attempt, "/a", 1, None)
    assert await store.save([save], NOW) == ()


def row(engine: Engine, id: int, columns: str) -> tuple[Any, ...]:
    ((*found,),) = engine.sql(f"SELECT {columns} FROM downloads WHERE id = ?", id)
    return tuple(found)


def statuses(engine: Engine, parent: int) -> list[str]:
    found = engine.sql("SELECT status FROM downloads WHERE parent_id = ? ORDER BY position", parent)
    return [status for (status,) in found]


async def test_entries_become_rows_each_once_with_all_that_is_the_bots(engine: Engine, store: Store) -> None:
    engine.sql("ALTER TABLE downloads ADD COLUMN chat_id INTEGER")
    engine.sql('ALTER TABLE downloads ADD COLUMN "odd name" TEXT')
    options = '{"playlist": {"mode": "all"}, "want": "audio"}'
    own = {"chat_id": 42, '"odd name"': "x", "owner": "ann", "options": options}
    parent = await expanded(store, engine, 1, 2, 3, 2, columns=own)
    again = commands.SaveEntries(parent, entries(1, 2), 50)
    assert await store.save([again], NOW) == (SaveStale(parent, False),), "it is the reactor's no more"
    async with engine.open_table() as table:
        found = await table.children(parent.download_id)
        assert [(each.item_key, each.position, each.title, each.status) for each in found] == [
            (f"k{n}", n, f"Film {n}", "pending") for n in (1, 2, 3)
        ]
        assert {(each.parent_id, each.extra["chat_id"], each.extra["odd name"]) for each in found} == {(1, 42, "x")}
        assert {(each.owner, str(each.options)) for each in found} == {("ann", "{'want': 'audio'}")}
        assert {each.added_date for each in found} == {"2027-01-15 08:00:00.000"}
        listed = await table.get(1)
        assert listed is not None
        assert (listed.status, listed.stage, listed.title, listed.items_total) == ("downloading", "items", "A list", 3)
        assert listed.notes == "Of 4 entries 3 became downloads; others are this list itself, or too many."
    assert (await store.recover()).found.rows == (), "nobody has to go on with it"
    assert [(await claimed(store)).generation, (await claimed(store)).url] == [1, "http://host.example/2"]


async def test_a_list_says_how_far_its_entries_are_and_ends_with_them(engine: Engine, store: Store) -> None:
    parent = await expanded(store, engine, 1, 2, 3, 4)
    await over(store)
    await over(store, failed=True)
    running = (await claimed(store)).attempt
    progress = commands.ProgressOf(running, 50.0, 1024 * 1024, None, None)
    await store.save([commands.SaveProgress((progress,))], NOW)
    counted = "items_total, items_done, items_failed, progress, download_speed"
    assert row(engine, 1, counted) == (4, 1, 1, 62.5, 1.0)
    await store.save([commands.SaveDownloaded(running, "/b", 1, None)], NOW)
    assert (await poll(store)).lists == ()
    await over(store)
    (ended,) = (await poll(store)).lists
    assert ended == ListEnded(
        parent, Status.DOWNLOADED, 3, 1, Failure("partial", "1 of 4 entries were not downloaded.")
    )
    assert row(engine, 1, "status, stage, progress, error_code, items_done, items_failed") == (
        *("downloaded", None, 100, "partial"),
        *(3, 1),
    )
    assert (await poll(store)).lists == ()


@pytest.mark.parametrize(("failed", "status", "code"), [(False, "downloaded", None), (True, "failed", "not_found")])
async def test_all_came_or_none(engine: Engine, store: Store, failed: bool, status: str, code: str | None) -> None:
    await expanded(store, engine, 1, 2)
    for _ in range(2):
        await over(store, failed=failed)
    assert [each.status for each in (await poll(store)).lists] == [status]
    assert row(engine, 1, "status, error_code") == (status, code)


@pytest.mark.parametrize(
    "how", ["UPDATE downloads SET cancelled = 1 WHERE id = 1", "UPDATE downloads SET status = 'cancelled' WHERE id = 1"]
)
async def test_a_cancel_of_the_list_cancels_its_entries(engine: Engine, store: Store, how: str) -> None:
    await expanded(store, engine, 1, 2, 3)
    await over(store)
    running = (await claimed(store)).attempt
    engine.sql(how)
    seen = (await store.poll(commands.PollRows((running.download_id,), 1), NOW, RETRY_MAX_S)).rows
    assert [each.cancelled for each in seen.watched] == [True], "what is under way is told to stop"
    assert seen.claimed == ()
    assert statuses(engine, 1) == ["downloaded", "downloading", "cancelled"]
    assert row(engine, 1, "status") in (("downloading",), ("cancelled",)), "the latter where the bot said so itself"
    await store.save([commands.SaveCancelled(running)], NOW)
    await poll(store)
    assert row(engine, 1, "status, stage") == ("cancelled", None)
    engine.sql("UPDATE downloads SET status = 'pending', cancelled = 0 WHERE id = 3")
    assert (await claimed(store)).attempt.download_id == 3, "one of them may be wanted again by itself"


async def test_a_list_that_is_deleted_takes_its_entries_along(engine: Engine, store: Store) -> None:
    await expanded(store, engine, 1, 2)
    running = (await claimed(store)).attempt
    engine.sql("DELETE FROM downloads WHERE id = 1")
    seen = (await store.poll(commands.PollRows((running.download_id,), 1), NOW, RETRY_MAX_S)).rows
    assert [each.cancelled for each in seen.watched] == [True]
    assert engine.sql("SELECT id, status, parent_id FROM downloads ORDER BY id") == [
        (2, "downloading", None),
        (3, "cancelled", None),
    ]


async def test_a_list_that_is_sent_back_tries_again_what_did_not_come(engine: Engine, store: Store) -> None:
    await expanded(store, engine, 1, 2, 3)
    await over(store)
    await over(store, failed=True)
    async with engine.open_table() as table:
        assert not await table.retry(1), "it is under way"
        await over(store)
        await poll(store)
        assert await table.retry(1)
    attempt = (await claimed(store)).attempt
    assert attempt == Attempt(1, 2)
    assert statuses(engine, 1) == ["downloaded", "pending", "downloaded"]
    await store.save([commands.SaveEntries(attempt, entries(2, 3, 4), 50)], NOW)
    await store.save([commands.SaveListed(attempt, Kind.YTDLP, None, 3)], NOW)
    assert statuses(engine, 1) == ["downloaded", "pending", "downloaded", "pending"], "what is new in it comes, too"
    for _ in range(2):
        await over(store)
    await poll(store)
    assert row(engine, 1, "status, title, items_total, error_code") == ("downloaded", "A list", 4, None)


async def test_another_row_with_the_id_of_a_list_has_none_of_its_entries(engine: Engine, store: Store) -> None:
    await expanded(store, engine, 1, 2)
    engine.sql("DELETE FROM downloads WHERE id = 1")
    engine.sql("INSERT INTO downloads (id, url, added_date) VALUES (1, 'http://host.example/a', '2000-01-01')")
    assert (await claimed(store)).attempt == Attempt(1, 1)
    assert engine.sql("SELECT parent_id, cancelled FROM downloads WHERE id > 1") == [(None, 1), (None, 1)]


async def test_of_another_row_with_the_id_of_a_list_none_of_its_lists_goes_on_either(
    engine: Engine, store: Store
) -> None:
    await expanded(store, engine, 1)
    inner = (await claimed(store)).attempt
    await store.save([commands.SaveEntries(inner, entries(2, 3), 50)], NOW)
    await store.save([commands.SaveListed(inner, Kind.YTDLP, None, 2)], NOW)
    engine.sql("DELETE FROM downloads WHERE id = 1")
    engine.sql("INSERT INTO downloads (id, url, added_date) VALUES (1, 'http://host.example/a', '9000-01-01')")
    seen = (await store.poll(commands.PollRows((), 3), NOW, RETRY_MAX_S)).rows
    assert [each.attempt for each in seen.claimed] == [Attempt(1, 1)]
    assert engine.sql("SELECT id, status, parent_id FROM downloads WHERE id > 1 ORDER BY id") == [
        (2, "cancelled", None),
        (3, "cancelled", 2),
        (4, "cancelled", 2),
    ]


async def test_a_list_that_cannot_be_read_to_its_end_is_left_to_its_entries(engine: Engine, store: Store) -> None:
    engine.sql("INSERT INTO downloads (url) VALUES (?)", URL)
    attempt = (await claimed(store)).attempt
    await store.save([commands.SaveEntries(attempt, entries(1, 2), 50)], NOW)
    assert row(engine, 1, "stage") == (Stage.LISTING,)
    assert await store.save([commands.SaveFailed(attempt, GONE, Kind.YTDLP)], NOW) == ()
    assert row(engine, 1, "status, stage, finished_at") == ("downloading", "items", None)
    for _ in range(2):
        await over(store)
    (ended,) = (await poll(store)).lists
    assert (ended.status, ended.failure) == (Status.DOWNLOADED, Failure("partial", "It is not there."))


async def test_a_list_has_no_more_entries_than_it_may_and_never_itself(engine: Engine, store: Store) -> None:
    await expanded(store, engine, 1, 2, 3, most=2)
    assert statuses(engine, 1) == ["pending", "pending"]
    inner = (await claimed(store)).attempt
    itself = Entry(key="itself", url=f"{URL}/", position=1)
    await store.save([commands.SaveEntries(inner, (itself, *entries(7, 8)), 3)], NOW)
    found = engine.sql("SELECT url FROM downloads WHERE parent_id = ?", inner.download_id)
    assert found == [("http://host.example/7",)], "the lists in a list count with it"


async def test_a_list_that_is_only_listed_is_over_and_its_entries_wait_for_the_bot(
    engine: Engine, store: Store
) -> None:
    engine.sql("INSERT INTO downloads (url) VALUES (?)", URL)
    attempt = (await claimed(store)).attempt
    await store.save([commands.SaveEntries(attempt, entries(1, 2), 50, listed_only=True)], NOW)
    await store.save([commands.SaveListed(attempt, Kind.YTDLP, None, 2, listed_only=True)], NOW)
    assert row(engine, 1, "status, items_total") == ("downloaded", 2)
    assert statuses(engine, 1) == ["listed", "listed"]
    assert (await poll(store, 1)).claimed == ()
    assert (await store.unserved()).statuses == ()


async def test_what_no_two_rows_may_share_is_not_copied(engine: Engine, store: Store) -> None:
    engine.sql("ALTER TABLE downloads ADD COLUMN message_id INTEGER")
    engine.sql("CREATE UNIQUE INDEX by_message ON downloads (message_id)")
    await expanded(store, engine, 1, 2, columns={"message_id": 7})
    assert engine.sql("SELECT message_id FROM downloads ORDER BY id") == [(7,), (None,), (None,)]


async def test_entries_that_the_table_does_not_take(engine: Engine, store: Store) -> None:
    """Some: those are passed over, and the list says so. All: it fails, and says which constraint it was."""
    engine.sql("CREATE UNIQUE INDEX by_url ON downloads (url)")
    engine.sql("INSERT INTO downloads (url, status) VALUES ('http://host.example/1', 'downloaded')")
    engine.sql("INSERT INTO downloads (url) VALUES (?)", URL)
    attempt = (await claimed(store)).attempt
    (refused,) = await store.save([commands.SaveEntries(attempt, entries(1), 50)], NOW)
    assert isinstance(refused, SaveRejected)
    assert "downloads.url" in refused.failure.text
    assert await store.save([commands.SaveEntries(attempt, entries(1, 2), 50)], NOW) == ()
    assert statuses(engine, 2) == ["pending"]


async def test_a_parent_id_of_the_bots_own_is_the_bots(engine: Engine, store: Store) -> None:
    engine.sql("INSERT INTO downloads (url, parent_id) VALUES (?, 999)", URL)
    assert (await claimed(store)).generation == 0
    engine.sql("UPDATE downloads SET status = 'downloaded'")
    assert (await poll(store)).swept == ()
    assert row(engine, 1, "parent_id, cancelled") == (999, 0)


async def test_a_list_is_one_row_of_the_overview_with_speed_and_time_left_of_all(engine: Engine, store: Store) -> None:
    await expanded(store, engine, 1, 2, 3, 4)
    engine.sql("INSERT INTO downloads (url, status) VALUES ('u', 'failed')")
    await over(store, failed=True)
    attempt = (await claimed(store)).attempt
    moved = commands.ProgressOf(attempt, 50.0, 10 * MIB, 5, 100 * MIB)
    assert await store.save([commands.SaveProgress((moved,))], NOW) == ()
    assert row(engine, 1, "progress, download_speed, eta_seconds") == (37.5, 10.0, 25), "2.5 entries of 100 MiB"
    async with engine.open_table() as table:
        seen = await table.overview(50)
        assert [[each.id for each in kind] for kind in (seen.under_way, seen.queued, seen.over)] == [[1], [], [6]]
        counts = seen.counts
        assert (counts.pending, counts.waiting, counts.downloading, counts.failed) == (0, 0, 1, 1)
        assert (await table.counts()).pending == 2, "the reactor's own, and the metrics'"
        found, total = await table.entries(1, offset=1, limit=2)
        assert ([each.position for each in found], total) == ([2, 3], 4)
        assert [each.id for each in (await table.folded())[0]] == [1, 6]
        story = await table.story(1)
        assert story is not None
        assert story.failures == {"not_found": 1}
        story = await table.story(found[0].id)
        assert story is not None
        assert story.parent is not None
        assert story.parent.id == 1
        engine.sql("DELETE FROM downloads WHERE id = 1")
        assert (await table.folded(2))[1] == 5, "what is in no list that is there"
