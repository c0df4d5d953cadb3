"""A feed of fifty files, from outside: each once, whatever comes in between."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from tests.real.harness import Reactor
from tests.servers import FileServer

COUNT = 50
ITEM = '<item><title>Film {0}</title><guid>g{0}</guid><enclosure url="{1}" type="video/mp4"/></item>'


def contents() -> list[bytes]:
    return [random.Random(n).randbytes(2000) for n in range(COUNT)]


def feed_of(server: FileServer, files: list[bytes]) -> str:
    urls = [server.put(f"/{n}.bin", data) for n, data in enumerate(files)]
    items = "".join(ITEM.format(n, url) for n, url in enumerate(urls))
    document = f'<?xml version="1.0"?><rss version="2.0"><channel><title>Pod</title>{items}</channel></rss>'
    return server.put("/feed", document.encode(), content_type="application/rss+xml")


@pytest.mark.nightly
async def test_fifty_entries_cancelled_at_twenty_killed_and_tried_again(tmp_path: Path) -> None:
    reactor, files = Reactor(tmp_path), contents()
    async with FileServer() as server:
        url = feed_of(server, files)
        await reactor.start()
        try:
            (parent,) = reactor.add(url, want="auto", playlist={"mode": "all"})
            await reactor.until(lambda: (reactor.row(parent)["items_done"] or 0) >= 20)
            reactor.execute("UPDATE downloads SET cancelled = 1 WHERE id = ?", parent)
            await reactor.until_final()
            rows = reactor.rows()
            assert reactor.row(parent)["status"] == "cancelled"
            assert {row["status"] for row in rows[1:]} == {"downloaded", "cancelled"}
            assert (len(rows), rows[1]["options"]) == (COUNT + 1, '{"want":"auto"}')
            await reactor.until(lambda: not reactor.staged())
            came = [row["file_path"] for row in rows[1:] if row["status"] == "downloaded"]
            assert sorted(reactor.files().values()) == sorted(Path(path).read_bytes() for path in came)
            reactor.execute("UPDATE downloads SET status = 'pending', cancelled = 0, stage = NULL WHERE id = ?", parent)
            await reactor.until(lambda: reactor.row(parent)["items_done"] > len(came))
            await reactor.stop(signal.SIGKILL)
            await reactor.start()
            await reactor.until_final()
            row = reactor.row(parent)
            await reactor.until(lambda: len(reactor.events("list_ended", parent)) == 2)
            ended = reactor.events("list_ended", parent)[-1]
            await reactor.until(lambda: not reactor.staged())
        finally:
            await reactor.stop()
    assert (row["status"], row["error_code"], row["progress"], row["title"]) == ("downloaded", None, 100.0, "Pod")
    assert (row["items_total"], row["items_done"], row["items_failed"]) == (COUNT, COUNT, 0)
    assert (ended["done"], ended["failed"]) == (COUNT, 0)
    assert sorted(reactor.files().values()) == sorted(files), "each once"
    assert [entry["position"] for entry in reactor.rows()[1:]] == [*range(1, COUNT + 1)]


async def test_of_a_list_some_may_be_missing(tmp_path: Path) -> None:
    reactor, files = Reactor(tmp_path, MAX_CONCURRENT_DOWNLOADS="5", PLAYLIST_MAX="20"), contents()
    async with FileServer() as server:
        url = feed_of(server, files)
        server.put("/7.bin", b"", status=404)
        await reactor.start()
        try:
            listed, parent = reactor.add(url, want="info", playlist={"limit": 2}) + reactor.add(url)
            await reactor.until(lambda: reactor.row(parent)["status"] not in ("pending", "downloading"))
            row, rows = reactor.row(parent), reactor.rows()
        finally:
            await reactor.stop()
    assert (row["status"], row["error_code"], row["error"]) == (
        "downloaded",
        "partial",
        "1 of 20 entries were not downloaded.",
    )
    assert row["notes"] == "Of 50 entries the first 20 were taken (PLAYLIST_MAX)."
    assert [each["error_code"] for each in rows if each["parent_id"] == parent and each["status"] == "failed"] == [
        "not_found"
    ]
    assert [each["status"] for each in rows if each["parent_id"] == listed] == ["listed", "listed"]
    assert sorted(reactor.files().values()) == sorted(data for n, data in enumerate(files[:20]) if n != 7)
