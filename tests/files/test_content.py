"""What bytes are by their beginning, and what a name has promised."""

from __future__ import annotations

import codecs
import gzip
import zipfile
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.files.content import HEAD_BYTES, content_of, is_text, turns_out
from reactor.models import Content, Kind

HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n"
MPD = '<?xml version="1.0"?>\n<!-- by a packager -->\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>'
PAGE = "<!DOCTYPE html>\n<html><head><title>Log in</title></head></html>"
SMOOTH = '<?xml version="1.0"?>\n<SmoothStreamingMedia MajorVersion="2" Duration="100000000"><StreamIndex/>'
HDS = '<?xml version="1.0"?><manifest xmlns="http://ns.adobe.com/f4m/1.0"><media/></manifest>'
TORRENT = b"d8:announce19:http://tracker/annou4:infod6:lengthi5e4:name1:aee"


@pytest.mark.parametrize(
    ("head", "content"),
    [
        (HLS, Content.HLS),
        ("\ufeff\r\n" + HLS.replace("\n", "\r\n"), Content.HLS),
        ("#EXTM3U\n#EXTINF:123,A song\nsong.mp3\n", None),
        (MPD, Content.DASH),
        ('<d:MPD xmlns:d="urn:mpeg:dash:schema:mpd:2011">', Content.DASH),
        ('<?xml version="1.0"?><metalink xmlns="urn:ietf:params:xml:ns:metalink">', Content.METALINK),
        (SMOOTH, Content.SMOOTH),
        (HDS, Content.HDS),
        ("<manifest><application/></manifest>", Content.XML),
        ('<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', Content.XML),
        ("<svg xmlns='http://www.w3.org/2000/svg'>", Content.XML),
        (PAGE, Content.PAGE),
        ("\ufeff\n<!-- a licence --> <HTML>", Content.PAGE),
        ('<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x"><html>', Content.PAGE),
        ("<!-- " + "a long licence " * 300, Content.PAGE),
        ("<br />\n<b>Fatal error</b>: Uncaught", Content.PAGE),
        ("<title>404</title>", Content.PAGE),
        ("<!DOCTYPE note [<!ENTITY a 'b'>]><note/>", Content.XML),
        ('{"error": "not found"}', Content.JSON),
        ("[]", Content.JSON),
        ('{"error": {"items": [' + '"x", ' * 2000, Content.JSON),
        ("{\\rtf1 a text}", None),
        ("{" * 4000, None),
        ("[" * 4000, None),
        ("Error 403: access denied\n", Content.TEXT),
        ("a, b, c\n1, 2, 3\n", None),
        ("An error " * 1000, None),
        ("", None),
    ],
)
def test_texts(head: str, content: Content | None) -> None:
    raw = head.encode()[:HEAD_BYTES]
    assert content_of(raw) is content
    assert content_of(gzip.compress(raw)) is content or len(gzip.compress(raw)) < len(raw) == HEAD_BYTES
    if head and content is not Content.JSON:
        wide = (codecs.BOM_UTF16_LE + head.encode("utf-16-le"))[:HEAD_BYTES]
        assert content_of(wide) is content or len(wide) == HEAD_BYTES


@pytest.mark.parametrize("how", ["utf-16-le", "utf-16-be"])
def test_wide_characters_without_a_mark(how: str) -> None:
    assert content_of(HLS.encode(how)) is Content.HLS
    assert content_of(PAGE.encode(how)) is Content.PAGE


@pytest.mark.parametrize("start", [b"d8:announce3:a", b"d13:announce-listll", b"d4:infod6:l", b"d10:created by4:name"])
def test_torrents(start: bytes) -> None:
    assert content_of(start + b"x" * 50) is Content.TORRENT
    assert content_of(b"x" + start) is not Content.TORRENT


def zipped() -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.html", PAGE)
    return buffer.getvalue()


PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
MP4 = b"\0\0\0\x20ftypisom"


@pytest.mark.parametrize("head", [zipped(), PICTURE, MP4, b"%PDF-1.7\n%\xe2\xe3", b"\0" * 4096, b"A" * 4096, b"hello"])
def test_what_is_not_known_is_believed(head: bytes) -> None:
    assert content_of(head) is None
    assert turns_out("film.mp4", head) is None


def test_readable_or_not() -> None:
    assert is_text(b"a text \xc3\xa9\n")
    assert not is_text(zipped())
    assert not is_text(MP4)


@pytest.mark.fault(34)
@pytest.mark.parametrize(
    ("name", "head", "found"),
    [
        ("film.zip", PAGE, (Content.PAGE, Kind.YTDLP)),
        ("film", PAGE, (Content.PAGE, Kind.YTDLP)),
        ("Movie.2020.1080p", PAGE, (Content.PAGE, Kind.YTDLP)),
        ("download.php", PAGE, (Content.PAGE, Kind.YTDLP)),
        ("report.html", PAGE, None),
        ("report.xls", PAGE, None),
        ("notes.txt", PAGE, None),
        ("App.vue", "<script>export default {}</script>", None),
        ("list.txt", HLS, (Content.HLS, Kind.YTDLP)),
        ("film", MPD, (Content.DASH, Kind.YTDLP)),
        ("Manifest.xml", MPD, (Content.DASH, Kind.YTDLP)),
        ("Manifest.xml", SMOOTH, (Content.SMOOTH, None)),
        ("film.f4m", HDS, (Content.HDS, None)),
        ("AndroidManifest.xml", "<manifest><application/></manifest>", None),
        ("film.mp4", '{"error": "gone"}', (Content.JSON, None)),
        ("data.json", '{"error": "gone"}', None),
        ("get", '{"error": "gone"}', None),
        ("a.pdf", "<Error><Code>AccessDenied</Code></Error>", (Content.XML, None)),
        ("a.svg", "<svg></svg>", None),
        ("a.rar", "Error: too many downloads", (Content.TEXT, None)),
        ("a.rar", "hello", None),
        ("a.iso", "<metalink>", (Content.METALINK, Kind.METALINK)),
        ("feed.xml", '<?xml version="1.0"?><rss version="2.0">', (Content.FEED, Kind.YTDLP)),
        ("feed", '<feed xmlns="http://www.w3.org/2005/Atom">', (Content.FEED, Kind.YTDLP)),
        ("sitemap.xml", '<?xml version="1.0"?><urlset>', None),
        ("get.php", "<metalink>", (Content.METALINK, Kind.METALINK)),
    ],
)
def test_what_arrived_in_place_of_the_file(name: str, head: str, found: tuple[Content, Kind | None] | None) -> None:
    assert turns_out(name, head.encode()) == found
    assert turns_out(name, gzip.compress(head.encode())) == found
    assert turns_out(f"{name}.gz", gzip.compress(head.encode())) is None


def test_a_torrent_under_another_name() -> None:
    assert turns_out("download.php", TORRENT) == (Content.TORRENT, Kind.TORRENT)
    assert turns_out("a.torrent", TORRENT) is None


@given(st.binary(max_size=200) | st.text(alphabet='<!-?[]{}">mpdMPD htl#\n', max_size=200).map(str.encode))
def test_no_bytes_break_it(head: bytes) -> None:
    assert content_of(head) in (None, *Content)
    turns_out("film.mp4", head)


def test_a_long_beginning_takes_no_longer_than_it_is_long() -> None:
    for head in (b"<!--" * 1024, b"<?" * 2048, b"<!doctype " * 400, b'{"' * 2048, b"[" * 4096, b"error " * 600):
        assert content_of(head) in (None, *Content)
