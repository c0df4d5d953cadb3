"""From the manifest of a real stream to one file, in every form that streams come in."""

from __future__ import annotations

import base64
import gzip
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reactor.media.choice import Choice
from reactor.media.mpegts import HEAD_BYTES, PACKET
from reactor.media.parts import BadParts
from reactor.media.probing import Probed
from reactor.plan import Extraction
from tests.media.conftest import Fetched, Joined, Serve
from tests.media.joining import join, notes_of
from tests.media.samples import KEYS, SECONDS, Samples, body_of, playlist_of

FRAMES = SECONDS * 10
BOTH = ("h264", "aac")
LARGE = ("-vf", "noise=alls=100:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "10", "-c:a", "aac")
SETS = ("-adaptation_sets", "id=0,streams=v id=1,streams=a")


def of(found: Probed) -> tuple[str | None, str | None]:
    return found.video, found.audio


def lasts(found: Probed, seconds: float = SECONDS) -> bool:
    return found.duration_s is not None and abs(found.duration_s - seconds) < 0.3


def frames(ffmpeg: Path, file: Path) -> int:
    """How many pictures can be decoded; any damage on the way is a failure."""
    run = subprocess.run(
        [ffmpeg, "-nostdin", "-v", "error", "-xerror", "-i", file, "-map", "0:v:0", "-f", "framecrc", "-"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert run.stderr == b""
    return sum(not line.startswith(b"#") for line in run.stdout.splitlines())


def pids(stream: bytes) -> list[int]:
    """Those of the packets of a transport stream."""
    packets = (stream[at : at + PACKET] for at in range(0, len(stream), PACKET))
    return sorted({(packet[1] & 0x1F) << 8 | packet[2] for packet in packets} - {0x1000})


def sound_begins(ffmpeg: Path, file: Path) -> float:
    """When the first sound stands in the file, in seconds."""
    run = subprocess.run(
        [
            ffmpeg,
            "-nostdin",
            "-v",
            "error",
            "-copyts",
            "-i",
            file,
            "-map",
            "0:a:0",
            "-c",
            "copy",
            "-f",
            "framecrc",
            "-",
        ],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    rate = next(line.split()[-1] for line in run.stdout.splitlines() if line.startswith("#tb"))
    first = next(line for line in run.stdout.splitlines() if not line.startswith("#"))
    over, under = map(int, rate.split("/"))
    return int(first.split(",")[2]) * over / under


async def check(joined: Joined, samples: Samples, url: str, *, count: int = FRAMES, suffix: str = ".mp4") -> None:
    path, found = await joined(url)
    assert path.suffix == suffix
    assert of(found) == BOTH
    assert lasts(found, count / 10)
    assert frames(samples.ffmpeg, path) == count


async def test_hls_of_mpeg_ts(samples: Samples, serve: Serve, joined: Joined) -> None:
    await check(joined, samples, serve(samples.hls("ts")) + "index.m3u8")


@pytest.mark.fault(67)
async def test_sound_that_comes_behind_a_large_picture(samples: Samples, serve: Serve, joined: Joined) -> None:
    """More of each segment than is read at first."""
    film = samples.film("large.mp4", size="640x360", codecs=LARGE)
    files = samples.hls("large", film=film)
    first = files["part0.ts"][:HEAD_BYTES]
    assert [pid for pid in pids(first) if pid >= 0x100] == [0x100], "its head is all picture"
    await check(joined, samples, serve(files) + "index.m3u8")


async def test_hls_of_fmp4(samples: Samples, serve: Serve, joined: Joined) -> None:
    await check(joined, samples, serve(samples.fmp4()) + "index.m3u8")


@pytest.mark.parametrize("form", ["mpegts", "fmp4"])
async def test_byte_ranges_of_one_file(samples: Samples, serve: Serve, joined: Joined, form: str) -> None:
    how = ("-hls_flags", "single_file")
    files = samples.hls("ranges", *how) if form == "mpegts" else samples.fmp4("ranges-fmp4", *how)
    assert b"#EXT-X-BYTERANGE" in files["index.m3u8"]
    await check(joined, samples, serve(files) + "index.m3u8")


@pytest.mark.variants(1)
@pytest.mark.parametrize("suffix", ["jpg", "php", "html"])
async def test_segments_with_odd_suffixes_and_queries(
    samples: Samples, serve: Serve, joined: Joined, suffix: str
) -> None:
    files = samples.hls("ts")
    odd = {name.replace(".ts", f".{suffix}"): data for name, data in files.items()}
    odd["index.m3u8"] = files["index.m3u8"].replace(b".ts", f".{suffix}?token=a%2Fb&x=../y".encode())
    await check(joined, samples, serve(odd) + "index.m3u8")


@pytest.mark.parametrize("iv", ["", "00112233445566778899aabbccddeeff"])
async def test_aes_128(samples: Samples, serve: Serve, joined: Joined, iv: str) -> None:
    await check(joined, samples, serve(samples.encrypted(f"aes{iv[:2]}", KEYS[0], iv=iv)) + "index.m3u8")


async def test_a_key_for_each_segment(samples: Samples, serve: Serve, joined: Joined) -> None:
    """Without IVs: the number of the segment is its IV, and numbers go on over a change of keys."""
    runs = [samples.encrypted(f"rotated{n}", key) for n, key in enumerate(KEYS)]
    files, lines = dict[str, bytes](), ""
    for n, run in enumerate(runs):
        files |= {f"part{n}.ts": run[f"part{n}.ts"], f"k{n}": KEYS[n]}
        lines += f'#EXT-X-KEY:METHOD=AES-128,URI="/stream/k{n}"\n#EXTINF:2.0,\npart{n}.ts\n'
    files["index.m3u8"] = playlist_of(lines)
    await check(joined, samples, serve(files) + "index.m3u8")


async def test_a_key_in_the_playlist_and_a_clear_segment(samples: Samples, serve: Serve, joined: Joined) -> None:
    closed, clear = samples.encrypted("aes", KEYS[0]), samples.hls("ts")
    data = "data:text/plain;base64,MDEyMzQ1Njc4OWFiY2RlZg=="
    lines = f'#EXT-X-KEY:METHOD=AES-128,URI="{data}"\n#EXTINF:2.0,\n0.ts\n#EXTINF:2.0,\n1.ts\n'
    lines += "#EXT-X-KEY:METHOD=NONE\n#EXTINF:2.0,\n2.ts\n"
    files = {"0.ts": closed["part0.ts"], "1.ts": closed["part1.ts"], "2.ts": clear["part2.ts"]}
    await check(joined, samples, serve(files | {"index.m3u8": playlist_of(lines)}) + "index.m3u8")


async def test_encrypted_byte_ranges(samples: Samples, serve: Serve, joined: Joined) -> None:
    run = samples.encrypted("aes", KEYS[0])
    segments = [run[f"part{n}.ts"] for n in range(3)]
    lines = '#EXT-X-KEY:METHOD=AES-128,URI="secret.key"\n'
    lines += f"#EXTINF:2.0,\n#EXT-X-BYTERANGE:{len(segments[0])}@0\nall.ts\n"
    lines += "".join(f"#EXTINF:2.0,\n#EXT-X-BYTERANGE:{len(segment)}\nall.ts\n" for segment in segments[1:])
    files = {"all.ts": b"".join(segments), "secret.key": KEYS[0], "index.m3u8": playlist_of(lines)}
    await check(joined, samples, serve(files) + "index.m3u8")


@pytest.mark.parametrize("form", ["mpegts", "fmp4"])
async def test_a_discontinuity(samples: Samples, serve: Serve, joined: Joined, form: str) -> None:
    """Timestamps begin anew, in a picture of another size."""
    other = samples.film("other.mp4", size="128x96")
    make = samples.hls if form == "mpegts" else samples.fmp4
    first, second = make(f"first-{form}"), make(f"second-{form}", film=other)
    files = {f"{n}/{name}": data for n, run in enumerate((first, second)) for name, data in run.items()}
    bodies = []
    for n, run in enumerate((first, second)):
        body = body_of(run["index.m3u8"]).replace("part", f"{n}/part")
        bodies.append(body.replace('URI="init', f'URI="{n}/init'))
    files["index.m3u8"] = playlist_of(*bodies)
    await check(joined, samples, serve(files) + "index.m3u8", count=2 * FRAMES)


def apart(samples: Samples, form: str) -> dict[str, bytes]:
    """A master with a picture in two sizes and the sound in a playlist of its own."""
    make = samples.hls if form == "mpegts" else samples.fmp4
    picture, sound = make(f"picture-{form}", "-an"), make(f"sound-{form}", "-vn")
    files = {f"v/{name}": data for name, data in picture.items()} | {f"a/{n}": data for n, data in sound.items()}
    files["master.m3u8"] = b"""#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="s",NAME="Comments",AUTOSELECT=NO,URI="nothing.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="s",NAME="English",DEFAULT=YES,AUTOSELECT=YES,URI="a/index.m3u8"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9000000,RESOLUTION=1920x1080,URI="nothing.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=10000,RESOLUTION=48x32,CODECS="avc1.42c00a,mp4a.40.2",AUDIO="s"
nothing.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=90000,RESOLUTION=96x64,CODECS="avc1.42c00a,mp4a.40.2",AUDIO="s"
v/index.m3u8
"""
    return files


@pytest.mark.variants(1)
@pytest.mark.parametrize("form", ["mpegts", "fmp4"])
async def test_sound_apart(samples: Samples, serve: Serve, joined: Joined, form: str) -> None:
    await check(joined, samples, serve(apart(samples, form)) + "master.m3u8")


def begins(ffmpeg: Path, file: Path, kind: str) -> float:
    """When the first picture (`v`) or sound (`a`) is due, in seconds."""
    run = subprocess.run(
        [ffmpeg, "-nostdin", "-v", "error", "-i", file, "-map", f"0:{kind}:0", "-frames", "1", "-f", "framecrc", "-"],
        capture_output=True,
        check=True,
        timeout=60,
        text=True,
    )
    lines = run.stdout.splitlines()
    (unit,) = (line.split()[-1].split("/") for line in lines if line.startswith("#tb"))
    (first,) = (line for line in lines if not line.startswith("#"))
    return int(first.split(",")[2]) * int(unit[0]) / int(unit[1])


@pytest.mark.variants(1)
@pytest.mark.parametrize("form", ["mpegts", "fmp4"])
async def test_sound_apart_that_begins_later(samples: Samples, serve: Serve, joined: Joined, form: str) -> None:
    files = apart(samples, form)
    make = samples.hls if form == "mpegts" else samples.fmp4
    late = make(f"late-{form}", "-vn", "-t", str(SECONDS - 1.5), "-output_ts_offset", "1.5")
    path, found = await joined(serve(files | {f"a/{name}": data for name, data in late.items()}) + "master.m3u8")
    assert (*of(found), lasts(found)) == ("h264", "aac", True)
    assert abs(begins(samples.ffmpeg, path, "v")) < 0.1
    assert abs(begins(samples.ffmpeg, path, "a") - 1.5) < 0.1


async def test_sound_alone_where_it_is_apart(samples: Samples, serve: Serve, joined: Joined) -> None:
    path, found = await joined(serve(apart(samples, "mpegts")) + "master.m3u8", Choice(audio_only=True))
    assert (path.suffix, *of(found)) == (".m4a", None, "aac")
    assert lasts(found)


async def test_sound_alone_out_of_both(samples: Samples, serve: Serve, joined: Joined) -> None:
    path, found = await joined(serve(samples.hls("ts")) + "index.m3u8", Choice(audio_only=True))
    assert (path.suffix, *of(found)) == (".m4a", None, "aac")
    assert lasts(found)


@pytest.mark.variants(1)
@pytest.mark.parametrize(
    ("codec", "form", "suffix"), [("aac", "adts", ".m4a"), ("libmp3lame", "mp3", ".mp3"), ("ac3", "ac3", ".m4a")]
)
async def test_packed_sound(samples: Samples, serve: Serve, joined: Joined, codec: str, form: str, suffix: str) -> None:
    """Segments of bare AAC, MP3 or AC-3, whose manifest does not say that there is no picture."""
    folder = samples.root / f"packed-{form}"
    folder.mkdir(exist_ok=True)
    how = ("-f", "segment", "-segment_time", "2", "-segment_format", form, folder / "%d.bin")
    samples.run("-i", samples.film(), "-map", "0:a", "-c:a", codec, *how)
    count = len(list(folder.iterdir()))
    files = {f"{n}.bin": (folder / f"{n}.bin").read_bytes() for n in range(count)}
    files["index.m3u8"] = playlist_of("".join(f"#EXTINF:{SECONDS / count:.3f},\n{n}.bin\n" for n in range(count)))
    path, found = await joined(serve(files) + "index.m3u8")
    assert (path.suffix, found.video) == (suffix, None)
    assert lasts(found)


@pytest.mark.variants(2)
@pytest.mark.parametrize(
    "how",
    [
        pytest.param((), id="timeline"),
        pytest.param(("-use_timeline", "0"), id="number"),
        pytest.param(("-use_template", "0"), id="list"),
        pytest.param(("-single_file", "1"), id="single file"),
        pytest.param(("-media_seg_name", "$RepresentationID$-$Time$.m4s"), id="time"),
    ],
)
async def test_dash(samples: Samples, serve: Serve, joined: Joined, how: tuple[str, ...]) -> None:
    files = samples.dash("dash" + "".join(how).replace("$", ""), *how)
    if "1--1024.m4s" in files:  # ffmpeg names the file by a time before zero, and writes zero into the MPD
        files["1-0.m4s"] = files.pop("1--1024.m4s")
    await check(joined, samples, serve(files) + "index.mpd")


async def test_dash_of_the_sound_alone(samples: Samples, serve: Serve, joined: Joined) -> None:
    path, found = await joined(serve(samples.dash("dash")) + "index.mpd", Choice(audio_only=True))
    assert (path.suffix, *of(found)) == (".m4a", None, "aac")
    assert lasts(found)


async def test_codecs_an_mp4_cannot_hold(samples: Samples, serve: Serve, joined: Joined) -> None:
    codecs = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libvorbis")
    film = samples.film("film.webm", codecs=codecs)
    mpd = f"""<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT{SECONDS}S"><Period>
      <AdaptationSet mimeType="video/webm"><Representation id="v" codecs="vp8,vorbis" bandwidth="1">
      <BaseURL>film.webm</BaseURL></Representation></AdaptationSet></Period></MPD>"""
    files = {"film.webm": film.read_bytes(), "index.mpd": mpd.encode()}
    path, found = await joined(serve(files) + "index.mpd")
    assert (path.suffix, *of(found)) == (".mkv", "vp8", "vorbis")
    assert lasts(found)


async def test_hevc_is_marked_as_all_players_want_it(samples: Samples, serve: Serve, joined: Joined) -> None:
    codecs = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-c:a", "aac")
    film = samples.film("hevc.mp4", codecs=codecs)
    path, found = await joined(serve(samples.hls("hevc", film=film)) + "index.m3u8")
    assert (path.suffix, *of(found)) == (".mp4", "hevc", "aac")
    assert b"hvc1" in path.read_bytes()


# Numbers in manifests are nominal; what parts last by their own clocks counts


@pytest.mark.variants(2)
@pytest.mark.parametrize("told", ["2.5", "1.900", "2", "0", "-1", "4.0"])
@pytest.mark.fault(67)
async def test_nominal_durations(samples: Samples, serve: Serve, joined: Joined, told: str) -> None:
    files = dict(samples.hls("ts"))
    files["index.m3u8"] = files["index.m3u8"].replace(b"#EXTINF:2.000000", b"#EXTINF:" + told.encode())
    await check(joined, samples, serve(files) + "index.m3u8")


@pytest.mark.fault(67)
async def test_a_discontinuity_at_each_rounded_segment(samples: Samples, serve: Serve, joined: Joined) -> None:
    """Nothing drifts, nothing pauses."""
    files = dict(samples.hls("ts"))
    files["index.m3u8"] = playlist_of(*(f"#EXTINF:3,\npart{n % 3}.ts?{n}\n" for n in range(9)))
    await check(joined, samples, serve(files) + "index.m3u8", count=3 * FRAMES)


@pytest.mark.fault(69)
async def test_a_slate_without_sound_before_the_film(samples: Samples, serve: Serve, joined: Joined) -> None:
    film, slate = samples.hls("ts"), samples.hls("slate", "-an")
    files = film | {f"slate{n}.ts": slate[f"part{n}.ts"] for n in range(2)}
    lines = "".join(f"#EXTINF:2.0,\nslate{n}.ts\n" for n in range(2))
    files["index.m3u8"] = playlist_of(lines, body_of(film["index.m3u8"]))
    path, found = await joined(serve(files) + "index.m3u8")
    assert of(found) == BOTH
    assert lasts(found, 10)
    assert frames(samples.ffmpeg, path) == 100
    assert sound_begins(samples.ffmpeg, path) == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("form", ["png", "gzip"])
async def test_segments_in_disguise(samples: Samples, serve: Serve, joined: Joined, form: str) -> None:
    wrap = gzip.compress if form == "gzip" else lambda data: b"\x89PNG\r\n\x1a\n" + bytes(112) + data
    files = dict(samples.hls("ts"))
    files |= {name: wrap(data) for name, data in files.items() if name.endswith(".ts")}
    await check(joined, samples, serve(files) + "index.m3u8")


# Periods


def period(files: dict[str, bytes], folder: str, *, sound: bool = True) -> tuple[str, dict[str, bytes]]:
    """What a DASH holds as a period of another one, and its files."""
    inner = re.search(r"<Period[^>]*>(.*)</Period>", files["index.mpd"].decode(), re.DOTALL)
    assert inner
    sets = re.findall(r"<AdaptationSet.*?</AdaptationSet>", inner[1], re.DOTALL)
    kept = "".join(sets if sound else sets[:1])
    told = f'<Period duration="PT{SECONDS}S"><BaseURL>{folder}/</BaseURL>{kept}</Period>'
    return told, {f"{folder}/{name}": data for name, data in files.items()}


def periods(*all_of_them: tuple[str, dict[str, bytes]]) -> dict[str, bytes]:
    told = "".join(text for text, _ in all_of_them)
    files = {name: data for _, some in all_of_them for name, data in some.items()}
    return files | {"index.mpd": f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">{told}</MPD>'.encode()}


@pytest.mark.variants(1)
@pytest.mark.parametrize("how", [(), ("-single_file", "1")])
@pytest.mark.fault(69)
async def test_periods_of_dash(samples: Samples, serve: Serve, joined: Joined, how: tuple[str, ...]) -> None:
    """Each with its own header, clock and size; one and the same before and behind another."""
    first = samples.dash(f"periods-{len(how)}", *SETS, *how)
    ad = samples.dash(f"periods-ad-{len(how)}", *SETS, *how, film=samples.film("wide.mp4", size="128x96"))
    url = serve(periods(period(ad, "ad"), period(first, "film"), period(ad, "ad"))) + "index.mpd"
    await check(joined, samples, url, count=3 * FRAMES)


@pytest.mark.fault(69)
async def test_a_period_without_sound(samples: Samples, serve: Serve, joined: Joined) -> None:
    film = samples.dash("periods-0", *SETS)
    url = serve(periods(period(film, "slate", sound=False), period(film, "film"))) + "index.mpd"
    path, found = await joined(url)
    assert of(found) == BOTH
    assert lasts(found, 2 * SECONDS)
    assert sound_begins(samples.ffmpeg, path) == pytest.approx(SECONDS, abs=0.1)


async def test_periods_in_webm(samples: Samples, serve: Serve, joined: Joined) -> None:
    codecs = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus")
    source = samples.film("vp9.webm", codecs=codecs)
    film = samples.dash("periods-webm", *SETS, "-dash_segment_type", "webm", film=source)
    path, found = await joined(serve(periods(period(film, "a"), period(film, "b"))) + "index.mpd")
    assert of(found) == ("vp9", "opus")
    assert lasts(found, 2 * SECONDS)
    assert frames(samples.ffmpeg, path) == 2 * FRAMES


# What is missing, and what is apart


async def test_an_init_section_in_the_playlist_itself(samples: Samples, serve: Serve, joined: Joined) -> None:
    files = dict(samples.fmp4())
    init = b"data:video/mp4;base64," + base64.b64encode(files.pop("init.mp4"))
    files["index.m3u8"] = files["index.m3u8"].replace(b'"init.mp4"', b'"' + init + b'"')
    await check(joined, samples, serve(files) + "index.m3u8")


@pytest.mark.variants(1)
@pytest.mark.parametrize("form", ["ts", "fmp4", "dash"])
async def test_a_hole_in_the_midst(samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path, form: str) -> None:
    """What is there is joined, sound and picture together, and the notes say what is not."""
    short = ("-hls_time", "1") if form != "dash" else ("-seg_duration", "1", *SETS, "-use_timeline", "0")
    makers: dict[str, Callable[..., dict[str, bytes]]] = {
        "ts": samples.hls,
        "fmp4": samples.fmp4,
        "dash": samples.dash,
    }
    url = serve(makers[form](f"short-{form}", *short)) + ("index.mpd" if form == "dash" else "index.m3u8")
    extraction = allow(await fetched(url))
    lost = [each.name for each in extraction.fetches if each.name.endswith("0003.m4s" if form == "dash" else "0003.ts")]
    lost = lost or ["0003.m4s"]
    for name in lost:
        (tmp_path / name).unlink()
    path = await join(samples.ffmpeg, tmp_path, extraction)
    assert frames(samples.ffmpeg, path) == FRAMES - 10
    notes = await notes_of(samples.ffmpeg, tmp_path, extraction)
    assert len(notes) == len(lost)
    assert all(note.startswith("1 s of the ") and note.endswith("at 00:02.") for note in notes)
    with pytest.raises(BadParts, match=r"0003\.\w+"):
        await join(samples.ffmpeg, tmp_path, await fetched_but(fetched, url, tmp_path, lost))


def allow(extraction: Extraction) -> Extraction:
    tracks = tuple(track.model_copy(update={"holes": 1}) for track in extraction.finish.tracks)
    return extraction.model_copy(update={"finish": extraction.finish.model_copy(update={"tracks": tracks})})


async def fetched_but(fetched: Fetched, url: str, folder: Path, lost: list[str]) -> Extraction:
    """Of this video no part may be missing."""
    extraction = await fetched(url)
    for name in lost:
        (folder / name).unlink()
    return extraction


def second_subtitles(ffmpeg: Path, file: Path) -> tuple[str, str]:
    """As SRT, and what ffmpeg says of the file."""
    command = [str(ffmpeg), "-nostdin", "-i", str(file), "-map", "0:s:1", "-f", "srt", "-"]
    run = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60)
    return run.stdout, run.stderr


async def test_subtitles_are_in_the_container(samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path) -> None:
    files = dict(samples.hls("ts"))
    files["one.vtt"] = b"WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n"
    files["two.vtt"] = b"WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n\n00:03.000 --> 00:04.000\nWorld\n"
    for name in ("one", "two", "none"):
        files[f"{name}.m3u8"] = playlist_of(f"#EXTINF:6,\n{name}.vtt\n")
    files["none.vtt"] = b"<tt/>"
    media = "".join(
        f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="{name}",LANGUAGE="de",URI="{name}.m3u8"\n'
        for name in ("one", "two", "none")
    )
    files["m.m3u8"] = f'#EXTM3U\n{media}#EXT-X-STREAM-INF:BANDWIDTH=1,SUBTITLES="s"\nindex.m3u8\n'.encode()
    extraction = await fetched(serve(files) + "m.m3u8")
    path = await join(samples.ffmpeg, tmp_path, extraction)
    text, said = second_subtitles(samples.ffmpeg, path)
    assert re.findall(r"\S+ --> \S+", text) == ["00:00:01,000 --> 00:00:02,000", "00:00:03,000 --> 00:00:04,000"]
    assert said.count("(deu): Subtitle: mov_text") == 2
    assert frames(samples.ffmpeg, path) == FRAMES
    assert await notes_of(samples.ffmpeg, tmp_path, extraction) == ("Subtitles that are not in the file: none.",)
