"""Whose cookies reach which server, from outside: what the servers see, and what is left of it anywhere else."""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

from reactor.sync_queue import SyncQueue
from tests.extractors.trees import tree
from tests.media.samples import Samples
from tests.real.harness import Reactor, running, serving
from tests.servers import FileServer

ANN, OPERATOR = "ANN-S3CRET", "OPERATOR-S3CRET"
DATA = b"x" * 3_000_000


def text(value: str, host: str = "127.0.0.1") -> str:
    return f"{host}\tFALSE\t/\tFALSE\t0\tsid\t{value}\n"


def add(reactor: Reactor, url: str, owner: str | None = None, **options: Any) -> int:
    """As a bot does, in plain SQL."""
    asked = json.dumps(options) if options else None
    with closing(sqlite3.connect(reactor.db, timeout=30)) as db, db:
        row = db.execute("INSERT INTO downloads(url, owner, options) VALUES(?, ?, ?) RETURNING id", (url, owner, asked))
        return int(row.fetchone()[0])


def sent(server: FileServer, path: str) -> set[str]:
    """What its requests had as cookies; fails where there was none. An empty header is none."""
    found = [request.headers.get("cookie", "") for request in server.requests(path)]
    assert found, path
    return set(found)


def seen_by_others(reactor: Reactor) -> str:
    """The command lines of all its processes."""
    assert reactor.process is not None
    found = []
    for pid in tree(reactor.process.pid):
        try:
            found.append(" ".join(psutil.Process(pid).cmdline()))
        except psutil.Error:
            continue
    return "\n".join(found)


async def test_each_row_is_asked_for_with_its_owners_cookies_and_no_others(tmp_path: Path, samples: Samples) -> None:
    (tmp_path / "operator.txt").write_text(text(OPERATOR))
    reactor = Reactor(
        tmp_path,
        MAX_CONCURRENT_DOWNLOADS="3",
        OPERATOR_COOKIES="operator.txt",
        OPERATOR_COOKIES_FOR="owner:root",
    )
    reactor.more = ("--record", "record.ndjson")
    film = samples.film().read_bytes()
    async with FileServer() as server, FileServer(host="localhost") as other:
        for path in ("/named", "/unnamed", "/eve", "/root", "/nobody"):
            server.put(f"{path}.bin", DATA[:5000])
        server.put("/way.bin", redirect=other.put("/there.bin", DATA[:5000]))
        server.put("/page.html", b"<title>P</title><video src='/page.mp4' controls></video>", content_type="text/html")
        server.put("/page.mp4", film, content_type="video/mp4")
        for name, data in samples.hls("hls").items():
            server.put(f"/hls/{name}", data)
        with SyncQueue(reactor.db) as queue:
            queue.set_cookies("ann", "mine", text(ANN))
        async with serving(reactor):
            paths = ("/named.bin", "/way.bin", "/page.html", "/hls/index.m3u8")
            named = [add(reactor, server.url(path), "ann", cookies="mine") for path in paths]
            plain = [
                add(reactor, server.url("/unnamed.bin"), "ann"),
                add(reactor, server.url("/root.bin"), "root"),
                add(reactor, server.url("/nobody.bin")),
            ]
            eve = add(reactor, server.url("/eve.bin"), "eve", cookies="mine")
            await reactor.until_final()
            rows = {row["id"]: row for row in reactor.rows()}
        assert [(rows[id]["status"], rows[id]["error"]) for id in (*named, *plain)] == [("downloaded", None)] * 7
        for path in (*paths, "/page.mp4", *(f"/hls/{name}" for name in samples.hls("hls"))):
            assert sent(server, path) == {f"sid={ANN}"}, path
        assert sent(other, "/there.bin") == {""}
        assert sent(server, "/root.bin") == {f"sid={OPERATOR}"}
        assert sent(server, "/unnamed.bin") == sent(server, "/nobody.bin") == {""}
    assert rows[eve]["error_code"] == "bad_options"
    assert rows[eve]["error"].startswith("There is no jar of cookies `mine` of this owner.")
    assert server.requests("/eve.bin") == []
    assert_told_nowhere(tmp_path, "record.ndjson", "events.ndjson")


async def test_a_row_that_goes_on_after_a_crash_has_the_cookies_that_there_are_then(tmp_path: Path) -> None:
    """They are in no plan: what was set since is what is sent."""
    async with FileServer() as server, running(tmp_path) as reactor:
        url = server.put("/big.bin", DATA, etag='"1"', stall_after=1_500_000)
        with SyncQueue(reactor.db) as queue:
            queue.set_cookies("ann", "mine", text(ANN))
        one = add(reactor, url, "ann", cookies="mine")
        await reactor.until(lambda: any(request.sent >= 1_500_000 for request in server.requests("/big.bin")))
        assert ANN not in seen_by_others(reactor)
        with closing(sqlite3.connect(reactor.db, timeout=30)) as db:
            (plan,) = db.execute("SELECT plan FROM reactor_plans WHERE download_id = ?", (one,)).fetchone()
        assert server.url("/big.bin").encode() in bytes(plan if isinstance(plan, bytes) else plan.encode())
        assert sent(server, "/big.bin") == {f"sid={ANN}"}
        await reactor.stop(signal.SIGKILL)
        before = len(server.requests("/big.bin"))
        server.put("/big.bin", DATA, etag='"1"')
        with SyncQueue(reactor.db) as queue:
            queue.set_cookies("ann", "mine", text("ANN-ANEW"))
        await reactor.start()
        await reactor.until_final()
        row = reactor.row(one)
        later = server.requests("/big.bin")[before:]
    assert (row["status"], row["error"]) == ("downloaded", None)
    assert {request.headers.get("cookie") for request in later} == {"sid=ANN-ANEW"}
    assert reactor.files() == {"big.bin": DATA}
    assert_told_nowhere(tmp_path, "events.ndjson")


async def test_jars_that_fit_the_host_are_found_where_the_operator_says_so(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, COOKIES_BY_HOST="true") as reactor:
        with SyncQueue(reactor.db) as queue:
            queue.set_cookies(7, "elsewhere", text("ELSEWHERE", "site.example"))
            queue.set_cookies(7, "here", text(ANN))
            queue.set_cookies(7, "old", text(ANN).replace("\t0\t", "\t4102444800\t"))
            server.put("/mine.bin", DATA[:5000])
            server.put("/other.bin", DATA[:5000])
            add(reactor, server.url("/mine.bin"), "7")
            add(reactor, server.url("/other.bin"), "8")
            gone = add(reactor, server.url("/mine.bin"), "7", cookies="removed")
            await reactor.until_final()
            row = queue.get(gone)
        assert sent(server, "/mine.bin") == {f"sid={ANN}"}
        assert sent(server, "/other.bin") == {""}
        assert row is not None
        assert row.error_code == "bad_options"


def assert_told_nowhere(folder: Path, *written: str) -> None:
    """The values are in none of the files but the jars, the operator's own, and what pages were downloaded."""
    for path in (*folder.glob("bot.db*"), *(folder / name for name in written)):
        if path.is_file():
            found = path.read_bytes()
            assert b"S3CRET" not in found, path.name
    assert [path.name for path in folder.glob("bot.db.cookies/*/*")] != []
