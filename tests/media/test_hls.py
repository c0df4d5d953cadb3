"""HLS playlists: which variant is taken, what its parts are, and what is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.errors import DownloadError
from reactor.media import hls, variants
from reactor.media.choice import Choice
from reactor.media.local import init_data, read_playlist, renamed
from reactor.media.parts import MediaStream, Subtitles, Way

URL = "https://host/a/b/index.m3u8?token=1"
HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
END = "#EXT-X-ENDLIST\n"
TWO = "#EXTINF:2.0,\none.ts\n#EXTINF:2.0,\ntwo.ts\n"


def streamed(text: str, prefix: str = "") -> MediaStream:
    media = hls.parse(text, URL)
    assert isinstance(media, hls.Media)
    return hls.stream(media, prefix=prefix)


def refused(text: str) -> str:
    with pytest.raises(DownloadError) as caught:
        streamed(text)
    return caught.value.code


def picked(*lines: str, choice: Choice | None = None) -> list[tuple[str, tuple[str, ...]]]:
    """The last words of the addresses that are read next, and what they hold."""
    master = hls.parse("\n".join(["#EXTM3U", *lines]), URL)
    assert isinstance(master, hls.Master)
    return shown(variants.choose(master, choice or Choice()).ways[0])


def shown(way: Way) -> list[tuple[str, tuple[str, ...]]]:
    return [(pick.url.removeprefix("https://host/a/b/"), pick.holds) for pick in way.picks]


def variant(uri: str, *, height: int = 0, codecs: str = "", rate: int = 1000, more: str = "") -> str:
    size = f",RESOLUTION={height * 2}x{height}" if height else ""
    said = f',CODECS="{codecs}"' if codecs else ""
    return f"#EXT-X-STREAM-INF:BANDWIDTH={rate}{size}{said}{more}\n{uri}"


AVC = "avc1.64001f,mp4a.40.2"
BOTH = ("video", "audio")


def test_the_highest_within_the_choice() -> None:
    ladder = [variant(f"{h}", height=h, codecs=AVC) for h in (360, 1080, 720)]
    assert picked(*ladder) == [("1080", BOTH)]
    assert picked(*ladder, choice=Choice(max_lines=720)) == [("720", BOTH)]
    assert picked(*ladder, choice=Choice(max_lines=800)) == [("720", BOTH)]
    assert picked(*ladder, choice=Choice(max_lines=100)) == [("360", BOTH)]


def test_the_smaller_side_counts() -> None:
    """A portrait film of 720 lines is 720 wide; `worst` is the smallest of all."""
    tall = [
        f"#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION={w}x{h}\n{w}" for w, h in ((360, 640), (720, 1280), (1080, 1920))
    ]
    assert picked(*tall, choice=Choice(max_lines=720)) == [("720", ())]
    assert picked(*tall, choice=Choice(worst=True)) == [("360", ())]
    assert picked(*tall, choice=Choice(worst=True, max_lines=720)) == [("360", ())]


def test_the_codec_that_is_asked_for_before_the_lines() -> None:
    avc = [variant(f"avc{h}", height=h, codecs=AVC) for h in (360, 720)]
    av1 = variant("av1", height=1080, codecs="av01.0.05M.08,opus")
    ladder = [*avc, av1, variant("vp9", height=720, codecs="vp09.00,opus")]
    assert picked(*ladder, choice=Choice(codec="h264")) == [("avc720", BOTH)]
    assert picked(*ladder, choice=Choice(codec="h264", max_lines=480)) == [("avc360", BOTH)]
    assert picked(*ladder, choice=Choice(codec="h265")) == [("av1", BOTH)], "there is none"
    assert picked(*ladder, choice=Choice(container="webm", max_lines=720)) == [("vp9", BOTH)]
    assert picked(*avc, choice=Choice(container="webm")) == [("avc720", BOTH)]


def test_formats_by_their_ids() -> None:
    ladder = [variant(f"{h}", height=h, codecs=AVC, rate=h * 1000) for h in (360, 720)]
    named = variant("named", height=144, codecs=AVC, more=',STABLE-VARIANT-ID="a/b"')
    assert picked(*ladder, named, choice=Choice(formats=("hls-360",))) == [("360", BOTH)]
    assert picked(*ladder, named, choice=Choice(formats=("a-b",))) == [("named", BOTH)]
    assert picked(*ladder, named, choice=Choice(formats=("nothing",))) == [("720", BOTH)]
    two = [variant(each, height=360, codecs=AVC, rate=360_000) for each in "xy"]
    assert picked(*two, choice=Choice(formats=("hls-360-2",))) == [("y", BOTH)]


def test_of_equal_height_what_plays_everywhere() -> None:
    other = variant("hevc", height=720, codecs="hvc1.2,mp4a.40.2", rate=9000)
    assert picked(other, variant("avc", height=720, codecs=AVC)) == [("avc", BOTH)]
    assert picked(variant("vp8", height=1080, codecs="vp8,vorbis"), other) == [("hevc", BOTH)]
    hdr = variant("hdr", height=720, codecs=AVC, rate=9000, more=",VIDEO-RANGE=PQ")
    assert picked(hdr, variant("sdr", height=720, codecs=AVC)) == [("sdr", BOTH)]


def test_without_descriptions_the_densest() -> None:
    assert picked(variant("low", rate=5), variant("high", rate=7)) == [("high", ())]


GROUP = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="n"'


def test_sound_in_the_language_that_is_asked_for() -> None:
    """Also where it is no default, and before the lines of the picture. A sound is never taken for the film."""
    sounds = [f'{GROUP},LANGUAGE="{tag}",DEFAULT={"YES" if tag == "en" else "NO"},URI="{tag}"' for tag in ("en", "ger")]
    dubbed = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="few",NAME="n",LANGUAGE="fr",URI="fr"'
    video = variant("v", height=720, codecs=AVC, more=',AUDIO="g"')
    small = variant("small", height=360, codecs=AVC, more=',AUDIO="few"')
    ladder = (*sounds, dubbed, video, small)
    assert picked(*ladder, choice=Choice(language="de-AT")) == [("v", ("video",)), ("ger", ("audio",))]
    assert picked(*ladder, choice=Choice(language="fr")) == [("small", ("video",)), ("fr", ("audio",))]
    assert picked(*ladder, choice=Choice(language="it")) == [("v", ("video",)), ("en", ("audio",))]
    assert picked(*ladder, choice=Choice(language="de", audio_only=True)) == [("ger", ("audio",))]
    assert picked(*ladder, choice=Choice(formats=("g-n",))) == [("en", ("audio",))], "only the sound is named"


def test_sound_apart_by_default_then_autoselect() -> None:
    video = variant("v", height=720, codecs=AVC, more=',AUDIO="g"')
    auto = f'{GROUP},AUTOSELECT=YES,URI="auto"'
    assert picked(f'{GROUP},URI="x"', auto, f'{GROUP},DEFAULT=YES,URI="d"', video) == [("v", BOTH[:1]), ("d", BOTH[1:])]
    assert picked(f'{GROUP},URI="x"', auto, video)[1][0] == "auto"
    described = f'{GROUP},AUTOSELECT=YES,URI="x",CHARACTERISTICS="public.accessibility.describes-video"'
    assert picked(described, auto, video)[1][0] == "auto"
    assert picked(auto.replace('"g"', '"other"'), video) == [("v", BOTH)]


def test_a_default_sound_without_address_is_in_the_variant() -> None:
    video = variant("v", height=720, codecs=AVC, more=',AUDIO="g"')
    assert picked(f"{GROUP},DEFAULT=YES", f'{GROUP},URI="dub"', video) == [("v", BOTH)]
    assert picked(f'{GROUP},DEFAULT=YES,URI="v"', video) == [("v", BOTH)]


def test_sound_alone() -> None:
    only = Choice(audio_only=True)
    ladder = [variant("1080", height=1080, codecs=AVC, rate=9), variant("360", height=360, codecs=AVC, rate=3)]
    assert picked(*ladder, choice=only) == [("360", ("audio",))]
    sound = variant("sound", codecs="mp4a.40.2", rate=1)
    assert picked(*ladder, sound, choice=only) == [("sound", ("audio",))]
    assert picked(*ladder, sound) == [("1080", BOTH)]
    assert picked(sound, variant("better", codecs="mp4a.40.2", rate=2)) == [("better", ("audio",))]


def test_names_are_ours_and_each_address_is_fetched_once() -> None:
    key = '#EXT-X-KEY:METHOD=AES-128,URI="../k?x=1"\n'
    text = f'{HEAD}{key}#EXT-X-MAP:URI="i"\n{TWO}#EXTINF:2.0,\none.ts\n{key.replace("../k", "//cdn/k")}{TWO}{END}'
    stream = streamed(text, "audio-")
    assert [(part.name, part.url) for part in stream.parts] == [
        ("audio-key-1.bin", "https://host/a/k?x=1"),
        ("audio-init-1.mp4", "https://host/a/b/i"),
        ("audio-0001.m4s", "https://host/a/b/one.ts"),
        ("audio-0002.m4s", "https://host/a/b/two.ts"),
        ("audio-key-2.bin", "https://cdn/k?x=1"),
    ]
    assert stream.duration_s == 10.0
    names = [segment.name for segment in read_playlist(stream.playlist or "")]
    assert names == [f"audio-000{n}.m4s" for n in (1, 2, 1, 1, 2)]


def test_the_iv_is_the_number_of_the_segment_unless_given() -> None:
    key = '#EXT-X-KEY:METHOD=AES-128,URI="k"'
    text = f"{HEAD}#EXT-X-MEDIA-SEQUENCE:7\n{key}\n{TWO}{key},IV=0XaB\n#EXTINF:1.0,\nthree.ts\n{END}"
    found = [segment.key.iv for segment in read_playlist(streamed(text).playlist or "") if segment.key]
    assert found == [f"{7:032x}", f"{8:032x}", f"{0xAB:032x}"]


def test_an_init_section_has_the_key_that_stands_before_it() -> None:
    key, init = '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x1\n', '#EXT-X-MAP:URI="i"\n'
    for head, closed in ((key + init, True), (init + key, False)):
        (segment, _) = read_playlist(streamed(HEAD + head + TWO + END).playlist or "")
        assert segment.key
        assert segment.init
        assert (segment.init.key is not None) is closed


def test_byte_ranges_go_on_where_the_last_one_ended() -> None:
    ranges = "".join(f"#EXTINF:1.5,\n#EXT-X-BYTERANGE:{r}\nall\n" for r in ("10@5", "20", "30@100", "1"))
    spans = [s.span for s in read_playlist(streamed(HEAD + ranges + END).playlist or "")]
    assert [(s.offset, s.length) for s in spans if s] == [(5, 10), (15, 20), (100, 30), (130, 1)]


def test_missing_segments_are_left_out() -> None:
    stream = streamed(f"{HEAD}{TWO}#EXT-X-GAP\n#EXTINF:2.0,\ngap.ts\n#EXTINF:2.0,\nthree.ts\n{END}")
    assert [part.url[-8:] for part in stream.parts] == ["b/one.ts", "b/two.ts", "three.ts"]
    assert [s.gap for s in read_playlist(stream.playlist or "")] == [False, False, True]
    assert stream.duration_s == 6.0


def test_whole_seconds_promise_nothing() -> None:
    assert streamed(HEAD + TWO.replace(".0", "") + END).duration_s is None


@pytest.mark.parametrize(
    "text",
    [
        f"#EXTM3U\n#EXT-X-PLAYLIST-TYPE:VOD\n{TWO}",
        f"#EXTM3U\n#EXT-X-VERSION:3\n{TWO}#ext-x-endlist\n",
        f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n{TWO}",
        f"#EXTM3U\n{TWO.lower()}{END}",
        "#EXTM3U\n#EXT-X-VERSION:4\n#EXTINF:2,\n#EXT-X-BYTERANGE: 5 @ 0\na.ts\n#EXTINF:2,\n#EXT-X-BYTERANGE:5\nb.ts\n",
    ],
)
def test_tags_as_some_write_them(text: str) -> None:
    assert len(streamed(text).parts) == 2


def test_a_vod_needs_no_end() -> None:
    assert len(streamed(f"{HEAD}#EXT-X-PLAYLIST-TYPE:VOD\n{TWO}").parts) == 2


@pytest.mark.parametrize("head", [HEAD, f"{HEAD}#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MEDIA-SEQUENCE:4\n"])
def test_a_playlist_without_an_end_is_open_while_its_beginning_is_there(head: str) -> None:
    assert [streamed(head + TWO + end).open_s for end in ("", END)] == [2.0, None]
    assert streamed(f"{HEAD}#EXT-X-PLAYLIST-TYPE:VOD\n{TWO}").open_s is None


def test_variables() -> None:
    defined = '#EXT-X-DEFINE:NAME="dir",VALUE="/p"\n#EXT-X-DEFINE:QUERYPARAM="token"\n#EXT-X-DEFINE:IMPORT="x"\n'
    body = '#EXT-X-KEY:METHOD=AES-128,URI="{$dir}/k"\n#EXTINF:2.0,\n{$dir}/{$x}.ts?t={$token}\n'
    media = hls.parse(HEAD + defined + body + END, URL, {"x": "7"})
    assert isinstance(media, hls.Media)
    assert [part.url for part in hls.stream(media).parts] == ["https://host/p/k", "https://host/p/7.ts?t=1"]
    assert streamed(HEAD + "#EXTINF:2.0,\n{$dir}.ts\n" + END).parts[0].url.endswith("/{$dir}.ts"), "there are none"


def test_variables_of_a_list_of_variants_are_imported() -> None:
    text = '#EXTM3U\n#EXT-X-DEFINE:NAME="a",VALUE="b"\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{$a}.m3u8\n'
    master = hls.parse(text, URL)
    assert isinstance(master, hls.Master)
    found = variants.choose(master, Choice())
    assert (shown(found.ways[0]), found.variables) == ([("b.m3u8", ())], {"a": "b"})


def test_an_init_section_in_the_playlist_itself() -> None:
    for uri in ("data:video/mp4;base64,aW5pdA==", "data:,init"):
        stream = streamed(f'{HEAD}#EXT-X-MAP:URI="{uri}"\n{TWO}{END}', "x-")
        (segment, _) = read_playlist(renamed(stream.playlist or "", "role"))
        assert segment.init
        assert init_data(segment.init) == b"init"
        assert [part.name for part in stream.parts] == ["x-0001.m4s", "x-0002.m4s"]


def test_which_parts_no_other_can_do_without() -> None:
    key, init = '#EXT-X-KEY:METHOD=AES-128,URI="k"\n', '#EXT-X-MAP:URI="i"\n'
    stream = streamed(f"{HEAD}{key}{init}{TWO}#EXTINF:2.0,\none.ts\n{END}")
    names = [stream.parts[n].name for n in stream.needed]
    assert names == ["key-1.bin", "init-1.mp4", "0001.m4s"], "the one that is played twice, too"


def test_the_next_variant_and_the_next_sound_stand_ready() -> None:
    low = variant("low", height=360, codecs=AVC, more=',AUDIO="g"')
    high = variant("high", height=720, codecs=AVC, more=',AUDIO="g"')
    sounds = [f'{GROUP},URI="one",DEFAULT=YES', f'{GROUP},URI="two"']
    master = hls.parse("\n".join(["#EXTM3U", *sounds, low, high, high]), URL)
    assert isinstance(master, hls.Master)
    ways = variants.choose(master, Choice()).ways
    told = [[name for name, _ in shown(way)] for way in ways]
    assert told == [["high", "one"], ["high", "two"], ["low", "one"], ["low", "two"]]
    assert [way.lines for way in ways] == [720, 720, 360, 360]


def test_subtitles_of_a_variant() -> None:
    text = '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",'
    lines = [f'{text}NAME="English",LANGUAGE="en",URI="en"', f'{text}NAME="Deutsch",DEFAULT=YES,URI="de"']
    lines.append(variant("v", height=720, more=',SUBTITLES="s"'))
    master = hls.parse("\n".join(["#EXTM3U", *lines]), URL)
    assert isinstance(master, hls.Master)
    (way,) = variants.choose(master, Choice()).ways
    told = [(pick.url[-2:], pick.subtitles) for pick in way.subtitles]
    assert told == [("de", Subtitles("", "Deutsch")), ("en", Subtitles("en", "English"))]
    media = hls.parse(f"{HEAD}#EXTINF:9,\na.vtt\n{END}", URL)
    assert isinstance(media, hls.Media)
    stream = hls.subtitle_stream(media, Subtitles("en"), prefix="text-1-")
    assert (stream.form, stream.parts[0].optional) == ("webvtt", True)
    assert variants.choose(master, Choice(audio_only=True)).ways[0].subtitles == ()
    for wanted, urls in (((), []), (("en-GB", "de"), ["en"]), (("fr",), [])):
        found = variants.choose(master, Choice(texts=wanted)).ways[0].subtitles
        assert [pick.url[-2:] for pick in found] == urls, "what has no language is not known to be it"


KEY = "#EXT-X-KEY:METHOD="


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (HEAD, "live"),
        (f"{HEAD}#EXT-X-MEDIA-SEQUENCE:1\n{TWO}", "live"),
        (f'{HEAD}{KEY}SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple.streamingkeydelivery"\n{TWO}{END}', "drm"),
        (f'{HEAD}{KEY}SAMPLE-AES,URI="k"\n{TWO}{END}', "drm"),
        (f'{HEAD}{KEY}SAMPLE-AES-CTR,URI="data:text/plain;base64,AA=="\n{TWO}{END}', "drm"),
        (f'{HEAD}{KEY}AES-128,URI="skd://x"\n{TWO}{END}', "drm"),
        (f'{HEAD}{KEY}AES-128,URI="k",KEYFORMAT="com.microsoft.playready"\n{TWO}{END}', "drm"),
        (f"{HEAD}{KEY}AES-128\n{TWO}{END}", "bad_manifest"),
        (f'{HEAD}{KEY}AES-128,URI="k",IV=0x{"0" * 33}\n{TWO}{END}', "bad_manifest"),
        (f'{HEAD}{KEY}AES-128,URI="k",IV=zero\n{TWO}{END}', "bad_manifest"),
        (f'{HEAD}{KEY}AES-128,URI="data:;base64,AAAA"\n{TWO}{END}', "bad_key"),
        (f'{HEAD}{KEY}AES-128,URI="data:;base64,!"\n{TWO}{END}', "bad_manifest"),
        (HEAD + END, "bad_manifest"),
        (f"{HEAD}#EXT-X-GAP\n#EXTINF:2.0,\na\n{END}", "bad_manifest"),
        (f"{HEAD}#EXTINF:2.0,\nhttp://[/a\n{END}", "bad_manifest"),
        (f"{HEAD}#EXTINF:2.0,\n#EXT-X-BYTERANGE:-1@0\na\n{END}", "bad_manifest"),
        (f'{HEAD}#EXT-X-MEDIA-SEQUENCE:-4\n#EXT-X-KEY:METHOD=AES-128,URI="k"\n{TWO}{END}', "bad_manifest"),
        (f"{HEAD}#EXT-X-MAP:BYTERANGE=\"1@0\"\n{TWO}{END}", "bad_manifest"),
        (f"{HEAD}#EXTINF:2.0,\n{'a' * 20_000}\n{END}", "bad_manifest"),
        (f"{HEAD}#EXTINF:2.0,\n{'a' * 70_000}\n{END}", "bad_manifest"),
        (f"{HEAD}#EXT-X-I-FRAMES-ONLY\n{TWO}{END}", "unsupported"),
        (f'{HEAD}#EXT-X-DEFINE:NAME="x"\n{TWO}{END}', "bad_manifest"),
        (f'{HEAD}#EXT-X-DEFINE:NAME="x y",VALUE="1"\n{TWO}{END}', "bad_manifest"),
        (f'{HEAD}#EXT-X-DEFINE:QUERYPARAM="nothing"\n{TWO}{END}', "bad_manifest"),
        (f'{HEAD}#EXT-X-DEFINE:IMPORT="nothing"\n{TWO}{END}', "bad_manifest"),
        (f'{HEAD}#EXT-X-DEFINE:NAME="x",VALUE="y"\n#EXTINF:2.0,\n{{$z}}\n{END}', "bad_manifest"),
        (f'{HEAD}#EXT-X-DEFINE:NAME="x",VALUE="{"y" * 9000}"\n#EXTINF:2.0,\n{"{$x}" * 5000}\n{END}', "too_large"),
        (f'{HEAD}#EXT-X-MAP:URI="data:;base64,!"\n{TWO}{END}', "bad_manifest"),
        ("#EXTM3U\n#EXTINF:-1,Channel\nhttp://a/1\n", "playlist"),
        (HEAD + "#EXTINF:2.0,\na\n" * 20_001 + END, "too_many_parts"),
        (HEAD + "#\n" * 300_000 + END, "too_large"),
        (HEAD + f"#EXT-X-MEDIA:{'a=1,' * 10_000}\n" * 60 + END, "too_large"),
        ("<html>", "bad_manifest"),
        ("", "bad_manifest"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, word: str) -> None:
    assert refused(text) == word


def test_a_master_without_variants() -> None:
    with pytest.raises(DownloadError) as caught:
        picked("#EXT-X-STREAM-INF:BANDWIDTH=1")
    assert caught.value.code == "bad_manifest"


def test_twenty_thousand_segments_with_an_init_section() -> None:
    lines = "".join(f"#EXTINF:2.0,\n{n}\n" for n in range(19_999))
    stream = streamed(f'{HEAD}#EXT-X-MAP:URI="i"\n{lines}{END}')
    assert len(stream.parts) == 20_000


OURS = re.compile(
    r"|#EXTM3U|#EXT-X-(VERSION:7|TARGETDURATION:\d+|PLAYLIST-TYPE:VOD|DISCONTINUITY|REACTOR-GAP|ENDLIST|BYTERANGE:\d+@\d+)"
    r"|#EXT-X-KEY:METHOD=(NONE|AES-128,URI=\"(key-\d+\.bin|data:application/octet-stream;base64,[\w+/=]+)\",IV=0x\w{32})"
    r"|#EXT-X-MAP:URI=\"init-\d+\.mp4\"(,BYTERANGE=\"\d+@\d+\")?|#EXTINF:\d+\.\d{6},|\d{4}\.(ts|m4s)|init-\d+\.mp4"
    r"|#EXT-X-MAP:URI=\"data:application/octet-stream;base64,[\w+/=]*\"",
    re.ASCII,
)
"""Every line that may be in a playlist of ours."""
tags = st.sampled_from(
    [
        *("EXTINF:", "EXT-X-KEY:METHOD=", "EXT-X-MAP:URI=", "EXT-X-BYTERANGE:", "EXT-X-STREAM-INF:", "EXT-X-GAP"),
        *("EXT-X-MEDIA:TYPE=AUDIO,", "EXT-X-DISCONTINUITY", "EXT-X-MEDIA-SEQUENCE:", "EXT-X-PART:URI="),
        *("EXT-X-DATERANGE:", "EXT-X-TILES:", "EXT-X-ENDLIST"),
    ]
)
words = st.text(alphabet="0129.,@=\"'-x:/ ABaéNUL\0", max_size=20) | st.sampled_from(
    ["2.0,", "9@1", '"a"', 'AES-128,URI="../../etc/passwd"', "NONE", 'BANDWIDTH=1,RESOLUTION=1x1,AUDIO="g"']
)
lines = st.builds("#{}{}".format, tags, words) | st.text(max_size=20) | st.sampled_from(["#EXTINF:2.0,\na.ts"])


@given(st.lists(lines, max_size=12))
def test_any_text_is_understood_or_refused(drawn: list[str]) -> None:
    """And nothing of it is in our playlist but numbers."""
    text = "\n".join([HEAD, *drawn, END])
    try:
        found = hls.parse(text, URL)
        if isinstance(found, hls.Master):
            assert variants.choose(found, Choice()).ways
            return
        stream = hls.stream(found)
    except DownloadError:
        return
    assert [line for line in (stream.playlist or "").split("\n") if not OURS.fullmatch(line)] == []


# What is playable, though not all in it can be understood


@pytest.mark.parametrize(
    "line",
    [
        "#EXT-X-PROGRAM-DATE-TIME:",
        "#EXT-X-PROGRAM-DATE-TIME: +0000",
        "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T24:00:00Z",
        '#EXT-X-DATERANGE:ID="1",START-DATE="2026-01-01T00:00:00Z",DURATION="3.5"',
        "#EXT-X-TARGETDURATION:10.0",
        "#EXT-X-VERSION:six",
        "#EXT-X-START:TIME-OFFSET=now",
        "#EXT-X-CUE-OUT:DURATION=soon",
    ],
)
def test_a_tag_that_nobody_needs_is_no_reason_to_refuse(line: str) -> None:
    plain = streamed(HEAD + TWO + END)
    assert streamed(HEAD + f"{line}\n" + TWO.replace("#EXTINF", f"{line}\n#EXTINF") + END) == plain


def test_tags_at_the_end_without_a_segment_are_left_out() -> None:
    assert streamed(HEAD + TWO + "#EXTINF:2.0,\n" + END) == streamed(HEAD + TWO + END)


def test_odd_attributes_of_variants_are_left_out() -> None:
    frames = ',AVERAGE-BANDWIDTH=1.5,FRAME-RATE="25.000",HDCP-LEVEL=NONE'
    ladder = [variant("30", height=720, more=",FRAME-RATE=30"), variant("25", height=720, more=frames)]
    assert picked(*ladder, "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=x") == [("30", ())]
    assert picked(variant("odd", more=",FRAME-RATE=fast"), variant("quick", more=",FRAME-RATE=60")) == [("quick", ())]
    assert picked('#EXT-X-STREAM-INF:BANDWIDTH="9",RESOLUTION="96x64"\nquoted', variant("less")) == [("quoted", ())]


FREE = '#EXT-X-KEY:METHOD=AES-128,URI="k.bin"\n'
LICENSED = '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://1",KEYFORMAT="com.apple.streamingkeydelivery"\n'


def test_of_several_keys_the_one_without_a_licence_is_taken() -> None:
    alone = streamed(HEAD + FREE + TWO + END)
    assert "AES-128" in (alone.playlist or "")
    assert streamed(HEAD + FREE + LICENSED + TWO + END) == alone
    assert streamed(HEAD + LICENSED + FREE + TWO + END) == alone
    first, second = TWO[: len(TWO) // 2], TWO[len(TWO) // 2 :]
    assert refused(HEAD + FREE + first + LICENSED + second + END) == "drm"
    assert refused(HEAD + LICENSED + TWO + END) == "drm"
    open_again = streamed(HEAD + FREE + first + "#EXT-X-KEY:METHOD=NONE\n" + second + END)
    assert [segment.key is None for segment in read_playlist(open_again.playlist or "")] == [False, True]


@pytest.mark.parametrize("told", [",", "nan,", "-1,", "1e9,", "two,", "9" * 5000, "1e20000000,", "0x10"])
@pytest.mark.fault(67)
def test_how_long_a_segment_lasts_is_nominal(told: str) -> None:
    """Players do not mind, and its own clock tells it."""
    found = streamed(f"{HEAD}#EXTINF:{told}\na\n#EXTINF:2.0,\nb\nc\n{END}")
    assert [part.url[-1] for part in found.parts] == ["a", "b", "c"], "one without EXTINF is a segment, too"
    assert [segment.duration_s for segment in read_playlist(found.playlist or "")] == [0.0, 2.0, 0.0]


def test_numbers_of_segments_that_nobody_needs() -> None:
    assert len(streamed(f"{HEAD}#EXT-X-MEDIA-SEQUENCE:-5\n{TWO}{END}").parts) == 2
    with_iv = '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x1\n'
    assert len(streamed(f"{HEAD}#EXT-X-MEDIA-SEQUENCE:\n{with_iv}{TWO}{END}").parts) == 3


def test_sections_are_counted_from_where_the_playlist_says() -> None:
    cut = "#EXT-X-DISCONTINUITY\n#EXTINF:2.0,\nthree.ts\n"
    found = streamed(f"{HEAD}#EXT-X-DISCONTINUITY-SEQUENCE:7\n{TWO}{cut}{END}")
    assert [segment.section for segment in read_playlist(found.playlist or "")] == [7, 7, 8]


@pytest.mark.parametrize("number", ["9" * 5000, "1e20000000", "0x10"])
@pytest.mark.fault(61)
def test_a_number_nobody_can_compute_is_refused(number: str) -> None:
    key = '#EXT-X-KEY:METHOD=AES-128,URI="k"\n'
    assert refused(f"{HEAD}#EXT-X-MEDIA-SEQUENCE:{number}\n{key}{TWO}{END}") == "bad_manifest"
    assert refused(f"{HEAD}#EXTINF:1.0,\n#EXT-X-BYTERANGE:{number}\na\n{END}") == "bad_manifest"
    assert refused(f"{HEAD}#EXTINF:1.0,\n#EXT-X-BYTERANGE:1@{number}\na\n{END}") == "bad_manifest"
    assert picked(variant("odd", more=f",FRAME-RATE={number}"), variant("ok", rate=1001))[0][0] == "ok"
