"""Manifests as packagers and people write them, written for this corpus, and what a player would fetch of each: the
last part of each URL, in order; of a list of variants the playlists that are read next; else the code of the error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reactor.errors import DownloadError
from reactor.media import dash, hls, variants
from reactor.media.choice import Choice
from reactor.media.encodings import decoded

URL = "https://h.example/v/index?token=7"


@dataclass(frozen=True)
class Case:
    """One manifest."""

    label: str
    document: bytes
    expected: str
    ours: str | None = None
    why: str = ""

    def found(self) -> str:
        """What reactor makes of it."""
        text = decoded(self.document)
        try:
            if not hls.is_hls(text):
                return _names(part.url for each in dash.parse(text, URL, Choice(), now_s=1.8e9) for part in each.parts)
            playlist = hls.parse(text, URL)
            if isinstance(playlist, hls.Master):
                return _names(pick.url for pick in variants.choose(playlist, Choice()).ways[0].picks)
            stream = hls.stream(playlist)
        except DownloadError as error:
            return error.code
        return _names(part.url for part in stream.parts) + (" …" if stream.open_s is not None else "")


def _names(urls: Iterator[str]) -> str:
    return " ".join(url.rpartition("/")[2] for url in urls)


HEAD, END = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n", "#EXT-X-ENDLIST\n"
A, B = "#EXTINF:4.0,\na.ts\n", "#EXTINF:4.0,\nb.ts\n"
KEY = '#EXT-X-KEY:METHOD=AES-128,URI="k"'
LICENCE = "A licensed player decrypts it; reactor has no licence."
IN_PLACE = "ffmpeg has nothing that decrypts single samples in a playlist of ours."

# A media playlist: lines between its head and its two segments, or in place of something
_TWO = "a.ts b.ts"
_LINES = {
    "nothing": "",
    "a version": "#EXT-X-VERSION:3\n",
    "a version that is no number": "#EXT-X-VERSION:six\n",
    "a later version": "#EXT-X-VERSION:99\n",
    "a comment": "# by hand\n",
    "empty lines": "\n\n \n",
    "a start": "#EXT-X-START:TIME-OFFSET=-10\n",
    "a date": "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n",
    "a date that is none": "#EXT-X-PROGRAM-DATE-TIME:yesterday\n",
    "a date range": '#EXT-X-DATERANGE:ID="1",START-DATE="2026-01-01T00:00:00Z"\n',
    "cues of advertising": "#EXT-X-CUE-OUT:30\n#EXT-X-CUE-IN\n",
    "SCTE-35": "#EXT-OATCLS-SCTE35:/DAlAAAAAAAAAP==\n",
    "a number of the first segment": "#EXT-X-MEDIA-SEQUENCE:5\n",
    "an empty number": "#EXT-X-MEDIA-SEQUENCE:\n",
    "a negative number": "#EXT-X-MEDIA-SEQUENCE:-1\n",
    "a number with spaces": "#EXT-X-MEDIA-SEQUENCE: 5 \n",
    "independent segments": "#EXT-X-INDEPENDENT-SEGMENTS\n",
    "a cache directive": "#EXT-X-ALLOW-CACHE:YES\n",
    "a bitrate": "#EXT-X-BITRATE:900\n",
    "server control": "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n#EXT-X-PART-INF:PART-TARGET=0.3\n",
    "a preload hint": '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="p"\n',
    "a part of low latency": '#EXT-X-PART:DURATION=0.3,URI="p"\n',
    "an unknown tag": "#EXT-X-SOMETHING:1,2,3\n",
    "a tag of nobody": "#SOMETHING\n",
    "a discontinuity": "#EXT-X-DISCONTINUITY\n",
    "a discontinuity's number": "#EXT-X-DISCONTINUITY-SEQUENCE:3\n",
    "no key": "#EXT-X-KEY:METHOD=NONE\n",
    "a playlist's type": "#EXT-X-PLAYLIST-TYPE:VOD\n",
    "a playlist's type in small letters": "#EXT-X-PLAYLIST-TYPE:vod\n",
    "an event that has ended": "#EXT-X-PLAYLIST-TYPE:EVENT\n",
    "a variable that nobody uses": '#EXT-X-DEFINE:NAME="x",VALUE="y"\n',
    "a session's data": '#EXT-X-SESSION-DATA:DATA-ID="t",VALUE="v"\n',
}
_BODIES = {
    "durations with 13 decimals": (A.replace("4.0", "4.0399780273438"), "a.ts"),
    "durations in whole seconds": (A.replace("4.0", "4"), "a.ts"),
    "a duration with an exponent": (A.replace("4.0", "4e0"), "a.ts"),
    "a duration of 0": (A.replace("4.0", "0"), "a.ts"),
    "a negative duration": (A.replace("4.0", "-1"), "a.ts"),
    "a duration that is none": (A.replace("4.0", "NaN"), "a.ts"),
    "a duration without its comma": (A.replace("4.0,", "4.0"), "a.ts"),
    "a duration with a title": (A.replace("4.0,", "4.0,Part, the first"), "a.ts"),
    "a duration behind a space": (A.replace(":4.0", ": 4.0"), "a.ts"),
    "a segment without a duration": ("a.ts\n" + B, _TWO),
    "a query": (A.replace("a.ts", "a.ts?x=1&y=2"), "a.ts?x=1&y=2"),
    "a path from the root": (A.replace("a.ts", "/w/a.ts"), "a.ts"),
    "a whole URL": (A.replace("a.ts", "https://cdn.example/a.ts"), "a.ts"),
    "a URL without its scheme": (A.replace("a.ts", "//cdn.example/a.ts"), "a.ts"),
    "a name that looks like a picture": (A.replace("a.ts", "a.png"), "a.png"),
    "a gap": (f"{A}#EXT-X-GAP\n{B}", "a.ts"),
    "the same segment twice": (A + A, "a.ts"),
    "a byte range": (f"#EXT-X-BYTERANGE:10@0\n{A}#EXT-X-BYTERANGE:10\n{A}", "a.ts"),
    "an init section": (f'#EXT-X-MAP:URI="i.mp4"\n{A}', "i.mp4 a.ts"),
    "an init section as a range": (f'#EXT-X-MAP:URI="a.ts",BYTERANGE="9@0"\n{A}', "a.ts"),
    "an init section in the playlist": (f'#EXT-X-MAP:URI="data:;base64,AAAA"\n{A}', "a.ts"),
    "a key": (f"{KEY}\n{A}", "k a.ts"),
    "a key with its IV": (f"{KEY},IV=0x0123456789abcdef0123456789ABCDEF\n{A}", "k a.ts"),
    "a key in the playlist": ('#EXT-X-KEY:METHOD=AES-128,URI="data:;base64,MDEyMzQ1Njc4OWFiY2RlZg=="\n' + A, "a.ts"),
    "a key that changes": (f"{KEY}\n{A}{KEY.replace('k', 'l')}\n{B}", "k a.ts l b.ts"),
    "a variable": (f'#EXT-X-DEFINE:NAME="x",VALUE="a"\n{A.replace("a.ts", "{$x}.ts")}', "a.ts"),
    "a variable of the query": (f'#EXT-X-DEFINE:QUERYPARAM="token"\n{A.replace("a.ts", "{$token}.ts")}', "7.ts"),
    "what looks like a variable": (A.replace("a.ts", "{$x}.ts"), "{$x}.ts"),
    "a key of which nobody knows the method": (f"#EXT-X-KEY:METHOD=ROT13,URI=\"k\"\n{A}", "drm"),
    "a key of 15 bytes": ('#EXT-X-KEY:METHOD=AES-128,URI="data:,123456789012345"\n' + A, "bad_key"),
    "a byte range that is none": (f"#EXT-X-BYTERANGE:all\n{A}", "bad_manifest"),
    "no segment": ("", "bad_manifest"),
    "gaps alone": (f"#EXT-X-GAP\n{A}", "bad_manifest"),
    "I-frames": (f"#EXT-X-I-FRAMES-ONLY\n{A}", "unsupported"),
}  # fmt: skip
_ENDLESS = {
    "its beginning is there": (HEAD + A, "a.ts …"),
    "an event": (f"{HEAD}#EXT-X-PLAYLIST-TYPE:EVENT\n{A}", "a.ts …"),
    "on demand": (f"{HEAD}#EXT-X-PLAYLIST-TYPE:VOD\n{A}", "a.ts"),
    "its beginning is gone": (f"{HEAD}#EXT-X-MEDIA-SEQUENCE:9\n{A}", "live"),
    "nothing is there yet": (HEAD, "live"),
    "a list of links": ("#EXTM3U\n#EXTINF:-1,Radio\nhttp://radio.example/\n", "playlist"),
}
_ENCODED = {
    "a byte order mark": (HEAD + A + END).encode("utf-8-sig"),
    "UTF-16 with its mark": (HEAD + A + END).encode("utf-16"),
    "UTF-16, little": (HEAD + A + END).encode("utf-16-le"),
    "UTF-16, big": (HEAD + A + END).encode("utf-16-be"),
    "CRLF": (HEAD + A + END).replace("\n", "\r\n").encode(),
    "CR alone": (HEAD + A + END).replace("\n", "\r").encode(),
    "space before": b"\n \n" + (HEAD + A + END).encode(),
    "space behind each line": (HEAD + A + END).replace("\n", "  \n").encode(),
    "bytes that are no UTF-8 in a comment": HEAD.encode() + b"#\xff\xfe\n" + (A + END).encode(),
}


def _variant(uri: str, attributes: str = "BANDWIDTH=1") -> str:
    return f"#EXT-X-STREAM-INF:{attributes}\n{uri}\n"


_SOUND = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="{0}",URI="{0}"{1}\n'
_MASTERS = {
    "one variant": (_variant("v"), "v"),
    "the densest": (_variant("low") + _variant("high", "BANDWIDTH=9"), "high"),
    "the highest": (_variant("b", "BANDWIDTH=9,RESOLUTION=640x360") + _variant("a", "RESOLUTION=1280x720"), "a"),
    "what plays everywhere": (
        _variant("hevc", 'BANDWIDTH=9,RESOLUTION=640x360,CODECS="hvc1.1"')
        + _variant("avc", 'BANDWIDTH=1,RESOLUTION=640x360,CODECS="avc1.4d001f"'),
        "avc",
    ),
    "a bandwidth that is none": (_variant("odd", "BANDWIDTH=fast") + _variant("v"), "v"),
    "no attributes": (_variant("v", ""), "v"),
    "quoted numbers": (_variant("v", 'BANDWIDTH="9",RESOLUTION="640x360"') + _variant("w"), "v"),
    "sound apart": (_SOUND.format("a", "") + _variant("v", 'BANDWIDTH=1,AUDIO="g"'), "v a"),
    "the default sound": (
        _SOUND.format("x", "") + _SOUND.format("d", ",DEFAULT=YES") + _variant("v", 'BANDWIDTH=1,AUDIO="g"'),
        "v d",
    ),
    "a group that is not there": (_variant("v", 'BANDWIDTH=1,AUDIO="no"'), "v"),
    "sound alone": (_variant("s", 'BANDWIDTH=1,CODECS="mp4a.40.2"'), "s"),
    "I-frames beside": ('#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9,URI="i"\n' + _variant("v"), "v"),
    "a variable": ('#EXT-X-DEFINE:NAME="x",VALUE="v"\n' + _variant("{$x}"), "v"),
    "no variant": ("#EXT-X-STREAM-INF:BANDWIDTH=1\n", "bad_manifest"),
}


def _mpd(inside: str, attributes: str = 'mediaPresentationDuration="PT8S"', head: str = "") -> str:
    rep = f'<Representation id="r" bandwidth="9" mimeType="video/mp4" codecs="avc1">{inside}</Representation>'
    return f"{head}<MPD {attributes}><Period><AdaptationSet>{rep}</AdaptationSet></Period></MPD>"


_COUNTED = '<SegmentTemplate media="$Number$" duration="4"/>'
_LISTED = '<SegmentTemplate media="$Time$"><SegmentTimeline><S t="0" d="4" r="1"/></SegmentTimeline></SegmentTemplate>'
_MPDS = {
    "counted segments": (_mpd(_COUNTED), "1 2"),
    "a duration with 13 decimals": (_mpd(_COUNTED, 'mediaPresentationDuration="PT8.0000000000001S"'), "1 2"),
    "hours and minutes": (_mpd(_COUNTED, 'mediaPresentationDuration="PT0H0M8S"'), "1 2"),
    "years": (_mpd(_COUNTED, 'mediaPresentationDuration="P0Y0M0DT0H0M8.000S"'), "1 2"),
    "an end number": (_mpd(_COUNTED.replace(" dur", ' endNumber="3" dur'), ""), "1 2 3"),
    "a start number": (_mpd(_COUNTED.replace(" dur", ' startNumber="0" dur')), "0 1"),
    "padded numbers": (_mpd(_COUNTED.replace("$Number$", "$Number%03d$")), "001 002"),
    "the bandwidth": (_mpd(_COUNTED.replace("$Number$", "$Bandwidth$-$Number$")), "9-1 9-2"),
    "an init section": (_mpd(_COUNTED.replace(" dur", ' initialization="i" dur')), "i 1 2"),
    "a timeline": (_mpd(_LISTED), "0 4"),
    "a timeline up to the end": (_mpd(_LISTED.replace('r="1"', 'r="-1"')), "0 4"),
    "one file": (_mpd("<BaseURL>f.mp4</BaseURL>"), "f.mp4"),
    "one file with its index": (_mpd('<BaseURL>f.mp4</BaseURL><SegmentBase indexRange="0-9"/>'), "f.mp4"),
    "a list": (_mpd('<SegmentList duration="4"><SegmentURL media="a"/><SegmentURL media="b"/></SegmentList>'), "a b"),
    "two base URLs": (_mpd("<BaseURL>a</BaseURL><BaseURL>b</BaseURL>"), "a"),
    "a name space with a prefix": ('<m:MPD xmlns:m="urn:x" mediaPresentationDuration="PT8S"><m:Period><m:AdaptationSet>'
        '<m:Representation mimeType="video/mp4"><m:BaseURL>f</m:BaseURL></m:Representation>'
        "</m:AdaptationSet></m:Period></m:MPD>", "f"),
    "a comment before": (_mpd(_COUNTED, head="<!-- made by hand -->"), "1 2"),
    "a broadcast that is over": (_mpd(_COUNTED, 'type="dynamic" mediaPresentationDuration="PT8S"'), "1 2"),
    "a broadcast whose end has passed": (_mpd(_COUNTED, 'type="dynamic" mediaPresentationDuration="PT8S" '
        'minimumUpdatePeriod="PT2S" availabilityStartTime="2020-01-01T00:00:00Z"'), "1 2"),
    "a broadcast": (_mpd(_COUNTED, 'type="dynamic" minimumUpdatePeriod="PT2S"'), "live"),
    "no end": (_mpd(_COUNTED, ""), "bad_manifest"),
    "no period": ("<MPD/>", "bad_manifest"),
    "cut off": (_mpd(_COUNTED)[:-9], "bad_manifest"),
    "entities": (_mpd(_COUNTED, head='<!DOCTYPE MPD [<!ENTITY a "b">]>'), "bad_manifest"),
    "a period that lasts nothing": (_mpd(_COUNTED).replace("<Period>", '<Period duration="PT0S"/><Period>'), "1 2"),
}  # fmt: skip

CASES = (
    *(Case(f"playlist with {name}", f"{HEAD}{lines}{A}{B}{END}".encode(), _TWO) for name, lines in _LINES.items()),
    *(Case(f"segments with {name}", (HEAD + body + END).encode(), told) for name, (body, told) in _BODIES.items()),
    *(Case(f"without an end: {name}", text.encode(), told) for name, (text, told) in _ENDLESS.items()),
    *(Case(f"written with {name}", document, "a.ts") for name, document in _ENCODED.items()),
    *(Case(f"variants: {name}", f"#EXTM3U\n{text}".encode(), told) for name, (text, told) in _MASTERS.items()),
    *(Case(f"MPD: {name}", text.encode(), told) for name, (text, told) in _MPDS.items()),
    Case("MPD: in UTF-16", _mpd(_COUNTED).encode("utf-16"), "1 2"),
    Case(
        "segments encrypted one by one",
        f'{HEAD}#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k"\n{A}{END}'.encode(),
        "k a.ts",
        "drm",
        IN_PLACE,
    ),
    Case(
        "segments for licensed players",
        f'{HEAD}#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://1",KEYFORMAT="com.apple.streamingkeydelivery"\n{A}{END}'.encode(),
        "a.ts",
        "drm",
        LICENCE,
    ),
    Case(
        "MPD: for licensed players",
        _mpd(f'<ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011"/>{_COUNTED}').encode(),
        "1 2",
        "drm",
        LICENCE,
    ),
    Case(
        "MPD: a part of it elsewhere",
        _mpd(_COUNTED)
        .replace("<Period>", '<Period xlink:href="https://o.example/" xmlns:xlink="http://www.w3.org/1999/xlink">')
        .encode(),
        "1 2",
        "unsupported",
        "What stands elsewhere is, as a rule, advertising; it is not read.",
    ),
)
