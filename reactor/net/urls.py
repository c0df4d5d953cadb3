"""What a person typed → a URL, or a sentence that says what is wrong with it. Nothing is asked here."""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

import idna

from reactor.errors import DownloadError
from reactor.net.pasted import link_in

URL_BYTES_MAX = 16 * 1024
"""More is no link that anybody was sent."""
ASCII_MAX = 64 * 1024
"""Characters of one made ready for a request, in which others than ASCII have become several."""
HOST_MAX = 253

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_HOST_AND_PORT = re.compile(r"[^/?#:]+:\d{1,5}(?:[/?#]|$)")
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")
_HEX_V1 = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)
_BASE32 = re.compile(r"[a-z2-7]{32}", re.IGNORECASE)
_BASE32_XT = re.compile(r"(urn:btih:)([a-z2-7]{32})(?![a-z0-9])", re.IGNORECASE)
_HEX_V2 = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
_V2_MULTIHASH = "1220"  # SHA-256, 32 bytes (BEP 9 and 52)

# What RFC 3986 allows in a path or query, and `%` for what is encoded already.
_SAFE = "%!$&'()*+,;=:@/?~[]"
_SAFE_IN_USERINFO = "%!$&'()*+,;=:~"
_OTHER_SCHEME = re.compile(
    r"(?:about|blob|chrome|data|ed2k|file|ftps?|git|irc|javascript|mailto|rtmp|rtsp|sftp|ssh|tel|wss?):", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Magnet:
    """What a magnet link says."""

    v1: str | None
    """40 hex digits, lower case."""
    v2: str | None
    """64 hex digits, lower case."""
    name: str | None
    """`dn`: a wish, as yet unchecked."""

    @property
    def info_hash(self) -> str:
        return self.v1 or self.v2 or ""


def normalise(typed: str) -> str:
    """Make an http, https or magnet URL of what a bot's user typed.

    Text, brackets and punctuation around it go (`pasted.link_in`), a bare info hash becomes a magnet link, a host
    without a scheme gets https, names go to IDNA and other characters to percent-encodings. Raises DownloadError
    (`bad_url`, `bad_magnet`, `unsupported`) with one sentence."""
    url = _trimmed(typed)
    bare = bare_magnet(url)
    if bare:
        return bare
    scheme = _SCHEME.match(url)
    if scheme and scheme[1].lower() == "magnet":
        parse_magnet(url)
        return "magnet:" + _BASE32_XT.sub(lambda xt: f"{xt[1]}{_hex(xt[2])}", url[len("magnet:") :])
    if scheme and scheme[1].lower() in ("http", "https"):
        return normalise_http(url)
    if scheme and not _HOST_AND_PORT.match(url):
        known = _OTHER_SCHEME.match(url)
        raise DownloadError(
            f"{f'{known[0].lower()} links' if known else 'Such links'} cannot be downloaded, "
            "only http, https and magnet links.",
            code="unsupported",
        )
    host = re.split(r"[/?#]", url, maxsplit=1)[0].rpartition("@")[2]
    if "." not in host.strip(".") and ":" not in host and host.lower() != "localhost":
        raise _bad("That is not a URL.")
    return normalise_http(f"https://{url}")


def normalise_http(url: str) -> str:
    """An absolute http or https URL that is safe to put into a request: ASCII, with a checked host and port.

    User info and fragment stay. Raises DownloadError (`bad_url`)."""
    try:
        parts = urlsplit(url)
        port, hostname = parts.port, parts.hostname
    except ValueError as error:
        what = "port" if "Port" in str(error) else "host"
        raise _bad(f"The {what} in this URL is not valid.") from error
    if not url[len(parts.scheme) :].startswith("://") or not hostname:
        raise _bad("The URL names no host.")
    if port == 0:
        raise _bad("The port in this URL is not valid.")
    userinfo, at, _ = parts.netloc.rpartition("@")
    userinfo = quote(userinfo, safe=_SAFE_IN_USERINFO, errors="replace")
    netloc = f"{userinfo}{at}{_checked_host(hostname)}" + (f":{port}" if port else "")
    path, query, fragment = (
        quote(part, safe=_SAFE, errors="replace") for part in (parts.path or "/", parts.query, parts.fragment)
    )
    ready = urlunsplit((parts.scheme.lower(), netloc, path, query, fragment))
    if len(ready) > ASCII_MAX:
        raise _bad("The URL is too long.")
    return ready


def parse_magnet(url: str) -> Magnet:
    """Read a magnet link. Raises DownloadError (`bad_magnet`) when it names no torrent."""
    pairs = parse_qsl(url.partition("?")[2], errors="replace")
    v1 = v2 = None
    for key, value in pairs:
        if key != "xt":
            continue
        kind, _, text = value.lower().rpartition(":")
        if kind == "urn:btih" and not v1:
            v1 = _hex(text)
        if kind == "urn:btmh" and not v2 and text.startswith(_V2_MULTIHASH) and _HEX_V2.fullmatch(text[4:]):
            v2 = text[4:]
    if not (v1 or v2):
        raise DownloadError("This magnet link names no torrent: its hash is missing or not valid.", code="bad_magnet")
    return Magnet(v1, v2, next((value for key, value in pairs if key == "dn"), None))


def magnet_by_http(url: str) -> str:
    """A magnet link without the trackers that are not asked by HTTP."""
    before, mark, query = url.partition("?")
    return before + mark + "&".join(pair for pair in query.split("&") if not _is_other_tracker(pair))


def _is_other_tracker(pair: str) -> bool:
    key, _, value = pair.partition("=")
    is_tracker = unquote(key).lower().partition(".")[0] == "tr"
    return is_tracker and not unquote(value).lower().startswith(("http://", "https://"))


def bare_magnet(text: str) -> str | None:
    """The magnet link for a bare info hash: 40 hex digits, 32 of base32, or 64 hex digits (v2)."""
    v1 = _hex(text)
    if v1:
        return f"magnet:?xt=urn:btih:{v1}"
    return f"magnet:?xt=urn:btmh:{_V2_MULTIHASH}{text.lower()}" if _HEX_V2.fullmatch(text) else None


def _hex(info_hash: str) -> str | None:
    if _HEX_V1.fullmatch(info_hash):
        return info_hash.lower()
    return base64.b32decode(info_hash.upper()).hex() if _BASE32.fullmatch(info_hash) else None


def _trimmed(typed: str) -> str:
    """One word without control characters, of bounded length."""
    if not typed.strip():
        raise _bad("The URL is empty.")
    size = len(typed.encode(errors="replace"))
    if size > URL_BYTES_MAX:
        raise _bad(f"The URL is {size:,} bytes long; the limit is {URL_BYTES_MAX:,}.")
    if "\0" in typed:
        raise _bad("The URL holds a NUL character.")
    url = link_in(typed)
    if not url:
        raise _bad("The URL is empty.")
    if any(character.isspace() for character in url):
        raise _bad("There is no link in this text.")
    if not url.isprintable():
        raise _bad("The URL holds a character that cannot be seen.")
    if url.startswith("-"):
        raise _bad("The URL begins with a dash.")
    return url


def _checked_host(hostname: str) -> str:
    """The host as DNS wants it, or as an address in brackets."""
    try:
        if ":" in hostname and "%" not in hostname:
            return f"[{ipaddress.IPv6Address(hostname).compressed}]"
        host = hostname if hostname.isascii() else idna.encode(hostname[:HOST_MAX], uts46=True).decode()
    except (ipaddress.AddressValueError, idna.IDNAError) as error:
        raise _bad("The host in this URL is not valid.") from error
    if len(host) > HOST_MAX or not _HOST.fullmatch(host):
        raise _bad("The host in this URL is not valid.")
    return host


def _bad(sentence: str) -> DownloadError:
    return DownloadError(sentence, code="bad_url")
