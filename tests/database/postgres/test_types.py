"""Columns of the contract that a bot has had before, in types of its own: one row's way through each."""

from __future__ import annotations

import pytest

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.database.contract import RETRY_MAX_S
from reactor.errors import DatabaseError, Failure
from reactor.lists import Entry
from reactor.models import Kind
from tests.core.world import one_file
from tests.database.postgres.bot import Bot

NOW = 1_800_000_000.0
TABLE = "CREATE TABLE downloads (id serial PRIMARY KEY, url text NOT NULL, {})"
STATUSES = "'pending', 'downloading', 'downloaded', 'cancelled', 'failed', 'choosing'"


@pytest.mark.parametrize(
    "columns",
    [
        "cancelled boolean NOT NULL DEFAULT false, owner bigint, added_date timestamptz NOT NULL DEFAULT now(),"
        " options jsonb, files jsonb, choices jsonb, priority numeric, file_size numeric, attempt bigint,"
        " retry_count smallint NOT NULL DEFAULT 0",
        "cancelled text, owner uuid, added_date timestamp, started_at timestamptz, finished_at timestamp, options json,"
        " priority text",
        "added_date bigint, status mood DEFAULT 'pending', error text NOT NULL DEFAULT '', eta_seconds integer NOT NULL"
        " DEFAULT 0, stage varchar(20) NOT NULL DEFAULT '', next_attempt_at double precision NOT NULL DEFAULT 0,"
        " not_before numeric NOT NULL DEFAULT 0",
    ],
)
async def test_a_row_goes_its_way_whatever_the_types(bot: Bot, columns: str) -> None:
    bot.sql(f"CREATE TYPE mood AS ENUM ({STATUSES}, 'listed')")
    bot.sql(TABLE.format(columns))
    owner = {"bigint": "7", "uuid": "6ecd8c99-4036-403d-bf84-cf8400f67836"}
    whose = next((value for kind, value in owner.items() if f"owner {kind}" in columns), "ann")
    async with bot.store() as store, bot.table() as table:
        first = await table.add("http://host.example/1", {"owner": whose, "priority": 1, "options": '{"quality": 720}'})
        second = await table.add("http://host.example/2", {})
        third = await table.add("http://host.example/3", {})
        await table.cancel(third)
        seen = (await store.poll(commands.PollRows((first,), 2), NOW, RETRY_MAX_S)).rows
        assert (seen.swept, {row.attempt.download_id for row in seen.claimed}) == ((third,), {first, second})
        (one,) = [row for row in seen.claimed if row.attempt.download_id == first]
        assert (one.options.quality, one.owner) == (720, whose)
        saves: list[commands.Save] = [
            commands.SavePlan(one.attempt, one_file()),
            commands.SaveProgress((commands.ProgressOf(one.attempt, 50.0, 10, 10, 10),)),
            commands.SaveWaiting(one.attempt, Failure("timeout", "It took too long."), 1, 30.0),
        ]
        assert await store.save(saves, NOW) == ()
        assert (await store.poll(commands.PollRows((), 1), NOW, RETRY_MAX_S)).rows.due_in_s == pytest.approx(30, abs=70)
        seen = (await store.poll(commands.PollRows((), 1), NOW + 130, RETRY_MAX_S)).rows
        assert [row.attempt for row in seen.claimed] == [Attempt(first, 2)]
        await store.save([commands.SaveDownloaded(Attempt(first, 2), "/a", 10, "A title")], NOW)
        row = await table.get(first)
        assert row is not None
        assert (row.status, row.file_size, row.cancelled, row.error) == ("downloaded", 10, False, None)
        entries = (Entry(key="a", url="http://host.example/a", position=1),)
        attempt = Attempt(second, 1)
        assert await store.save([commands.SaveEntries(attempt, entries, 5)], NOW) == ()
        assert await store.save([commands.SaveListed(attempt, Kind.YTDLP, "A list", 1)], NOW) == ()
        assert await table.cancel(second)
        await store.poll(commands.PollRows((), 0), NOW, RETRY_MAX_S)
        states = [row.status for row in await table.list()]
        assert states == ["downloaded", "cancelled", "cancelled", "cancelled"]
        assert await table.retry(third)
        story = await table.story(third)
        assert story is not None
        assert story.position is not None
        await table.overview(5)
        await store.recover()


async def test_an_enum_without_a_status_of_the_contract_is_refused(bot: Bot) -> None:
    bot.sql("CREATE TYPE mood AS ENUM ('pending', 'downloading', 'downloaded')")
    bot.sql(TABLE.format("status mood DEFAULT 'pending'"))
    with pytest.raises(DatabaseError, match="enum"):
        async with bot.store():
            pass


async def test_a_column_of_the_bots_for_whole_numbers_takes_no_machines_name(bot: Bot) -> None:
    bot.sql(TABLE.format("status text DEFAULT 'pending', machine integer"))
    with pytest.raises(DatabaseError, match='type integer: "me"'):
        async with bot.store():
            pass


async def test_a_text_with_a_nul_is_refused_of_a_bot_and_cleaned_of_a_stranger(bot: Bot) -> None:
    async with bot.store() as store, bot.table() as table:
        with pytest.raises(DatabaseError, match="NUL"):
            await table.add("http://host.example/\0", {})
        id = await table.add("http://host.example/", {})
        await store.poll(commands.PollRows((), 1), NOW, RETRY_MAX_S)
        await store.save([commands.SaveDownloaded(Attempt(id, 1), "/a\0b", 1, "A\0title")], NOW)
        row = await table.get(id)
    assert row is not None
    assert (row.title, row.file_path) == ("A\ufffdtitle", "/a\ufffdb")
