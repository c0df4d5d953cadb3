"""`reactor prepare`, and the trigger for bots that write plain SQL."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg

from reactor.database.postgres.waking import CHANNEL
from tests.cli.command import reactor
from tests.database.postgres.bot import Bot


def run(bot: Bot, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return reactor("prepare", *more, "--db", bot.url, cwd=folder)


TRIGGERS = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'downloads'::regclass"


def test_the_trigger_is_made_and_taken_away_and_only_if_it_is_asked_for(bot: Bot, tmp_path: Path) -> None:
    assert run(bot, tmp_path).stdout == "The table `downloads` is ready.\n"
    assert bot.sql(TRIGGERS) == []
    for _ in range(2):
        assert "wake the reactor" in run(bot, tmp_path, "--trigger").stdout
        assert bot.sql(TRIGGERS) == [("reactor_wake",)]
    assert run(bot, tmp_path).stdout == "The table `downloads` is ready.\n"
    assert bot.sql(TRIGGERS) == [("reactor_wake",)]
    assert "found by polling" in run(bot, tmp_path, "--no-trigger").stdout
    assert bot.sql(TRIGGERS) == []
    assert bot.sql("SELECT 1 FROM pg_proc WHERE proname = 'reactor_wake'") == []


def test_what_a_bot_writes_wakes_and_what_a_machine_writes_does_not(bot: Bot, tmp_path: Path) -> None:
    run(bot, tmp_path, "--trigger")
    with psycopg.connect(bot.url, autocommit=True) as listener, psycopg.connect(bot.url, autocommit=True) as writer:
        listener.execute(f"LISTEN {CHANNEL}")

        def heard(statement: str) -> int:
            """The notifications of one statement: those before a word of the test's own, which comes after them."""
            writer.execute(statement.encode())
            writer.execute(f"NOTIFY {CHANNEL}, 'end'".encode())
            count = 0
            for notify in listener.notifies():
                if notify.payload:
                    break
                count += 1
            return count

        assert heard("INSERT INTO downloads (url) VALUES ('http://host.example/1'), ('http://host.example/2')") == 1
        assert heard("UPDATE downloads SET cancelled = 1") == 1
        assert heard("UPDATE downloads SET progress = 5, stage = 'fetching'") == 0
        assert heard("DELETE FROM downloads WHERE id = 1") == 1
        assert heard("SET reactor.machine = 'me'") == 0
        assert heard("UPDATE downloads SET status = 'downloading'") == 0


def test_sqlite_needs_none(tmp_path: Path) -> None:
    done = reactor("prepare", "--trigger", cwd=tmp_path)
    assert (done.returncode, "on a PostgreSQL server only" in done.stderr) == (2, True)
    assert reactor("prepare", cwd=tmp_path).stdout == "The table `downloads` is ready.\n"
    assert (tmp_path / "downloads.db").exists()
