"""Keeps credentials with the host that they were given for, and out of logs and messages."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from itertools import islice
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from reactor.patterns import pattern
from reactor.plan import HEADERS_MAX, Cookie, Header
from reactor.records import dataclass

HARMLESS = frozenset({
    "accept", "accept-language", "cache-control", "dnt", "origin", "pragma", "referer", "sec-ch-ua",
    "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-user",
    "upgrade-insecure-requests", "user-agent",
})  # fmt: skip
"""Headers that are no secret. Any other one may be a credential, whatever it is called. A Referer is none where
`referer_for` or the browser has cut it."""

HEADERS_BYTES_MAX = 64 * 1024
"""Of the headers of one request, cookies not counted: no server reads more."""

REDACTED_MAX = 500
"""Characters of a redacted URL that are shown."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}
_WITHOUT_HOST = ("data", "javascript", "file", "mailto", "about", "blob", "magnet")
_SCHEME = pattern(r"[a-z][a-z0-9+.-]*(?=:)", re.IGNORECASE)
_URL_IN_TEXT = pattern(r"(?<![a-z0-9+.-])(?:[a-z][a-z0-9+.-]{0,20}://|magnet:\?)\S+", re.IGNORECASE)
_NESTED_URL = pattern(r"[a-z][a-z0-9+.-]{0,20}:/", re.IGNORECASE)
_PATH_PARAMETER = pattern(r";[^/]*")
_KEY = pattern(r"[\w.\[\]-]{1,40}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The user info of a URL, percent-decoded. Its repr shows neither part."""

    username: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    def into(self, url: str) -> str:
        """`url`, which has none, with these as its user info."""
        parts = urlsplit(url)
        return urlunsplit(
            parts._replace(netloc=f"{quote(self.username, safe='')}:{quote(self.password, safe='')}@{parts.netloc}")
        )


def split_credentials(url: str) -> tuple[str, Credentials | None]:
    """Take the user info out of `url`. Raises ValueError for what is no URL."""
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    username, _, password = userinfo.partition(":")
    credentials = Credentials(unquote(username), unquote(password)) if userinfo else None
    return urlunsplit(parts._replace(netloc=host)), credentials


def same_host(given_for: str, other: str) -> bool:
    """True when credentials given for the first URL may be sent to the other: scheme, host and port are equal, or only
    the scheme was upgraded from http to https."""
    scheme, host, port = _origin(given_for)
    to_scheme, to_host, to_port = _origin(other)
    if not host or host != to_host:
        return False
    if (scheme, port) == (to_scheme, to_port):
        return True
    return (scheme, port, to_scheme, to_port) == ("http", 80, "https", 443)


def headers_for(headers: Iterable[Header], home: str, url: str) -> Iterator[Header]:
    """The headers given for `home` that may be sent to `url`: all of them to the same host, elsewhere only harmless
    ones.

    On the same host a Referer loses its user info; elsewhere `referer_for` reduces it."""
    at_home = same_host(home, url)
    for header in headers:
        name = header.name.lower()
        if name == "referer":
            page = _without_user_info(header.value) if at_home else referer_for(header.value, url)
            if page is not None:
                yield header.model_copy(update={"value": page})
        elif at_home or name in HARMLESS:
            yield header


class HeaderSets:
    """The header sets of a plan, each stored once and referred to by its number."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[Header, ...], int] = {}

    @property
    def all(self) -> tuple[tuple[Header, ...], ...]:
        """As `plan.Extraction` has them."""
        return tuple(self._numbers)

    def number(self, headers: tuple[Header, ...]) -> int | None:
        """Of this set; None of an empty one."""
        return self._numbers.setdefault(headers, len(self._numbers)) if headers else None

    def given(self, headers: Iterable[Header], home: str) -> Callable[[str], int | None]:
        """A function from a URL to the number of the headers, given for `home`, that may be sent to it. The last header
        of a name counts; the total is limited to what one request may have."""
        named = tuple(_bounded({header.name.lower(): header for header in headers}.values()))
        pages = [header.value for header in named if header.name.lower() == "referer"]
        known: dict[tuple[bool, ...], int | None] = {}

        def number(url: str) -> int | None:
            kind = same_host(home, url), *(same_host(page, url) for page in pages)
            if kind not in known:
                known[kind] = self.number(tuple(headers_for(named, home, url)))
            return known[kind]

        return number


def _bounded(headers: Iterable[Header]) -> Iterator[Header]:
    left = HEADERS_BYTES_MAX
    for header in islice(headers, HEADERS_MAX):
        left -= len(header.name) + len(header.value)
        if left >= 0:
            yield header


def referer_for(page: str, url: str) -> str | None:
    """The Referer for a request to `url` from `page`; None when `page` is no web page.

    To the same host it is the page without user info and query, because aria2 resends it after redirects. To other
    hosts, and from https to http, it is the origin."""
    try:
        parts = urlsplit(page)
    except ValueError:
        return None
    scheme, host, _ = _origin(page)
    if scheme not in ("http", "https") or not host:
        return None
    path = parts.path if same_host(page, url) else ""
    return urlunsplit((scheme, parts.netloc.rpartition("@")[2], path or "/", "", ""))


def _without_user_info(url: str) -> str | None:
    try:
        return split_credentials(url)[0]
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class CredentialScope:
    """Where the credentials of a fetch may be sent: to `host` at `ports`, and with `below` to its subdomains."""

    host: str
    below: bool
    ports: frozenset[int]

    def holds(self, host: str, port: int) -> bool:
        """True when a connection to this host may carry them."""
        host = host.rstrip(".").lower()
        return port in self.ports and (host == self.host or (self.below and host.endswith(f".{self.host}")))


def credential_scope(url: str, headers: Iterable[Header], cookies: Sequence[Cookie]) -> CredentialScope | None:
    """The scope for these headers and cookies of a request to `url`; None when none of them is secret.

    The port is that of the URL; credentials may follow an upgrade from http to https, never a downgrade."""
    of_one_host = ("@" in url and "@" in urlsplit(url).netloc) or any(h.name.lower() not in HARMLESS for h in headers)
    if not cookies and not of_one_host:
        return None
    _, host, port = _origin(url)
    ports = frozenset({80, 443} if port == 80 else {port or 0})
    if of_one_host or any(cookie.host_only for cookie in cookies):
        return CredentialScope(host, below=False, ports=ports)
    # Each domain is the host or above it: the longest one holds the least.
    return CredentialScope(
        max((cookie.domain.lower().lstrip(".") for cookie in cookies), key=len), below=True, ports=ports
    )


def redact(url: str) -> str:
    """Redact `url` for people and logs: without user info, query values and fragment; of a magnet link hash and name
    remain."""
    try:
        shown = _redacted(url)
    except ValueError:
        shown = _scheme_only(url)
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown)
    return shown if len(shown) <= REDACTED_MAX else f"{shown[: REDACTED_MAX - 1]}…"


def redact_text(text: str) -> str:
    """Redact every URL in `text`, for example in the error message of another program."""
    return _URL_IN_TEXT.sub(_redact_match, text)


def for_people(text: str) -> str:
    """`redact_text`, on one line and without invisible characters."""
    seen = "".join(c if c.isprintable() else " " if c.isspace() else "" for c in text)
    return redact_text(seen)


def _redact_match(match: re.Match[str]) -> str:
    url = match[0].rstrip("'\"`.,;:!)]}>")
    return redact(url) + match[0][len(url) :]


def _redacted(url: str) -> str:
    if url[:8].lower().startswith("magnet:?"):
        return _redacted_magnet(url)
    scheme = _SCHEME.match(url)
    if scheme and scheme[0].lower() in (*_WITHOUT_HOST, *_DEFAULT_PORTS) and "://" not in url[:8]:
        return f"{scheme[0]}:…"
    parts = urlsplit(url if "://" in url[:40] else f"//{url}")
    host = parts.netloc.rpartition("@")[2]
    if not host or parts.port == 0:
        return _scheme_only(url)
    query = f"?{_redacted_query(parts.query)}" if parts.query else ""
    fragment = "#…" if parts.fragment else ""
    return f"{parts.scheme}://{host}{_redacted_path(parts.path)}{query}{fragment}".removeprefix("://")


def _redacted_path(path: str) -> str:
    """A path without parameters, without what looks like user info, without a URL inside of it."""
    nested = _NESTED_URL.search(path)
    segments = _PATH_PARAMETER.sub(";…", path[: nested.start()] if nested else path).split("/")
    shown = (f"…@{s.rpartition('@')[2]}" if ":" in s.rpartition("@")[0] else s for s in segments)
    return "/".join(shown) + ("…" if nested else "")


def _redacted_query(query: str) -> str:
    """Keys without values; what is no plain key is a value."""
    pairs = (pair.partition("=") for pair in query.replace(";", "&").split("&"))
    return "&".join(f"{key}=…" if equals and _KEY.fullmatch(key) else "…" for key, equals, _ in pairs)


def _redacted_magnet(url: str) -> str:
    known = [(key, value) for key, value in parse_qsl(url[8:]) if key == "dn" or key.split(".")[0] == "xt"]
    return "magnet:?" + "&".join(f"{key}={quote(value, safe=':')}" for key, value in known)


def _scheme_only(url: str) -> str:
    scheme = _SCHEME.match(url)
    return f"{scheme[0]}://…" if scheme and "://" in url[:40] else "…"


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".").lower()
        return parts.scheme.lower(), host, parts.port or _DEFAULT_PORTS.get(parts.scheme.lower())
    except ValueError:
        return "", "", None
