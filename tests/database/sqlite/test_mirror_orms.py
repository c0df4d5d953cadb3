"""What ORMs that are not here, and their migrations, send word for word to a table that is attached: Alembic, Django,
Tortoise and Prisma; see tests/database/contract/test_mirror_orms.py for SQLAlchemy and peewee."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.database import engine
from reactor.database.contract import RETRY_MAX_S
from reactor.database.mirror import Mirror, read_words
from reactor.errors import Failure
from tests.database.sqlite.bot import opened

NOW = 1_800_000_000.0
A, B = "46fb5e0feb0d453fbc083e3fe93f4da8", "83f1141c14504991a7c6ffc367ee3712"


@dataclass(frozen=True)
class Orm:
    """Statements with their values; those of a migration run as they come, in a transaction where they say so."""

    name: str
    words: str
    create: str
    insert: tuple[str, tuple[object, ...]]
    """Two rows."""
    again: tuple[str, tuple[object, ...]]
    """The second waits again."""
    migrate: tuple[str, ...]
    delete: tuple[str, tuple[object, ...]]
    """The second."""


ORMS = [
    Orm(
        "SQLAlchemy and Alembic",
        "QUEUED=pending,RUNNING=downloading,DONE=downloaded,FAILED=failed",
        "CREATE TABLE jobs (id CHAR(32) NOT NULL, link VARCHAR NOT NULL, state VARCHAR(7) NOT NULL, PRIMARY KEY (id))",
        (
            "INSERT INTO jobs (id, link, state) VALUES (?, ?, ?), (?, ?, ?)",
            (A, "http://h/a", "QUEUED", B, "http://h/b", "QUEUED"),
        ),
        ("UPDATE jobs SET state=? WHERE jobs.id = ?", ("QUEUED", B)),
        (
            """CREATE TABLE _alembic_tmp_jobs (id CHAR(32) NOT NULL, link VARCHAR NOT NULL, state VARCHAR(7) NOT NULL,
            extra INTEGER, PRIMARY KEY (id))""",
            "INSERT INTO _alembic_tmp_jobs (id, link, state) SELECT jobs.id, jobs.link, jobs.state FROM jobs",
            "DROP TABLE jobs",
            "ALTER TABLE _alembic_tmp_jobs RENAME TO jobs",
        ),
        ("DELETE FROM jobs WHERE jobs.id = ?", (B,)),
    ),
    Orm(
        "Django",
        "queued=pending,running=downloading,done=downloaded,failed=failed",
        """CREATE TABLE "jobs" ("id" char(32) NOT NULL PRIMARY KEY, "link" text NOT NULL,
        "state" varchar(10) NOT NULL)""",
        (
            'INSERT INTO "jobs" ("id", "link", "state") VALUES (?, ?, ?), (?, ?, ?)',
            (A, "http://h/a", "queued", B, "http://h/b", "queued"),
        ),
        ('UPDATE "jobs" SET "link" = ?, "state" = ? WHERE "jobs"."id" = ?', ("http://h/b", "queued", B)),
        (
            "PRAGMA foreign_keys = OFF",
            "BEGIN",
            """CREATE TABLE "new__jobs" ("id" char(32) NOT NULL PRIMARY KEY, "link" text NOT NULL,
            "state" varchar(20) NOT NULL)""",
            'INSERT INTO "new__jobs" ("id", "link", "state") SELECT "id", "link", "state" FROM "jobs"',
            'DROP TABLE "jobs"',
            'ALTER TABLE "new__jobs" RENAME TO "jobs"',
            "PRAGMA foreign_key_check",
            "COMMIT",
            "PRAGMA foreign_keys = ON",
        ),
        ('DELETE FROM "jobs" WHERE "jobs"."id" IN (?)', (B,)),
    ),
    Orm(
        "Tortoise",
        "queued=pending,running=downloading,done=downloaded,failed=failed",
        """CREATE TABLE IF NOT EXISTS "jobs" ("id" CHAR(36) NOT NULL PRIMARY KEY, "link" TEXT NOT NULL,
        "state" VARCHAR(10))""",
        (
            'INSERT INTO "jobs" ("id","link","state") VALUES (?,?,?), (?,?,?)',
            (A, "http://h/a", "queued", B, "http://h/b", "queued"),
        ),
        ('UPDATE "jobs" SET "link"=?,"state"=? WHERE "id"=?', ("http://h/b", "queued", B)),
        ('ALTER TABLE "jobs" ADD "extra" INT', 'ALTER TABLE "jobs" DROP COLUMN "extra"'),
        ('DELETE FROM "jobs" WHERE "id"=?', (B,)),
    ),
    Orm(
        "Prisma",
        "queued=pending,running=downloading,done=downloaded,failed=failed",
        """CREATE TABLE "jobs" ("id" TEXT NOT NULL PRIMARY KEY, "link" TEXT NOT NULL,
        "state" TEXT NOT NULL DEFAULT 'queued')""",
        (
            "INSERT INTO `main`.`jobs` (`id`, `link`) VALUES (?,?), (?,?) RETURNING `id` AS `id`, `state` AS `state`",
            (A, "http://h/a", B, "http://h/b"),
        ),
        (
            "UPDATE `main`.`jobs` SET `state` = ? WHERE (`main`.`jobs`.`id` = ? AND 1=1) RETURNING `id` AS `id`",
            ("queued", B),
        ),
        (
            "PRAGMA defer_foreign_keys=ON",
            "PRAGMA foreign_keys=OFF",
            """CREATE TABLE "new_jobs" ("id" TEXT NOT NULL PRIMARY KEY, "link" TEXT NOT NULL, "state" TEXT,
            "extra" INTEGER)""",
            'INSERT INTO "new_jobs" ("id", "link", "state") SELECT "id", "link", "state" FROM "jobs"',
            'DROP TABLE "jobs"',
            'ALTER TABLE "new_jobs" RENAME TO "jobs"',
            "PRAGMA foreign_keys=ON",
            "PRAGMA defer_foreign_keys=OFF",
        ),
        ("DELETE FROM `main`.`jobs` WHERE (`main`.`jobs`.`id` = ? AND 1=1)", (B,)),
    ),
]


@pytest.mark.parametrize("orm", ORMS, ids=lambda orm: orm.name)
async def test_an_orm_in_front(tmp_path: Path, orm: Orm) -> None:
    path = tmp_path / "bot.db"
    words = read_words([orm.words], 1)
    with opened(path) as bot:
        bot.execute(orm.create)
        await engine.attach(path, Mirror("jobs", "link", ("state",), words))
        async with engine.open_store(path, owner="me") as store:

            async def claim() -> list[Attempt]:
                polled = await store.poll(commands.PollRows((), 9), NOW, RETRY_MAX_S)
                return [row.attempt for row in polled.rows.claimed]

            bot.execute(*orm.insert).fetchall()
            first, second = await claim()
            for statement in orm.migrate:
                bot.execute(statement)
            failed = commands.SaveFailed(second, Failure("timeout", "The server stopped answering."))
            assert await store.save([failed], NOW) == ()
            bot.execute(*orm.again).fetchall()
            (again,) = await claim()
            assert again.download_id == second.download_id
            ended = [commands.SaveDownloaded(each, "/d/a", 1, None) for each in (first, again)]
            assert await store.save(ended, NOW) == ()
            done = next(word for word, status in words if status == "downloaded")
            assert bot.execute("SELECT DISTINCT CAST(state AS TEXT) FROM jobs").fetchall() == [done]
            bot.execute(*orm.delete)
            assert bot.execute("SELECT count(*) FROM downloads").fetchone() == (1,)
