"""Every reader of what a stranger says: how a document looks for it, and what it is given to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import strategies as st

from reactor.aria2 import messages, methods
from reactor.aria2.protocol import Protocol
from reactor.egress import requests
from reactor.errors import ReactorError
from reactor.extractors import parsing
from reactor.extractors.browser import answers, offers, ranking, request_parts
from reactor.extractors.browser import extractor as playwright
from reactor.extractors.metainfo import metainfo_for_aria2, parse_metainfo
from reactor.extractors.metalink_document import parse_metalink
from reactor.extractors.ytdlp import extractor as ytdlp
from reactor.extractors.ytdlp.failures import failure_of
from reactor.extractors.ytdlp.info import parse_info
from reactor.files.names import clean_name
from reactor.journal import recording
from reactor.journal.ndjson import BrokenLine, from_line
from reactor.media import clocks, dash, hls, measuring, subtitles, variants
from reactor.media.choice import Choice
from reactor.media.cues import Place, cues_of
from reactor.media.local import read_playlist
from reactor.net import cookies, failures, probe, urls
from reactor.net import redirects as http
from reactor.net.client import Response
from reactor.net.credentials import redact, redact_text, split_credentials
from reactor.net.disposition import choose_name, parse_disposition
from reactor.net.jar import Jar
from reactor.net.magnets import Magnet, parse_magnet
from reactor.numbers import COUNT_MAX
from tests.fuzz.documents import numbers, odd, pieces, raw, records, torrents, values

URL = "https://host.example/a/b/index?x=1"
MPD = '<MPD mediaPresentationDuration="PT9S"><Period>{}</Period></MPD>'
HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"


@dataclass(frozen=True)
class Reader:
    """One of them."""

    documents: st.SearchStrategy[Any]
    read: Callable[[Any], object]
    sentences: tuple[type[Exception], ...] = (ReactorError,)
    """What it may raise."""


def _hls(text: str) -> None:
    found = hls.parse(text, URL)
    if isinstance(found, hls.Master):
        variants.choose(found, Choice(max_lines=720))
        return
    stream = hls.stream(found)
    assert stream.parts
    assert read_playlist(stream.playlist or "")


def _dash(text: str) -> None:
    assert dash.is_dash(text) in (True, False)
    assert all(stream.parts for stream in dash.parse(text, URL, Choice(audio_only=len(text) % 2 == 0)))


def _texts(text: str) -> None:
    found, _ = cues_of(text.encode("utf-8", "replace"), Place())
    for form in ("srt", "vtt", "ass"):
        subtitles.text(found, subtitles.Wanted(1000.0, 1.0, form))


_text_words = (
    *(
        "WEBVTT",
        "00:01.000 --> 00:02.000",
        "00:00:01,5 --> 99:00:00.000 align:start",
        "\n\n",
        "<i>",
        "</i>",
        "&amp;",
        "{",
    ),
    *(
        "X-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000",
        "\u202e",
        "<v Ann>",
        "\nDialogue: 0,0:00:01.00,0:00:02.00,,,,,,,a",
    ),
    *(
        "<tt>",
        "</tt>",
        '<tt tickRate="0" frameRate="1e9" frameRateMultiplier="0 0">',
        "<body>",
        "</body>",
        "<div>",
        "</div>",
    ),
    *(
        '<p begin="1s" end="2s">',
        '<p begin="999999999999t" dur="00:00:01:99999">',
        "</p>",
        "<br/>",
        "<span>",
        "</span>",
    ),
)


def _part(data: bytes) -> None:
    """Headers without sense are no clock; what is told of a part is what may be told."""
    told = measuring.measured(BytesIO(data))
    measuring.found(measuring.told([measuring.PartFindings("measured", told)]), 1)


def _metainfo(document: bytes) -> None:
    found = parse_metainfo(document)
    assert found.size >= 0
    assert parse_metainfo(metainfo_for_aria2(document, by_http=True)).v1 == found.v1


def by_http(magnet: Magnet) -> tuple[str, ...]:
    return tuple(url for url in magnet.trackers if url.lower().startswith("http"))


def _typed(text: str) -> None:
    try:
        ready = urls.normalise(text)
    finally:
        redact(text)
        redact_text(text)
    assert ready.isascii() or ready.startswith("magnet:")
    if ready.startswith("magnet:"):
        magnet = parse_magnet(ready)
        assert magnet
        assert magnet.url() == ready
        assert parse_magnet(magnet.url(by_http=True)) == replace(magnet, trackers=by_http(magnet))
    else:
        assert urls.normalise(ready) == ready
        split_credentials(ready)


def _location(text: str) -> None:
    assert http._target(URL, text)[0].startswith("http")


def response(lines: Mapping[str, str] | list[tuple[str, str]], status: int = 200) -> Response:
    """An answer with these headers, as the client makes it."""
    pairs = list(lines.items()) if isinstance(lines, Mapping) else lines
    head = SimpleNamespace(
        status_code=status,
        headers=[(name.encode(), value.encode("utf-8", "replace")) for name, value in pairs],
    )
    return Response(URL, cast(Any, head), cast(Any, None))


def _cookies(lines: list[str]) -> None:
    jar = Jar()
    cookies.keep_cookies(response([("set-cookie", line.replace("\n", " ")) for line in lines]), jar)
    assert jar.line(URL).isprintable() or list(jar)


def _disposition(header: bytes) -> None:
    name = choose_name(parse_disposition(header), URL, "application/pdf")
    assert name == clean_name(name)


def _headers(lines: dict[str, str]) -> None:
    for status in (200, 206, 416):
        seen = probe.read_headers(URL, response(lines, status))
        assert seen.size is None or 0 <= seen.size < COUNT_MAX
    delay = failures.retry_after_s(lines.get("retry-after"), lines.get("date"))
    assert delay is None or 0 <= delay <= failures.RETRY_AFTER_MAX_S
    assert failures.status_failure(429, URL, lines).message
    size = answers.size_of(lines)
    assert size is None or 0 <= size < COUNT_MAX


def _of_aria2(told: Any) -> None:
    for read in (messages.report, messages.version, messages.session, messages.options):
        try:
            read(told)
        except ValueError:
            continue
    protocol = Protocol()
    asked = protocol.request(methods.tell_status("0123456789abcdef"))
    frame = {"id": asked.id, "result": told} if not isinstance(told, dict) else told
    list(protocol.receive(json.dumps(frame)))


def _frame(text: str) -> None:
    protocol = Protocol()
    protocol.request(methods.tell_status("0123456789abcdef"))
    list(protocol.receive(text))


def _page(told: Any) -> None:
    found = playwright.parse_found(told)
    playwright.title_of(found.titles)
    offers.offers_of(found.offers)
    for seen in found.candidates:
        request_parts.kept_headers(seen.sent)


def _sighted(text: str) -> None:
    sights = [ranking.Sight(URL, text=text, content_type=kind) for kind in ("application/xml", "text/plain")]
    ranking.rank(sights)
    duration = ranking.manifest_duration(text)
    assert duration is None or 0 <= duration < COUNT_MAX


def _asked(data: bytes) -> None:
    requests.RequestReader().take(data)


def _recorded(text: str) -> None:
    list(recording.read(line.encode("utf-8", "replace") for line in text.split("\n")))


def _answered(told: Any) -> None:
    for work in (parsing._parsed, parsing._selection, parsing._facts):
        parsing._checked(lambda work=work: work(told))  # type: ignore[misc]


def json_of(told: Any) -> str:
    """As a line of JSON."""
    return json.dumps(told)


_hls_words = (
    *(
        "#EXTINF:",
        "#EXTINF:2.0,\na.ts\n",
        "#EXT-X-KEY:METHOD=AES-128,URI=",
        '"k"',
        "IV=0x",
        "#EXT-X-MAP:URI=",
        "a.ts\n",
    ),
    *("#EXT-X-BYTERANGE:", "9@1", "#EXT-X-STREAM-INF:BANDWIDTH=", "RESOLUTION=", "FRAME-RATE=", "#EXT-X-GAP\n", "\n"),
    *("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=", "URI=", "#EXT-X-DISCONTINUITY\n", "#EXT-X-MEDIA-SEQUENCE:", "METHOD=NONE"),
    *("#EXT-X-ENDLIST\n", "#EXT-X-DEFINE:NAME=", "data:;base64,QUFBQUFBQUFBQUFBQUFBQQ==", "https://[", "a=", ',a="'),
)
_packets = [b"G" + bytes([0x40, n, 0x10]) + (b"\0\0\2\xb0\x0d\0" * 31)[:184] for n in (0, 16, 17)]
_boxes = [
    bytes([0, 0, n, 48]) + kind for n in (0, 1) for kind in (b"ftyp", b"moov", b"trak", b"moof", b"traf", b"trun")
]
_part_bytes = st.lists(
    st.sampled_from([*_packets, *_boxes, b"ID3\4\0\0\0\0\1\0", b"\xff\xf1\x50\x80\1\0\0", bytes(8), b"tfhd\0\0\0\1"])
    | st.binary(max_size=40),
    max_size=60,
).map(b"".join)
_dash_words = (
    *("<AdaptationSet", "<Representation", "<SegmentTemplate", "<SegmentTimeline>", "<S", "<BaseURL>", "</BaseURL>"),
    *(' mimeType="video/mp4"', ' frameRate="1e20000000"', ' bandwidth="', ' d="'),
    *(' r="', ' t="', ' timescale="', '"'),
    *(
        "/>",
        ">",
        "</AdaptationSet>",
        "</Representation>",
        "</SegmentTemplate>",
        "</SegmentTimeline>",
        ' media="$Time$"',
    ),
    *("<Representation/>", '<S d="1"/>', "<Role/>", "<ContentProtection/>"),
    *("<![CDATA[", "&amp;", "&#x0;", "<!DOCTYPE"),
    *("$Number%099d$", "$RepresentationID$", ' id="'),
    *("<SegmentList>", "<SegmentURL/>", "xmlns:a='b' ", ' duration="'),
)
_url_words = (
    *(
        "https://",
        "http:",
        "//",
        "host.example",
        "user:pass@",
        ":80",
        ":99999",
        "/path",
        "?q=",
        "#f",
        "[::1]",
        "%C3%A4",
    ),
    *("magnet:?", "xt=urn:btih:", "a" * 40, "xt=urn:btmh:1220", "b" * 64, "&dn=", "&tr=udp://t", "ä.example", "xn--"),
    *("&", "..", "/../", "javascript:", "localhost", "data:,", "\t"),
)
_cookie_words = (
    *("a=b", "; Domain=", "host.example", ".example", "; Path=/", "; Expires=", "Wed, 21 Oct 2026 07:28:00 GMT"),
    *(
        "; Max-Age=",
        "; Secure",
        "; HttpOnly",
        ", ",
        "=",
        '"',
        "; SameSite=None",
        "; Version=1",
        "; Port=",
        "; Comment=",
    ),
)
_disposition_words = (
    *(
        "attachment",
        "; filename=",
        "; filename*=",
        "UTF-8''",
        "%E2%82%AC",
        '"a.txt"',
        "; filename*0=",
        "; filename*1*=",
    ),
    *("=?utf-8?q?", "?=", "=?utf-8?b?4oKs", "iso-8859-1'en'", "; ", "../", "unicode_escape''", "idna''", "\\", '"'),
)
_xml_words = (
    *(
        "<MPD ",
        'type="dynamic"',
        "type=",
        " type",
        ">",
        "mediaPresentationDuration=",
        '"PT',
        "H",
        '"',
        "<VAST",
        "<MediaFile",
    ),
    *("<![CDATA[", "https://a/b.mp4", "]]>", "\n", "#EXTM3U\n", "#EXTINF:", "#EXT-X-ENDLIST", 'URI="', "   "),
)
_metalink_words = (
    *("<metalink>", '<file name="', '">', "<size>", "</size>", "<hash type='md5'>", "</hash>", "<url priority='", "'>"),
    *("http://h/", "</url>", "<metaurl mediatype='torrent'>", "</metaurl>", "</file>", "</metalink>", "9", "<!DOCTYPE"),
)
_request_words = (
    *("GET http://host/", "CONNECT host:443", " HTTP/1.1", "\r\n", "Host: host", "Content-Length: ", "\r\n\r\n"),
    *("Transfer-Encoding: chunked", "Proxy-Authorization: Basic ", "dTpw", ":", " "),
)

_gid = st.just("0123456789abcdef")
_status = records(
    gid=_gid, status=st.sampled_from(("active", "complete", "error")), completedLength=numbers, totalLength=numbers,
    downloadSpeed=numbers, seeder=st.just("true"), followedBy=st.lists(_gid, max_size=2), errorCode=numbers,
    errorMessage=odd, connections=numbers, files=st.lists(records(path=odd, selected=odd), max_size=2),
    bittorrent=records(info=records(name=odd)),
)  # fmt: skip
_format = records(
    url=pieces(*_url_words), protocol=st.sampled_from(("https", "m3u8", "http_dash_segments")), ext=odd, vcodec=odd,
    acodec=odd, filesize=values, http_headers=st.dictionaries(odd, odd, max_size=3),
    cookies=st.lists(values, max_size=2),
    fragments=st.lists(records(url=odd, path=odd, duration=values), max_size=3),
)  # fmt: skip
_info = records(title=odd, duration=values, is_live=values, formats=st.lists(_format, min_size=1, max_size=2))
_report = records(
    kinds=st.lists(st.sampled_from(("ExtractorError", "HTTPError", "GeoRestrictedError")), max_size=2),
    text=pieces("HTTP Error 403: Forbidden", "in ", " minutes", "Sign in", "premieres ", "https://a/?t=s", "a few"),
    status=st.none() | st.integers(-(10**9), 10**9),
    retry_after=st.none() | odd,
    expected=st.booleans(),
)
_seen = records(
    url=pieces(*_url_words), base=odd, manifest=st.booleans(), advertising=st.booleans(), live=st.booleans(),
    text=st.none() | odd, content_type=odd, size=values, sent=st.dictionaries(odd, odd, max_size=3),
    received=st.dictionaries(odd, odd, max_size=3),
)  # fmt: skip
_ld = pieces('{"@type":"VideoObject","name":', '"a"', "}", "[", "]", "{", '"a":', ",", glue=("",))
_found = records(
    candidates=st.lists(_seen, max_size=2), cookies=st.lists(values, max_size=2), status=values, failure=values,
    titles=records(og=odd, title=odd, ld=st.lists(_ld, max_size=2)), crashed=st.booleans(), left=values,
)  # fmt: skip
_stream = records(
    form=st.just("hls"), playlist=odd, duration_s=values, holds=st.lists(odd, max_size=2),
    urls=st.lists(odd, max_size=3), names=st.lists(odd, max_size=3), optional=st.lists(values, max_size=3),
    needed=st.lists(values, max_size=3), open_s=values, label=odd, subtitles=st.none() | st.lists(odd, max_size=2),
)  # fmt: skip
_lines = st.dictionaries(
    st.sampled_from(("content-length", "content-range", "retry-after", "date", "content-type", "etag", "accept-ranges"))
    | st.sampled_from(("last-modified", "content-encoding", "content-disposition")),
    pieces(
        "bytes ", "0-0/", "*/", "Wed, 21 Oct 2026 07:28:00 GMT", "Jan", ":", "+9999", "identity", "/", "-", "W/", '"'
    ),
    max_size=4,
)

READERS: Mapping[str, Reader] = {
    "hls": Reader(
        st.builds(
            lambda text, end: HEAD + text + end, pieces(*_hls_words), st.sampled_from(("", "\n#EXT-X-ENDLIST\n"))
        ),
        _hls,
    ),
    "dash": Reader(
        pieces(*_dash_words, glue=("", " ", ">")).map(MPD.format)
        | pieces("<MPD>", "<Period>", "</Period>", "</MPD>", *_dash_words),
        _dash,
    ),
    "subtitles": Reader(pieces(*_text_words, glue=("", " ", "\n")), _texts),
    "metainfo": Reader(torrents, _metainfo),
    "metalink": Reader(pieces(*_metalink_words), parse_metalink),
    "url": Reader(pieces(*_url_words, glue=("",)), _typed),
    "location": Reader(pieces(*_url_words, glue=("",)), _location, (ReactorError, http.MagnetRedirect)),
    "set-cookie": Reader(st.lists(pieces(*_cookie_words, glue=("", "; ")), max_size=4), _cookies),
    "content-disposition": Reader(raw(pieces(*_disposition_words, glue=("", ";"))), _disposition),
    "headers": Reader(_lines, _headers),
    "name": Reader(pieces("a", ".", "con", ".exe", ".aria2", " ", "-", ".tar.gz", "\u200c"), clean_name),
    "aria2": Reader(_status | values, _of_aria2),
    "aria2-frame": Reader(
        pieces('{"id":', '"method":', '"aria2.onDownloadStart"', "[", "]", "}", ",", '"params":'), _frame
    ),
    "journal": Reader(
        records(v=st.just(1), seq=values, at=values, event=st.just("download_failed"), download_id=values).map(json_of)
        | pieces('{"v":1,', '"event":', "}", "["),
        from_line,
        (BrokenLine,),
    ),
    "recording": Reader(
        pieces(
            '{"recording":1,', '"version":"a",', '"at":', '"now":', '"limits":{', "}", '"event":"Tick",', "\n", "[", "{"
        ),
        _recorded,
    ),
    "yt-dlp": Reader(_info, parse_info),
    "yt-dlp-report": Reader(_report, lambda told: failure_of(ytdlp._report(told), URL)),
    "page": Reader(_found, _page),
    "page-texts": Reader(pieces(*_xml_words), _sighted),
    "proxy": Reader(raw(pieces(*_request_words, glue=("", "\r\n"))), _asked, (requests.BadProxyRequest,)),
    "part": Reader(_part_bytes, _part, (clocks.CutShort,)),
    "reader": Reader(
        st.fixed_dictionaries({"streams": st.lists(_stream, max_size=2), "servers": st.just(1)}) | values, _answered
    ),
}
