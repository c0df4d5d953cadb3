"""What a person typed → a URL, or a sentence that says what is wrong with it. Nothing is asked here."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote, urlsplit, urlunsplit

from reactor.errors import DownloadError
from reactor.net.magnets import parse_magnet
from reactor.net.pasted import link_in
from reactor.patterns import pattern

URL_BYTES_MAX = 16 * 1024
"""More is no link that anybody was sent."""
ASCII_MAX = 64 * 1024
"""Characters of one made ready for a request, in which others than ASCII have become several."""
HOST_MAX = 253

FTP = ("ftp", "sftp")
"""Of these only aria2 knows how to ask."""
_SCHEME = pattern(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_HOST_AND_PORT = pattern(r"[^/?#:]+:\d{1,5}(?:[/?#]|$)")
_HOST = pattern(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")

_IPV4 = pattern(r"\d{1,3}(?:\.\d{1,3}){3}")
_PERSONAL = pattern(
    r"(?:^|[-_.])(?:auth|credential|expire[sd]?|expiry|hash|key|md5|once|otp|policy|secret|sig|signature|ticket|token)$",
    re.IGNORECASE,
)
_SERVICES = "d dl download downloads f file files get link once s share shared t temp tmp transfer"
_HANDED_OUT = frozenset(_SERVICES.split())
"""In front of an id, in the paths of services by which people hand files to one another."""
_ID = pattern(r"[A-Za-z0-9-]{6,}={0,2}")
_RUNS = pattern(r"[a-z]+|[A-Z]+|\d+")
RUNS_MIN = 4
"""So many runs of small letters, capitals and digits in turns make no word."""
# What RFC 3986 allows in a path or query, and `%` for what is encoded already.
_SAFE = "%!$&'()*+,;=:@/?~[]"
_SAFE_IN_USERINFO = "%!$&'()*+,;=:~"
_OTHER_SCHEME = pattern(
    r"(?:about|blob|chrome|data|ed2k|file|ftps|git|irc|javascript|mailto|rtmp|rtsp|ssh|tel|wss?):", re.IGNORECASE
)


def normalise(typed: str) -> str:
    """Make an http, https, ftp, sftp or magnet URL of what a bot's user typed.

    Text, brackets and punctuation around it go (`pasted.link_in`), a bare info hash becomes a magnet link, a host
    without a scheme gets https, names go to IDNA and other characters to percent-encodings. Raises DownloadError
    (`bad_url`, `bad_magnet`, `unsupported`) with one sentence."""
    url = _trimmed(typed)
    magnet = parse_magnet(url)
    if magnet:
        return magnet.url()
    scheme = _SCHEME.match(url)
    if scheme and scheme[1].lower() in ("http", "https", *FTP):
        return normalise_http(url)
    if scheme and not _HOST_AND_PORT.match(url):
        known = _OTHER_SCHEME.match(url)
        raise DownloadError(
            f"{f'{known[0].lower()} links' if known else 'Such links'} cannot be downloaded, "
            "only http, https, ftp, sftp and magnet links.",
            code="unsupported",
        )
    host = re.split(r"[/?#]", url, maxsplit=1)[0].rpartition("@")[2]
    if host.endswith(":") or ("." not in host.strip(".") and ":" not in host and host.lower() != "localhost"):
        raise _bad("That is not a URL.")
    return normalise_http(f"{'http' if _is_bare_address(host) else 'https'}://{url}")


def normalise_http(url: str) -> str:
    """An absolute http or https URL, or one of FTP, that is safe to put into a request: ASCII, with a checked host and
    port.

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


def is_personal(url: str) -> bool:
    """True for a URL with what was made for one person, or for a while: a token, a signature, an expiry, an id that
    nobody guesses. It may be good for one request only."""
    parts = urlsplit(url)
    pairs = (pair.partition("=") for pair in parts.query.split("&"))
    if any(value and (_PERSONAL.search(key) or _is_id(value)) for key, _, value in pairs):
        return True
    *folders, name = [each for each in parts.path.split("/") if each] or [""]
    handed = any(each.lower() in _HANDED_OUT for each in folders[:-1])
    return handed or any(_is_id(each) for each in (*folders, name.partition(".")[0]))


def _is_id(text: str) -> bool:
    return bool(_ID.fullmatch(text)) and len(_RUNS.findall(text)) >= RUNS_MIN


def is_ftp(url: str) -> bool:
    """True for a URL that is asked by FTP or SFTP."""
    return url.partition("://")[0].lower() in FTP


def _is_bare_address(host: str) -> bool:
    """True for an IPv4 address, with or without a port: few have a certificate."""
    name, _, port = host.partition(":")
    return bool(_IPV4.fullmatch(name)) and port != "443"


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
        host = hostname if hostname.isascii() else _in_ascii(hostname[:HOST_MAX])
    except ValueError as error:
        raise _bad("The host in this URL is not valid.") from error
    if len(host) > HOST_MAX or not _HOST.fullmatch(host):
        raise _bad("The host in this URL is not valid.")
    return host


def _in_ascii(hostname: str) -> str:
    import idna

    return idna.encode(hostname, uts46=True).decode()


def _bad(sentence: str) -> DownloadError:
    return DownloadError(sentence, code="bad_url")
