"""Broadcasts that are recorded while they run: playlists that grow, break off and begin anew."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from reactor.media.probing import probe
from tests.media.samples import Samples
from tests.real.harness import Reactor, running, serving
from tests.real.test_questions import PADDING
from tests.servers import FileServer

LENGTH_S = 30
EACH_S = 0.5
WINDOW = 6


def segments(samples: Samples) -> list[bytes]:
    """A film of which each segment lasts half a second."""
    folder = samples.root / "broadcast"
    if not folder.exists():
        folder.mkdir()
        samples.run(
            *("-f", "lavfi", "-i", f"testsrc2=size=64x64:rate=10:duration={LENGTH_S}"),
            *("-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=22050:duration={LENGTH_S}"),
            *("-g", "5", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"),
            *("-f", "hls", "-hls_time", str(EACH_S), "-hls_list_size", "0"),
            *("-hls_segment_filename", folder / "%03d.ts", folder / "index.m3u8"),
        )
    return [path.read_bytes() for path in sorted(folder.glob("*.ts"))]


class Station:
    """Sends a film. There is one more segment each time that its playlist was asked for; the oldest is left out then.

    What a playlist does not name any more stays there for as long again (RFC 8216, section 6.2.2)."""

    def __init__(self, server: FileServer, film: list[bytes], name: str = "live") -> None:
        self.server, self.film, self.name = server, film, name
        self.at = 0
        self.first = 0
        """The number of the first segment of the playlist."""
        self.names: list[str] = []
        self.gone: list[str] = []
        """What is there still, and in no playlist."""
        self.cuts: set[str] = set()
        self.sections = 0
        self.status = 200
        self.ended = False
        for _ in range(WINDOW):
            self.send()

    @property
    def url(self) -> str:
        return self.server.url(f"/{self.name}/index.m3u8")

    def send(self, *, lost: int = 0) -> None:
        """One more segment, behind some that nobody could have."""
        for _ in range(1 + lost):
            name = f"s{self.at:03}.ts"
            self.server.put(f"/{self.name}/{name}", self.film[self.at % len(self.film)])
            self.at += 1
            self.names.append(name)
            if len(self.names) > WINDOW:
                old = self.names.pop(0)
                self.gone.append(old)
                self.sections += old in self.cuts
                self.first += 1
            if len(self.gone) > WINDOW:
                self.server.put(f"/{self.name}/{self.gone.pop(0)}", status=404)
        self.tell()

    def begin_anew(self, *, skip: int = 10) -> None:
        """As an encoder that was started again: it counts from 0, and nothing that was is there."""
        self.names, self.cuts, self.first, self.at = [], set(), 0, self.at + skip
        for _ in range(WINDOW):
            self.send()

    def tell(self) -> None:
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", f"#EXT-X-MEDIA-SEQUENCE:{self.first}"]
        lines += [f"#EXT-X-DISCONTINUITY-SEQUENCE:{self.sections}"]
        for name in self.names:
            lines += ["#EXT-X-DISCONTINUITY"] if name in self.cuts else []
            lines += [f"#EXTINF:{EACH_S},", name]
        lines += ["#EXT-X-ENDLIST"] if self.ended else []
        data = b"" if self.status != 200 else "\n".join(lines).encode()
        self.server.put(f"/{self.name}/index.m3u8", data, status=self.status)

    @property
    def asked(self) -> int:
        """How often its playlist was asked for."""
        return len(self.server.requests(f"/{self.name}/index.m3u8"))

    async def until_asked(self, more: int = 1) -> None:
        before = self.asked
        with anyio.fail_after(60):
            while self.asked < before + more:
                await anyio.sleep(0.02)

    async def run(self) -> None:
        answered = self.asked
        while True:
            if answered == self.asked:
                await self.until_asked()
            answered += 1
            if not self.ended:
                self.send()


@asynccontextmanager
async def on_air(station: Station) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(station.run)
        yield
        tasks.cancel_scope.cancel()


def facts(path: Path) -> list[Path]:
    """The files of what was published: of the parts, in their order."""
    return sorted(path.iterdir()) if path.is_dir() else [path]


async def lengths(samples: Samples, reactor: Reactor, id: int) -> list[float]:
    """How long each part lasts; each has picture and sound."""
    row = reactor.row(id)
    assert row["status"] == "downloaded", row
    found = [await probe(samples.ffmpeg, path) for path in facts(Path(row["file_path"]))]
    assert all({kind for kind, _ in each.streams} == {"video", "audio"} for each in found)
    return [each.duration_s or 0.0 for each in found]


@pytest.mark.nightly
async def test_for_as_long_as_is_asked_allowed_and_waited_for(tmp_path: Path, samples: Samples) -> None:
    film = segments(samples)
    async with FileServer() as server, running(tmp_path, MAX_CONCURRENT_DOWNLOADS="6") as reactor:
        some = [Station(server, film, name) for name in ("asked", "late", "cancelled", "without", "page")]
        asked, late, cancelled, without, shown = some
        page = f"<title>On air</title><video src={shown.url}></video>".encode()
        large = Station(server, [segment + PADDING for segment in film], "large")
        late.status = 404
        late.tell()
        async with AsyncExitStack() as stack:
            for each in (*some, large):
                await stack.enter_async_context(on_air(each))
            ids = reactor.add(asked.url, live={"max_s": 4}, want="video", clip=["0", "1"])
            ids += reactor.add(late.url, live={"max_s": 2, "wait_s": 300})
            ids += reactor.add(cancelled.url, live={"max_s": 9000})
            ids += reactor.add(without.url)
            ids += reactor.add(large.url, live={"max_s": 9000}, max_mib=6)
            ids += reactor.add(server.put("/page", page, content_type="text/html"), live={"max_s": 2})
            await late.until_asked(1)
            late.status = 200
            late.tell()
            await cancelled.until_asked(3)
            reactor.execute("UPDATE downloads SET cancelled = 1 WHERE id = ?", ids[2])
            await reactor.until_final()
        rows = reactor.rows(*ids)
        assert await lengths(samples, reactor, ids[0]) == [pytest.approx(4, abs=0.6)]
        assert rows[0]["notes"] == "The clip was passed over (`clip`): this is a broadcast that is recorded."
        assert await lengths(samples, reactor, ids[1]) == [pytest.approx(2, abs=0.6)]
        assert (rows[2]["status"], rows[3]["error_code"]) == ("cancelled", "live")
        assert rows[3]["error"].startswith("This is a live stream: it has no end yet.")
        (recorded_s,) = await lengths(samples, reactor, ids[4])
        assert 1.5 <= recorded_s <= 4, "eight segments have six MiB"
        assert "The recording was ended here. It has" in rows[4]["notes"]
        assert await lengths(samples, reactor, ids[5]) == [pytest.approx(2, abs=0.6)]
        assert rows[5]["title"] == "On air"
        await reactor.until(lambda: not reactor.staged())


@pytest.mark.nightly
async def test_it_goes_on_through_interruptions_and_comes_in_parts_where_it_broke(
    tmp_path: Path, samples: Samples
) -> None:
    async with FileServer() as server, running(tmp_path, LIVE_PATIENCE_S="30") as reactor:
        station = Station(server, segments(samples))
        async with on_air(station):
            (id,) = reactor.add(station.url, live={"max_s": 9000})
            await station.until_asked(2)
            for status in (404, 503):  # nothing is lost
                station.status = status
                await station.until_asked(2)
            station.status = 200
            await station.until_asked(3)
            station.film[station.at + 1] = b"<html>Not now.</html>"
            await station.until_asked(5)
            station.send(lost=2 * WINDOW)
            await station.until_asked(3)
            station.cuts.add(f"s{station.at:03}.ts")
            await station.until_asked(4)
            station.begin_anew()
            await station.until_asked(8)
            station.ended = True
            station.tell()
            await reactor.until_final()
        found = await lengths(samples, reactor, id)
        row = reactor.row(id)
    assert len(found) == 5, (found, row)
    assert all(each >= 1 for each in found)
    names = [path.name for path in facts(Path(row["file_path"]))]
    assert names == [f"live - part {n}.mp4" for n in (1, 2, 3, 4, 5)]
    assert row["notes"] == "The broadcast broke off: it comes in 5 parts, each as it was."
    assert row["progress"] == 100


@pytest.mark.nightly
async def test_what_was_recorded_outlives_a_kill_and_the_end_of_the_broadcast(tmp_path: Path, samples: Samples) -> None:
    reactor = Reactor(tmp_path, LIVE_PATIENCE_S="3")
    async with FileServer() as server:
        station = Station(server, segments(samples))
        async with on_air(station):
            async with serving(reactor):
                (id,) = reactor.add(station.url, live={"max_s": 9000})
                await station.until_asked(5)
                await reactor.stop(signal.SIGKILL)
            station.send(lost=2 * WINDOW)
            async with serving(reactor):
                await station.until_asked(4)
                await reactor.stop(signal.SIGKILL)
            station.status = 503
            station.tell()
            async with serving(reactor):
                await reactor.until_final()
        found = await lengths(samples, reactor, id)
        row = reactor.row(id)
    assert len(found) == 2, (found, row)
    assert min(found) >= 1.5
    assert row["notes"].startswith("The broadcast broke off: ")
    assert "503" in row["notes"]
    assert row["retry_count"] == 0
