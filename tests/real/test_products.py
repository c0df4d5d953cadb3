"""What is bounded by itself, many times over: cookies of a playlist's parts, plans from before there was a limit."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from contrib.bench import proc
from tests.media.samples import Samples
from tests.real.harness import Reactor, running, serving
from tests.real.test_parts import DATA, many
from tests.servers import FileServer

MIB = 1024 * 1024
PARTS, HOPS = 400, 10


def stored(reactor: Reactor) -> int:
    """Bytes of the bot's database, with what stands beside it."""
    return sum(path.stat().st_size for path in reactor.folder.glob("bot.db*"))


def peak(reactor: Reactor) -> float:
    """The most memory that it has had."""
    assert reactor.process is not None
    return proc.peak_mib(reactor.process.pid) * MIB


def spelt(name: str, n: int) -> str:
    """A header's name once more: the server has each spelling once."""
    return "".join(letter.upper() if n >> place & 1 else letter for place, letter in enumerate(name))


@pytest.mark.fault(54)
async def test_cookies_of_redirects_stand_once_for_all_parts(tmp_path: Path, samples: Samples) -> None:
    """Each of ten redirects sets 60 kB of them: 600 kB for each of 400 parts would be 240 MB."""
    async with FileServer() as server, running(tmp_path) as reactor:
        playlist = many(server, PARTS, samples.hls("ts")["part0.ts"], stall_after=100)
        for hop in range(HOPS):
            cookies = tuple((spelt("set-cookie", n), f"c{hop}x{n}={'v' * 4000}; Path=/") for n in range(15))
            to = f"/in{hop + 1}.m3u8" if hop + 1 < HOPS else playlist
            server.put(f"/in{hop}.m3u8", redirect=to, headers=cookies)
        (one,) = reactor.add(server.url("/in0.m3u8"))
        await reactor.until(lambda: any(request.path.endswith(".ts") for request in server.log))
        line = next(request for request in server.log if request.path.endswith(".ts")).headers["cookie"]
        assert 50_000 < len(line) <= 64 * 1024, "as many as one request may have"
        assert {pair.partition("=")[2] for pair in line.split("; ")} == {"v" * 4000}
        assert stored(reactor) < 2 * MIB
        asked = len(server.log)
        await reactor.stop(signal.SIGKILL)
        await reactor.start()
        await server.until(lambda: len(server.log) > asked)
        assert server.log[-1].headers["cookie"] == line, "read out of the plan"
        assert reactor.row(one)["attempt"] == 1
        assert stored(reactor) < 2 * MIB


@pytest.mark.nightly
@pytest.mark.fault(54)
async def test_a_plan_from_before_there_was_a_limit_is_made_anew(tmp_path: Path) -> None:
    """It is not read into memory, is gone after the start, and the row goes on."""
    async with FileServer() as server, running(tmp_path) as reactor:
        (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=1000))
        await server.until(lambda: len(server.requests("/a.bin", "GET")) == 1)
        await reactor.stop(signal.SIGKILL)
        reactor.execute("DROP TABLE reactor_plan_pieces")
        reactor.execute(f"UPDATE reactor_plans SET plan = CAST(zeroblob({200 * MIB}) AS TEXT)")
        server.put("/a.bin", DATA)
        async with serving(Reactor(tmp_path)) as again:
            await again.until_final(one)
            assert again.row(one)["status"] == "downloaded"
            assert again.files()["a.bin"] == DATA
            assert peak(again) < 150 * MIB
