"""`reactor attach` and `detach`: what they print, what they refuse, and what `doctor` says of a mirror."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import reactor, refused
from tests.cli.doctor.test_doctor import doctor_here
from tests.database.sqlite.bot import opened, query

SCHEMA = """
CREATE TABLE jobs (id INTEGER PRIMARY KEY, link TEXT, state TEXT NOT NULL DEFAULT 'queued'
    CHECK (state IN ('queued', 'running', 'done', 'failed', 'stopped')), path TEXT, made TEXT AS (path || link));
CREATE TABLE heap (link TEXT, state TEXT, code TEXT UNIQUE);
CREATE VIEW shown AS SELECT * FROM jobs;
CREATE VIRTUAL TABLE found USING fts5 (link, state);
CREATE TABLE checked (id INTEGER PRIMARY KEY, link TEXT, state TEXT, CONSTRAINT words CHECK (state <> 'done'));
CREATE TABLE calls (id INTEGER PRIMARY KEY, link TEXT, state TEXT);
CREATE TRIGGER calling AFTER UPDATE ON calls BEGIN SELECT notify_bot(NEW.id); END;
INSERT INTO jobs (link) VALUES ('http://host.example/a');
"""
MAP = "queued=pending,running=downloading,done=downloaded,failed=failed,stopped=cancelled"
JOBS = ("--table", "jobs", "--url", "link", "--status", "state", "--map", MAP)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the bot's database, under the name that it has by default."""
    with opened(tmp_path / "downloads.db") as bot:
        bot.executescript(SCHEMA)
    return tmp_path


def schema(place: Path) -> list[tuple[str, ...]]:
    return query(place / "downloads.db", "SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2")


def test_a_table_is_attached_and_detached(place: Path) -> None:
    done = reactor("attach", *JOBS, "--file", "path", cwd=place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "jobs is attached; 1 row taken.\n", "")
    assert reactor("list", "--json", cwd=place).stdout.count("http://host.example/a") == 1
    done = reactor("detach", "jobs", cwd=place)
    assert (done.returncode, done.stdout) == (0, "jobs is detached; 1 download stopped.\n")
    assert query(place / "downloads.db", "SELECT state FROM jobs") == [("queued",)]
    assert reactor("attach", *JOBS, cwd=place).returncode == 0


def test_what_the_map_does_not_say_is_said(place: Path) -> None:
    query(place / "downloads.db", "INSERT INTO jobs (link, state) VALUES ('u', 'stopped')")
    done = reactor("attach", *JOBS[:-1], "queued=pending,done=downloaded", cwd=place)
    assert done.stderr.splitlines() == [
        "reactor: No word stands for downloading, cancelled, failed: such a row keeps the word that it has.",
        "reactor: Rows with “stopped” (1) are left alone.",
    ]


def test_a_dry_run_prints_the_sql_and_writes_nothing(place: Path) -> None:
    before = schema(place)
    done = reactor("attach", *JOBS, "--dry-run", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert schema(place) == before
    reactor("attach", *JOBS, cwd=place)
    made = [sql for _, _, sql in schema(place) if sql and "mirror_jobs" in sql and sql.startswith("CREATE TRIGGER")]
    assert len(made) == 3
    assert all(f"{sql};" in done.stdout for sql in made)
    after = schema(place)
    dry = reactor("detach", "jobs", "--dry-run", cwd=place)
    assert schema(place) == after
    with opened(place / "downloads.db") as bot:
        bot.executescript(dry.stdout)
    assert not [sql for _, _, sql in schema(place) if sql and "mirror_jobs" in sql]


@pytest.mark.fault(12)
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--table", "task", "--map", MAP], "There is no table `task`. Tables are calls, checked, found,"),
        (["--table", "downloads", "--map", MAP], "The table `downloads` is served as it is. Attach another table"),
        (["--table", "reactor_meta", "--map", MAP], "The table `reactor_meta` is none of a bot's."),
        (["--table", "shown", "--url", "link", "--map", MAP], "`shown` is a view, not a table."),
        (["--table", "found", "--url", "link", "--map", MAP], "`found` is a virtual table, which has no triggers."),
        (["--table", "jobs", "--map", MAP], "The table `jobs` has no column `url`. Columns are id, link, state, path"),
        ([*JOBS, "--file", "file"], "The table `jobs` has no column `file`."),
        ([*JOBS, "--file", "made"], "The column `made` of `jobs` is GENERATED, and has to be written."),
        ([*JOBS, "--file", "state"], "The column `state` is named for two things."),
        ([*JOBS, "--file", "link"], "The column `link` is named for two things."),
        ([*JOBS, "--id", "link"], "Rows of `jobs` may be equal in `link`. A key is the PRIMARY KEY, or has a UNIQUE"),
        ([*JOBS[:-1], "queued=pending,queued=failed"], "The map has the word 'queued' twice."),
        ([*JOBS[:-1], "queued=waiting"], "There is no status 'waiting'. Statuses are pending, downloading,"),
        ([*JOBS[:-1], "queued"], "The map has 'queued'. Write WORD=STATUS, as in queued=pending."),
        ([*JOBS[:-1], "done=downloaded"], "No word stands for `pending`, so no row would be taken."),
        ([*JOBS, "--status", "path"], "The map has 'queued', and the status is in 2 columns. Write 0+0=pending"),
        ([*JOBS[:-1], "queued=pending,ok=downloaded"], "The table `jobs` does not take 'ok' for `downloaded`: CHECK"),
        (["--table", "checked", *JOBS[2:]], "The table `checked` does not take 'done' for `downloaded`: CHECK"),
        (["--table", "heap", *JOBS[2:]], "The table `heap` has no PRIMARY KEY. Name a UNIQUE column with --id."),
        (["--table", "calls", *JOBS[2:]], "The table `calls` uses the function `notify_bot`, which only the bot's own"),
        ([*JOBS, "--db", "other.db"], "There is no database"),
    ],
    ids=str,
)
def test_what_cannot_be_attached_is_refused_untouched(place: Path, arguments: list[str], sentence: str) -> None:
    before = schema(place)
    done = reactor("attach", *arguments, cwd=place)
    assert sentence in refused(done)
    assert schema(place) == before


def test_a_column_of_its_own_tells_rows_apart(place: Path) -> None:
    heap = ["--table", "heap", *JOBS[2:], "--id", "code"]
    assert reactor("attach", *heap, cwd=place).returncode == 0
    query(place / "downloads.db", "INSERT INTO heap VALUES ('u', 'queued', NULL), ('v', 'queued', 'x')")
    assert query(place / "downloads.db", "SELECT mirror_heap, url FROM downloads") == [("x", "v")]


def test_a_table_is_attached_once(place: Path) -> None:
    reactor("attach", *JOBS, cwd=place)
    before = schema(place)
    assert "The table `jobs` is attached already. `reactor doctor`" in refused(reactor("attach", *JOBS, cwd=place))
    other = [*JOBS, "--file", "path"]
    assert "attached already, in another way. Detach it first" in refused(reactor("attach", *other, cwd=place))
    assert "`heap` is not attached. Attached: jobs." in refused(reactor("detach", "heap", cwd=place))
    assert schema(place) == before


def test_a_downloads_of_the_bots_that_wants_more(place: Path) -> None:
    query(place / "downloads.db", "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT, chat INTEGER NOT NULL)")
    assert "`chat` of `downloads` is NOT NULL" in refused(reactor("attach", *JOBS, cwd=place))


def test_a_database_that_another_program_holds(place: Path) -> None:
    before = schema(place)
    with opened(place / "downloads.db") as bot:
        bot.execute("BEGIN IMMEDIATE")
        done = reactor("attach", *JOBS, cwd=place)
        assert (done.returncode, "is locked by another program" in done.stderr) == (75, True)
        bot.execute("ROLLBACK")
    assert schema(place) == before
    assert reactor("attach", *JOBS, cwd=place).returncode == 0


def findings(place: Path) -> dict[str, dict[str, Any]]:
    return doctor_here(place)[1]


def test_the_doctor_examines_a_mirror(place: Path) -> None:
    assert "serve it by `reactor attach`" in findings(place)["database"]["advice"]
    reactor("attach", *JOBS[:-1], "queued=pending", cwd=place)
    found = findings(place)
    assert (found["mirror jobs"]["state"], found["database"]["state"]) == ("ok", "ok")
    query(place / "downloads.db", "UPDATE jobs SET state = 'running'")
    assert findings(place)["mirror jobs"]["advice"] == "No map names “running” (1): such rows are left alone."
    query(place / "downloads.db", "DROP TRIGGER reactor_mirror_jobs_update")
    assert "its triggers are gone" in findings(place)["mirror jobs"]["what"]
    query(place / "downloads.db", "DROP TABLE jobs")
    assert "there is no table `jobs` any more" in findings(place)["mirror jobs"]["what"]
