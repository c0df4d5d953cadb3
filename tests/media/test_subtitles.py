"""Subtitles of every form on the clock of the joined video."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.errors import DownloadError
from reactor.media import subtitles
from reactor.media.cues import Place, cues, cues_of
from reactor.media.languages import iso_639_2
from reactor.media.subtitles import TextFile, Wanted
from tests.media.samples import Samples

ONE = "WEBVTT\n\n00:00:01.000 --> 00:00:04.000\nHello\n"


def text(*files: str, length_s: float = 100.0) -> str:
    return subtitles.text((cue for file in files for cue in cues(file)), Wanted(length_s))


def test_a_file_of_webvtt() -> None:
    assert text(ONE) == "1\n00:00:01,000 --> 00:00:04,000\nHello\n"


def test_what_only_webvtt_knows_is_left_out() -> None:
    told = """WEBVTT - title
Kind: captions

STYLE
::cue { color: red }

NOTE nothing

intro
00:01.5 --> 01:00:02.25 align:start position:0%
<v Ann>A <i>bold</i> &amp; <c.red>red</c> <00:00:02.000>word
second line\x00
-->
"""
    assert text(told, length_s=9999.0) == (
        "1\n00:00:01,500 --> 01:00:02,250\nA <i>bold</i> & red word\nsecond line\n→\n"
    )


def test_srt_with_crlf_and_commas() -> None:
    assert text("1\r\n00:00:01,000 --> 00:00:04,000\r\nHello\r\n\r\n") == text(ONE)


def test_a_cue_that_two_segments_repeat_is_kept_once_and_all_are_sorted() -> None:
    late = ONE.replace("00:00:01", "00:00:02").replace("Hello", "Later")
    assert text(late, ONE, ONE).split("\n")[2::4] == ["Hello", "Later"]


def test_what_goes_beyond_the_video_is_cut() -> None:
    assert text(ONE, length_s=2.0) == "1\n00:00:01,000 --> 00:00:02,000\nHello\n"
    assert text(ONE, length_s=1.0) == ""


@pytest.mark.parametrize("mapping", ["MPEGTS:900000,LOCAL:00:00:01.000", "LOCAL:00:00:01.000,MPEGTS:900000"])
def test_a_timestamp_map_by_the_clock_of_the_section(mapping: str) -> None:
    """10 s of the media clock is 1 s of the cues; the section begins at 8 s of that clock, and at 20 s of the video."""
    mapped = ONE.replace("WEBVTT\n", f"WEBVTT\nX-TIMESTAMP-MAP={mapping}\n")
    ((begin, end, _),) = cues(mapped, 8.0, 20.0)
    assert (begin, end) == (22.0, 25.0)


def test_a_timestamp_map_over_the_end_of_the_clock() -> None:
    mapped = ONE.replace("WEBVTT\n", "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:90000,LOCAL:00:00:00.000\n")
    ((begin, _, _),) = cues(mapped, 2**33 / 90_000 - 1.0, 0.0)
    assert begin == pytest.approx(3.0)


def test_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.vtt").write_text(ONE, encoding="utf-16")
    asked = subtitles.asked([TextFile("a.vtt"), TextFile("gone.vtt")], Wanted(100.0))
    assert subtitles.answer(tmp_path, asked).decode() == text(ONE)


def test_nothing_that_is_subtitles() -> None:
    for told in ("", "<tt xmlns='http://www.w3.org/ns/ttml'/>", "WEBVTT\n\n", "00:02.000 --> 00:01.000\nbackwards\n"):
        assert text(told) == ""


TTML = """<?xml version="1.0"?><tt:tt xmlns:tt="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"
 xmlns:tts="http://www.w3.org/ns/ttml#styling" ttp:frameRate="25" ttp:tickRate="10">
<tt:head><tt:metadata>not this</tt:metadata></tt:head><tt:body begin="1s"><tt:div>
<tt:p begin="00:00:01.500" end="00:00:03:05">One<tt:br/>  two   <tt:span tts:fontStyle="italic">three</tt:span></tt:p>
<tt:p><tt:span begin="50t" dur="2000ms">word</tt:span> <tt:span begin="0.1m" end="8s">by word</tt:span></tt:p>
<tt:p begin="nonsense" end="1s"> </tt:p></tt:div></tt:body></tt:tt>"""
ASS = """[Script Info]
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:04.00,Default,Ann,0,0,0,,{\\an8}Hello, {\\i1}you{\\i0}\\Nthere
Comment: 0,0:00:01.00,0:00:04.00,Default,,0,0,0,,nothing
"""


def box(kind: bytes, *inside: bytes) -> bytes:
    body = b"".join(inside)
    return (len(body) + 8).to_bytes(4) + kind + body


def numbers(*told: int) -> bytes:
    return b"".join(each.to_bytes(4) for each in told)


INIT = box(
    b"moov",
    box(
        b"trak",
        box(b"tkhd", numbers(0, 0, 0, 7)),
        box(
            b"mdia",
            box(b"mdhd", numbers(0, 0, 0, 1000)),
            box(b"minf", box(b"stbl", box(b"stsd", numbers(0, 1), box(b"wvtt")))),
        ),
    ),
    box(b"mvex", box(b"trex", numbers(0, 7, 1, 2000, 0, 0))),
)


def fragment(time: int, *samples: bytes) -> bytes:
    """A fragment of `wvtt`: samples of 2 s."""
    sizes = numbers(*(len(each) for each in samples))
    run = box(b"trun", numbers(0x200, len(samples)), sizes)
    traf = box(b"traf", box(b"tfhd", numbers(0x20000, 7)), box(b"tfdt", numbers(0, time)), run)
    return box(b"moof", box(b"mfhd", numbers(0, 1)), traf) + box(b"mdat", *samples)


def shown(*texts: str) -> bytes:
    return b"".join(box(b"vttc", box(b"payl", each.encode())) for each in texts) or box(b"vtte")


def test_ttml() -> None:
    found, _ = cues_of(TTML.encode(), Place())
    assert found == [
        (2.5, pytest.approx(4.2), "One\ntwo <i>three</i>"),
        (6.0, 8.0, "word"),
        (7.0, 9.0, "by word"),
    ]


def test_a_script_of_ass() -> None:
    assert cues_of(ASS.encode(), Place())[0] == [(1.0, 4.0, "Hello, you\nthere")]


def test_webvtt_in_fragments(tmp_path: Path) -> None:
    """By the clock of the media: it begins at 10 s of it. A cue that goes on in the next one is one cue."""
    (tmp_path / "i").write_bytes(INIT)
    (tmp_path / "1").write_bytes(fragment(10_000, shown(), shown("A &amp; <c>B</c>", "other")))
    (tmp_path / "2").write_bytes(fragment(14_000, shown("A &amp; <c>B</c>"), shown()))
    files = [TextFile(name, 10.5, 0.5, 1.0, "i") for name in "12"]
    told = subtitles.answer(tmp_path, subtitles.asked(files, Wanted(100.0, form="vtt"))).decode()
    assert told == "WEBVTT\n\n00:00:01.000 --> 00:00:05.000\nA &amp; B\n\n00:00:01.000 --> 00:00:03.000\nother\n"


@pytest.mark.parametrize("cut", [1, 30, 60, 100])
def test_fragments_that_are_cut_short(cut: int) -> None:
    whole = fragment(0, shown("one"), shown("two"))
    assert len(cues_of(whole[:-cut], Place(), INIT)[0]) <= 2
    assert cues_of(whole, Place())[0] == [], "without an init section nothing is known"


async def test_ttml_in_fragments_by_ffmpeg(samples: Samples) -> None:
    (samples.root / "one.srt").write_text("1\n00:00:00,000 --> 00:00:01,500\nHello\n")
    flags = "+frag_keyframe+empty_moov+default_base_moof"
    samples.run("-i", "one.srt", "-c:s", "ttml", "-movflags", flags, "ttml.mp4")
    assert cues_of((samples.root / "ttml.mp4").read_bytes(), Place())[0] == [(0.0, 1.5, "Hello")]


def test_a_document_that_counts_from_the_beginning_of_its_sample() -> None:
    init = INIT.replace(b"wvtt", b"stpp")
    for begin, at in (("1s", 61.0), ("61s", 61.0)):
        text = f'<tt><body><p begin="{begin}" dur="1s">x</p></body></tt>'
        assert cues_of(fragment(60_000, text.encode()), Place(), init)[0] == [(at, at + 1, "x")]


def test_without_a_video_the_first_map_is_the_beginning(tmp_path: Path) -> None:
    for n in (0, 1):
        told = ONE.replace("WEBVTT\n", f"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{900_000 * (n + 1)}\n")
        (tmp_path / f"{n}.vtt").write_text(told)
    files = [TextFile(f"{n}.vtt", None) for n in (0, 1)]
    told = subtitles.answer(tmp_path, subtitles.asked(files, Wanted(100.0))).decode()
    assert [line[:12] for line in told.splitlines() if "-->" in line] == ["00:00:01,000", "00:00:11,000"]


def test_what_is_written() -> None:
    """Only a part, earlier by what is left out; nothing of a stranger's is an order in a script."""
    told = [(1.0, 4.0, "a <i>b</i> & c < d"), (5.0, 9.0, "{\\p1}x\ny")]
    wanted = Wanted(8.0, 2.0)
    assert subtitles.text(told, wanted).startswith("1\n00:00:00,000 --> 00:00:02,000\na <i>b</i> & c < d\n")
    assert "00:00:03.000 --> 00:00:06.000\n{\\p1}x\ny\n" in subtitles.text(told, replace(wanted, form="vtt"))
    assert "a <i>b</i> &amp; c &lt; d" in subtitles.text(told, replace(wanted, form="vtt"))
    script = subtitles.text(told, replace(wanted, form="ass"))
    assert "Dialogue: 0,0:00:03.00,0:00:06.00,Default,,0,0,0,,(/p1)x\\Ny\n" in script
    assert "a {\\i1}b{\\i0} & c < d" in script
    assert [subtitles.text([], replace(wanted, form=form)) for form in ("srt", "vtt", "ass")] == ["", "", ""]


@pytest.mark.parametrize(
    "hostile",
    [
        '<!DOCTYPE tt [<!ENTITY a "b">]><tt><body><p end="1s">&a;</p></body></tt>',
        "<tt>" + "<div>" * 100,
        "<tt><body/>",
    ],
)
def test_a_hostile_document_is_refused(hostile: str) -> None:
    with pytest.raises(DownloadError, match="subtitles cannot be read"):
        cues_of(hostile.encode(), Place())


@given(st.binary(max_size=300))
def test_any_bytes_are_read(told: bytes) -> None:
    cues_of(INIT + box(b"moof", told) + told, Place())


@given(st.text(alphabet="0123:.,-> \nWEBVT<>&;ab", max_size=200))
def test_any_text_is_read(told: str) -> None:
    subtitles.text(cues(told), Wanted(10.0))


def test_language_codes() -> None:
    assert [iso_639_2(tag) for tag in ("en", "de-AT", "ENG", "x-klingon", "")] == ["eng", "deu", "eng", "", ""]
