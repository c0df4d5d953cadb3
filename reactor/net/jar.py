"""A cookie jar: what it keeps, and which of its cookies go along with a request (RFC 6265, section 5.4).

It is as large as a browser's for one site, and no larger: a server that sets more makes it forget the oldest ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from reactor.plan import COOKIE_LINE_MAX, COOKIES_MAX, Cookie

DOMAIN_COOKIES_MAX = 180
"""Most cookies of one domain, as in Chromium."""
HOSTS_KEPT = 64
"""Hosts whose domains are kept: the parts of a film come from a few."""

Key = tuple[str, str, str, bool]
"""Name, domain, path, and whether it is host-only: a cookie that is equal in these replaces the one before."""


class Jar:
    """Cookies by their domains: finding those of a URL costs what there is for its host, not what there is."""

    def __init__(self, cookies: Iterable[Cookie] = (), *, most: int = COOKIES_MAX) -> None:
        """`most`: how many it keeps."""
        self._most = most
        self._cookies: dict[Key, Cookie] = {}
        """The oldest first."""
        self._domains: dict[str, dict[Key, Cookie]] = {}
        self._last: tuple[str, tuple[Cookie, ...]] | None = None
        """What was found last: more than one asks for the same."""
        self.add(cookies)

    def copy(self) -> Jar:
        """Another one with the same cookies."""
        return Jar(self, most=self._most)

    def __iter__(self) -> Iterator[Cookie]:
        return iter(self._cookies.values())

    def add(self, cookies: Iterable[Cookie]) -> None:
        """Add cookies. Above the limits the oldest are evicted."""
        self._last = None
        for cookie in cookies:
            key = cookie_key(cookie)
            domain = key[1]
            if key in self._cookies:
                self._drop(key)
            of_domain = self._domains.setdefault(domain, {})
            self._cookies[key] = of_domain[key] = cookie
            if len(of_domain) > DOMAIN_COOKIES_MAX:
                self._drop(next(iter(of_domain)))
            elif len(self._cookies) > self._most:
                self._drop(next(iter(self._cookies)))

    def forget(self, name: str, domain: str, path: str) -> None:
        """Take out what a server has ended."""
        self._last = None
        for host_only in (True, False):
            if (key := (name, domain.lower(), path, host_only)) in self._cookies:
                self._drop(key)

    def of(self, url: str) -> tuple[Cookie, ...]:
        """The cookies for a request to `url`, longest path first, limited to one header line."""
        if not self._cookies:
            return ()
        if self._last and self._last[0] == url:
            return self._last[1]
        parts = urlsplit(url)
        host = parts.hostname or ""
        found = [
            cookie
            for domain in _domains_of(host)
            for cookie in self._domains.get(domain, {}).values()
            if _goes_to(cookie, domain, host, parts)
        ]
        found.sort(key=lambda cookie: -len(cookie.path))
        self._last = url, tuple(_within(found))
        return self._last[1]

    def of_hosts(self, hosts: Iterable[str]) -> tuple[Cookie, ...]:
        """The cookies for any path on any of these hosts."""
        domains = {domain for host in set(hosts) for domain in _domains_of(host) if domain in self._domains}
        return tuple(cookie for key, cookie in self._cookies.items() if key[1] in domains)

    def line(self, url: str) -> str:
        """The value of the `Cookie` header of a request; empty when none of them goes there."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.of(url))

    def _drop(self, key: Key) -> None:
        del self._cookies[key]
        of_domain = self._domains[key[1]]
        del of_domain[key]
        if not of_domain:
            del self._domains[key[1]]


def cookie_key(cookie: Cookie) -> Key:
    """Of which there is one in a jar."""
    return cookie.name, _domain(cookie), cookie.path, cookie.host_only


def combined(given: Sequence[Cookie], more: Iterable[Cookie] = ()) -> Jar:
    """A jar with what somebody has brought, all of it, and what sites set beside it."""
    jar = Jar(given, most=COOKIES_MAX + len(given))
    jar.add(more)
    return jar


def without(cookies: Iterable[Cookie], given: Iterable[Cookie]) -> tuple[Cookie, ...]:
    """Those that are not among the `given`, or have another value by now."""
    known = {(cookie_key(each), each.value) for each in given}
    return tuple(each for each in cookies if (cookie_key(each), each.value) not in known)


def cookie_goes_to(cookie: Cookie, url: str) -> bool:
    """Whether a cookie may be sent to a URL: its domain, its path and `secure`."""
    parts, domain = urlsplit(url), _domain(cookie)
    host = parts.hostname or ""
    return domain in _domains_of(host) and _goes_to(cookie, domain, host, parts)


def _goes_to(cookie: Cookie, domain: str, host: str, parts: SplitResult) -> bool:
    """Of a cookie whose domain is the host, or above it."""
    if (cookie.secure and parts.scheme != "https") or (cookie.host_only and host != domain):
        return False
    path = parts.path or "/"
    return path == cookie.path or path.startswith(cookie.path if cookie.path.endswith("/") else f"{cookie.path}/")


def _within(cookies: Iterable[Cookie]) -> Iterator[Cookie]:
    left = COOKIE_LINE_MAX
    for cookie in cookies:
        left -= len(cookie.name) + len(cookie.value) + 3
        if left < 0:
            return
        yield cookie


def _domain(cookie: Cookie) -> str:
    return cookie.domain.lower().lstrip(".")


@lru_cache(HOSTS_KEPT)
def _domains_of(host: str) -> tuple[str, ...]:
    """The host and all that it is below. An address is below nothing."""
    if is_address(host):
        return (host,)
    labels = host.split(".")
    return tuple(".".join(labels[n:]) for n in range(len(labels)))


def is_address(host: str) -> bool:
    """True for an IP address, which is below no other host."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
