"""What a running stream has beyond what was taken of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reactor.errors import DownloadError
from reactor.media.choice import Choice
from reactor.media.local import read_playlist
from reactor.media.windows import START_SEGMENTS, Query, Window, windows

HLS = "https://host/live/index.m3u8"
MPD = "https://host/live/index.mpd"


def playlist(first: int, *names: str, section: int = 0, ended: bool = False, begin: str = "") -> str:
    """Names with `!` before them stand behind a discontinuity."""
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
    lines += [f"#EXT-X-DISCONTINUITY-SEQUENCE:{section}", *([begin] if begin else [])]
    for name in names:
        lines += ["#EXT-X-DISCONTINUITY"] if name.startswith("!") else []
        lines += ["#EXTINF:2.0,", name.lstrip("!")]
    return "\n".join([*lines, "#EXT-X-ENDLIST" if ended else ""])


def look(text: str, query: Query, url: str = HLS, now_s: float = 0.0) -> Window:
    (found,) = windows(text, url, [query], Choice(), now_s)
    return found


def taken(window: Window) -> list[str]:
    """The URLs of what is new."""
    return [part.url.rpartition("/")[2] for part in window.stream.parts] if window.stream else []


def gone_on(query: Query, window: Window) -> Query:
    return replace(
        query,
        after=window.after,
        section=window.section,
        last=window.last,
        init_url=window.init_url,
        init_name=window.init_name,
    )


def test_it_is_taken_from_the_newest_segments_on_and_then_what_is_new() -> None:
    query = Query("0-0-", holds=("video", "audio"))
    found = look(playlist(7, "a", "b", "c", "d", "e"), query)
    assert (taken(found), found.first, found.after) == (["c", "d", "e"], 12 - START_SEGMENTS, 12)
    assert (found.step_s, found.span_s, found.ended, found.fits, found.behind) == (2.0, 10.0, False, True, False)
    query = gone_on(query, found)
    assert look(playlist(8, "b", "c", "d", "e"), query).stream is None
    more = look(playlist(9, "c", "d", "e", "f"), query)
    assert (taken(more), more.first, more.fits) == (["f"], 12, True)
    assert taken(look(playlist(9, "c", "d", "e", "f", ended=True), query)) == ["f"]
    assert look(playlist(20, "x"), query).first > found.after, "something is missing in between"


def test_one_that_has_begun_anew_is_no_old_one_of_a_cache() -> None:
    query = Query("0-0-", after=12, last="/live/e")
    old = look(playlist(6, "a", "b", "c", "d", "e"), query)
    assert (old.behind, old.fits, old.stream, old.after) == (True, True, None, 12)
    anew = look(playlist(0, "x", "y"), query)
    assert (anew.behind, anew.stream) == (True, None)
    assert not look(playlist(10, "p", "q", "r"), query).fits, "another segment has the number of what was taken"
    again = look(playlist(0, "x", "y"), replace(query, again=True))
    assert (taken(again), again.first, again.after, again.last) == (["x", "y"], 0, 2, "/live/y")
    assert look(playlist(0), replace(query, after=None)).stream is None, "it has not begun"


def test_an_init_section_is_fetched_once_and_a_section_may_have_any_number() -> None:
    begin, query = '#EXT-X-MAP:URI="init.mp4?a"', Query("0-0-")
    first = look(playlist(3, "a", "b", section=10**12, begin=begin), query)
    assert taken(first) == ["init.mp4?a", "a", "b"]
    more = look(
        playlist(3, "a", "b", "c", "!d", section=10**12, begin=begin), gone_on(replace(query, prefix="1-"), first)
    )
    assert (taken(more), more.sections) == (["c", "d"], (10**12, 10**12 + 1))
    assert more.stream
    assert [each.init and each.init.name for each in read_playlist(more.stream.playlist or "")] == [
        "0-0-init-1.mp4"
    ] * 2


def mpd(inside: str, *, more: str = 'type="dynamic" availabilityStartTime="1970-01-01T00:00:00Z"') -> str:
    text = '<AdaptationSet contentType="video" mimeType="video/mp4"><Representation id="v" codecs="avc1">{}'
    period = inside if inside.startswith("<Period") else f'<Period start="PT0S">{text.format(inside)}</Representation>'
    period += "" if inside.startswith("<Period") else "</AdaptationSet></Period>"
    return f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" {more}>{period}</MPD>'


def timeline(media: str, inside: str) -> str:
    return f'<SegmentTemplate media="{media}"><SegmentTimeline>{inside}</SegmentTimeline></SegmentTemplate>'


VIDEO = Query("0-0-", id="v", holds=("video",))


def test_of_segments_that_are_counted_those_are_there_that_are_whole() -> None:
    inside = '<SegmentTemplate media="$Number$.m4s" initialization="i.mp4" duration="4" timescale="2" startNumber="5"/>'
    depth = mpd(inside, more='type="dynamic" availabilityStartTime="1970-01-01T00:01:00Z" timeShiftBufferDepth="PT8S"')
    found = look(depth, VIDEO, MPD, now_s=81.0)
    assert (taken(found), found.first, found.after) == (["i.mp4", "11.m4s", "12.m4s", "13.m4s"], 6, 9)
    more = look(depth, gone_on(VIDEO, found), MPD, now_s=87.0)
    assert (taken(more), more.span_s) == (["14.m4s", "15.m4s", "16.m4s"], 8.0)
    assert look(depth, gone_on(VIDEO, found), MPD, now_s=81.9).stream is None
    late = look(depth, gone_on(VIDEO, found), MPD, now_s=200.0)
    assert late.first > found.after
    assert look(mpd(inside), VIDEO, MPD, now_s=10**9).first > 10**8, "only the newest are counted"


@pytest.mark.parametrize("repeat", ["2", "-1"])
def test_of_a_timeline_what_it_names(repeat: str) -> None:
    inside = (
        '<SegmentTemplate media="$Time$-$Number$.m4s" timescale="10"><SegmentTimeline>'
        f'<S t="100" d="20"/><S t="130" d="10" r="{repeat}"/></SegmentTimeline></SegmentTemplate>'
    )
    found = look(mpd(inside), VIDEO, MPD, now_s=16.0)
    assert (taken(found), found.after) == (["130-2.m4s", "140-3.m4s", "150-4.m4s"], 160)
    query = replace(VIDEO, after=120)
    assert look(mpd(inside), query, MPD, now_s=16.0).first == 130, "a hole in it"
    assert look(mpd(inside), replace(VIDEO, after=500), MPD, now_s=16.0).behind
    ended = mpd(inside, more='type="static" mediaPresentationDuration="PT16S"')
    assert look(ended, replace(VIDEO, after=160), MPD, now_s=16.0).ended


def test_periods_are_sections_and_what_is_chosen_is_kept() -> None:
    template = timeline("{}$Number$.m4s", '<S t="0" d="2" r="1"/>')
    text = '<AdaptationSet contentType="{}" mimeType="{}/mp4">{}</AdaptationSet>'
    one = '<Representation id="{}" codecs="{}" height="{}">{}</Representation>'
    sets = [
        text.format("video", "video", one.format("v", "avc1", 144, template) + one.format("w", "avc1", 720, template)),
        text.format("audio", "audio", one.format("a", "mp4a", 0, template)),
    ]
    period = '<Period start="PT{}S">{}</Period>'
    both = mpd(
        period.format(0, "".join(sets).format("a", "a", "a")) + period.format(4, "".join(sets).format("b", "b", "b"))
    )
    found = windows(both, MPD, [], Choice(max_lines=480), 8.0)
    assert [(each.id, each.holds, taken(each)) for each in found] == [
        ("v", ("video",), ["b1.m4s", "b2.m4s"]),
        ("a", ("audio",), ["b1.m4s", "b2.m4s"]),
    ]
    old = look(both, replace(VIDEO, after=2, section=0), MPD, now_s=8.0)
    assert (taken(old), old.sections, old.section) == (["a2.m4s", "b1.m4s", "b2.m4s"], (0, 4000, 4000), 4000)


@pytest.mark.parametrize(
    ("text", "url", "code"),
    [
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8", HLS, "bad_manifest"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:x\n#EXTINF:2,\na", HLS, "bad_manifest"),
        ("<html>", MPD, "bad_manifest"),
        (mpd(""), MPD, "unsupported"),
        (mpd('<SegmentTemplate media="$Number$"/>'), MPD, "bad_manifest"),
        (mpd(timeline("a", '<S d="1" r="99999999"/>')), MPD, "too_many_parts"),
        (mpd(timeline("a", '<S t="0" d="0"/>')), MPD, "bad_manifest"),
        (mpd('<SegmentTemplate media="a" timescale="0" duration="1"/>'), MPD, "bad_manifest"),
    ],
)
def test_what_makes_no_sense(text: str, url: str, code: str) -> None:
    with pytest.raises(DownloadError) as caught:
        look(text, VIDEO if url == MPD else Query("0-"), url, now_s=100.0)
    assert caught.value.code == code
