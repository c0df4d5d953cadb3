"""A row becomes a file: the main job, from outside."""

from __future__ import annotations

import hashlib
import json
import random
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.real.harness import Reactor, running, serving
from tests.servers import FileServer
from tests.tools import sqlite3_program


def blob(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


WALK = ["Extracted", "TransfersAdded", "TransferNotified", "Finished", "Saved"]
"""What the core is told of one file whose URL tells what it is, as the architecture page has it, behind its claim."""


async def test_a_row_becomes_a_file_and_the_row_says_so(tmp_path: Path) -> None:
    data, recording = blob(300_000), tmp_path / "recording.ndjson"
    reactor = Reactor(tmp_path, PROGRESS_INTERVAL="30")
    reactor.more = ("--record", str(recording))
    async with FileServer() as server, serving(reactor):
        (one,) = reactor.add(server.put("/holiday.mp4", data, content_type="video/mp4"))
        await reactor.until_final()
        row = reactor.row(one)
    assert row["status"] == "downloaded"
    assert (row["progress"], row["stage"], row["error"], row["url_type"]) == (100.0, None, None, "direct")
    assert row["file_size"] == len(data)
    assert Path(row["file_path"]) == tmp_path / "downloads" / "holiday.mp4"
    assert row["title"] == "holiday.mp4"
    assert row["finished_at"] >= row["started_at"] >= row["added_date"][:10]
    assert reactor.files() == {"holiday.mp4": data}
    told = [json.loads(line).get("event") for line in recording.read_text().splitlines()]
    assert [event for event in told if event in {*WALK, "Detected", "TransfersReported"}] == WALK


async def test_a_file_that_is_made_anew_for_whoever_asks_is_as_long_as_it_came(tmp_path: Path) -> None:
    """What HEAD has promised was a hint: aria2, which was not asked at first, says how much it has."""
    data, recording = blob(30_000), tmp_path / "recording.ndjson"
    reactor = Reactor(tmp_path, PROGRESS_INTERVAL="30")
    reactor.more = ("--record", str(recording))
    async with FileServer() as server, serving(reactor):
        (one,) = reactor.add(server.put("/report.bin", data, head_headers=(("Content-Length", "29000"),)))
        await reactor.until_final()
    row = reactor.row(one)
    assert (row["status"], row["file_size"], row["retry_count"]) == ("downloaded", len(data), 0)
    assert reactor.files() == {"report.bin": data}
    assert len(server.requests("/report.bin", "GET")) == 1
    told = [json.loads(line).get("event") for line in recording.read_text().splitlines()]
    assert told.index("WorkFailed") < told.index("TransfersReported") < told.index("Finished")


async def test_a_program_that_knows_nothing_of_reactor(tmp_path: Path) -> None:
    """200 rows by the sqlite3 program, 20 of them cancelled while they run: none missing, no partial left."""
    server = FileServer()
    files = [blob(20_000, n) for n in range(180)]
    async with server, running(tmp_path, MAX_CONCURRENT_DOWNLOADS="25", STALL_TIMEOUT_S="0") as reactor:
        slow = [server.put(f"/slow{n}.bin", blob(400_000, 1000 + n), stall_after=50_000) for n in range(20)]
        quick = [server.put(f"/{n}/file.bin", data) for n, data in enumerate(files)]
        inserts = "".join(f"INSERT INTO downloads(url) VALUES('{url}');" for url in [*slow, *quick])
        sqlite3_program(reactor.db, f"BEGIN;{inserts}COMMIT;")
        stalled = "SELECT count(*) FROM downloads WHERE url LIKE '%slow%' AND stage = 'fetching'"
        await reactor.until(lambda: sqlite3_program(reactor.db, stalled).strip() == "20")
        await server.until(lambda: sum(r.sent == 50_000 for r in server.log) == 20)
        sqlite3_program(reactor.db, "UPDATE downloads SET cancelled = 1 WHERE url LIKE '%slow%';")
        await reactor.until_final()
        rows = reactor.rows()
        await reactor.until(lambda: not reactor.staged())
    assert [row["status"] for row in rows] == ["cancelled"] * 20 + ["downloaded"] * 180
    paths = [row["file_path"] for row in rows[20:]]
    assert len(set(paths)) == 180
    assert [Path(path).read_bytes() for path in paths] == files
    assert len(reactor.files()) == 180


async def test_aria2_is_asked_nothing_while_nothing_is_under_way_and_little_while_something_is(tmp_path: Path) -> None:
    log = tmp_path / "aria2.log"
    reactor = Reactor(tmp_path, PROGRESS_INTERVAL="0.5")
    reactor.conf.write_text(reactor.conf.read_text() + f"log={log}\nlog-level=info\n")
    async with FileServer() as server:
        await reactor.start()
        try:
            since = time.monotonic()
            (one,) = reactor.add(server.put("/a.bin", blob(300_000), rate=100_000))
            await reactor.until_final()
            intervals = (time.monotonic() - since) / 0.5
            moved = len(reactor.events("download_progressed", one))
            asked = _asked(log)
            await reactor.until(lambda: len(reactor.events("download_completed")) == 1)
            for _ in range(3):  # three more looks at the rows, with nothing to do
                reactor.execute("UPDATE downloads SET title = title || '.'")
            reactor.add("file:///nowhere")
            await reactor.until_final()
        finally:
            await reactor.stop()
    assert moved >= 3
    # One question for each interval, at its beginning, and none for the end: its size was promised.
    assert moved <= len(asked) <= intervals + 1
    assert _asked(log) == asked


def _asked(log: Path) -> list[str]:
    """The requests with tellStatus in aria2's own log."""
    lines = log.read_text(errors="replace").splitlines()
    return [line for line in lines if "Executing RPC method aria2.tellStatus" in line]


NAMES = {
    "../../etc/passwd": "passwd",
    "a/b\\c.mp4": "c.mp4",
    "con.mp4": "_con.mp4",
    "..": "get",
    "x" * 400 + ".mp4": None,
    "😀" * 100 + ".mp4": None,
    "line\x1bbreak.mp4": "linebreak.mp4",
}
"""What a server calls a file, and the name that it gets, where that is not only shorter."""


@pytest.mark.fault(42)
async def test_any_name_a_server_gives_becomes_a_clean_one(tmp_path: Path) -> None:
    files = {title: blob(1000, n) for n, title in enumerate(NAMES)}
    async with FileServer() as server, running(tmp_path) as reactor:
        for n, (title, data) in enumerate(files.items()):
            said = f"attachment; filename*=UTF-8''{quote(title, safe='')}"
            reactor.add(server.put(f"/{n}/get", data, disposition=said))
        await reactor.until_final()
        rows = reactor.rows()
    for row, (title, data) in zip(rows, files.items(), strict=True):
        assert row["status"] == "downloaded", row["error"]
        path = Path(row["file_path"])
        assert path.parent == tmp_path / "downloads"
        assert path.read_bytes() == data
        assert len(path.name.encode()) <= 255
        assert NAMES[title] in (None, path.name)
    assert sorted(reactor.files()) == sorted(Path(row["file_path"]).name for row in rows)


@pytest.mark.fault(42)
async def test_two_equal_names_never_meet(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, MAX_CONCURRENT_DOWNLOADS="5") as reactor:
        reactor.add(*[server.put(f"/{n}/same.tar.gz", blob(10_000, n)) for n in range(5)])
        await reactor.until_final()
        await reactor.until(lambda: not reactor.staged())
        hashes = {hashlib.sha256(data).digest() for data in reactor.files().values()}
        assert sorted(reactor.files()) == ["same (1).tar.gz", "same (2).tar.gz", "same (3).tar.gz",
                                           "same (4).tar.gz", "same.tar.gz"]  # fmt: skip
    assert len(hashes) == 5


async def test_credentials_in_a_url_reach_their_server_and_nobody_else(tmp_path: Path) -> None:
    data = blob(5000)
    async with FileServer() as server, FileServer(host="127.0.0.2") as other, running(tmp_path) as reactor:
        server.put("/private.bin", data, user=("anna", "s3cret-word"))
        server.put("/away.bin", redirect=other.put("/public.bin", data))
        reactor.add(*[server.url(path, user="anna:s3cret-word") for path in ("/private.bin", "/away.bin")])
        await reactor.until_final()
        commands = Path(f"/proc/{reactor.children()[0]}/cmdline").read_bytes()
        assert [row["status"] for row in reactor.rows()] == ["downloaded"] * 2, reactor.rows()
    assert other.log
    assert not [request for request in other.log if "authorization" in request.headers]
    told = reactor.events_file.read_text() + json.dumps([r | {"url": ""} for r in reactor.rows()])
    assert "s3cret-word" not in told
    assert b"s3cret-word" not in commands
