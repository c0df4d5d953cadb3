"""A cancel in every stage: what worked for the row is gone, no partial file is left, and the next row goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reactor.net.probe import PAGE_BYTES
from tests.media.samples import Samples
from tests.pages.site import Site
from tests.real.harness import IDLE, Reactor, running

HANGS = """#!/bin/sh
case "$*" in *-progress*) ;; *) exec {ffmpeg} "$@" ;; esac
echo half > .joined.mp4
sleep 600 &
while sleep 0.1; do echo out_time_us=3000000; done
"""
"""An ffmpeg that gets as far as the half of six seconds."""


Begun = Callable[[Reactor, Site], bool]
"""Whether the stage is in the midst of its work."""


def detecting(site: Site, _: Samples) -> tuple[str, Begun]:
    return site.put("/never", hang=True), lambda *_: bool(site.requests("/never"))


def asking_yt_dlp(site: Site, _: Samples) -> tuple[str, Begun]:
    url = site.html("<p>This page never ends" * 9999, stall_after=PAGE_BYTES)
    return url, lambda *_: len(site.requests("/page")) == 4  # two looks at its headers came before, and one at its head


def opening_in_a_browser(site: Site, _: Samples) -> tuple[str, Begun]:
    url = site.html("<script>fetch('/loaded'); setTimeout(() => { while (true); }, 300)</script>")
    return url, lambda *_: bool(site.requests("/loaded"))


def fetching(site: Site, samples: Samples) -> tuple[str, Begun]:
    files = samples.hls("ts")
    site.media("/film", files)
    site.put("/film/part1.ts", files["part1.ts"], stall_after=1000)
    return site.url("/film/index.m3u8"), lambda *_: any(r.sent == 1000 for r in site.requests("/film/part1.ts"))


def joining(site: Site, samples: Samples) -> tuple[str, Begun]:
    site.media("/film", samples.hls("ts"))
    return site.url("/film/index.m3u8"), lambda reactor, _: 49 < (reactor.row(1)["progress"] or 0) < 51


Begin = Callable[[Site, Samples], tuple[str, Begun]]
"""Makes what the URL stands for; the URL, and its `Begun`."""
STAGES: dict[Begin, tuple[str, str | None]] = {
    detecting: ("detecting", IDLE),
    asking_yt_dlp: ("extracting", None),
    opening_in_a_browser: ("extracting", IDLE),
    fetching: ("fetching", None),
    joining: ("finishing", None),
}
"""How to get into the midst of each stage; the stage in the row, and which process may stay."""


@pytest.mark.fault(14)
@pytest.mark.parametrize(
    "begin",
    [
        detecting,
        pytest.param(asking_yt_dlp, marks=pytest.mark.nightly),
        pytest.param(opening_in_a_browser, marks=pytest.mark.needs("chromium")),
        fetching,
        joining,
    ],
)
async def test_a_cancel(tmp_path: Path, temporary: Path, samples: Samples, begin: Begin) -> None:
    stage, idle = STAGES[begin]
    program = tmp_path / "ffmpeg"
    program.write_text(HANGS.format(ffmpeg=samples.ffmpeg))
    program.chmod(0o755)
    settings = {"TMPDIR": str(temporary), "FFMPEG_PATH": str(program), "STALL_TIMEOUT_S": "0", "HTTP_TIMEOUT_S": "60"}
    async with Site() as site, running(tmp_path, **settings) as reactor:
        url, begun = begin(site, samples)
        good = site.put("/good.bin", b"good" * 999)
        one, next_one = reactor.add(url, good)
        await reactor.until(lambda: begun(reactor, site))
        await reactor.until(lambda: reactor.row(one)["stage"] == stage)
        reactor.execute("UPDATE downloads SET cancelled = 1 WHERE id = ?", one)
        await reactor.until_final()
        assert [row["status"] for row in reactor.rows()] == ["cancelled", "downloaded"]
        await reactor.until(lambda: all(idle and idle in line for line in reactor.beside()))
        await reactor.until(lambda: reactor.files() == {"good.bin": b"good" * 999})
        await reactor.until(lambda: not list(temporary.glob("*browser*")))
        assert reactor.row(next_one)["url_type"] == "direct"
    assert list(temporary.iterdir()) == []


@pytest.mark.fault(13)
async def test_the_file_of_a_row_stays_when_another_takes_its_id_and_is_cancelled(tmp_path: Path) -> None:
    async with Site() as site, running(tmp_path, MAX_CONCURRENT_DOWNLOADS="2") as reactor:
        long = site.put("/long.bin", b"long" * 999, stall_after=9)  # a reactor that is not idle tidies later
        reactor.add(long)
        await reactor.until(lambda: reactor.row(1)["stage"] == "fetching")
        (second,) = reactor.add(site.put("/good.bin", b"good" * 999))
        await reactor.until_final(second)
        never = site.put("/never", hang=True)
        reactor.execute("INSERT OR REPLACE INTO downloads(id, url) VALUES(?, ?)", second, never)
        await reactor.until(lambda: site.requests("/never"))
        reactor.execute("UPDATE downloads SET cancelled = 1")
        await reactor.until_final()
        assert [row["status"] for row in reactor.rows()] == ["cancelled", "cancelled"]
        await reactor.until(lambda: not reactor.staged())
        assert reactor.files() == {"good.bin": b"good" * 999}
