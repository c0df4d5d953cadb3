"""What a stranger's link can be: each ends in a row with a sentence, and the next row goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.real.harness import running
from tests.servers import FileServer

DATA = bytes(range(256)) * 400

URLS = {
    "": "bad_url",
    " ": "bad_url",
    "http://host.example/" + "a" * 100_000: "bad_url",
    "hello world": "bad_url",
    "http://\nX-Evil: 1": "bad_url",
    "http://host.example/a\x00b": "bad_url",
    "file:///etc/passwd": "unsupported",
    "javascript:alert(1)": "unsupported",
    "data:text/plain,hello": "unsupported",
    "http://": "bad_url",
    "--help": "bad_url",
    "http://does-not-exist.invalid/a.bin": "dns",
    "magnet:?dn=without-a-hash": "bad_magnet",
}


async def test_urls_that_are_none_fail_with_a_sentence_and_the_next_row_goes_on(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, MAX_DOWNLOAD_RETRIES="0") as reactor:
        bad = reactor.add(*URLS)
        reactor.execute("INSERT INTO downloads(url) VALUES (x'00ff')")
        (good,) = reactor.add(server.put("/good.bin", DATA))
        await reactor.until_final()
        rows = reactor.rows()
    assert reactor.files() == {"good.bin": DATA}
    by_id = {row["id"]: row for row in rows}
    assert by_id.pop(good)["status"] == "downloaded"
    for row in by_id.values():
        assert row["status"] == "failed"
        assert row["error"].endswith(".")
        assert len(row["error"]) < 400
        assert row["error_code"]
        assert "Traceback" not in row["error"]
    assert {url: by_id[n]["error_code"] for n, url in zip(bad, URLS, strict=True)} == URLS


MISBEHAVING: dict[str, tuple[dict[str, Any], str | None, int | None]] = {
    "/401.bin": ({"status": 401}, "needs_login", 1),
    "/403.bin": ({"status": 403}, "forbidden", 1),
    "/404.bin": ({"status": 404}, "not_found", 1),
    "/410.bin": ({"status": 410}, "not_found", 1),
    "/429.bin": ({"status": 429}, "rate_limited", 2),
    "/500.bin": ({"status": 500}, "server_error", 2),
    "/503.bin": ({"status": 503}, "server_error", 2),
    "/loop.bin": ({"redirect": "/loop.bin"}, "redirect_loop", 1),
    "/to-file.bin": ({"redirect": "file:///etc/passwd"}, None, 1),
    "/stalls.bin": ({"stall_after": 1000}, "timeout", 2),
    "/closes.bin": ({"close": True}, "connection_lost", 2),
    "/garbage.bin": ({"raw": b"this is no HTTP\r\n\r\n"}, None, None),
}
"""What a server does, what the row says (None: anything), after how many attempts (None: any number)."""


@pytest.mark.fault(30, 31, 32, 33)
async def test_servers_that_misbehave(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, STALL_TIMEOUT_S="2") as reactor:
        bad, good = [], []
        for path, (how, _, _) in MISBEHAVING.items():
            bad += reactor.add(server.put(path, DATA, **how))
            good += reactor.add(server.put(f"/good-after{path.replace('/', '-')}", DATA))
        await reactor.until_final()
        rows = {row["id"]: row for row in reactor.rows()}
    assert {rows[each]["status"] for each in good} == {"downloaded"}
    assert list(reactor.files().values()) == [DATA] * len(good)
    for each, (path, (_, code, attempts)) in zip(bad, MISBEHAVING.items(), strict=True):
        row = rows[each]
        assert row["status"] == "failed", path
        assert row["error"].endswith("."), path
        assert code in (None, row["error_code"]), path
        assert attempts in (None, row["attempt"]), path


@pytest.mark.fault(33)
async def test_what_stalls_near_its_end_goes_on_from_there(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, STALL_TIMEOUT_S="2") as reactor:
        (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=len(DATA) - 1000, etag='"1"'))
        await reactor.until_final()
        row = reactor.row(one)
    assert row["status"] == "downloaded"
    assert row["retry_count"] <= 1, "or aria2's own next try was sooner"
    assert reactor.files() == {"a.bin": DATA}
    # What is compared with the server at the end begins at zero.
    resumed = [each for each in server.requests("/a.bin", "GET") if each.range and "bytes=0-" not in each.range]
    assert resumed[-1].sent < len(DATA) // 2, "most of it was kept"


@pytest.mark.fault(32)
async def test_a_body_shorter_than_promised_is_never_published(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        resumable = server.put("/a.bin", DATA, cut_after=10_000)
        whole_only = server.put("/b.bin", DATA, cut_after=10_000, ranges=False)
        reactor.add(resumable, whole_only)
        await reactor.until_final()
        rows = reactor.rows()
    for row in rows:
        published = [Path(row["file_path"]).read_bytes()] if row["status"] == "downloaded" else []
        assert published in ([], [DATA])
    assert rows[1]["status"] == "failed"
    assert set(reactor.files()) <= {"a.bin"}


@pytest.mark.fault(32)
@pytest.mark.parametrize("guarded", ["true", "false"])
async def test_a_body_without_a_length_that_breaks_off_is_not_the_whole(tmp_path: Path, guarded: str) -> None:
    """Where the end of the connection is the end of the file, it matters how it ends."""
    nothing_said = {"headers": (("Content-Length", ""), ("Connection", "close")), "head": 405, "ranges": False}
    async with FileServer() as server, running(tmp_path, EGRESS_GUARD=guarded) as reactor:
        (one,) = reactor.add(server.put("/a.bin", DATA, reset_after=50_000, **nothing_said))
        # Where HEAD is refused the answer to our GET is the one that aria2 takes over.
        await server.until(lambda: any(r.ended == "cut" and r.sent for r in server.requests(method="GET")))
        server.put("/a.bin", raw=b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + DATA)
        await reactor.until_final(one)
        assert reactor.row(one)["status"] == "downloaded"
    assert reactor.files() == {"a.bin": DATA}


NO_SENSE: list[tuple[dict[str, Any], str | None]] = [
    ({"headers": (("Set-Cookie", "sid=1; Path=/; Secure=true"),)}, None),
    ({"headers": (("Set-Cookie", "sid=" + "1" * 70_000 + "; Path=/"),)}, None),
    ({"headers": (("Set-Cookie", "sid=1; Path=/; Domain=."),)}, None),
    ({"redirect": "//@//]"}, "bad_redirect"),
    ({"redirect": "/" + "é" * 16_000}, "bad_redirect"),
    ({"status": 503, "headers": (("Retry-After", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"),)}, "server_error"),
]
"""What a server says, and the row's code (None: it leads to the file)."""


async def test_headers_that_make_no_sense(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, MAX_DOWNLOAD_RETRIES="0") as reactor:
        server.put("/film.bin", DATA)
        odd, good = [], []
        for n, (how, _) in enumerate(NO_SENSE):
            led = {"redirect": "/film.bin"} if "status" not in how else {}
            odd += reactor.add(server.put(f"/odd-{n}.bin", **led | how))
            good += reactor.add(server.put(f"/good-{n}.bin", DATA))
        await reactor.until_final()
        rows = {row["id"]: row for row in reactor.rows()}
    assert {rows[each]["status"] for each in good} == {"downloaded"}
    for each, (how, code) in zip(odd, NO_SENSE, strict=True):
        assert rows[each]["error_code"] == code, how
        assert rows[each]["status"] == ("failed" if code else "downloaded"), how


async def test_a_server_that_recovers_is_not_given_up(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, MAX_DOWNLOAD_RETRIES="3") as reactor:
        (one,) = reactor.add(server.put("/a.bin", DATA, failures=3))
        await reactor.until_final()
        row = reactor.row(one)
    assert row["status"] == "downloaded"
    assert row["retry_count"] >= 1
    assert row["error"] is None


@pytest.mark.nightly
@pytest.mark.needs("chromium")
async def test_pages_without_a_film_say_so(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        page = server.put("/watch", b"<html>a page</html>", content_type="text/html")
        reactor.add(page, server.url("/watch?v=1"))
        await reactor.until_final()
        rows = reactor.rows()
    assert [(row["status"], row["error_code"]) for row in rows] == [("failed", "unsupported")] * 2
    assert all(row["error"].endswith(".") for row in rows)
