"""The database's side of the hands: who is answered when another file takes the database's place."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from reactor.core import commands, events
from reactor.daemon.effects.database import open_rows
from reactor.database.contract import REPLACED
from reactor.database.sqlite.connection import Database
from reactor.files.staging import Staging
from reactor.journal.journal import Journal
from reactor.settings import Settings
from tests.daemon.effects.heard import Heard
from tests.database.sqlite.bot import DEADLINE_S, query

INSERT = "INSERT INTO downloads (url) VALUES ('http://host.example/a')"


async def one_row(path: Path) -> None:
    """A bot's own database, with its rollback journal: nothing but the file itself is to be replaced."""
    query(path, "CREATE TABLE users (id INTEGER PRIMARY KEY)")
    async with Database.open(path) as database:
        await database.run(lambda sqlite: sqlite.execute(INSERT).close())


@pytest.mark.fault(6)
async def test_of_a_database_that_was_replaced_nothing_reaches_the_next(tmp_path: Path) -> None:
    """Its feed ends, nothing is read or written any more, and its staging folders go when the next one is taken up."""
    path, other = tmp_path / "bot.db", tmp_path / "other.db"
    await one_row(path)
    await one_row(other)
    heard, settings, staging, journal = (
        Heard(),
        Settings.load(download_db=path),
        Staging(tmp_path),
        Journal([], now=lambda: 0.0),
    )
    async with open_rows(settings, staging, journal, heard.append) as rows:
        first = await heard.of(rows.recover(commands.Recover()))
        assert isinstance(first, events.Recovered)
        staging.is_new(1)
        other.replace(path)
        with anyio.fail_after(DEADLINE_S):
            await rows.watch()
        seen = await heard.of(rows.poll(commands.PollRows((), 1)))
        assert isinstance(seen, events.DatabaseFailed)
        assert seen.failure.code == REPLACED
        assert query(path, "SELECT status FROM downloads") == [("pending",)]
    async with open_rows(settings, staging, journal, heard.append, again=True) as rows:
        second = await heard.of(rows.recover(commands.Recover()))
        assert isinstance(second, events.Recovered)
        assert staging.instance == second.instance != first.instance
        assert not list((tmp_path / ".reactor").iterdir())
        seen = await heard.of(rows.poll(commands.PollRows((), 1)))
        assert isinstance(seen, events.RowsPolled)
        assert [row.attempt.download_id for row in seen.claimed] == [1]


@pytest.mark.fault(6, 66)
@pytest.mark.parametrize(("again", "deaths"), [(False, 1), (True, 0)])
async def test_rows_of_a_database_that_took_anothers_place_are_not_blamed(
    tmp_path: Path, again: bool, deaths: int
) -> None:
    """It may be a copy that was made in the middle of everything: this process has not died."""
    path = tmp_path / "bot.db"
    await one_row(path)
    heard, settings, staging, journal = (
        Heard(),
        Settings.load(download_db=path),
        Staging(tmp_path),
        Journal([], now=lambda: 0.0),
    )
    async with open_rows(settings, staging, journal, heard.append) as rows:
        await heard.of(rows.recover(commands.Recover()))
        await heard.of(rows.poll(commands.PollRows((), 1)))
    async with open_rows(settings, staging, journal, heard.append, again=again) as rows:
        found = await heard.of(rows.recover(commands.Recover()))
        assert isinstance(found, events.Recovered)
        assert [row.crashes for row in found.rows] == [deaths]
