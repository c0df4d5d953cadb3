"""A bot's own table on PostgreSQL from end to end; reactor and bot are processes of their own."""

from __future__ import annotations

import random
from pathlib import Path

from tests.cli.command import reactor as command
from tests.database.postgres.bot import Bot
from tests.database.postgres.together import machine, until
from tests.servers import FileServer

DATA = random.Random(22).randbytes(200_000)
TABLE = """CREATE TABLE jobs (uuid uuid PRIMARY KEY DEFAULT gen_random_uuid(), link text NOT NULL,
    state word NOT NULL DEFAULT 'queued', chat bigint, file text, problem varchar(40), percent smallint DEFAULT 0)"""
ATTACH = (
    *("attach", "--table", "jobs", "--url", "link", "--status", "state", "--owner", "chat", "--file", "file"),
    *("--error", "problem", "--progress", "percent"),
    *("--map", "queued=pending,running=downloading,done=downloaded,failed=failed,stopped=cancelled"),
)


async def test_a_bots_own_table_is_served(server: FileServer, bot: Bot, tmp_path: Path) -> None:
    bot.sql("CREATE TYPE word AS ENUM ('queued', 'running', 'done', 'failed', 'stopped', 'sent')")
    bot.sql(TABLE)
    links = {name: server.put(f"/{name}.bin", DATA, stall_after=9000) for name in "abc"}

    def add(name: str) -> None:
        bot.sql("INSERT INTO jobs (link, chat) VALUES (%s, 7)", links[name])

    def write(name: str, word: str) -> None:
        bot.sql("UPDATE jobs SET state = CAST(%s AS word) WHERE link = %s", word, links[name])

    def states() -> list[str]:
        return [word for (word,) in bot.sql("SELECT CAST(state AS text) FROM jobs ORDER BY link")]

    async def come(*words: str) -> None:
        await until(lambda: states() == [*words], states)

    add("a")
    attached = command(*ATTACH, cwd=tmp_path, DOWNLOAD_DB=bot.url)
    assert (attached.returncode, attached.stdout) == (0, "jobs is attached; 1 row taken.\n")
    async with machine(tmp_path, bot.url, "one", 3) as one:
        add("b")
        add("c")
        await server.until(lambda: sum(request.sent == 9000 for request in server.log) == 3)
        await come("running", "running", "running")
        # One is stopped by the bot's own word, one by a DELETE.
        write("b", "stopped")
        bot.sql("DELETE FROM jobs WHERE link = %s", links["c"])
        ended = "SELECT status FROM downloads ORDER BY id"
        await until(lambda: bot.sql(ended) == [("downloading",), ("cancelled",)], lambda: bot.sql(ended))
        server.release()
        await come("done", "stopped")
        path = one.downloads / "a.bin"
        told = "SELECT file, problem, percent, chat FROM jobs ORDER BY link"
        assert bot.sql(told) == [(str(path), None, 100, 7), (None, None, 0, 7)]
        assert path.read_bytes() == DATA
        # It is tried again, where nothing is any more; and again, where it is back.
        server.put("/b.bin", b"", status=404)
        write("b", "queued")
        await come("done", "failed")
        ((error, problem),) = bot.sql("SELECT error, problem FROM downloads, jobs WHERE id = 2 AND state = 'failed'")
        assert problem == error[:40], "it is cut to its column"
        server.put("/b.bin", DATA)
        write("b", "queued")
        await come("done", "done")
        write("a", "sent")
        # A migration makes the table anew.
        anew = TABLE.replace("TABLE jobs", "TABLE anew")
        links["d"] = server.put("/d.bin", DATA)
        bot.sql(f"{anew}; INSERT INTO anew SELECT * FROM jobs; DROP TABLE jobs; ALTER TABLE anew RENAME TO jobs")
        add("d")
        await come("sent", "done", "done")
        assert sorted(name for name in one.files() if not name.startswith(".")) == ["a.bin", "b.bin", "d.bin"]
        await until(lambda: [each["taken"] for each in one.events("mirror_mended")] == [1], one.events)
        bot.sql("ALTER TABLE jobs RENAME COLUMN link TO address")
        await until(lambda: bool(one.events("mirror_broken")), one.events)
        assert one.events("mirror_broken")[0]["reason"] == "its column `link` is gone"
