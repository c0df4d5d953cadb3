"""Credentials stay with the host they were given for, and out of everything a person or a log sees."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from reactor.models import HEADERS_MAX, Cookie, Header

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
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*(?=:)", re.IGNORECASE)
_URL_IN_TEXT = re.compile(r"(?<![a-z0-9+.-])(?:[a-z][a-z0-9+.-]{0,20}://|magnet:\?)\S+", re.IGNORECASE)
_NESTED_URL = re.compile(r"[a-z][a-z0-9+.-]{0,20}:/", re.IGNORECASE)
_PATH_PARAMETER = re.compile(r";[^/]*")
_KEY = re.compile(r"[\w.\[\]-]{1,40}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a URL held before its `@`, percent-decoded. Its repr shows neither."""

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
    """True when credentials given for the one URL may go to the other.

    Host and port are equal, and the scheme too, but for the step up from plain http to https."""
    scheme, host, port = _origin(given_for)
    to_scheme, to_host, to_port = _origin(other)
    if not host or host != to_host:
        return False
    if (scheme, port) == (to_scheme, to_port):
        return True
    return (scheme, port, to_scheme, to_port) == ("http", 80, "https", 443)


def headers_for(headers: Iterable[Header], home: str, url: str) -> Iterator[Header]:
    """Those of the headers that were given for `home` which may go to `url`: elsewhere only what is no secret.

    At home a Referer stays as it was sent there, without user info; elsewhere it is cut by `referer_for`."""
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
    """The headers of a plan: each set of them once, by its number."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[Header, ...], int] = {}

    @property
    def all(self) -> tuple[tuple[Header, ...], ...]:
        """As `models.Extraction` has them."""
        return tuple(self._numbers)

    def number(self, headers: tuple[Header, ...]) -> int | None:
        """Of this set; None of an empty one."""
        return self._numbers.setdefault(headers, len(self._numbers)) if headers else None

    def given(self, headers: Iterable[Header], home: str) -> Callable[[str], int | None]:
        """Tells by a URL the number of those headers, given for `home`, that may go to it. Of one name the last counts,
        and of all as many as a request may have."""
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
    """What the server of `url` may learn of the page that names it; None when that is no web page.

    On the page's own host its address without user info and query, since aria2 takes it along wherever a redirect
    leads. Elsewhere, and by plain http of an https page, only its origin."""
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
    """How far the credentials of a fetch may go: to `host`, with `below` to the hosts below it too, at `ports`."""

    host: str
    below: bool
    ports: frozenset[int]

    def holds(self, host: str, port: int) -> bool:
        """True when a connection to this host may carry them."""
        host = host.rstrip(".").lower()
        return port in self.ports and (host == self.host or (self.below and host.endswith(f".{self.host}")))


def credential_scope(url: str, headers: Iterable[Header], cookies: Sequence[Cookie]) -> CredentialScope | None:
    """Where everything that is sent to `url` may go, with these headers and with these cookies, which go there; None
    when nothing of it is secret.

    The port is the URL's own; from plain http the step up to https is one that credentials may take, never back."""
    of_one_host = "@" in urlsplit(url).netloc or any(h.name.lower() not in HARMLESS for h in headers)
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
    """`url` for people and logs: no user info, no query values, no fragment; of a magnet the hash and the name."""
    try:
        shown = _redacted(url)
    except ValueError:
        shown = _scheme_only(url)
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown)
    return shown if len(shown) <= REDACTED_MAX else f"{shown[: REDACTED_MAX - 1]}…"


def redact_text(text: str) -> str:
    """`text`, such as another program's error message, with every URL in it redacted."""
    return _URL_IN_TEXT.sub(_redact_match, text)


def for_people(text: str) -> str:
    """`redact_text` in one line, without what cannot be seen: another program quotes a stranger's names as they are."""
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
