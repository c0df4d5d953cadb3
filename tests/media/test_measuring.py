"""What is asked and answered about parts; and who is to blame when nobody lives to answer."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from reactor.errors import DownloadError
from reactor.extractors import parsing
from reactor.extractors.parsing import Parsers
from reactor.media import ffmpeg
from reactor.media.check import FAILURES_MAX, check_parts, measure_parts
from reactor.media.clocks import Measured
from reactor.media.containers import measure
from reactor.media.local import Init, Segment, Span, write_playlist
from reactor.media.measuring import MOMENT_MAX_S, STREAMS_MAX, PartFindings, PartQuery, Unreadable, answer, asked, found
from reactor.media.mpegts import PACKET
from reactor.media.parts import BadParts
from reactor.models import Kind
from reactor.plan import Extraction, Fetch, Finish, Track
from reactor.workers.process import DocumentReader
from tests.extractors.processes import runs, until
from tests.media.samples import Samples

PNG = b"\x89PNG\r\n\x1a\n" + bytes(112)


def look(folder: Path, *parts: PartQuery) -> list[PartFindings]:
    """Both ways, in this process."""
    return found(answer(folder, asked(parts)), len(parts))


def put(folder: Path, files: dict[str, bytes]) -> list[PartQuery]:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [PartQuery(name) for name in files]


def clock(path: Path, **how: Any) -> Measured | None:
    with path.open("rb") as file:
        return measure(file, **how)


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", 8 + len(body)) + kind + body


def test_each_form_is_told_as_it_is_measured(samples: Samples, tmp_path: Path) -> None:
    ts, fmp4 = samples.hls("ts"), samples.fmp4()
    packed = samples.hls("packed", "-vn", "-hls_segment_type", "mpegts", suffix="ts")
    put(tmp_path, {"0.ts": ts["part0.ts"], "i.mp4": fmp4["init.mp4"], "1.m4s": fmp4["part1.m4s"]})
    put(tmp_path, {"2.ts": packed["part0.ts"], "all.ts": ts["part0.ts"] + ts["part1.ts"]})
    span = Span(len(ts["part0.ts"]), len(ts["part1.ts"]))
    told = look(
        tmp_path, PartQuery("0.ts"), PartQuery("1.m4s", init="i.mp4"), PartQuery("2.ts"), PartQuery("all.ts", span)
    )
    assert [each.what for each in told] == ["measured"] * 4
    here = [clock(tmp_path / "0.ts"), clock(tmp_path / "1.m4s", init=tmp_path / "i.mp4"), clock(tmp_path / "2.ts")]
    here.append(clock(tmp_path / "all.ts", offset=span.offset, length=span.length))
    shown = [_without_setup(each.measured) for each in told]
    assert shown == [_without_setup(each) for each in here]
    assert all(each and each.streams for each in shown)


def _without_setup(measured: Measured | None) -> Measured | None:
    """A long one is told by its hash."""
    return measured and replace(measured, streams=tuple(replace(each, setup="") for each in measured.streams))


def test_what_is_no_part_of_a_stream(samples: Samples, tmp_path: Path) -> None:
    ts, m4s = samples.hls("ts")["part0.ts"], samples.fmp4()["part0.m4s"]
    files = {
        "a.ts": gzip.compress(ts),
        "b.ts": PNG,
        "c.ts": PNG + ts,
        "d.m4s": m4s[:-1],
        "e.ts": b"PK\x03\x04",
        "f": ts,
    }
    told = look(tmp_path, *put(tmp_path, files), PartQuery("gone.ts"))
    assert [each.what for each in told] == ["packed", "foreign", "measured", "short", "foreign", "measured", "gone"]
    assert (told[2].offset, told[2].measured) == (len(PNG), told[5].measured)


def test_headers_without_sense_are_no_clock(samples: Samples, tmp_path: Path) -> None:
    """Whether it is media ffmpeg will say."""
    ts = samples.hls("ts")["part0.ts"]
    tables = next(at for at in range(0, len(ts), PACKET) if ts[at + 1] & 0x1F == 0x10 and ts[at + 2] == 0)
    short = bytearray(ts)
    short[tables + 6 : tables + 8] = b"\xb0\x09"  # the map of the streams ends where its first field begins
    (told,) = look(tmp_path, *put(tmp_path, {"0.ts": bytes(short)}))
    assert told in (PartFindings("measured"), PartFindings("measured", Measured(())))


def test_what_is_told_is_bounded(samples: Samples, tmp_path: Path) -> None:
    init = samples.fmp4()["init.mp4"]
    run = box(b"trun", struct.pack(">II", 0, 1))
    late = box(b"tfhd", struct.pack(">II", 0, 1)), box(b"tfdt", struct.pack(">IQ", 1 << 24, 2**63)), run
    (told,) = look(tmp_path, *put(tmp_path, {"late.mp4": init + box(b"moof", box(b"traf", *late))}))
    assert MOMENT_MAX_S < 2**63 / 12800
    assert told == PartFindings("measured"), "a moment that no film has"
    trak = init[init.index(b"trak") - 4 :][: int.from_bytes(init[init.index(b"trak") - 4 :][:4])]
    at = trak.index(b"tkhd") + 4 + 12
    tracks = [trak[:at] + struct.pack(">I", n) + trak[at + 4 :] for n in range(1, 100)]
    runs = [box(b"traf", box(b"tfhd", struct.pack(">II", 0, n)), run) for n in range(1, 100)]
    many = box(b"ftyp", bytes(8)) + box(b"moov", *tracks) + box(b"moof", *runs)
    (told,) = look(tmp_path, *put(tmp_path, {"many.mp4": many}))
    assert told.measured
    assert len(told.measured.streams) == STREAMS_MAX
    assert all(len(each.setup) <= 64 for each in told.measured.streams)


def test_what_the_disk_refuses_is_no_fault_of_the_part(tmp_path: Path) -> None:
    (tmp_path / "0.ts").mkdir()
    with pytest.raises(IsADirectoryError):
        look(tmp_path, PartQuery("0.ts"))


STREAM: list[Any] = ["video", "h264", 0.0, 2.0, ""]


@pytest.mark.parametrize(
    "told",
    [
        *(7, [], {}, {"parts": 1}, {"parts": []}, {"parts": [7]}, {"errno": "x"}),
        *({"parts": [wrong]} for wrong in (["melted", 0], ["measured", -1], ["measured", 2**60], ["measured"])),
        *({"parts": [["measured", 0, *wrong]]} for wrong in ([1, []], [False], [False, [STREAM] * 33])),
        *(
            {"parts": [["measured", 0, False, [[*STREAM[:at], wrong, *STREAM[at + 1 :]]]]]}
            for at, wrong in ((0, "smell"), (1, "x" * 17), (2, "0"), (2, 1e300), (3, None), (3, True), (4, "x" * 65))
        ),
    ],
)
def test_what_no_answer_is(told: object) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, IndexError)):
        found(json.dumps(told).encode(), 1)
    assert found(json.dumps({"parts": [["measured", 0, False, [STREAM]]]}).encode(), 1)[0].measured


def film(*segments: Segment) -> Extraction:
    names = dict.fromkeys(name for each in segments for name in (each.init and each.init.name, each.name) if name)
    fetches = tuple(Fetch(urls=(f"http://host.example/{name}",), name=name) for name in names)
    playlist = write_playlist(segments)
    track = Track.model_validate({"form": "hls", "first": 0, "count": len(fetches), "playlist": playlist})
    return Extraction(kind=Kind.DIRECT, fetches=fetches, finish=Finish(how="media", name="a.mp4", tracks=(track,)))


def hostile(samples: Samples, folder: Path, kind: str) -> Extraction:
    """Twenty parts, one of which takes gigabytes, or for ever."""
    files = samples.fmp4()
    put(folder, {"i.mp4": files["init.mp4"]} | {f"{n:02}.m4s": files["part0.m4s"] for n in range(20)})
    size = 30 * 2**20
    if kind == "memory":
        heads = [struct.pack(">I", size - 8 * n) + (b"trak" if n else b"moov") for n in range(2)]
    else:
        run = struct.pack(">III", 0x100, size // 4, 0)[:8]
        inner = box(b"tfhd", struct.pack(">II", 0, 1))
        lengths = [size + 24 + len(inner), size + 16 + len(inner)]
        heads = [struct.pack(">I", lengths[0] + 8) + b"moof", struct.pack(">I", lengths[1] + 8) + b"traf", inner]
        heads.append(struct.pack(">I", size + 16) + b"trun" + run)
    with (folder / "13.m4s").open("wb") as file:
        file.write(box(b"styp", bytes(8)) + b"".join(heads))
        file.truncate(size + 200)
    return film(*(Segment(f"{n:02}.m4s", 2.0, init=Init("i.mp4")) for n in range(20)))


@pytest.mark.fault(71)
@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("memory", "more than 64 MiB of memory"),
        pytest.param("processor", "more than 1 s", marks=pytest.mark.nightly),  # ten times as much of it as memory
    ],
)
async def test_the_one_part_that_nobody_can_read(samples: Samples, tmp_path: Path, kind: str, why: str) -> None:
    """It is named and gone; the others stay, and so does whoever had them read."""
    found = hostile(samples, tmp_path, kind)
    limits = replace(parsing.LIMITS, cpu_s=1) if kind == "processor" else replace(parsing.LIMITS, data_bytes=2**26)
    async with Parsers(limits) as parsers:
        with pytest.raises(BadParts, match=why) as caught:
            await ffmpeg.join(samples.ffmpeg, tmp_path, found, parsers)
    assert (caught.value.names, caught.value.code) == (("13.m4s",), "bad_part")
    assert caught.value.failure.retryable
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["i.mp4", *(f"{n:02}.m4s" for n in range(20) if n != 13)]
    )


async def test_who_always_fails_is_not_asked_for_ever(tmp_path: Path) -> None:
    put(tmp_path, {f"{n:03}.ts": b"\0\1\2" for n in range(200)})
    found = film(*(Segment(f"{n:03}.ts", 2.0) for n in range(200)))
    asked = 0

    async def slow(folder: Path, parts: Sequence[PartQuery]) -> list[PartFindings]:
        nonlocal asked
        asked += 1
        if len(parts) > most:
            raise Unreadable("parsing it takes more than 10 s")
        return [PartFindings("measured")] * len(parts)

    most = 60
    await measure_parts(tmp_path, await check_parts(tmp_path, found), slow)
    assert asked == 3 * 3 + 1, "a few too many at once"
    most = asked = 4
    with pytest.raises(DownloadError, match="parts of this video cannot be read") as caught:
        await measure_parts(tmp_path, await check_parts(tmp_path, found), slow)
    assert (caught.value.code, caught.value.failure.retryable) == ("bad_part", False)
    assert asked < 3 * FAILURES_MAX
    assert len(list(tmp_path.iterdir())) == 200


class Dying(Parsers):
    async def _start(self) -> DocumentReader:
        return await DocumentReader.start("os:abort", (), parsing.LIMITS)


async def test_one_that_dies_takes_nobody_with_it(tmp_path: Path) -> None:
    put(tmp_path, {f"{n}.ts": b"\0\1\2" for n in range(4)})
    checked = await check_parts(tmp_path, film(*(Segment(f"{n}.ts", 2.0) for n in range(4))))
    async with Dying() as parsers:
        with pytest.raises(BadParts, match=r"the parser crashed on it twice \(signal 6\)"):
            await measure_parts(tmp_path, checked, parsers.clocks)
        assert parsers.pids == ()


async def test_a_cancel_ends_who_reads(samples: Samples, tmp_path: Path) -> None:
    found = hostile(samples, tmp_path, "processor")
    async with Parsers() as parsers:
        await parsers.clocks(tmp_path, [PartQuery("00.m4s")])
        (pid,) = parsers.pids
        async with anyio.create_task_group() as tasks:

            async def run() -> None:
                await ffmpeg.join(samples.ffmpeg, tmp_path, found, parsers)

            before = cpu_of(pid)
            tasks.start_soon(run)
            await until(lambda: cpu_of(pid) > before + 20)
            tasks.cancel_scope.cancel()
        assert parsers.pids == ()
        await until(lambda: not runs(pid))
    assert not list(tmp_path.glob(".*")), "nothing is left but the parts"


def cpu_of(pid: int) -> int:
    """In hundredths of a second."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])
