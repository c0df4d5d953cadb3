"""Eight owners and one slot: what takes long gives way, and goes on where it was."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.real.harness import Reactor, running
from tests.servers import FileServer

RATE = 250_000
LARGE = random.Random(1).randbytes(20 * RATE)
SLICE = "2"
CUT_BYTES = 512 * 1024
"""What a cut may cost: a piece that was under way, and what the server had pushed."""
PEOPLE = 7


def add(reactor: Reactor, owner: str, url: str) -> int:
    reactor.execute("INSERT INTO downloads (url, owner) VALUES (?, ?)", url, owner)
    return int(reactor.rows()[-1]["id"])


@pytest.mark.nightly
@pytest.mark.fault(74)
async def test_eight_owners_share_one_slot(tmp_path: Path) -> None:
    settings = {"SLICE": SLICE, "CONNECTIONS_PER_SERVER": "1", "MAX_CONCURRENT_DOWNLOADS": "1"}
    small = {f"/{n}.bin": random.Random(n).randbytes(RATE // 8) for n in range(2 * PEOPLE)}
    async with FileServer() as server, running(tmp_path, **settings) as reactor:
        large = add(reactor, "greedy", server.put("/large.bin", LARGE, etag='"1"', rate=RATE))
        urls = [server.put(path, data, etag='"1"', rate=RATE) for path, data in small.items()]
        for round_, which in enumerate((urls[:PEOPLE], urls[PEOPLE:]), 1):
            begun = {"attempt": round_, "stage": "fetching"}.items()
            await reactor.until(lambda: begun <= reactor.row(large).items())  # noqa: B023
            others = [add(reactor, f"person {n}", url) for n, url in enumerate(which)]
            await reactor.until_final(*others)
            assert [row["status"] for row in reactor.rows(*others)] == ["downloaded"] * PEOPLE
            assert reactor.row(large)["status"] != "downloaded"
            await reactor.until(lambda: len(reactor.events("download_yielded", large)) == round_)  # noqa: B023
        await reactor.until_final(large)
        row = reactor.row(large)
        assert (row["status"], row["attempt"], row["retry_count"], row["error"]) == ("downloaded", 3, 0, None)
        whole = [Path(row["file_path"]).read_bytes() for row in reactor.rows()]
        assert whole == [LARGE, *small.values()], "each file is whole"
        yielded = reactor.events("download_yielded")
        assert {event["download_id"] for event in yielded} == {large}, "nobody else had a slot for so long"
        assert all(event["used_s"] >= float(SLICE) for event in yielded)
        assert not reactor.events("download_retry_scheduled")
        came = sum(request.sent for request in server.requests("/large.bin", "GET"))
        assert came <= len(LARGE) + 2 * CUT_BYTES, "hardly a byte came twice"
        for path, data in small.items():
            assert sum(request.sent for request in server.requests(path, "GET")) <= len(data) + 1
        await reactor.until(lambda: reactor.staged() == [])


async def test_what_cannot_go_on_where_it_was_keeps_its_slot(tmp_path: Path) -> None:
    settings = {"SLICE": "0.5", "CONNECTIONS_PER_SERVER": "1", "MAX_CONCURRENT_DOWNLOADS": "1"}
    async with FileServer() as server, running(tmp_path, **settings) as reactor:
        large = add(reactor, "ann", server.put("/large.bin", LARGE[: 4 * RATE], rate=RATE, ranges=False))
        await reactor.until(lambda: reactor.row(large)["stage"] == "fetching")
        other = add(reactor, "bob", server.put("/other.bin", b"other"))
        await reactor.until(lambda: len(reactor.events("download_completed")) == 2)
        assert not reactor.events("download_yielded")
        ended = [event["download_id"] for event in reactor.events("download_completed")]
        assert ended == [large, other]
