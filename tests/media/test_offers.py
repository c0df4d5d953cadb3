"""What a person can choose from, of the qualities that there are."""

from __future__ import annotations

from reactor.choices import ENTRIES_MAX, FormatChoice
from reactor.media import dash
from reactor.media.choice import Quality
from reactor.media.offers import format_choices
from reactor.options import Options, parse_options

MB = 1_000_000
PICTURES = [Quality(f"v{lines}", False, lines, "avc1", "", lines * 1000.0, True) for lines in (360, 1080, 720)]
SOUNDS = [Quality("en", True, None, "", "en", 100_000.0), Quality("de", True, None, "", "de", 120_000.0)]


def told(found: tuple[FormatChoice, ...]) -> list[tuple[str, str, int | None]]:
    return [(each.c, each.label, each.bytes) for each in found]


def test_the_most_lines_come_first_and_each_counts_its_sound_in() -> None:
    assert told(format_choices([*PICTURES, *SOUNDS], 100.0)) == [
        ("f1", "1080p", 15 * MB),
        ("f2", "720p", int(10.5 * MB)),
        ("f3", "360p", 6 * MB),
        ("a1", "sound, en", int(1.25 * MB)),
        ("a2", "sound, de", int(1.5 * MB)),
    ]


def test_codecs_and_languages_are_named_where_there_are_several() -> None:
    av1 = Quality("x", False, 1080, "av01", "", 500_000.0, True, 7 * MB)
    first, second, *_ = format_choices([*PICTURES, av1, SOUNDS[0]], None)
    assert {first.label: first.pick, second.label: second.pick} == {
        "1080p h264": {"quality": 1080, "codec": "h264"},
        "1080p av1": {"quality": 1080, "codec": "av1"},
    }
    alone = format_choices([av1], 100.0)
    assert [(each.label, each.bytes, each.exact) for each in alone] == [("1080p", 7 * MB, True), ("sound", None, False)]


def test_all_that_is_picked_can_be_asked_for() -> None:
    odd = [Quality("tiny", False, 64, bandwidth=1.0), Quality("", False, 9000), Quality("unknown", False)]
    many = [Quality(f"{lines}", False, lines, bandwidth=lines) for lines in range(200, 400)]
    found = format_choices([*odd, *many, *SOUNDS * 50], 1e12)
    assert len(found) <= ENTRIES_MAX
    assert all(parse_options(each.pick, Options) for each in found)
    assert format_choices([odd[0]], None)[0].pick == {"format": "tiny"}
    assert format_choices([], 5.0) == ()


def test_of_an_mpd_what_is_not_protected() -> None:
    text = """<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT9S"><Period>
    <AdaptationSet contentType="video"><Representation id="a" width="640" height="360" bandwidth="8" codecs="avc1.4d"/>
    <Representation id="b" width="640" height="360" bandwidth="9"><ContentProtection/></Representation></AdaptationSet>
    <AdaptationSet contentType="audio" lang="de"><Representation id="c" bandwidth="5"/></AdaptationSet>
    </Period></MPD>"""
    assert dash.offered(text, "http://host.example/a.mpd") == [
        Quality("a", False, 360, "avc1", "", 8, True),
        Quality("c", True, None, "", "de", 5),
    ]
