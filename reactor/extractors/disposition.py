"""The names a server gives: Content-Disposition (RFC 6266) and the last segment of a URL.

The standard library's MIME parser knows quoted strings, RFC 2231 continuations and charsets; what servers
really send beyond that (bare UTF-8, RFC 2047 words, percent-encoding without a star) is understood here.
"""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from typing import Any
from urllib.parse import unquote, urlsplit

from reactor.guard.filenames import clean_name, split_suffix

HEADER_MAX = 4096
"""A longer header is cut."""

_ENCODED = re.compile(r"%[0-9a-f]{2}", re.IGNORECASE)
_GENERIC_TYPES = ("application/octet-stream", "binary/octet-stream", "text/plain")


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
    message = Message()
    message["content-disposition"] = _text(header[:HEADER_MAX]).replace("\r", " ").replace("\n", " ")
    # The stubs do not know that an RFC 2231 value is a tuple: (charset, language, text).
    parameters: list[tuple[str, Any]] = list(message.get_params([], header="content-disposition"))
    names = [value for key, value in parameters if key.lower() == "filename"]
    extended = next((_decoded(value) for value in names if isinstance(value, tuple)), None)
    plain = next((_guessed(value) for value in names if isinstance(value, str)), None)
    filename = extended or plain
    if filename:
        filename = re.split(r"[/\\]", filename.rstrip("/\\"))[-1]
    attachment = bool(parameters) and parameters[0][0].strip().lower() == "attachment"
    return Disposition(attachment, filename or None)


def choose_name(disposition: Disposition, url: str, content_type: str | None) -> str:
    """A clean name: the server's, else the URL's last segment; with a suffix for its type if it has none."""
    segment = unquote(urlsplit(url).path.rpartition("/")[2], errors="replace")
    name = clean_name(disposition.filename or "", fallback="") or clean_name(segment)
    if split_suffix(name)[1] or content_type is None or content_type in _GENERIC_TYPES:
        return name
    return clean_name(name + (mimetypes.guess_extension(content_type) or ""))


def _text(raw: bytes) -> str:
    """Bytes of a header: UTF-8 as most send it, else ISO-8859-1 as the RFC has it."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("iso-8859-1")


def _decoded(value: tuple[str | None, str | None, str]) -> str:
    """`filename*=charset'language'…`, whose bytes the parser has put into ISO-8859-1 characters."""
    charset, _, text = value
    try:
        return text.encode("iso-8859-1").decode(charset or "utf-8")
    except (LookupError, UnicodeError):
        return _text(text.encode("iso-8859-1", "replace"))


def _guessed(text: str) -> str:
    """`filename=…`, with what servers put there though no RFC says so."""
    if text.startswith("=?"):
        try:
            return str(make_header(decode_header(text)))
        except (HeaderParseError, LookupError, UnicodeError, ValueError):
            return text
    if _ENCODED.search(text):
        try:
            return unquote(text, errors="strict")
        except UnicodeDecodeError:
            return text
    return text
