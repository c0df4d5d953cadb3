"""A bot's own table from end to end: its words, its keys, its columns; reactor and bot are processes of their own."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.cli.command import reactor as command
from tests.real.harness import Reactor, serving
from tests.servers import FileServer
from tests.tools import sqlite3_program

DATA = random.Random(21).randbytes(200_000)
TABLE = """CREATE TABLE jobs (uuid TEXT PRIMARY KEY, link TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued',
    chat INTEGER, file TEXT, problem TEXT, percent INTEGER DEFAULT 0) WITHOUT ROWID;"""
ATTACH = (
    *("attach", "--table", "jobs", "--url", "link", "--status", "state", "--owner", "chat", "--file", "file"),
    *("--error", "problem", "--progress", "percent"),
    *("--map", "queued=pending,running=downloading,done=downloaded,failed=failed,stopped=cancelled"),
)


def asked(reactor: Reactor, what: str) -> str:
    """What the bot's program reads of its table."""
    return sqlite3_program(reactor.db, f"SELECT {what} FROM jobs ORDER BY uuid;").strip()


@pytest.mark.nightly
async def test_a_bots_own_table_is_served(tmp_path: Path) -> None:
    reactor = Reactor(tmp_path, DOWNLOAD_POLL_INTERVAL="60", MAX_CONCURRENT_DOWNLOADS="3")
    async with FileServer() as server:
        first, second, third = (server.put(f"/{name}.bin", DATA, stall_after=9000) for name in "abc")
        sqlite3_program(reactor.db, f"{TABLE} INSERT INTO jobs (uuid, link, chat) VALUES ('j-1', '{first}', 7);")
        attached = command(*ATTACH, "--db", reactor.db, cwd=tmp_path)
        assert (attached.returncode, attached.stdout) == (0, "jobs is attached; 1 row taken.\n")
        async with serving(reactor):
            rows = f"('j-2', '{second}'), ('j-3', '{third}')"
            sqlite3_program(reactor.db, f"INSERT INTO jobs (uuid, link) VALUES {rows};")
            await server.until(lambda: sum(request.sent == 9000 for request in server.log) == 3)
            await reactor.until(lambda: asked(reactor, "state") == "running\nrunning\nrunning")
            # One is stopped by the bot's own word, one by a DELETE.
            sqlite3_program(reactor.db, "UPDATE jobs SET state = 'stopped' WHERE uuid = 'j-2';")
            sqlite3_program(reactor.db, "DELETE FROM jobs WHERE uuid = 'j-3';")
            await reactor.until(lambda: [row["status"] for row in reactor.rows()] == ["downloading", "cancelled"])
            server.release()
            await reactor.until(lambda: asked(reactor, "state") == "done\nstopped")
            path = tmp_path / "downloads" / "a.bin"
            assert asked(reactor, "state, file, percent") == f"done|{path}|100\nstopped||0"
            assert path.read_bytes() == DATA
            # It is tried again, where nothing is any more; and again, where it is back.
            server.put("/b.bin", b"", status=404)
            sqlite3_program(reactor.db, "UPDATE jobs SET state = 'queued' WHERE uuid = 'j-2';")
            await reactor.until(lambda: asked(reactor, "state") == "done\nfailed")
            assert reactor.row(2)["error"] in asked(reactor, "problem")
            server.put("/b.bin", DATA)
            sqlite3_program(reactor.db, "UPDATE jobs SET state = 'queued' WHERE uuid = 'j-2';")
            await reactor.until(lambda: asked(reactor, "state, problem") == "done|\ndone|")
            # A migration makes the table anew.
            anew = TABLE.replace("TABLE jobs", "TABLE new__jobs")
            sqlite3_program(
                reactor.db,
                f"""BEGIN; {anew} INSERT INTO new__jobs SELECT * FROM jobs; DROP TABLE jobs;
                ALTER TABLE new__jobs RENAME TO jobs; COMMIT;
                INSERT INTO jobs (uuid, link) VALUES ('j-4', '{server.put("/d.bin", DATA)}');""",
            )
            await reactor.until(lambda: asked(reactor, "state") == "done\ndone\ndone")
            await reactor.until(lambda: [event["taken"] for event in reactor.events("mirror_mended")] == [1])
            await reactor.until(lambda: sorted(reactor.files()) == ["a.bin", "b.bin", "d.bin"])
            sqlite3_program(reactor.db, "ALTER TABLE jobs RENAME COLUMN link TO address;")
            await reactor.until(lambda: reactor.events("mirror_broken"))
            assert reactor.events("mirror_broken")[0]["reason"] == "its column `link` is gone"


async def test_what_is_sent_by_the_bots_own_word_is_deleted(tmp_path: Path) -> None:
    reactor = Reactor(tmp_path, DELETE_STATUSES="sent", DOWNLOAD_POLL_INTERVAL="60")
    async with FileServer() as server:
        first, second = (server.put(f"/{name}.bin", DATA) for name in "ab")
        values = f"('j-1', '{first}'), ('j-2', '{second}')"
        sqlite3_program(reactor.db, f"{TABLE} INSERT INTO jobs (uuid, link) VALUES {values};")
        assert command(*ATTACH, "--db", reactor.db, cwd=tmp_path).returncode == 0
        async with serving(reactor):
            await reactor.until(lambda: asked(reactor, "state") == "done\ndone")
            sqlite3_program(reactor.db, "UPDATE jobs SET state = 'sending' WHERE uuid = 'j-2';")
            sqlite3_program(reactor.db, "UPDATE jobs SET state = 'sent' WHERE uuid = 'j-1';")
            await reactor.until(lambda: reactor.events("file_deleted"))
            assert [row["status"] for row in reactor.rows()] == ["sent", "sending"]
            sqlite3_program(reactor.db, "UPDATE jobs SET state = 'done' WHERE uuid = 'j-2';")
            sqlite3_program(reactor.db, "UPDATE jobs SET state = 'queued' WHERE uuid = 'j-1';")
            await reactor.until(lambda: asked(reactor, "state") == "done\ndone")
    assert [row["status"] for row in reactor.rows()] == ["downloaded", "downloaded"]
    assert sorted(reactor.files()) == ["a.bin", "b.bin"]
