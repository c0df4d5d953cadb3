"""Subtitles of every form on the clock of the joined video."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.media import subtitles
from reactor.media.languages import iso_639_2
from reactor.media.subtitles import TextFile, cues, srt

ONE = "WEBVTT\n\n00:00:01.000 --> 00:00:04.000\nHello\n"


def text(*files: str, length_s: float = 100.0) -> str:
    return srt((cue for file in files for cue in cues(file)), length_s)


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
    asked = subtitles.asked([TextFile("a.vtt"), TextFile("gone.vtt")], 100.0)
    assert subtitles.answer(tmp_path, asked).decode() == text(ONE)


def test_nothing_that_is_subtitles() -> None:
    for told in ("", "<tt xmlns='http://www.w3.org/ns/ttml'/>", "WEBVTT\n\n", "00:02.000 --> 00:01.000\nbackwards\n"):
        assert text(told) == ""


@given(st.text(alphabet="0123:.,-> \nWEBVT<>&;ab", max_size=200))
def test_any_text_is_read(told: str) -> None:
    srt(cues(told), 10.0)


def test_language_codes() -> None:
    assert [iso_639_2(tag) for tag in ("en", "de-AT", "ENG", "x-klingon", "")] == ["eng", "deu", "eng", "", ""]
