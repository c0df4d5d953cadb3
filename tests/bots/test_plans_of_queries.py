"""What a bot asks of the table costs no more for all that is over: every statement finds its rows by an index."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from reactor import Queue
from tests.bots.modules import loaded

FINISHED = 3_000
PLACE = {"telegram": "chat_id", "discord": "channel_id"}
pytestmark = pytest.mark.timeout(300)  # the first of them imports aiogram


def fill(database: Path, says: str, place: str, *, analyzed: bool) -> None:
    """Many rows that are over and told, and one that is not."""
    with closing(sqlite3.connect(database)) as db, db:
        db.execute(
            f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {FINISHED})
            INSERT INTO downloads (url, status, user_id, {place}) SELECT 'u', 'uploaded', i % 70, i % 50 FROM n"""
        )
        db.execute(f"UPDATE downloads SET shown = {says}")
        db.execute(f"INSERT INTO downloads (url, status, user_id, {place}) VALUES ('u', 'pending', 3, 3)")
        if analyzed:
            db.execute("ANALYZE")


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize("bot", PLACE)
async def test_nothing_reads_the_whole_table(tmp_path: Path, bot: str, analyzed: bool) -> None:
    (module,) = loaded(bot, "store")
    database, last, asked = tmp_path / "bot.db", FINISHED + 1, list[str]()
    async with Queue(database), module.Store.open(database) as store:
        fill(database, getattr(module, "SAYS", "") or module.Store.SAYS, PLACE[bot], analyzed=analyzed)
        await store._connection.set_trace_callback(asked.append)
        assert [each[:2] for each in await store.untold()] == [(3, last)]
        assert await store.live_in(3) == [last]
        assert await store.unsent_in(3) == []
        assert await store.waiting_of(3) == 1
        assert (await store.stats_of(3)).count == FINISHED / 50
        await store.unsent()
        await store.set_language(3, "de", "en")
        await store.stopped_uploads()
        await store.return_uploads()
        assert not await store.claim_upload(last)
        assert not await store.stop_upload(last)
        assert not await store.upload_again(last)
        await store.upload_ended(last, "downloaded", "why")
        if bot == "telegram":
            assert await store.counts() == {"pending": 1, "downloading": 0}
            assert await store.told_by(3, 9) is None
            assert await store.asked_already(3, 9) == set()
        await store._connection.set_trace_callback(None)
        plans = await plans_of(store._connection, asked)
    assert len(plans) > 12
    whole = {step: sql for sql, steps in plans.items() for step in steps if WHOLE.match(step)}
    assert whole == {}


async def plans_of(connection: object, statements: list[str]) -> dict[str, list[str]]:
    """How SQLite finds the rows of each."""
    ask = connection.execute_fetchall  # type: ignore[attr-defined]
    about = [sql for sql in statements if "downloads" in sql]
    return {sql: [step for *_, step in await ask(f"EXPLAIN QUERY PLAN {sql}")] for sql in about}


WHOLE = re.compile(
    r"SCAN (downloads|d)\b(?!.* INDEX (bot|reactor)_)|.* INDEX bot_(messages|requests|channel) \(\w+>\?\)"
)
"""Of the table, or of an index that has all of its rows."""
