"""What is never served is said once a run: at the start, and when it comes."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from reactor import notices
from reactor.core import commands, events
from reactor.daemon import unserved
from reactor.daemon.effects.database import open_rows
from reactor.files.staging import Staging
from reactor.journal.journal import Journal
from reactor.settings import Settings
from tests.daemon.effects.heard import Heard
from tests.database.sqlite.bot import DEADLINE_S, query


@pytest.mark.fault(12)
async def test_a_row_that_takes_nothing_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unserved, "SETTLE_S", 0.0)
    monkeypatch.setattr(unserved, "PAUSE_MAX_S", 0.0)
    path, told, heard = tmp_path / "bot.db", list[notices.Notice](), anyio.Event()
    query(path, "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT, status TEXT DEFAULT 'pending', kind TEXT)")
    query(
        path,
        """CREATE TRIGGER own BEFORE UPDATE ON downloads WHEN NEW.kind = 'odd'
        BEGIN SELECT RAISE(ABORT, 'not this one'); END""",
    )

    def hear(entry: notices.Entry) -> None:
        told.append(entry.notice)
        heard.set()

    posted, settings = Heard(), Settings.load(download_db=path)
    async with (
        open_rows(settings, Staging(tmp_path), Journal([hear], now=lambda: 0.0), posted.append) as rows,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(unserved.tell_unserved, rows, Journal([hear], now=lambda: 0.0))
        query(path, "INSERT INTO downloads (url, kind) VALUES ('u', 'odd'), ('u', 'odd')")
        with anyio.fail_after(DEADLINE_S):
            for _ in range(3):
                seen = await posted.of(rows.poll(commands.PollRows((), 2)))
                assert isinstance(seen, events.RowsPolled)
                assert seen.claimed == ()
            await heard.wait()
        query(path, "INSERT INTO downloads (url) VALUES ('u')")
        seen = await posted.of(rows.poll(commands.PollRows((), 2)))
        assert isinstance(seen, events.RowsPolled)
        assert [row.attempt.download_id for row in seen.claimed] == [3]
        tasks.cancel_scope.cancel()
    (stuck,) = told
    assert isinstance(stuck, notices.DownloadStuck)
    assert "not this one" in stuck.error
    assert stuck.download_id in (1, 2)


async def test_each_word_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unserved, "SETTLE_S", 0.0)
    monkeypatch.setattr(unserved, "PAUSE_MAX_S", 0.0)
    path, told, heard = tmp_path / "bot.db", list[notices.Notice](), anyio.Event()
    query(path, "CREATE TABLE tasks (url TEXT)")
    query(path, "INSERT INTO tasks VALUES ('u')")

    def hear(entry: notices.Entry) -> None:
        nonlocal heard
        if isinstance(entry.notice, notices.FilesUnwatched):
            return  # on a slow disk a commit may come too long after its file event
        told.append(entry.notice)
        heard.set()
        heard = anyio.Event()

    async def until(count: int) -> None:
        with anyio.fail_after(DEADLINE_S):
            while len(told) < count:
                await heard.wait()

    journal = Journal([hear], now=lambda: 0.0)
    settings = Settings.load(download_db=path)
    async with (
        open_rows(settings, Staging(tmp_path), journal, Heard().append) as rows,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(rows.watch)
        tasks.start_soon(unserved.tell_unserved, rows, journal)
        await until(1)
        for word in ("queued", "queued", "PENDING"):
            query(path, "INSERT INTO downloads (url, status) VALUES ('u', ?)", word)
        await until(3)
        query(path, "INSERT INTO downloads (url, status) VALUES ('u', 'queued'), ('u', 'sent'), ('u', 'todo')")
        await until(4)
        tasks.cancel_scope.cancel()
    assert told[0] == notices.TableUnserved(table="tasks")
    assert [each.status for each in told if isinstance(each, notices.StatusUnserved)][2] == "todo"
    assert {each.status for each in told if isinstance(each, notices.StatusUnserved)} == {"queued", "PENDING", "todo"}
