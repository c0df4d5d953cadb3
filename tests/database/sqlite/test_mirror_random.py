"""A bot and reactor, each at random: whatever they do to a row, both tables say the same of it in the end."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.database.sqlite import mirrors
from reactor.database.sqlite.migration import migrate
from reactor.database.sqlite.mirror_checks import checked
from tests.database.mirror_steps import MIRROR, OURS, VALUES, Step, play

JOBS = """CREATE TABLE jobs (id TEXT PRIMARY KEY, link TEXT, state TEXT DEFAULT 'queued', chat INTEGER, path TEXT,
    stop INTEGER DEFAULT 0)"""
BOTS = {
    "INSERT OR IGNORE INTO jobs (id, link) VALUES (:key, :link)",
    "INSERT OR REPLACE INTO jobs (id, link, state) VALUES (:key, :link, :word)",
    """INSERT INTO jobs (id, link) VALUES (:key, :link)
    ON CONFLICT (id) DO UPDATE SET link = excluded.link, state = 'queued', stop = 0""",
    "UPDATE jobs SET state = :word WHERE id = :key",
    "UPDATE jobs SET state = :word",
    "UPDATE jobs SET link = :link, chat = 1 WHERE id = :key",
    "UPDATE jobs SET stop = 1 - stop WHERE id = :key",
    "UPDATE jobs SET state = 'queued', stop = 0 WHERE id = :key",
    "DELETE FROM jobs WHERE id = :key",
    "UPDATE OR IGNORE jobs SET id = :other WHERE id = :key",
}
BOT = st.tuples(st.sampled_from(sorted(BOTS)), VALUES)


@pytest.mark.parametrize("recursive", [False, True])
@settings(max_examples=100, deadline=None)
@given(steps=st.lists(st.one_of(BOT, OURS), max_size=20))
def test_whatever_both_do(recursive: bool, steps: list[Step]) -> None:
    with (
        closing(sqlite3.connect("file:mirror?mode=memory&cache=shared", uri=True, isolation_level=None)) as ours,
        closing(sqlite3.connect("file:mirror?mode=memory&cache=shared", uri=True, isolation_level=None)) as bot,
    ):
        ours.execute(JOBS)
        migrate(ours)
        mirrors.attach(ours, checked(ours, MIRROR))
        bot.execute(f"PRAGMA recursive_triggers = {recursive:d}")
        play(ours, bot, steps)
