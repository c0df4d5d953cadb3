"""A broadcast from its manifest to its parts: HLS with sound apart, DASH, and by yt-dlp; joined by the real ffmpeg."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.extractors.manifest import extract_manifest
from reactor.extractors.recording import BrokenOff, go_on, put_together
from reactor.extractors.ytdlp.info import extraction_of, parse_info
from reactor.media.probing import probe
from reactor.media.recorded import parts_of
from reactor.models import Kind
from reactor.options import Options, parse_options
from reactor.plan import Extraction, Recording
from tests.media.joining import join
from tests.media.samples import Samples
from tests.media.test_join import SETS
from tests.servers import FileServer


@pytest.fixture
def recorder(context: Context) -> Context:
    """The context of a row that asks for a recording."""
    options = parse_options({"live": {"max_s": 100}}, Options)
    return replace(context, options=options, live_max_s=100.0, live_patience_s=0.5)


def recording_of(found: Extraction) -> Recording:
    assert found.finish.recording
    return found.finish.recording


async def lengths(samples: Samples, folder: Path, found: Extraction) -> list[float]:
    """How long the parts last, once they are joined."""
    async with httpx.AsyncClient(trust_env=False) as client:
        for part in found.fetches:
            if not (folder / part.name).exists():
                response = await client.get(part.urls[0])
                if response.status_code == 200:
                    (folder / part.name).write_bytes(response.content)
    lasts = list[float]()
    for alone in parts_of(found, folder):
        path = await join(samples.ffmpeg, folder, alone)
        seen = await probe(samples.ffmpeg, path)
        assert {kind for kind, _ in seen.streams} == {"video", "audio"}
        lasts.append(round(seen.duration_s or 0.0))
        path.unlink()
    return lasts


def dynamic(text: str, first: int, count: int, *, ended: bool = False) -> bytes:
    """An MPD with so many of the segments of each stream."""

    def cut(found: re.Match[str]) -> str:
        segments, time = [], 0
        for start, lasts, more in re.findall(r'<S (?:t="(\d+)" )?d="(\d+)"(?: r="(\d+)")?', found[2]):
            time = int(start or time)
            for _ in range(int(more or 0) + 1):
                segments.append(f'<S t="{time}" d="{lasts}"/>')
                time += int(lasts)
        head = re.sub(r'startNumber="\d+"', f'startNumber="{first + 1}"', found[1])
        return f"{head}<SegmentTimeline>{''.join(segments[first : first + count])}</SegmentTimeline>"

    text = re.sub(r"(<SegmentTemplate[^>]*>)\s*<SegmentTimeline>(.*?)</SegmentTimeline>", cut, text, flags=re.DOTALL)
    if not ended:
        text = text.replace('type="static"', 'type="dynamic" minimumUpdatePeriod="PT1S"')
        text = re.sub(r'mediaPresentationDuration="[^"]*"', "", text)
    return text.encode()


async def test_a_dash_in_two_streams(recorder: Context, samples: Samples, server: FileServer, tmp_path: Path) -> None:
    """Picture and sound go on together; what is gone before it was taken begins another part."""
    files = samples.dash("live-dash", *SETS, "-use_timeline", "1", "-seg_duration", "1")
    text = files["index.mpd"].decode()
    for name, data in files.items():
        server.put(f"/d/{name}", data)
    url = server.put("/d/index.mpd", dynamic(text, 0, 2))
    found = await extract_manifest(url, recorder, kind=Kind.YTDLP, title="Live")
    assert [source.holds for source in recording_of(found).sources] == [("video",), ("audio",)]
    assert (len(found.fetches), found.finish.name) == (6, "Live.mp4")
    server.put("/d/index.mpd", dynamic(text, 1, 2))
    more = await go_on(found, recorder)
    assert more.extends(found)
    assert len(more.fetches) == 8, "no init section twice"
    server.put("/d/index.mpd", dynamic(text, 4, 2))
    broke = await go_on(more, recorder)
    assert [track.section for track in broke.finish.tracks] == [0, 0, 0, 0, 1, 1]
    server.put("/d/index.mpd", dynamic(text, 4, 2, ended=True))
    over = await go_on(broke, recorder)
    assert recording_of(over).over
    assert await go_on(over, recorder) is over
    assert await lengths(samples, tmp_path, over) == [3, 2]


def hls_apart(samples: Samples) -> dict[str, bytes]:
    picture = samples.hls("live-picture", "-an", "-hls_time", "1")
    sound = samples.hls("live-sound", "-vn", "-hls_time", "1")
    return {f"v/{name}": data for name, data in picture.items()} | {f"a/{name}": data for name, data in sound.items()}


def window(playlist: bytes, first: int, count: int, *, ended: bool = False) -> bytes:
    """So many of the segments of a playlist."""
    found = re.findall(r"#EXTINF:.*\n.*\n", playlist.decode())[first : first + count]
    head = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n"
    return (head + "".join(found) + ("#EXT-X-ENDLIST\n" if ended else "")).encode()


MASTER = b"""#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Deutsch",LANGUAGE="de",URI="a/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=96x64,CODECS="avc1.64001f,mp4a.40.2",AUDIO="a"
v/index.m3u8
"""


async def test_an_hls_with_its_sound_apart_of_which_segments_are_lost(
    recorder: Context, samples: Samples, server: FileServer, tmp_path: Path
) -> None:
    files = hls_apart(samples)
    for name, data in files.items():
        server.put(f"/h/{name}", data)
    url = server.put("/h/m.m3u8", MASTER)

    def tell(first: int, count: int, **how: bool) -> None:
        for kind in "va":
            server.put(f"/h/{kind}/index.m3u8", window(files[f"{kind}/index.m3u8"], first, count, **how))

    tell(0, 2)
    asked = replace(recorder, options=parse_options({"live": {"max_s": 100}, "quality": 720}, Options))
    found = await extract_manifest(url, asked, kind=Kind.YTDLP)
    assert found.finish.unmet == ("There is no picture of 720 lines: this one has 64.",)
    assert [source.language for source in recording_of(found).sources] == ["de", "de"]
    tell(1, 3)
    more = await go_on(found, asked)
    lost = next(fetch for fetch in more.fetches if "v/part2" in fetch.urls[0])
    server.put(lost.urls[0].removeprefix(server.url("")), status=404)
    tell(3, 2, ended=True)
    over = await go_on(more, asked)
    assert recording_of(over).over
    # The picture ends before what was lost and goes on behind it; the sound of that look stays with the first part.
    assert await lengths(samples, tmp_path, over) == [4, 2]
    short = replace(asked, live_max_s=1.0)
    tell(0, 4)
    only = await extract_manifest(url, short, kind=Kind.YTDLP)
    assert recording_of(only).over
    assert recording_of(only).recorded_s == pytest.approx(1, abs=0.1)


async def test_one_that_breaks_off_and_is_found_anew(
    recorder: Context, samples: Samples, server: FileServer, tmp_path: Path
) -> None:
    files = samples.hls("live-both", "-hls_time", "1")
    for name, data in files.items():
        server.put(f"/b/{name}", data)
    url = server.put("/b/index.m3u8", window(files["index.m3u8"], 0, 2))
    found = await extract_manifest(url, recorder, kind=Kind.YTDLP)
    with pytest.raises(BrokenOff, match="Nothing new came of it"):
        await go_on(found, recorder)
    server.put("/b/index.m3u8", status=503)
    with pytest.raises(BrokenOff, match="503"):
        await go_on(found, recorder)
    server.put("/b/index.m3u8", window(files["index.m3u8"], 3, 2))
    anew = await extract_manifest(url, recorder, kind=Kind.YTDLP)
    both = put_together(found, anew)
    assert both.extends(found)
    assert not both.extends(anew)
    server.put("/b/index.m3u8", window(files["index.m3u8"], 4, 2, ended=True))
    over = await go_on(both, recorder)
    assert await lengths(samples, tmp_path, over) == [2, 3]
    assert len({fetch.name for fetch in over.fetches}) == len(over.fetches)
    assert found.sealed("Enough.").finish.notes == ("Enough.",)
    server.put("/b/index.m3u8", window(files["index.m3u8"], 0, 0))
    with pytest.raises(DownloadError) as none:
        await extract_manifest(url, recorder, kind=Kind.YTDLP)
    assert none.value.code == "not_started"


async def test_by_yt_dlp_and_what_has_its_end(recorder: Context, samples: Samples, server: FileServer) -> None:
    files = samples.hls("live-both", "-hls_time", "1")
    for name, data in files.items():
        server.put(f"/y/{name}", data)
    url = server.put("/y/live.m3u8", window(files["index.m3u8"], 0, 3))
    told = {"url": url, "protocol": "m3u8_native", "ext": "mp4", "http_headers": {"X-Site": "1"}}
    info = {"title": "On air", "is_live": True, "formats": [told], "about": {"id": "7", "webpage_url": "https://h/"}}
    found = await extraction_of(parse_info(info), recorder)
    assert (found.title, found.finish.about.id, recording_of(found).over) == ("On air", "7", False)
    assert ("x-site", "1") in {(each.name.lower(), each.value) for each in found.headers[found.fetches[0].headers or 0]}
    again = await go_on(found.sealed(), recorder)
    assert again.headers == found.headers
    with pytest.raises(DownloadError) as refused:
        await extraction_of(parse_info(info), replace(recorder, options=Options()))
    assert refused.value.code == "live"
    film = info | {"is_live": False, "formats": [told | {"url": server.url("/y/index.m3u8")}]}
    assert (await extraction_of(parse_info(film), recorder)).finish.recording is None
    assert (await extract_manifest(server.url("/y/index.m3u8"), recorder, kind=Kind.YTDLP)).finish.recording is None
