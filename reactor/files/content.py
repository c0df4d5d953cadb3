"""Tells content by its first bytes, and whether it matches the expected name. Pure.

A type and a suffix are hints. The bytes decide, where they can: a manifest, a torrent and a web page tell what they are
whatever they are called. An error document in place of a film is told from it; what is not known is believed.
"""

from __future__ import annotations

import json
import re
import zlib

from reactor.files.suffixes import BINARY_SUFFIXES, FILE_SUFFIXES, SERVED_SUFFIXES
from reactor.models import Content, Kind
from reactor.patterns import pattern

HEAD_BYTES = 4096
"""So much of the beginning is looked at."""
_TORRENT = pattern(
    rb"d(?:4:infod|8:announce\d|13:announce-listl|7:comment\d|10:created by\d|13:creation datei|8:encoding\d|5:nodesl"
    rb"|8:url-list|9:httpseedsl)"
)
"""Where the outer dictionary of a `.torrent` begins: bencoded, keys in order."""
_BEFORE_ROOT = pattern(r"\s+|<\?[^>]*>|<!--.*?-->|<!doctype\s[^>\[]*(?:\[[^\]]*\])?\s*>", re.IGNORECASE | re.DOTALL)
_ROOT = pattern(r"<(?:[a-z_][\w.-]*:)?([a-z_][\w.-]*)(?=[\s/>])", re.IGNORECASE)
_F4M = "http://ns.adobe.com/f4m/"
_TAGS = """
    a article b base blockquote body br center code div font form h1 h2 h3 h4 head header hr html i iframe img link main
    meta noscript p pre script section span strong style table title"""
_HTML = frozenset(_TAGS.split())
_JSON = pattern(r'\{\s*(?:"[^"\n]{0,200}"\s*:|\})|\[\s*[\[{"]')
_SORRY = pattern(
    r"\b(access|bad request|denied|error|exceeded|expired|fail(?:ed|ure)|forbidden|invalid|limit|log ?in|missing"
    r"|no such|not (?:allowed|exist|found)|sign ?in|too many|unauthori[sz]ed|unavailable)\b",
    re.IGNORECASE,
)
_SORRY_MAX = 1024
_CONTROL = pattern(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_SAYING_NOTHING = SERVED_SUFFIXES | {"", "bin", "img"}
_GZIP, _GZIPPED = b"\x1f\x8b\x08", frozenset(["gz", "gzip", "svgz", "taz", "tgz", "vgz", "z"])


def content_of(head: bytes) -> Content | None:
    """What the first bytes of something, HEAD_BYTES of them or all there are, say that it is; None: they say nothing.

    What is packed by gzip is looked into."""
    if head.startswith(_GZIP):
        try:
            head = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, HEAD_BYTES)
        except zlib.error:
            return None
    if _TORRENT.match(head):
        return Content.TORRENT
    text = _decoded(head)
    if text is None:
        return None
    text = text.lstrip("\ufeff \t\r\n\f\v")
    if text.startswith("#EXTM3U"):  # a list of songs has no such tags
        return Content.HLS if "#EXT-X-" in text else None
    return _markup(text) if text.startswith("<") else _plain(text, whole=len(head) < HEAD_BYTES)


def is_text(head: bytes) -> bool:
    """True when a person could read it."""
    return _decoded(head) is not None


def is_gzip_name(name: str) -> bool:
    """True where the name says that the content is packed by gzip: then it stays so."""
    return word_of(name) in _GZIPPED


def turns_out(name: str, head: bytes) -> tuple[Content, Kind | None] | None:
    """What a file that arrived under `name` is in truth, and the kind of URL that leads to such a thing, None where
    none does; None where it may be what was promised."""
    suffix = word_of(name)
    if head.startswith(_GZIP) and suffix in _GZIPPED:
        return None
    content = content_of(head)
    if content is Content.TORRENT:
        return (content, Kind.TORRENT) if suffix != "torrent" else None
    if content in (Content.HLS, Content.DASH, Content.FEED):
        return content, Kind.YTDLP
    if content is Content.METALINK:
        return content, Kind.METALINK
    if content in (Content.SMOOTH, Content.HDS):
        return content, None
    if content is Content.PAGE and (suffix in BINARY_SUFFIXES or suffix in _SAYING_NOTHING):
        return content, Kind.YTDLP
    if content is not None and suffix in BINARY_SUFFIXES:
        return content, None
    return None


def word_of(name: str) -> str:
    """The suffix in lower case, without its dot; empty where what follows a dot is none: `Movie.2020.1080p`."""
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    return suffix if suffix.isalpha() or suffix in FILE_SUFFIXES else ""


def _decoded(head: bytes) -> str | None:
    """The text that it is; None when it is none."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", "replace")
    if len(head) > 1 and head[0] != head[1] and 0 in head[:2]:  # without its mark
        return _decoded_wide(head)
    return None if _CONTROL.search(head) else head.decode("utf-8", "replace")


def _decoded_wide(head: bytes) -> str | None:
    text = head.decode("utf-16-le" if head[1] == 0 else "utf-16-be", "replace")
    return text if all(each.isascii() and (each.isprintable() or each.isspace()) for each in text[:16]) else None


def _markup(text: str) -> Content:
    at = 0
    while skipped := _BEFORE_ROOT.match(text, at):
        if re.match(r"<!doctype\s+html", skipped[0], re.IGNORECASE):
            return Content.PAGE
        at = skipped.end()
    root = _ROOT.match(text, at)
    name = root[1] if root else ""
    if name == "MPD":
        return Content.DASH
    if name == "SmoothStreamingMedia":
        return Content.SMOOTH
    if name == "manifest" and _F4M in text:
        return Content.HDS
    if name.lower() == "metalink":
        return Content.METALINK
    if name in ("rss", "feed", "RDF"):
        return Content.FEED
    # A comment that is longer than what is looked at: pages have such.
    return Content.PAGE if name.lower() in _HTML or text.startswith("<!", at) else Content.XML


def _plain(text: str, *, whole: bool) -> Content | None:
    if text[:1] in ("{", "["):
        return Content.JSON if (_is_json(text) if whole else _JSON.match(text)) else None
    return Content.TEXT if whole and len(text) <= _SORRY_MAX and _SORRY.search(text) else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
