"""A bot's own table in PostgreSQL: what is missing is added, everything else is left alone."""

from __future__ import annotations

import anyio
import psycopg
import pytest

from reactor.core import commands
from reactor.database.contract import COLUMNS, GONE, RETRY_MAX_S
from reactor.database.postgres import migration
from reactor.errors import DatabaseError
from tests.database.postgres.bot import Bot

NOW = 1_800_000_000.0
OWN = """CREATE TABLE downloads (id bigserial PRIMARY KEY, url varchar(2000) NOT NULL,
    chat_id bigint NOT NULL DEFAULT 7, title varchar(300), "Odd name" text CHECK ("Odd name" <> ''),
    created timestamptz DEFAULT now())"""
CATALOG = """SELECT c.relname, c.relkind, c.reloptions, pg_get_indexdef(c.oid) FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'reactor%' ORDER BY 1"""
COLUMNS_OF = """SELECT column_name, data_type, column_default, is_nullable FROM information_schema.columns
    WHERE table_name = 'downloads' ORDER BY ordinal_position"""


async def ready(bot: Bot) -> None:
    async with bot.store():
        pass


async def test_what_is_missing_is_added_and_the_rest_is_left_alone(bot: Bot) -> None:
    bot.sql(OWN)
    bot.sql("CREATE INDEX by_chat ON downloads (chat_id)")
    bot.sql("CREATE TABLE other (id int)")
    bot.sql("INSERT INTO downloads (url) VALUES ('http://host.example/old')")
    catalog, before = bot.sql(CATALOG), bot.sql(COLUMNS_OF)
    await ready(bot)
    assert bot.sql(CATALOG) == catalog
    after = bot.sql(COLUMNS_OF)
    assert after[: len(before)] == before
    assert {name for name, *_ in after} == COLUMNS | {name for name, *_ in before}
    assert bot.sql("SELECT status, cancelled, added_date FROM downloads") == [("pending", 0, None)], "it is taken over"
    bot.sql("INSERT INTO downloads (url) VALUES ('http://host.example/new')")
    assert bot.sql("SELECT added_date IS NOT NULL FROM downloads ORDER BY id") == [(False,), (True,)]
    async with bot.store() as store:
        seen = await store.poll(commands.PollRows((), 2), NOW, RETRY_MAX_S)
        assert [row.url[-3:] for row in seen.rows.claimed] == ["old", "new"]


async def test_a_database_that_fits_is_not_written_to(bot: Bot) -> None:
    await ready(bot)
    everything = "SELECT relname, xmin::text, ctid::text FROM pg_class ORDER BY 1"
    before = bot.sql(everything)
    async with bot.table():
        pass
    async with bot.table(read_only=True) as table:
        assert await table.list() == []
    assert bot.sql(everything) == before


async def test_what_reactor_has_made_is_not_checked_again(bot: Bot) -> None:
    async with bot.table():
        pass
    bot.sql("""CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'made'; END $$""")
    bot.sql("CREATE EVENT TRIGGER no ON ddl_command_start EXECUTE FUNCTION no()")
    try:
        await ready(bot)
        bot.sql("UPDATE reactor_meta SET value = '' WHERE key = 'made'")
        with pytest.raises(DatabaseError, match="made"):
            await ready(bot)
    finally:
        bot.sql("DROP EVENT TRIGGER no")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ALTER TABLE downloads ADD CHECK (status <> 'failed')", "status"),
        ("ALTER TABLE downloads ALTER stage TYPE varchar(3)", "varying"),
        ("CREATE UNIQUE INDEX one ON downloads (title)", "title"),
    ],
)
async def test_what_a_bot_has_changed_of_it_is_checked(bot: Bot, change: str, named: str) -> None:
    await ready(bot)
    bot.sql(change)
    with pytest.raises(DatabaseError, match=named):
        await ready(bot)


async def test_the_table_of_a_new_database_leaves_room_in_its_pages(bot: Bot) -> None:
    async with bot.store() as store:
        assert store.created
    async with bot.store() as store:
        assert not store.created
    ((options,),) = bot.sql("SELECT reloptions FROM pg_class WHERE relname = 'downloads'")
    assert "fillfactor=80" in options


async def test_several_make_the_same_database_ready_at_once(bot: Bot) -> None:
    bot.sql(OWN)
    instances = []

    async def opened() -> None:
        async with bot.store() as store:
            instances.append(store.instance)

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(opened)
    assert len(instances) == 4
    assert len(set(instances)) == 1


async def test_a_bot_that_holds_its_table_is_waited_for_and_holds_up_nobody(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that waits for a lock keeps everybody behind it waiting; so it gives up soon, and is tried again."""
    bot.sql(OWN)
    monkeypatch.setattr(migration, "LOCK_S", 0.05)
    monkeypatch.setattr(migration, "PAUSE_S", 0.05)
    monkeypatch.setattr(migration, "TRIES", 10_000)
    with psycopg.connect(bot.url) as holding:
        holding.execute("SELECT count(*) FROM downloads")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ready, bot)
            refused = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while not bot.sql(refused)[0][0]:
                await anyio.sleep(0.001)
            bot.sql("INSERT INTO downloads (url) VALUES ('u')")
            holding.commit()
    assert bot.sql("SELECT status FROM downloads") == [("pending",)]


async def test_an_index_whose_building_was_interrupted_is_built_again(bot: Bot) -> None:
    await ready(bot)
    bot.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'reactor_ready'::regclass")
    bot.sql("DROP INDEX reactor_under_way")
    await ready(bot)
    valid = "SELECT count(*) FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indisvalid AND relname = ANY (%s)"
    assert bot.sql(valid, ["reactor_ready", "reactor_under_way"]) == [(2,)]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("CREATE VIEW downloads AS SELECT 1 AS id", "not a table"),
        ("CREATE TABLE downloads (id bigserial PRIMARY KEY, link text)", "no column `url`"),
        ("CREATE TABLE downloads (id bigint PRIMARY KEY, url text)", "counts by itself"),
        ("CREATE TABLE downloads (id bigserial, url text)", "its primary key"),
        ("CREATE TABLE downloads (id text PRIMARY KEY DEFAULT 'a', url text)", "`id` is text"),
        (OWN.replace("title varchar(300)", "title text GENERATED ALWAYS AS (url) STORED"), "`title` is GENERATED"),
        (OWN.replace("title varchar(300)", '"Status" text'), '"Status" is written with quotes'),
        (OWN.replace("title varchar(300)", "progress text"), "`progress` is text"),
        (OWN.replace("title varchar(300)", "next_attempt_at real"), "`next_attempt_at` is real"),
        (OWN.replace("title varchar(300)", "status varchar(5)"), "too small"),
        (OWN.replace("title varchar(300)", "status text CHECK (status <> 'failed')"), "CHECK"),
        (OWN.replace("title varchar(300)", "title text UNIQUE"), "`title` is UNIQUE"),
        (OWN.replace("title varchar(300)", "finished_at timestamptz NOT NULL DEFAULT now()"), "NOT NULL"),
    ],
)
async def test_a_table_that_cannot_carry_the_contract_is_refused_in_a_sentence(bot: Bot, made: str, said: str) -> None:
    bot.sql(made)
    with pytest.raises(DatabaseError, match=said) as refused:
        await ready(bot)
    assert not refused.value.retryable


async def test_what_is_not_there_is_not_made_where_that_is_not_wanted(bot: Bot) -> None:
    for how in ({"create": False}, {"read_only": True}):
        with pytest.raises(DatabaseError, match="no table `downloads`"):
            async with bot.table(**how):
                pass
    bot.sql(OWN)
    with pytest.raises(DatabaseError, match="no column"):
        async with bot.table(read_only=True):
            pass
    assert len(bot.sql(COLUMNS_OF)) == 6


async def test_a_table_that_is_dropped_is_said_and_not_made_again(bot: Bot) -> None:
    async with bot.store() as store:
        bot.sql("DROP TABLE downloads")
        for _ in range(2):
            with pytest.raises(DatabaseError) as gone:
                await store.poll(commands.PollRows((), 1), NOW, RETRY_MAX_S)
            assert (gone.value.code, gone.value.retryable) == (GONE, True)
    assert bot.sql(COLUMNS_OF) == []


async def test_a_column_that_is_dropped_under_way_is_added_again(bot: Bot) -> None:
    async with bot.store() as store:
        bot.sql("INSERT INTO downloads (url) VALUES ('u')")
        bot.sql("ALTER TABLE downloads DROP COLUMN stage")
        seen = await store.poll(commands.PollRows((), 1), NOW, RETRY_MAX_S)
    assert len(seen.rows.claimed) == 1
    assert bot.sql("SELECT stage FROM downloads") == [("detecting",)]
