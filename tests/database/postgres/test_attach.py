"""`reactor attach` and `detach` on PostgreSQL: what they print and refuse, and what `doctor` says of a mirror."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg
import pytest

from reactor.cli.doctor.findings import DoctorFinding
from reactor.cli.doctor.server import examine
from reactor.server_address import server_address
from tests.cli.command import reactor, refused
from tests.database.postgres.bot import Bot

SCHEMA = """
CREATE TYPE mood AS ENUM ('queued', 'done');
CREATE TABLE jobs (id serial PRIMARY KEY, link text, state text NOT NULL DEFAULT 'queued'
    CHECK (state IN ('queued', 'running', 'done', 'failed', 'stopped')), path text,
    made text GENERATED ALWAYS AS (link || '!') STORED);
CREATE TABLE heap (link text, state text, code text UNIQUE);
CREATE VIEW shown AS SELECT * FROM jobs;
CREATE TABLE parts (id integer PRIMARY KEY, link text, state text) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF parts DEFAULT;
CREATE TABLE numbered (id serial PRIMARY KEY, link text, state smallint);
CREATE TABLE typed (id serial PRIMARY KEY, link text, state mood);
CREATE TABLE short (id serial PRIMARY KEY, link text, state varchar(6));
INSERT INTO jobs (link) VALUES ('http://host.example/a');
"""
MAP = "queued=pending,running=downloading,done=downloaded,failed=failed,stopped=cancelled"
JOBS = ("--table", "jobs", "--url", "link", "--status", "state", "--map", MAP)
CATALOG = """SELECT 'function', proname, prosrc FROM pg_proc WHERE pronamespace = CAST('public' AS regnamespace)
    UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'class', relname, CAST(relkind AS text) FROM pg_class
        WHERE relnamespace = CAST('public' AS regnamespace)
    UNION ALL SELECT 'column', attname, CAST(attrelid AS regclass)::text FROM pg_attribute
        WHERE attrelid = to_regclass('downloads') AND attnum > 0 AND NOT attisdropped ORDER BY 1, 2, 3"""


@pytest.fixture
def bot(bot: Bot) -> Bot:
    bot.sql(SCHEMA)
    return bot


def run(bot: Bot, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return reactor(*arguments, cwd=folder, DOWNLOAD_DB=bot.url)


def test_a_table_is_attached_and_detached(bot: Bot, tmp_path: Path) -> None:
    run(bot, tmp_path, "prepare")
    before = bot.sql(CATALOG)
    done = run(bot, tmp_path, "attach", *JOBS, "--file", "path")
    assert (done.returncode, done.stdout, done.stderr) == (0, "jobs is attached; 1 row taken.\n", "")
    assert run(bot, tmp_path, "list", "--json").stdout.count("http://host.example/a") == 1
    done = run(bot, tmp_path, "detach", "jobs")
    assert (done.returncode, done.stdout) == (0, "jobs is detached; 1 download stopped.\n")
    assert bot.sql("SELECT state FROM jobs") == [("queued",)]
    assert bot.sql(CATALOG) == before
    assert run(bot, tmp_path, "attach", *JOBS).returncode == 0


def test_a_dry_run_prints_the_sql_and_writes_nothing(bot: Bot, tmp_path: Path) -> None:
    before = bot.sql(CATALOG)
    done = run(bot, tmp_path, "attach", *JOBS, "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert bot.sql(CATALOG) == before, "not even a table `downloads`"
    assert run(bot, tmp_path, "prepare").returncode == 0
    dry = run(bot, tmp_path, "attach", *JOBS, "--dry-run").stdout
    script(bot, dry)
    made = bot.sql(CATALOG)
    assert "is attached already" in refused(run(bot, tmp_path, "attach", *JOBS)), "the SQL is all of it"
    gone = run(bot, tmp_path, "detach", "jobs", "--dry-run").stdout
    assert bot.sql(CATALOG) == made
    assert run(bot, tmp_path, "detach", "jobs").returncode == 0
    prepared = bot.sql(CATALOG)
    assert run(bot, tmp_path, "attach", *JOBS).returncode == 0
    assert bot.sql(CATALOG) == made
    script(bot, gone)
    assert bot.sql(CATALOG) == prepared


def script(bot: Bot, text: str) -> None:
    """Carried out by the program that operators have."""
    done = subprocess.run(
        ["psql", "-v", "ON_ERROR_STOP=1", "-q", "-f", "-", bot.url],
        input=text,
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.fault(12)
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--table", "task", "--map", MAP], "There is no table `task`. Tables are heap, jobs, numbered,"),
        (["--table", "downloads", "--map", MAP], "The table `downloads` is served as it is. Attach another table"),
        (["--table", "reactor_meta", "--map", MAP], "The table `reactor_meta` is none of a bot's."),
        (["--table", "shown", "--url", "link", "--map", MAP], "`shown` is a view, not a table."),
        (["--table", "parts", *JOBS[2:]], "`parts` is a table in parts, of which a row that changes places"),
        (["--table", "part", *JOBS[2:]], "`part` is a part of one in parts, of which"),
        (["--table", "jobs", "--map", MAP], "The table `jobs` has no column `url`. Columns are id, link, state, path"),
        ([*JOBS, "--file", "made"], "The column `made` of `jobs` is GENERATED, and has to be written."),
        ([*JOBS, "--file", "state"], "The column `state` is named for two things."),
        ([*JOBS, "--id", "link"], "Rows of `jobs` may be equal in `link`. A key is the PRIMARY KEY, or has a UNIQUE"),
        ([*JOBS[:-1], "queued=pending,ok=downloaded"], "The table `jobs` does not take 'ok' for `downloaded`: new row"),
        ([*JOBS[:-1], "queued=pending,NULL=downloaded"], "The column `state` of `jobs` is NOT NULL."),
        (["--table", "heap", *JOBS[2:]], "The table `heap` has no PRIMARY KEY. Name a UNIQUE column with --id."),
        (["--table", "numbered", *JOBS[2:]], "The column `state` of `numbered` is smallint, and 'queued' is none."),
        (["--table", "typed", *JOBS[2:]], "The table `typed` does not take 'stopped' for `cancelled`: invalid input"),
        (
            ["--table", "short", *JOBS[2:]],
            "The table `short` does not take 'stopped' for `cancelled`: value too long",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_attached_is_refused_untouched(
    bot: Bot, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    before = bot.sql(CATALOG)
    assert sentence in refused(run(bot, tmp_path, "attach", *arguments))
    assert bot.sql(CATALOG) == before


def test_a_table_is_attached_once(bot: Bot, tmp_path: Path) -> None:
    run(bot, tmp_path, "attach", *JOBS)
    before = bot.sql(CATALOG)
    again = refused(run(bot, tmp_path, "attach", *JOBS))
    assert "The table `jobs` is attached already. `reactor doctor`" in again
    other = refused(run(bot, tmp_path, "attach", *JOBS, "--file", "path"))
    assert "attached already, in another way. Detach it first" in other
    assert "`heap` is not attached. Attached: jobs." in refused(run(bot, tmp_path, "detach", "heap"))
    assert bot.sql(CATALOG) == before


def test_a_user_who_may_not(bot: Bot, tmp_path: Path) -> None:
    bot.sql("DROP ROLE IF EXISTS little; CREATE ROLE little LOGIN; GRANT ALL ON SCHEMA public TO little")
    bot.sql("GRANT SELECT ON jobs TO little")
    try:
        url = bot.url.replace("postgres@", "little@")
        assert "GRANT SELECT, UPDATE, TRIGGER" in refused(run(Bot(url), tmp_path, "attach", *JOBS))
    finally:
        bot.sql("DROP OWNED BY little; DROP ROLE little")


def test_a_bot_that_may_write_its_own_table_only(bot: Bot, tmp_path: Path) -> None:
    """What a mirror does is done with the rights of those who have attached it."""
    assert run(bot, tmp_path, "attach", *JOBS).returncode == 0
    bot.sql("DROP ROLE IF EXISTS little; CREATE ROLE little LOGIN; GRANT USAGE ON SCHEMA public TO little")
    bot.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON jobs TO little; GRANT USAGE ON SEQUENCE jobs_id_seq TO little")
    try:
        with psycopg.connect(bot.url.replace("postgres@", "little@"), autocommit=True) as little:
            little.execute("SET search_path = pg_catalog")
            little.execute("INSERT INTO public.jobs (link) VALUES ('http://host.example/b')")
            little.execute("UPDATE public.jobs SET state = 'stopped' WHERE id = 1")
        assert bot.sql("SELECT status FROM downloads ORDER BY id") == [("cancelled",), ("pending",)]
    finally:
        bot.sql("DROP OWNED BY little; DROP ROLE little")


def findings(bot: Bot) -> dict[str, DoctorFinding]:
    address = server_address(bot.url)
    assert address is not None
    return {each.name: each for each in examine(address)}


def test_the_doctor_examines_a_mirror(bot: Bot, tmp_path: Path) -> None:
    run(bot, tmp_path, "prepare")
    assert "serve it by `reactor attach`" in (findings(bot)["database"].advice or "")
    run(bot, tmp_path, "attach", *JOBS[:-1], "queued=pending")
    found = findings(bot)
    assert (found["mirror jobs"].state, found["database"].state) == ("ok", "ok")
    bot.sql("UPDATE jobs SET state = 'running'")
    assert findings(bot)["mirror jobs"].advice == "No map names “running” (1): such rows are left alone."
    bot.sql("ALTER TABLE jobs DISABLE TRIGGER USER")
    assert "its triggers are gone" in findings(bot)["mirror jobs"].what
    bot.sql("ALTER TABLE jobs RENAME COLUMN link TO address")
    assert "its column `link` is gone" in findings(bot)["mirror jobs"].what
    bot.sql("DROP TABLE jobs CASCADE")
    assert "there is no table `jobs` any more" in findings(bot)["mirror jobs"].what
