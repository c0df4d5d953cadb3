"""The column `options`: what a claim, a recovery and a bot read of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reactor.core import commands
from reactor.core.events import RowsPolled
from reactor.core.rows import ClaimedRow
from reactor.database import contract
from reactor.database.contract import RETRY_MAX_S
from reactor.database.store import Store
from reactor.options import NO_OPTIONS, OPTIONS_BYTES_MAX, Options
from reactor.plan import Brought
from tests.core.world import one_file
from tests.database.contract.engines import Engine

NOW = 1_800_000_000.0


def add(engine: Engine, *options: Any) -> None:
    for asked in options:
        engine.sql("INSERT INTO downloads (url, options) VALUES ('http://host.example/a.bin', ?)", asked)


async def poll(store: Store, room: int = 1) -> RowsPolled:
    return (await store.poll(commands.PollRows((), room), NOW, RETRY_MAX_S)).rows


async def claim(store: Store) -> ClaimedRow:
    (found,) = (await poll(store)).claimed
    return found


@pytest.mark.parametrize("nothing", [None, "", "{}", " ", b""])
async def test_a_row_without_options_asks_for_nothing(engine: Engine, store: Store, nothing: str | bytes) -> None:
    add(engine, nothing)
    found = await claim(store)
    assert (found.options, found.refusal) == (NO_OPTIONS, None)


async def test_a_claim_and_a_recovery_bring_what_the_row_asks_for(engine: Engine, store: Store) -> None:
    add(engine, '{"quality": 720, "clip": ["0:10", "0:20"], "codec": null}')
    asked = Options(quality=720, clip=((10.0, 20.0),))
    assert (await claim(store)).options == asked
    (under_way,) = (await store.recover()).found.rows
    assert under_way.options == asked
    read = await store.read_plan(commands.ReadPlan(under_way.attempt))
    assert read is not None
    assert read.row.options == asked


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ('{"quality": 50}', "`quality`"),
        ('{"qualty": 720}', "`quality`"),
        ("{", "JSON"),
        (5, "JSON object"),
        (b"\xff\xfe", "JSON"),
        ('{"name": "' + "a" * OPTIONS_BYTES_MAX + '"}', "too long"),
        ('{"__proto__": {}}', "__proto__"),
        ('{"name": "{title.__class__}"}', "`name`"),
        ("[" * 5000, "JSON"),
    ],
)
async def test_what_cannot_be_understood_is_a_claim_with_a_sentence(
    engine: Engine, store: Store, options: Any, sentence: str
) -> None:
    add(engine, options)
    found = await claim(store)
    assert found.refusal is not None
    assert found.refusal.code == "bad_options"
    assert sentence in found.refusal.message
    async with engine.open_table() as table:
        row = await table.get(found.attempt.download_id)
    assert row is not None
    assert isinstance(row.options, dict)


async def test_who_is_next_comes_with_its_options_unless_it_will_fail(engine: Engine, store: Store) -> None:
    add(engine, None, '{"max_mib": 5}', '{"max_mib": -5}', None)
    assert (await poll(store)).next_options == Options(max_mib=5)
    seen = await poll(store)
    assert (seen.next_url, seen.next_options) == (None, NO_OPTIONS)


async def test_a_bot_reads_what_it_has_written_and_a_retry_keeps_it(engine: Engine) -> None:
    said = {"want": "audio", "audio": {"format": "mp3"}}
    async with engine.open_table() as table:
        id = await table.add("http://host.example/a", {"options": json.dumps(said)})
        engine.sql("UPDATE downloads SET status = 'failed'")
        assert await table.retry(id)
        row = await table.get(id)
    assert row is not None
    assert (row.options, row.extra) == (said, {})


async def test_who_has_brought_the_same_is_found_whatever_its_bot_has_made_of_it(engine: Engine, store: Store) -> None:
    add(engine, *[None] * 5)
    engine.sql("UPDATE downloads SET media_key = 'a', file_path = '/a', status = 'downloaded' WHERE id < 4")
    engine.sql("UPDATE downloads SET media_key = 'a', file_path = '/a', status = 'failed' WHERE id = 4")
    engine.sql("UPDATE downloads SET status = 'uploaded' WHERE id = 3")
    engine.sql("UPDATE downloads SET notes = 'one\ntwo', file_size = 7 WHERE id = 2")
    brought = {besides: await store.find_same("a", None, besides) for besides in (3, 5)}
    assert [[each.download_id for each in those] for those in brought.values()] == [[2, 1], [3, 2, 1]]
    assert brought[3][0] == Brought(download_id=2, path="/a", bytes=7, notes=("one", "two"))
    assert await store.find_same("b", None, 1) == ()
    plan = one_file()
    plan = plan.model_copy(update={"finish": plan.finish.model_copy(update={"media_key": "b"})})
    found = await claim(store)
    assert await store.save([commands.SavePlan(found.attempt, plan)], NOW) == ()
    assert engine.sql("SELECT media_key FROM downloads WHERE id = 5") == [("b",)]
    assert await store.find_same("b", None, 1) == (), "it is under way"


async def test_what_another_owner_has_brought_is_not_found(engine: Engine, store: Store) -> None:
    """It may have come with cookies of his."""
    add(engine, *[None] * 4)
    engine.sql("UPDATE downloads SET media_key = 'a', file_path = '/a', status = 'downloaded'")
    long = "x" * 1000
    for id, whose in {2: "ann", 3: "7", 4: long}.items():
        engine.sql("UPDATE downloads SET owner = ? WHERE id = ?", whose, id)
    for owner, ids in {None: [1], "ann": [2], "7": [3], contract.owner(long): [4], "bob": []}.items():
        assert [each.download_id for each in await store.find_same("a", owner, 9)] == ids


async def test_what_an_owner_always_wants_goes_with_his_rows(engine: Engine, store: Store) -> None:
    """Set by a bot's statement; a row says more, or takes it away; of lists nothing is said to their entries."""
    engine.sql("INSERT INTO reactor_defaults VALUES ('7', ?)", '{"quality": 720, "ask": "all", "codec": "h264"}')
    engine.sql("INSERT INTO reactor_defaults VALUES ('', ?)", '{"quality": 144}')
    engine.sql("INSERT INTO reactor_defaults VALUES ('bad', ?)", '{"quality": 1}')
    insert = "INSERT INTO downloads (id, url, owner, options, parent_id, item_key) VALUES (?, 'http://h/', ?, ?, ?, ?)"
    rows: list[tuple[object, ...]] = [("7", None, None, None), (7, '{"codec": null, "quality": 360}', None, None)]
    rows += [(None, None, None, None), ("ann", None, None, None), ("7", None, 50, "a"), ("bad", None, None, None)]
    engine.sql("INSERT INTO downloads (id, url, status, stage, attempt) VALUES (50, 'x', 'downloading', 'items', 1)")
    for n, row in enumerate(rows, 1):
        engine.sql(insert, n, *row)
    found = sorted((await poll(store, 6)).claimed, key=lambda row: row.attempt.download_id)
    assert [row.options for row in found[:5]] == [
        Options(quality=720, ask="all", codec="h264"),
        Options(quality=360, ask="all"),
        Options(quality=144),
        NO_OPTIONS,
        Options(quality=720, codec="h264"),
    ]
    assert [row.refusal.code if row.refusal else None for row in found] == [None] * 5 + ["bad_options"]
    recovered = (await store.recover()).found.rows
    assert [row.options for row in recovered[:5]] == [row.options for row in found[:5]]


async def test_the_next_row_is_looked_into_as_its_owner_wants(engine: Engine, store: Store) -> None:
    engine.sql("INSERT INTO reactor_defaults VALUES ('', ?)", '{"quality": 144}')
    add(engine, None, None)
    assert (await poll(store)).next_options == Options(quality=144)


async def test_a_bot_sets_what_an_owner_always_wants(engine: Engine) -> None:
    async with engine.open_table() as table:
        assert await table.defaults(7) == {}
        await table.set_defaults(7, '{"quality": 720}')
        await table.set_defaults(None, '{"quality": 144}')
        assert (await table.defaults("7"), await table.defaults(None)) == ({"quality": 720}, {"quality": 144})
        await table.set_defaults("7", None)
        await table.set_defaults("x" * 999, "[]")
        assert (await table.defaults(7), await table.defaults("x" * 999)) == ({}, {})
    assert engine.sql("SELECT count(*) FROM reactor_defaults") == [(2,)]
