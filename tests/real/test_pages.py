"""Pages that only a browser understands: each becomes one file, with the players that people meet."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from reactor.daemon.versions import SAMPLE_BYTES
from reactor.media.probing import probe
from reactor.programs import find_ffmpeg
from tests.cli.command import reactor as command
from tests.media.samples import SECONDS, Samples
from tests.pages import players
from tests.pages.site import Site, clip, master
from tests.real.harness import running
from tests.servers import Request, Resource

pytestmark = pytest.mark.needs("chromium")
HLS, DASH, FILM = "/hls/main.m3u8", "/dash/index.mpd", "/film.mp4"


@pytest.fixture(scope="module", autouse=True)
def the_players() -> None:
    players.files()


def serve(site: Site, samples: Samples) -> None:
    """The film in every form."""
    site.media("/hls", master(samples.hls("hls")))
    site.media("/guarded", master(samples.hls("hls")))
    site.media("/dash", samples.dash("dash"))
    site.put(FILM, samples.film().read_bytes(), content_type="video/mp4", etag='"1"')
    site.put("/clip.mp4", clip(samples).read_bytes(), content_type="video/mp4")


def framed(site: Site) -> str:
    """A player inside two frames, on another host."""
    site.page("hlsjs", HLS, path="/player")
    inner = site.page("framed", site.url("/player", host="localhost"), path="/inner", hidden=False)
    return site.page("framed", inner, hidden=False)


PAGES: dict[str, Callable[[Site], str]] = {
    "A film by video.js": lambda site: site.page("videojs", HLS),
    "A film by hls.js": lambda site: site.page("hlsjs", HLS),
    "A film by plyr": lambda site: site.page("plyr", FILM),
    "A film by dash.js": lambda site: site.page("dashjs", DASH),
    "A film by shaka-player": lambda site: site.page("shaka", DASH),
    "A film in a frame": framed,
    "Ein Film nach einem Klick": lambda site: site.page("click", HLS),
    "Un film après un accord": lambda site: site.page("consent", HLS),
    "A film after an advertisement": lambda site: site.page("advert", FILM),
    "A film by hls.js (1)": lambda site: site.page(
        *("hlsjs", "/guarded/main.m3u8"), path="/members", headers=(("Set-Cookie", "pass=given; Path=/; HttpOnly"),)
    ),
}
"""By the name of the file that comes of each."""


async def check(path: Path) -> None:
    """The whole film is there, picture and sound."""
    seen = await probe(find_ffmpeg().path, path)
    assert (seen.video, seen.audio) == ("h264", "aac"), path
    assert seen.duration_s == pytest.approx(SECONDS, abs=0.5), path


@pytest.mark.nightly
async def test_every_page_becomes_its_film(tmp_path: Path, samples: Samples) -> None:
    async with Site() as site:
        serve(site, samples)
        urls = [page(site) for page in PAGES.values()]
        done = await anyio.to_thread.run_sync(lambda: command("get", *urls, cwd=tmp_path))
    assert done.returncode == 0, done.stderr
    # Two have the same title: whichever came second has a number.
    names = sorted(f"{name}.mp4" for name in PAGES)
    assert sorted(Path(line).name for line in done.stdout.splitlines()) == names
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for name in names:
        await check(tmp_path / name)
    # A server that wants the page and its cookie gave every part at once.
    assert {request.status for request in site.log if request.path.startswith("/guarded/part")} <= {200, 206}


async def test_the_row_of_a_page(tmp_path: Path, samples: Samples) -> None:
    async with Site() as site, running(tmp_path) as reactor:
        serve(site, samples)
        (one,) = reactor.add(site.page("videojs", HLS))
        await reactor.until_final()
        row = reactor.row(one)
        handed = [(event["from_kind"], event["to_kind"]) for event in reactor.events("download_reclassified", one)]
    assert (row["status"], row["error"]) == ("downloaded", None)
    assert (row["url_type"], row["title"], row["progress"]) == ("playwright", "A film by video.js", 100)
    assert row["file_size"] == Path(row["file_path"]).stat().st_size
    assert handed == [("ytdlp", "playwright")]


MADE = """<title>x</title><button id=d>Download</button><script>d.onclick = async () => {
  const a = document.createElement("a");
  a.href = URL.createObjectURL(await (await fetch("/part")).blob());
  a.download = "Made here.bin";
  a.click();
}</script>"""


@pytest.mark.nightly
async def test_a_file_that_the_page_makes_itself(tmp_path: Path) -> None:
    """It goes the way of all downloads, in several connections: it is larger than what comes in one."""
    data = random.Random(0).randbytes(9_000_000)
    async with Site() as site, running(tmp_path) as reactor:
        site.put("/part", data)
        (one,) = reactor.add(site.html(MADE))
        await reactor.until_final()
        row = reactor.row(one)
    assert (row["status"], row["error"], row["file_size"]) == ("downloaded", None, len(data))
    assert reactor.files() == {"Made here.bin": data}


class Expiring(Site):
    """A film whose address the page has to give: the first one breaks off in the middle and has run out then. Whoever
    asks the page again gets another one, for `film`."""

    film = b""

    def show(self, token: int) -> str:
        return self.html(f"<title>A film</title><video src='/film.mp4?token={token}'></video>")

    async def _answer(self, request: Request, resource: Resource, *streams: Any) -> bool:
        if request.path == "/film.mp4?token=1" and any(each.ended == "cut" for each in self.requests("/film.mp4")):
            resource = Resource(b"too late", status=410)
            self.put("/film.mp4", self.film)
            self.show(2)
        return await super()._answer(request, resource, *streams)


@pytest.mark.variants(1)
@pytest.mark.fault(47)
@pytest.mark.parametrize("length", [3_000_000, 2_500_000])
async def test_an_address_that_runs_out(tmp_path: Path, length: int) -> None:
    """The same bytes go on where the new answer has the same length; where not, it begins anew."""
    film = random.Random(length).randbytes(length)
    async with Expiring() as site, running(tmp_path, MAX_DOWNLOAD_RETRIES="2") as reactor:
        site.film = film
        earlier = film if length == 3_000_000 else random.Random(0).randbytes(3_000_000)
        site.put("/film.mp4", earlier, cut_after=2_000_000, rate=8_000_000)  # no probe gets so far
        (one,) = reactor.add(site.show(1))
        await reactor.until_final()
        await reactor.until(lambda: not reactor.staged())
        row = reactor.row(one)
        got = [request for request in site.requests("/film.mp4", "GET") if request.path.endswith("=2")]
    assert (row["status"], row["url_type"], row["error"]) == ("downloaded", "ytdlp", None)
    assert reactor.files() == {"A film.mp4": film}
    # aria2 asks for the whole to learn its length, and goes on from there; samples are compared at the end.
    assert any(each.range and each.sent > SAMPLE_BYTES for each in got) == (length == 3_000_000)
    assert row["retry_count"] == 0, "the new address costs nothing"
