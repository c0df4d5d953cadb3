"""A bot and reactor, each at random: whatever they do to a row, both tables say the same of it in the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor.database.postgres import mirrors
from reactor.database.postgres.connection import PostgresConnection, adapters
from reactor.database.postgres.migration import fit
from reactor.database.postgres.mirror_checks import checked
from reactor.database.sql.connection import Connection
from tests.database.mirror_steps import MIRROR, OURS, VALUES, Step, play
from tests.database.postgres.server import Server

JOBS = """CREATE TABLE jobs (id text PRIMARY KEY, link text, state text DEFAULT 'queued', chat integer, path text,
    stop integer DEFAULT 0)"""
BOTS = {
    "INSERT INTO jobs (id, link) VALUES (:key, :link) ON CONFLICT DO NOTHING",
    """INSERT INTO jobs (id, link) VALUES (:key, :link)
    ON CONFLICT (id) DO UPDATE SET link = excluded.link, state = 'queued', stop = 0""",
    "WITH gone AS (DELETE FROM jobs WHERE id = :key) INSERT INTO jobs (id, link, state) VALUES ('c', :link, :word)"
    " ON CONFLICT DO NOTHING",
    "UPDATE jobs SET state = :word WHERE id = :key",
    "UPDATE jobs SET state = :word",
    "UPDATE jobs SET link = :link, chat = 1 WHERE id = :key",
    "UPDATE jobs SET stop = 1 - stop WHERE id = :key",
    "UPDATE jobs SET state = 'queued', stop = 0 WHERE id = :key",
    "DELETE FROM jobs WHERE id = :key",
    "UPDATE jobs SET id = :other WHERE id = :key AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = :other)",
    "TRUNCATE jobs",
}
BOT = st.tuples(st.sampled_from(sorted(BOTS)), VALUES)


def opened(url: str) -> PostgresConnection:
    raw = psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor, context=adapters())
    return PostgresConnection(raw)


@pytest.fixture(scope="module")
def connections(postgres: Server) -> Iterator[tuple[PostgresConnection, PostgresConnection]]:
    """Reactor's, with the table attached, and the bot's."""
    with postgres.database() as url:
        ours, bot = opened(url), opened(url)
        with ours.raw, bot.raw:
            ours.raw.execute(JOBS)
            fit(ours)
            ours.learn()
            mirrors.attach(ours, checked(ours, MIRROR))
            yield ours, bot


@settings(max_examples=60, deadline=None, suppress_health_check=[*HealthCheck])
@given(steps=st.lists(st.one_of(BOT, OURS), max_size=20))
def test_whatever_both_do(connections: tuple[PostgresConnection, PostgresConnection], steps: list[Step]) -> None:
    ours, bot = (cast("Connection", each) for each in connections)
    for table in ("jobs", "downloads"):
        bot.execute(f"DELETE FROM {table}")
    play(ours, bot, steps)
    assert ours.execute("SELECT * FROM reactor_untold").fetchall() == []
