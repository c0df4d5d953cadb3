"""MPDs: which representation is taken, what its parts are, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.errors import DownloadError
from reactor.media import dash
from reactor.media.choice import Choice, Like
from reactor.media.local import Span, init_data, read_playlist
from reactor.media.parts import MediaStream, Subtitles

URL = "https://host/a/index.mpd?x=1"
REP = '<Representation id="r" bandwidth="1000" codecs="avc1" mimeType="video/mp4">{}</Representation>'


def mpd(period: str, *, duration: str = "PT10S", more: str = "") -> str:
    xmlns = "urn:mpeg:dash:schema:mpd:2011"
    total = f'mediaPresentationDuration="{duration}"' if duration else ""
    return f'<?xml version="1.0"?><MPD xmlns="{xmlns}" {total} {more}>{period}</MPD>'


def video(inside: str, **how: Any) -> str:
    return mpd(f"<Period><AdaptationSet>{REP.format(inside)}</AdaptationSet></Period>", **how)


def parsed(text: str, choice: Choice | None = None) -> list[MediaStream]:
    return dash.parse(text, URL, choice or Choice())


def urls(text: str) -> list[str]:
    (stream,) = parsed(text)
    return [part.url.removeprefix("https://host/a/") for part in stream.parts]


def refused(text: str) -> str:
    with pytest.raises(DownloadError) as caught:
        parsed(text)
    return caught.value.code


TIMELINE = '<SegmentTemplate media="$Time$"><SegmentTimeline><S d="2" r="5"/></SegmentTimeline></SegmentTemplate>'


def test_numbers_up_to_the_duration() -> None:
    inside = '<SegmentTemplate media="$RepresentationID$/$Number%03d$.m4s?b=$Bandwidth$&amp;c=$$" duration="3000" '
    inside += 'timescale="1000" startNumber="9" initialization="i-$RepresentationID$"/>'
    assert urls(video(inside)) == ["i-r", *(f"r/{n:03}.m4s?b=1000&c=$" for n in (9, 10, 11, 12))]
    assert urls(video(inside, duration="PT9S")) == ["i-r", *(f"r/{n:03}.m4s?b=1000&c=$" for n in (9, 10, 11))]
    until = inside.replace("startNumber", 'endNumber="10" startNumber')
    assert len(urls(video(until, duration=""))) == 3


def test_a_timeline_repeats_up_to_the_next_or_to_the_end() -> None:
    inside = '<SegmentTemplate media="$Time$" timescale="10" presentationTimeOffset="100"><SegmentTimeline>{}'
    inside += "</SegmentTimeline></SegmentTemplate>"
    assert urls(video(inside.format('<S t="100" d="20" r="1"/><S d="5"/>'))) == ["100", "120", "140"]
    assert urls(video(inside.format('<S t="100" d="30" r="-1"/>'))) == ["100", "130", "160", "190"]
    assert urls(video(inside.format('<S t="100" d="30" r="-1"/><S t="150" d="50"/>'))) == ["100", "130", "150"]


def test_what_stands_higher_holds_below() -> None:
    period = """<BaseURL>p/</BaseURL><SegmentTemplate timescale="2" duration="10"/>
      <AdaptationSet mimeType="video/mp4"><BaseURL>s/</BaseURL><SegmentTemplate media="$Number$" startNumber="0"/>
      <Representation id="1"><BaseURL>r/</BaseURL><SegmentTemplate initialization="i"/></Representation>
      </AdaptationSet>"""
    assert urls(mpd(f"<BaseURL>https://cdn/m/</BaseURL><Period>{period}</Period>")) == [
        "https://cdn/m/p/s/r/i",
        "https://cdn/m/p/s/r/0",
        "https://cdn/m/p/s/r/1",
    ]


def test_lists_and_whole_files() -> None:
    inside = '<SegmentList duration="2"><Initialization sourceURL="i"/><SegmentURL media="1"/><SegmentURL media="2"/>'
    (stream,) = parsed(video(inside + "</SegmentList>"))
    assert (stream.form, stream.duration_s, stream.holds) == ("concat", 10.0, ("video",))
    assert [(part.name, part.url) for part in stream.parts] == [
        (f"{n:04}.m4s", f"https://host/a/{word}") for n, word in enumerate("i12")
    ]
    base = '<BaseURL>film.mp4</BaseURL><SegmentBase indexRange="1-2"><Initialization range="0-0"/></SegmentBase>'
    (stream,) = parsed(video(base))
    assert (stream.form, [part.url for part in stream.parts]) == ("file", ["https://host/a/film.mp4"])
    ranges = (
        '<BaseURL>f</BaseURL><SegmentList><SegmentURL mediaRange="0-9"/><SegmentURL mediaRange="10-19"/></SegmentList>'
    )
    assert urls(video(ranges)) == ["f"]


def adaptation(mime: str, *representations: str, inside: str = "") -> str:
    return f'<AdaptationSet mimeType="{mime}">{inside}{"".join(representations)}</AdaptationSet>'


def quality(name: str, codecs: str, bandwidth: int = 1, height: int = 0, inside: str = "") -> str:
    lines = f' height="{height}"' if height else ""
    attributes = f'id="{name}" codecs="{codecs}" bandwidth="{bandwidth}"{lines}'
    return f"<Representation {attributes}><BaseURL>{name}</BaseURL>{inside}</Representation>"


def chosen(*sets: str, choice: Choice | None = None) -> list[str]:
    streams = parsed(mpd(f"<Period>{''.join(sets)}</Period>"), choice)
    return [stream.parts[0].url.rpartition("/")[2] for stream in streams if stream.form != "webvtt"]


def test_the_best_picture_and_the_best_sound() -> None:
    picture = adaptation(
        "video/mp4",
        *(quality(f"{codec}{height}", codec, height, height) for codec in ("avc1", "hvc1") for height in (360, 720)),
    )
    trick = '<EssentialProperty schemeIdUri="http://dashif.org/guidelines/trickmode" value="1"/>'
    sound = adaptation("audio/mp4", quality("low", "mp4a", 64), quality("high", "mp4a", 128))
    talk = adaptation("audio/mp4", quality("talk", "mp4a", 999), inside='<Role value="commentary"/>')
    text = adaptation("text/vtt", quality("text", "wvtt"))
    seek = adaptation("video/mp4", quality("seek", "avc1", 9, 9000), inside=trick)
    sets = (seek, text, talk, picture, sound)
    assert chosen(*sets) == ["avc1720", "high"]
    assert chosen(*sets, choice=Choice(max_lines=400)) == ["avc1360", "high"]
    assert chosen(*sets, choice=Choice(audio_only=True)) == ["high"]
    streams = parsed(mpd(f"<Period>{picture}{sound}</Period>"))
    assert [(s.parts[0].name, s.holds) for s in streams] == [("video.mp4", ("video",)), ("audio.m4a", ("audio",))]


@pytest.mark.parametrize("what", ["trickmode", "thumbnail_tile"])
def test_what_is_there_to_seek_by_is_not_taken_though_only_its_representation_says_so(what: str) -> None:
    told = f'<EssentialProperty schemeIdUri="http://dashif.org/guidelines/{what}" value="1"/></Representation>'
    seek = quality("seek", "avc1", 9, 9000).replace("</Representation>", told)
    assert chosen(adaptation("video/mp4", seek, quality("film", "avc1", 9, 90))) == ["film"]


def test_an_init_section_may_be_a_file_of_its_own_beside_the_one_with_all_segments() -> None:
    inside = '<BaseURL>all.m4s</BaseURL><SegmentBase indexRange="0-9"><Initialization {}/></SegmentBase>'
    (stream,) = parsed(video(inside.format('sourceURL="init.mp4"')))
    assert [(part.url.rpartition("/")[2], part.optional) for part in stream.parts] == [
        ("init.mp4", False),
        ("all.m4s", False),
    ]
    assert (stream.form, stream.needed) == ("concat", (0,))
    assert urls(video(inside.format('range="0-9"'))) == ["all.m4s"]
    apart = REP.format(inside.format('sourceURL="init.mp4"'))
    (both,) = parsed(mpd(f'<Period duration="PT5S"><AdaptationSet>{apart}</AdaptationSet></Period>' * 2))
    assert [segment.init and segment.init.name for segment in read_playlist(both.playlist or "")] == ["0-init.mp4"] * 2


def test_an_ampersand_that_nobody_has_escaped_is_one() -> None:
    template = '<SegmentTemplate media="$Number$?a=1&b=2&amp;c=3&#38;d" duration="10" timescale="1"/>'
    assert urls(video(template)) == ["1?a=1&b=2&c=3&d"]


def test_what_is_said_to_be_the_main_sound_comes_first() -> None:
    main = adaptation("audio/mp4", quality("en", "mp4a", 128), inside='<Role value="main"/>')
    unsaid = adaptation("audio/mp4", quality("de", "mp4a", 192))
    other = adaptation("audio/mp4", quality("talk", "mp4a", 999), inside='<Role value="alternate"/>')
    blind = adaptation("audio/mp4", quality("told", "mp4a", 999), inside='<Role value="main"/><Accessibility/>')
    assert chosen(other, unsaid, main, blind) == ["en"]
    assert chosen(other, unsaid, blind) == ["de"]


def test_the_last_segments_may_be_too_many_where_they_are_only_counted() -> None:
    """The duration is rounded up, or that of another track."""
    counted = '<SegmentTemplate media="$Number$" duration="2" initialization="i"/>'
    (stream,) = parsed(video(counted, duration="PT10.01S"))
    assert [part.optional for part in stream.parts] == [False] * 4 + [True] * 3
    assert stream.needed == (0,)
    for told in ('<SegmentTemplate media="$Number$" duration="2" endNumber="6"/>', TIMELINE):
        (stream,) = parsed(video(told, duration="PT12S"))
        assert not any(part.optional for part in stream.parts)


def test_of_several_base_urls_the_one_that_is_asked_for() -> None:
    two = "<BaseURL>https://one/</BaseURL><BaseURL>https://two/</BaseURL>"
    text = mpd(f"{two}<Period><BaseURL>p/</BaseURL><AdaptationSet>{REP.format(TIMELINE)}</AdaptationSet></Period>")
    assert dash.servers(text) == 2
    firsts = [dash.parse(text, URL, Choice(), server=n)[0].parts[0].url for n in (0, 1, 2)]
    assert firsts == ["https://one/p/0", "https://two/p/0", "https://two/p/0"]
    assert dash.servers(video(TIMELINE)) == 1


def test_representations_to_avoid() -> None:
    sets = adaptation("video/mp4", quality("a", "avc1", height=720), quality("b", "avc1", height=360))
    text = mpd(f"<Period>{sets}</Period>")
    taken = [dash.parse(text, URL, Choice(), avoid=each)[0].label for each in ((), ("a",), ("a", "b"))]
    assert taken == ["a", "b", "a"]


BEGUN = 'availabilityStartTime="2020-01-01T00:00:00Z"'


@pytest.mark.parametrize(
    ("attributes", "open_s"),
    [
        ('mediaPresentationDuration="PT12S"', None),
        ('mediaPresentationDuration="PT12S" minimumUpdatePeriod="PT2S"', 2.0),
        (f'mediaPresentationDuration="PT12S" minimumUpdatePeriod="PT2S" {BEGUN}', None),
        ('minimumUpdatePeriod="PT2S" maxSegmentDuration="PT4S"', 4.0),
    ],
)  # fmt: skip
def test_a_broadcast_that_is_over_or_may_be(attributes: str, open_s: float | None) -> None:
    text = video(TIMELINE, duration="", more=f'type="dynamic" {attributes}')
    assert dash.parse(text, URL, Choice(), now_s=1_600_000_000.0)[0].open_s == open_s


@pytest.mark.parametrize(
    "inside",
    [
        '<SegmentTemplate media="$Number$" duration="2"/>',
        '<SegmentTemplate media="$Time$"><SegmentTimeline><S t="8" d="2"/></SegmentTimeline></SegmentTemplate>',
        '<SegmentTemplate media="$Time$"><SegmentTimeline><S d="2" r="-1"/></SegmentTimeline></SegmentTemplate>',
    ],
)
def test_a_broadcast_whose_beginning_is_gone_or_whose_segments_are_not_listed_is_live(inside: str) -> None:
    assert refused(video(inside, more='type="dynamic" minimumUpdatePeriod="PT2S"')) == "live"


def test_subtitles_of_one_file() -> None:
    one = adaptation("text/vtt; charset=utf-8", '<Representation id="t"><BaseURL>de.vtt</BaseURL></Representation>')
    other = adaptation("application/mp4", '<Representation id="u"/>').replace(">", ' contentType="text" lang="fr">', 1)
    text = mpd(f"<Period>{adaptation('video/mp4', quality('v', 'avc1'))}{one}{other}</Period>")
    _, vtt, ttml = parsed(text)
    assert (vtt.form, [part.url for part in vtt.parts]) == ("webvtt", ["https://host/a/de.vtt"])
    assert (ttml.parts, ttml.subtitles) == ((), Subtitles("fr"))


def test_subtitles_in_segments_and_those_that_are_asked_for() -> None:
    """Their own clock may begin elsewhere than the picture's. Of several in one language the first."""
    inside = '<SegmentTemplate media="$Number$.m4s" initialization="i" duration="2" timescale="2" {}/>'
    late = inside.format('presentationTimeOffset="9"')
    stpp = adaptation("application/mp4", f'<Representation id="s" codecs="stpp">{late}</Representation>')
    stpp = stpp.replace(">", ' lang="de-AT">', 1)
    wvtt = adaptation("application/mp4", f'<Representation id="w" codecs="wvtt">{inside.format("")}</Representation>')
    wvtt = wvtt.replace(">", ' lang="en">', 1)
    file = adaptation("application/ttml+xml", '<Representation id="t"><BaseURL>fr.xml</BaseURL></Representation>')
    file = file.replace(">", ' lang="fr">', 1)
    picture = '<SegmentTemplate media="v$Number$" duration="2" timescale="2" presentationTimeOffset="4"/>'
    film = adaptation("video/mp4", f'<Representation id="v" codecs="avc1">{picture}</Representation>')
    text = mpd(f'<Period duration="PT3S">{film}{stpp}{wvtt}{file}</Period>')
    streams = parsed(text, Choice(texts=("fr", "de", "en", "it")))
    assert [each.subtitles.language for each in streams if each.subtitles] == ["fr", "de-AT", "en"]
    assert [part.name for part in streams[1].parts] == ["text-1-0001.ttml"]
    assert [part.name for part in streams[2].parts] == [
        f"text-2-{n}" for n in ("init.mp4", "0001.m4s", "0002.m4s", "0003.m4s")
    ]
    assert [(each.late_s, part.optional) for each in streams[2:] for part in each.parts[:1]] == [
        (2.5, True),
        (-2.0, True),
    ]
    (first, *_) = read_playlist(streams[2].playlist or "")
    assert first.init
    assert first.init.name == "text-2-init.mp4"
    alone = parsed(text, Choice(texts=("de",), texts_only=True))
    assert [(each.form, each.late_s) for each in alone] == [("webvtt", 4.5)]
    assert [each.form for each in parsed(text, Choice(texts=()))] == ["concat"]


def test_an_init_section_in_the_manifest_itself() -> None:
    inside = '<SegmentList duration="2"><Initialization sourceURL="data:;base64,aW5pdA=="/>'
    (stream,) = parsed(video(inside + '<SegmentURL media="1"/><SegmentURL media="2"/></SegmentList>'))
    (segment, _) = read_playlist(stream.playlist or "")
    assert segment.init
    assert init_data(segment.init) == b"init"


def test_a_period_without_a_duration_lasts_up_to_the_next_or_to_the_end() -> None:
    template = '<SegmentTemplate media="$Number$" duration="2"/>'
    counted = f"<AdaptationSet>{REP.format(template)}</AdaptationSet>"
    for first in ('<Period duration="PT4S">', '<Period start="PT0S">'):
        second = "<Period>" if "duration" in first else '<Period start="PT4S">'
        (stream,) = parsed(mpd(f"{first}{counted}</Period>{second}{counted}</Period>"))
        assert [segment.section for segment in read_playlist(stream.playlist or "")] == [0, 0, 1, 1, 1]


def test_protection() -> None:
    lock = '<ContentProtection schemeIdUri="urn:uuid:EDEF8BA9-79D6-4ACE-A3C8-27DCD51D21ED"/>'
    with pytest.raises(DownloadError, match="Widevine") as caught:
        chosen(adaptation("video/mp4", quality("a", "avc1"), inside=lock))
    assert caught.value.code == "drm"
    sets = adaptation("video/mp4", quality("a", "avc1", height=720, inside=lock), quality("b", "avc1", height=360))
    assert chosen(sets) == ["b"]


TEMPLATE = '<SegmentTemplate media="$Number$" {}/>'
STEPS = TEMPLATE.format('duration="1" timescale="1500"')
TIMED = '<SegmentTemplate media="$Time$"><SegmentTimeline>{}</SegmentTimeline></SegmentTemplate>'
RANGES = '<SegmentList><SegmentURL media="a" mediaRange="0-1"/><SegmentURL media="b"/></SegmentList>'
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (video("", more='type="dynamic" minimumUpdatePeriod="PT2S"'), "live"),
        (video("", more='type="dynamic"', duration=""), "live"),
        (mpd("<Period/><Period/>"), "bad_manifest"),
        (mpd('<Period xmlns:x="http://www.w3.org/1999/xlink" x:href="a.xml"/>'), "unsupported"),
        (mpd(""), "bad_manifest"),
        (mpd("<Period/>"), "bad_manifest"),
        (BOMB + mpd("<Period>&b;</Period>"), "bad_manifest"),
        ("<MPD", "bad_manifest"),
        ("<html><MPD></MPD></html>", "bad_manifest"),
        ("\ud800<MPD/>", "bad_manifest"),
        (mpd("<a>" * 100 + "</a>" * 100), "bad_manifest"),
        (mpd("<a/>" * 400_001), "too_large"),
        (video("", duration="ten"), "bad_manifest"),
        (video("", duration="PT0S"), "bad_manifest"),
        (video(TEMPLATE.format('duration="1"'), duration=""), "bad_manifest"),
        (video(TEMPLATE.format('duration="1" timescale="0"')), "bad_manifest"),
        (video(TEMPLATE.format('duration="x"')), "bad_manifest"),
        (video(TEMPLATE.format('duration="1" timescale="100000"')), "too_many_parts"),
        (video(TEMPLATE.format('duration="1" endNumber="99999999999"')), "too_many_parts"),
        (video(TIMED.format('<S t="0" d="1" r="99999999999"/>')), "too_many_parts"),
        (video(TIMED.format('<S t="0" d="1" r="19999"/><S d="1"/>')), "too_many_parts"),
        (video(TIMED.format('<S t="0" d="0"/>')), "bad_manifest"),
        (video(TIMED.format('<S t="9" d="1" r="-1"/><S t="3" d="1"/>')), "bad_manifest"),
        (video(TIMED.format('<S d="1" r="-1"/>'), duration=""), "bad_manifest"),
        (video('<SegmentTemplate duration="1"/>'), "bad_manifest"),
        (video('<SegmentTemplate media="$Time$$Number$" initialization="$Time$" duration="1"/>'), "bad_manifest"),
        (video("<SegmentList/>"), "bad_manifest"),
        (video("<BaseURL>http://[/</BaseURL>"), "bad_manifest"),
        (video(f"<BaseURL>{'a' * 20_000}</BaseURL>"), "bad_manifest"),
        (video(f"<BaseURL>{'a' * 15_000}/</BaseURL>{STEPS}"), "too_large"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, word: str) -> None:
    assert refused(text) == word


names = st.sampled_from(
    (
        *("Period", "AdaptationSet", "Representation", "SegmentTemplate", "SegmentTimeline"),
        *("S", "SegmentList", "SegmentURL", "BaseURL"),
    )
)
attributes = st.dictionaries(
    st.sampled_from(
        (
            *("mimeType", "contentType", "media", "initialization", "duration", "timescale"),
            *("t", "d", "r", "startNumber", "codecs", "id"),
        )
    ),
    st.sampled_from(["video/mp4", "audio", "$Number$", "$Time%05d$", "0", "-1", "7", "99999999999999", "x", "PT1S"]),
    max_size=4,
)


def element(name: str, of: dict[str, str], inside: str) -> str:
    said = " ".join(f'{key}="{value}"' for key, value in of.items())
    return f"<{name} {said}>{inside}</{name}>"


trees = st.recursive(
    st.sampled_from(["", "a.mp4"]),
    lambda inner: st.lists(st.builds(element, names, attributes, inner), max_size=3).map("".join),
    max_leaves=12,
)


@given(trees, trees)
def test_any_tree_is_understood_or_refused(first: str, second: str) -> None:
    inner = element("AdaptationSet", {"contentType": "video"}, element("Representation", {"id": "1"}, second))
    try:
        streams = parsed(mpd(element("Period", {}, first + inner)))
    except DownloadError:
        return
    assert all(stream.parts for stream in streams)


@pytest.mark.parametrize("rate", ["1e20000000", "9" * 5000, "1/1e99999999", "1/0", "-1", ""])
@pytest.mark.fault(61)
def test_a_number_nobody_can_compute_is_none(rate: str) -> None:
    """And the one with a rate is taken before it."""
    plain = 'mimeType="video/mp4" height="9"'
    inner = f'<Representation {plain} frameRate="{rate}"><BaseURL>odd</BaseURL></Representation>'
    inner += f'<Representation {plain} frameRate="1"><BaseURL>plain</BaseURL></Representation>'
    (stream,) = parsed(mpd(element("Period", {}, element("AdaptationSet", {}, inner))))
    assert stream.parts[0].url.endswith("plain")


# Several periods


def period(*sets: str, more: str = 'duration="PT4S"') -> str:
    return f"<Period {more}>{''.join(sets)}</Period>"


def adapted(kind: str, codecs: str, name: str, **attributes: str) -> str:
    told = " ".join(f'{key}="{value}"' for key, value in attributes.items())
    inside = f'<SegmentTemplate media="{name}$Number$" initialization="{name}i" duration="2"/>'
    quality = f'<Representation id="{name}" bandwidth="1000" codecs="{codecs}" {told}>{inside}</Representation>'
    return f'<AdaptationSet mimeType="{kind}/mp4">{quality}</AdaptationSet>'


def sections(stream: MediaStream) -> list[tuple[int, str, str | None]]:
    addresses = {part.name: part.url.removeprefix("https://host/a/") for part in stream.parts}
    return [
        (each.section, addresses[each.name], addresses[each.init.name] if each.init else None)
        for each in read_playlist(stream.playlist or "")
    ]


def test_periods_follow_each_other() -> None:
    """One without sound is passed over by the sound."""
    slate = period(adapted("video", "avc1.1", "s"))
    film = period(adapted("video", "avc1.2", "v"), adapted("audio", "mp4a.40.2", "a"))
    picture, sound = parsed(mpd(slate + film))
    assert (picture.form, picture.holds, picture.duration_s) == ("hls", ("video",), 8.0)
    assert sections(picture) == [(0, "s1", "si"), (0, "s2", "si"), (1, "v1", "vi"), (1, "v2", "vi")]
    assert sections(sound) == [(1, "a1", "ai"), (1, "a2", "ai")]
    assert {part.name for part in picture.parts}.isdisjoint(part.name for part in sound.parts)
    assert [part.optional for part in sound.parts] == [False, False, True], "what is counted may be too many"


def test_periods_begin_where_the_next_one_says() -> None:
    both = adapted("video", "avc1", "v")
    text = mpd(period(both, more="") + period(both, more='start="PT6S"'), duration="PT8S")
    (stream,) = parsed(text)
    assert [section for section, *_ in sections(stream)] == [0, 0, 0, 1]


def test_a_codec_that_all_periods_have_comes_before_a_better_one() -> None:
    first = period(adapted("video", "avc1", "low", height="360"), adapted("video", "hvc1", "high", height="1080"))
    (stream,) = parsed(mpd(first + period(adapted("video", "avc1", "ad", height="360"))))
    assert [name for _, name, _ in sections(stream)] == ["low1", "low2", "ad1", "ad2"]


def test_ranges_of_several_files() -> None:
    inside = '<SegmentList><Initialization sourceURL="i" range="0-9"/><SegmentURL media="a" mediaRange="10-29"/>'
    (stream,) = parsed(video(inside + '<SegmentURL media="a" mediaRange="30-39"/></SegmentList>'))
    first, second = read_playlist(stream.playlist or "")
    assert (first.span, second.span) == (Span(10, 20), Span(30, 10))
    assert first.init
    assert first.init.span == Span(0, 10)
    assert [part.url[-1] for part in stream.parts] == ["i", "a"]


def test_periods_that_are_pieces_of_one_file() -> None:
    def piece(offset: int) -> str:
        inside = f'<BaseURL>film.mp4</BaseURL><SegmentBase presentationTimeOffset="{offset}"/>'
        return period(f"<AdaptationSet>{REP.format(inside)}</AdaptationSet>")

    assert refused(mpd(piece(0) + period(adapted("video", "avc1", "ad")) + piece(4))) == "unsupported"
    assert len(parsed(mpd(piece(0) + period(adapted("video", "avc1", "ad")) + piece(0)))) == 1, "a bumper, twice"


def test_what_is_asked_for() -> None:
    """A language, a codec, the smaller side, an id; the sound of a film where there is none apart."""
    tall = "".join(adapted("video", "avc1", f"{w}w", width=str(w), height=str(2 * w)) for w in (144, 360, 720))
    av1 = adapted("video", "av01", "av1", width="200", height="100")
    sounds = "".join(adapted("audio", "mp4a", each, lang=each) for each in ("en", "de-CH"))

    def taken(**asked: object) -> list[str]:
        found = parsed(mpd(period(tall + av1 + sounds)), Choice(**asked))  # type: ignore[arg-type]
        return [stream.traits.format for stream in found]

    assert taken(max_lines=400) == ["360w", "en"]
    assert taken(worst=True) == ["av1", "en"]
    assert taken(codec="av1", language="de") == ["av1", "de-CH"]
    assert taken(formats=("144w",)) == ["144w", "en"]
    assert taken(formats=("144w", "de-CH")) == ["144w", "de-CH"]
    assert taken(formats=("de-CH",)) == ["de-CH"], "no film is asked for"
    muxed = period(
        adapted("video", "avc1,mp4a", "low", height="144") + adapted("video", "avc1,mp4a", "high", height="720")
    )
    (sound,) = parsed(mpd(muxed), Choice(audio_only=True))
    assert (sound.traits.format, sound.holds) == ("low", ("video", "audio"))


def test_what_somebody_else_has_chosen() -> None:
    sets = "".join(
        (
            adapted("video", "avc1", "low", height="360"),
            adapted("video", "avc1", "high", height="1080"),
            adapted("audio", "mp4a", "de", lang="de"),
            adapted("audio", "mp4a", "en", lang="en"),
        )
    )
    low, english = Like("video", height=360), Like("audio", language="en-GB")
    both = parsed(mpd(period(sets)), Choice(like=(low, english)))
    assert [stream.parts[0].url[-4:].lstrip("/") for stream in both] == ["lowi", "eni"]
    assert [stream.holds for stream in parsed(mpd(period(sets)), Choice(like=(english,)))] == [("audio",)]
