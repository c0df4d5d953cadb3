"""The names a server gives: Content-Disposition (RFC 6266) and the last segment of a URL.

Quoted strings, RFC 2231 continuations and charsets are understood, and what servers really send beyond that: bare
UTF-8, RFC 2047 words, percent-encoding without a star, a quote that is never closed, charsets that nobody declares.
What cannot be understood counts as not there: no header raises anything.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, unquote, unquote_to_bytes, urlsplit

from reactor.files.media_types import SUFFIX_BY_TYPE
from reactor.files.names import clean_name, is_program, split_suffix
from reactor.files.suffixes import FILE_SUFFIXES, MANIFEST_SUFFIXES, PAGE_SUFFIXES, SERVED_SUFFIXES
from reactor.models import whole_characters
from reactor.net.charsets import decode_name
from reactor.patterns import pattern
from reactor.records import dataclass

HEADER_MAX = 4096
"""A longer header is cut."""
CONTINUATIONS_MAX = 100

_ENCODED = pattern(r"%[0-9a-f]{2}", re.IGNORECASE)
_CHARSET = pattern(r"[a-z0-9][a-z0-9._:-]{0,39}", re.IGNORECASE)
_GLUED_CHARSET = pattern(r'^utf-?8(?=[%"])', re.IGNORECASE)
"""Where somebody has left out the apostrophes behind it."""
_SIGN = pattern(r"[=;]")
_QUOTED = pattern(r'"((?:[^"\\]|\\.)*)(?:"|\\?\Z)', re.DOTALL)
_ESCAPED = pattern(r"""\\(["'\\])""")
_WORD = pattern(r"=\?([^?\s]{1,60})\?([bq])\?([^?]*)\?=", re.IGNORECASE)
_WORDS = pattern(r"(?:=\?[^?\s]{1,60}\?[bq]\?[^?]*\?=(?:\s+(?==\?))?)+", re.IGNORECASE)
_GENERIC_TYPES = ("application/octet-stream", "binary/octet-stream", "text/plain")
_MEDIA_TYPES = ("video/", "audio/", "image/")
_HEADERS_OF = ("response-content-disposition", "rscd")
"""Keys of a query by which the stores of large hosts are told the header."""
_NAMES_OF = (
    *_HEADERS_OF,
    *("filename", "file", "file_name", "file-name", "fname", "fn", "attname", "name", "f", "title", "download"),
)
"""Keys of a query that say what the file is called, those of most worth first."""
_VERB_WORDS = "attachment content data dl download file get latest open original raw save stream view"
_VERBS = frozenset(_VERB_WORDS.split())
"""Behind a file's name in a path: what is to be done with it."""
_PARAMETERS = pattern(r"(?:;[\w.-]+=[^;]*)+$")
"""Behind the last segment of a path: `film.mp4;jsessionid=…`."""
_COMMA = pattern(r"^\s*(attachment|inline)\s*,", re.IGNORECASE)
_FILES = FILE_SUFFIXES | MANIFEST_SUFFIXES | {"torrent"}
_KNOWN = _FILES | PAGE_SUFFIXES | SERVED_SUFFIXES | {suffix[1:] for suffix in SUFFIX_BY_TYPE.values()}


@dataclass(frozen=True, slots=True)
class Disposition:
    """What a Content-Disposition header says."""

    attachment: bool = False
    """True when the server wants it saved, not shown."""
    filename: str | None = None
    """Decoded, without folders, not yet cleaned."""


def parse_disposition(header: bytes | None) -> Disposition:
    """Read the raw header; what cannot be understood counts as not there."""
    if not header:
        return Disposition()
    text = _text(header[:HEADER_MAX]).replace("\r", " ").replace("\n", " ")
    parts = list(_parts(_COMMA.sub(r"\1;", text)))
    values: dict[str, str] = {}
    for name, value in parts:
        if value is not None:
            values.setdefault(name, value)
    plain = values.get("filename", "")
    filename = _extended(values.get("filename*", ""), strict=bool(plain)) or _continued(values) or _guessed(plain)
    filename = _last(whole_characters(filename))
    return Disposition(bool(parts) and parts[0] == ("attachment", None), filename or None)


def choose_name(disposition: Disposition, url: str, content_type: str | None, *, sent: str = "") -> str:
    """A clean name for what answered at `url`, with a suffix that fits its type.

    In this order: the server's; where it gives none the last segment of the URL that was `sent`, if that is a file's
    name; what a query says that it is called; any other file's name in a query; the last segment of `url`. A script's
    suffix (`.php`) gives way to the type's, and what only looks like a suffix (`v1.2`, `Movie.2020.1080p`) is kept in
    front of it."""
    if disposition.filename and (name := clean_name(disposition.filename, fallback="")):
        return _with_suffix(name, content_type)
    return _with_suffix(_name_in_urls(url, sent, content_type), content_type)


def _name_in_urls(url: str, sent: str, content_type: str | None) -> str:
    if _is_file_name(segment := clean_name(_segment(sent), fallback="")):
        return segment
    pairs = [pair for each in (sent, url) for pair in _query(each) if _is_file_name(pair[1])]
    named = sorted((pair for pair in pairs if pair[0] in _NAMES_OF), key=lambda pair: _NAMES_OF.index(pair[0]))
    if named:
        return named[0][1]
    last, suffix = clean_name(_segment(url), fallback=segment or "download"), SUFFIX_BY_TYPE.get(content_type or "", "")
    fitting = [name for _, name in pairs if suffix in ("", split_suffix(name)[1].lower())]
    return fitting[0] if fitting and not _is_file_name(last) else last


def _query(url: str) -> Iterator[tuple[str, str]]:
    """Keys in lower case, and names."""
    for key, value in parse_qsl(urlsplit(url).query, encoding="iso-8859-1"):
        raw = value.encode("iso-8859-1", "replace")
        told = parse_disposition(raw).filename if key.lower() in _HEADERS_OF else decode_name(raw)
        yield key.lower(), clean_name(_last(told or ""), fallback="")


def _segment(url: str) -> str:
    """The last one of the path, decoded, as it stands where its bytes are no text; the one before it where that is a
    file's name, and the last one says what to do with it."""
    *others, segment = urlsplit(url).path.split("/")
    decoded = _decoded_segment(segment)
    if others and (not segment or decoded.lower() in _VERBS) and _is_file_name(before := _decoded_segment(others[-1])):
        return before
    return decoded


def _decoded_segment(segment: str) -> str:
    segment = _PARAMETERS.sub("", segment)
    decoded = decode_name(unquote_to_bytes(segment))
    return segment if "\N{REPLACEMENT CHARACTER}" in decoded else decoded


def _last(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def _is_file_name(name: str) -> bool:
    """True for a name that ends as files do, and not as scripts and pages do."""
    return split_suffix(name)[1].rpartition(".")[2].lower() in _FILES or (is_program(name) and not _is_script(name))


def _is_script(name: str) -> bool:
    return split_suffix(name)[1][1:].lower() in SERVED_SUFFIXES


def _with_suffix(name: str, content_type: str | None) -> str:
    """The name, with the suffix of its type where it has none."""
    usual = SUFFIX_BY_TYPE.get(content_type or "", "")
    stem, suffix = split_suffix(name)
    if not usual or content_type in _GENERIC_TYPES:
        return name
    if not suffix:
        return clean_name(name + usual)
    if _is_script(name):
        return clean_name(stem + usual) if usual != ".html" else name
    word = suffix[1:].rpartition(".")[2].lower()
    media = content_type is not None and content_type.startswith(_MEDIA_TYPES)
    known = word in _KNOWN or is_program(name) or (word.isalpha() and not media)
    return name if known else clean_name(name + usual)


def _parts(text: str) -> Iterator[tuple[str, str | None]]:
    """What stands between the semicolons, names in lower case: ("attachment", None), ("filename", "a;b.txt")."""
    at = 0
    while at < len(text):
        sign = _SIGN.search(text, at)
        end = sign.start() if sign else len(text)
        name, at = text[at:end].strip().lower(), end + 1
        if sign is None or sign[0] == ";":
            yield name, None
            continue
        while at < len(text) and text[at].isspace():
            at += 1
        quoted = _QUOTED.match(text, at)
        end = text.find(";", quoted.end() if quoted else at)
        end = len(text) if end < 0 else end
        yield name, _ESCAPED.sub(r"\1", quoted[1]) if quoted else text[at:end].strip().removesuffix('"')
        at = end + 1


def _extended(value: str, *, strict: bool) -> str:
    """`filename*=charset'language'…` (RFC 8187); without a charset the bytes are UTF-8, or what most mean. `strict`:
    nothing where the bytes are not of their charset, for there is another name."""
    charset, quote, rest = value.partition("'")
    whole = bool(quote) and "'" in rest
    text = rest.partition("'")[2] if whole else _GLUED_CHARSET.sub("", value)
    raw, charset = unquote_to_bytes(text.removeprefix('"')), charset if whole else ""
    return _decoded(raw, charset) if not strict else _declared(raw, charset or "utf-8") or ""


def _continued(values: Mapping[str, str]) -> str:
    """`filename*0=…; filename*1*=…` (RFC 2231), as far as the numbers follow one another."""
    raw, charset = b"", ""
    for n in range(CONTINUATIONS_MAX):
        plain, encoded = values.get(f"filename*{n}"), values.get(f"filename*{n}*")
        if encoded is not None:
            if n == 0 and encoded.count("'") >= 2:
                charset, _, encoded = encoded.split("'", 2)
            raw += unquote_to_bytes(encoded)
        elif plain is not None:
            raw += plain.encode("utf-8", "replace")
        else:
            break
    return _decoded(raw, charset)


def _decoded(raw: bytes, charset: str) -> str:
    text = _declared(raw, charset)
    return _text(raw) if text is None else text


def _declared(raw: bytes, charset: str) -> str | None:
    charset = charset.partition("*")[0]  # a language may follow it (RFC 2231)
    if not _CHARSET.fullmatch(charset):
        return None
    try:
        return raw.decode(charset)
    except (LookupError, ValueError):  # no charset, or not its bytes
        return None


def _text(raw: bytes) -> str:
    """Bytes of a header: UTF-8 as most send it, else what they look like."""
    return decode_name(raw)


def _guessed(text: str) -> str:
    """`filename=…`, with what servers put there though no RFC says so."""
    if text.startswith("=?"):
        try:
            return _WORDS.sub(lambda words: _decode_words(words[0]), text)
        except (LookupError, ValueError):  # no charset, not its bytes, or no base64
            return text
    if _ENCODED.search(text):
        try:
            return unquote(text, errors="strict")
        except UnicodeDecodeError:
            return text
    return text


def _decode_words(words: str) -> str:
    """`=?charset?B?…?=` (RFC 2047), and those that follow it: a character may be cut in two by them. Raises LookupError
    or ValueError."""
    raw: list[tuple[str, bytes]] = []
    for charset, how, body in _WORD.findall(words):
        charset = charset.partition("*")[0].lower()
        if not _CHARSET.fullmatch(charset):
            raise LookupError(charset)
        encoded = body.encode("ascii")
        found = binascii.a2b_base64(encoded + b"==") if how in "bB" else binascii.a2b_qp(encoded, header=True)
        before = raw.pop()[1] if raw and raw[-1][0] == charset else b""
        raw.append((charset, before + found))
    return "".join(found.decode(charset) for charset, found in raw)
