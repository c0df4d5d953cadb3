"""What parts hold and when, by their own headers: against what ffmpeg wrote, and what it says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reactor.media.clocks import CutShort, Measured
from reactor.media.containers import measure as measure_file
from reactor.media.mpegts import PACKET
from reactor.media.timeline import KINDS
from tests.media.samples import KEYS, Samples

Put = Callable[..., Path]
AAC = "22050 Hz, 1 channels"


def measure(path: Path, *, init: Path | None = None) -> Measured | None:
    with path.open("rb") as file:
        return measure_file(file, init=init)


def clocks(found: Measured | None) -> list[tuple[str, str, float, float, str]]:
    assert found is not None
    return [(s.kind, s.codec, round(s.start_s, 2), round(s.end_s, 2), s.setup) for s in found.streams]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    def write(data: bytes, name: str = "part") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def test_a_transport_stream(samples: Samples, put: Put) -> None:
    first, second, _ = (samples.hls("ts")[f"part{n}.ts"] for n in range(3))
    one, two = measure(put(first)), measure(put(second))
    assert clocks(one)[0][:2] == ("video", "h264")
    assert clocks(one)[1][:2] == ("audio", "aac")
    assert clocks(one)[1][4] == AAC
    assert one
    assert two
    for kind in KINDS:  # one ends where the other begins
        before, after = one.of(kind), two.of(kind)
        assert before
        assert after
        assert before.end_s == pytest.approx(after.start_s, abs=0.001)
    picture = one.of("video")
    assert picture
    assert picture.end_s - picture.start_s == pytest.approx(2.0)


def test_a_transport_stream_behind_a_picture(samples: Samples, put: Put) -> None:
    plain = samples.hls("ts")["part0.ts"]
    disguised = b"\x89PNG\r\n\x1a\n" + bytes(112) + plain
    assert clocks(measure(put(disguised))) == clocks(measure(put(plain)))


def test_a_last_packet_that_is_not_whole(samples: Samples, put: Put) -> None:
    found = measure(put(samples.hls("ts")["part0.ts"][:-100]))
    assert found is not None
    assert found.ragged


def test_packets_that_say_nothing_are_passed_over(samples: Samples, put: Put) -> None:
    """Damaged ones, those without a sync byte or a payload, and those of others, though their PIDs end alike."""
    plain, late = (samples.hls("ts")[name] for name in ("part0.ts", "part2.ts"))
    begun = [unit for at in range(0, len(late), PACKET) if (unit := late[at : at + PACKET])[1] & 0x40][2:]
    junk = []
    for at, change in ((0, lambda n: 0), (1, lambda n: n | 0x80), (1, lambda n: n ^ 0x08), (3, lambda n: n & ~0x10)):
        junk += [unit[:at] + bytes([change(unit[at])]) + unit[at + 1 :] for unit in begun]
    some = 40 * PACKET
    mixed = plain[:some] + b"".join(junk) + plain[some:] + b"".join(junk)
    assert clocks(measure(put(mixed))) == clocks(measure(put(plain)))
    assert clocks(measure(put(plain + b"".join(begun)))) != clocks(measure(put(plain)))


def test_over_the_end_of_the_clock(samples: Samples, put: Put) -> None:
    """33 bits at 90 kHz: after 26.5 hours it begins anew."""
    late = samples.hls("ts-late", "-output_ts_offset", str(2**33 / 90_000 - 2.4))
    found = measure(put(late["part0.ts"]))
    assert found is not None
    picture = found.of("video")
    assert picture
    assert picture.end_s - picture.start_s == pytest.approx(2.0)
    assert picture.end_s > 2**33 / 90_000


def test_fragments(samples: Samples, put: Put) -> None:
    files = samples.fmp4()
    init = put(files["init.mp4"], "init.mp4")
    found = [clocks(measure(put(files[f"part{n}.m4s"]), init=init)) for n in range(3)]
    assert [each[0][:2] for each in found] == [("video", "h264")] * 3
    assert [(each[1][1], each[1][4]) for each in found] == [("aac", AAC)] * 3
    assert [each[0][3] - each[0][2] for each in found] == pytest.approx([2.0, 2.0, 2.0])
    assert [found[0][0][3], found[1][0][3]] == [found[1][0][2], found[2][0][2]]


def test_a_fragment_that_is_cut_short(samples: Samples, put: Put) -> None:
    files = samples.fmp4()
    init = put(files["init.mp4"], "init.mp4")
    with pytest.raises(CutShort):
        measure(put(files["part1.m4s"][:-1]), init=init)
    with pytest.raises(CutShort):
        measure(put(samples.film().read_bytes()[:-1000], "film.mp4"))


def test_frames_of_sound(samples: Samples, put: Put) -> None:
    files = samples.hls("packed", "-vn", "-hls_segment_type", "mpegts", suffix="ts")
    assert [each[:2] for each in clocks(measure(put(files["part0.ts"])))] == [("audio", "aac")]
    samples.run("-i", samples.film(), "-vn", "-c", "copy", samples.root / "sound.aac")
    found = clocks(measure(samples.root / "sound.aac"))
    assert [(each[0], each[1], each[4]) for each in found] == [("audio", "aac", AAC)]
    assert found[0][3] - found[0][2] == pytest.approx(6.0, abs=0.1)


@pytest.mark.parametrize("data", [b"", b"G", b"G" * 300, bytes(2000), b"\x00\x00\x00\x18ftyp", b"ID3" + bytes(9)])
def test_what_is_nothing(put: Put, data: bytes) -> None:
    """No exception that is not said, whatever stands there."""
    try:
        found = measure(put(data))
    except CutShort:
        return
    assert found is None or found.main is None


def test_ciphertext_has_no_clock(samples: Samples, put: Put) -> None:
    assert measure(put(samples.encrypted("aes", KEYS[0])["part0.ts"])) is None
