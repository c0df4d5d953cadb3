"""Sends the requests for manifests, and makes fetches of what they name, each with what its host may be sent.

Headers that may be credentials are sent only to the host they were given for; the others are sent to all hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from urllib.parse import urlsplit

import anyio.lowlevel

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.extractors.documents import MANIFEST_BYTES_MAX
from reactor.media.parts import MediaStream, Part, bad_manifest, data_of, is_data, too_large
from reactor.net.credentials import HeaderSets, headers_for, same_host, split_credentials
from reactor.net.failures import status_failure
from reactor.net.jar import Jar
from reactor.net.redirects import MagnetRedirect, follow, read_body
from reactor.net.urls import normalise_http
from reactor.patterns import pattern
from reactor.plan import Fetch, Header
from reactor.records import dataclass

TURN_CHARS = 20_000
"""Characters of URLs that are checked before other tasks have their turn."""
_NEVER = ("accept-encoding", "connection", "content-length", "cookie", "host", "range", "te", "transfer-encoding")
"""Headers that aria2 and our client set themselves; cookies are passed as such, with their domains."""
_REFUSED = (401, 403)
_ORIGIN = pattern(r"https?://[^/?#]+")
_PLAIN_PATH = pattern(r"/[A-Za-z0-9_.~%!$&'()*+,;=:@/-]*(?:\?[A-Za-z0-9_.~%!$&'()*+,;=:@/?-]+)?")
"""Of which `normalise_http` makes the same."""
_PLAIN_MAX = 4096


@dataclass(slots=True)
class Reader:
    """See the module."""

    context: Context
    home: str
    """The URL that user info, headers and cookies were given for."""
    headers: tuple[Header, ...]
    jar: Jar
    sets: HeaderSets
    number: Callable[[str], int | None]
    """The number of the header set for a URL."""
    inherited: dict[str, str] = field(default_factory=dict)
    """By host: the query that its URLs are given, since it refuses them without."""
    plain: dict[str, int | None] = field(default_factory=dict)
    """By scheme, host and port: the number of the header set for URLs that need no look but at their path."""

    @classmethod
    def of(cls, context: Context, home: str, headers: tuple[Header, ...], jar: Jar | None) -> Reader:
        """`home` is the URL that `headers` and `jar` were given for."""
        given = tuple(header for header in headers if header.name.lower() not in _NEVER)
        sets = HeaderSets()
        return cls(context, home, given, context.http.jar() if jar is None else jar, sets, sets.given(given, home))

    async def read(self, url: str) -> tuple[str, bytes]:
        """What is at `url`, and the URL that answered, without user info. Raises DownloadError."""
        if is_data(url):
            return self.home, data_of(url)
        refusal: DownloadError | None = None
        for address in self._addresses(url):
            try:
                async with follow("GET", address, self.context.http, self._lines, self.jar) as (final, response):
                    if response.status in (200, 203):
                        body = await read_body(response, self.context.http, MANIFEST_BYTES_MAX, too_large())
                        self._inherit(url, address)
                        return split_credentials(final)[0], body
                    refusal = refusal or status_failure(response.status, response.url, response.headers)
                    if response.status not in _REFUSED:
                        break
            except MagnetRedirect as error:
                raise bad_manifest("it leads to a magnet link") from error
        assert refusal is not None  # there is at least one address
        raise refusal

    async def check(self, stream: MediaStream) -> DownloadError | None:
        """Ask for the first byte of the first segment; why it cannot be fetched, or None.

        Finds out whether its host wants the query of the manifest, too."""
        part = next((part for n, part in enumerate(stream.parts) if n not in stream.needed), stream.parts[0])
        refusal: DownloadError | None = None
        for address in self._addresses(part.url):
            try:
                async with follow("GET", address, self.context.http, self._first_byte, self.jar) as (_, response):
                    if response.status < 400 or response.status == 416:
                        self._inherit(part.url, address)
                        return None
                    refusal = refusal or status_failure(response.status, response.url, response.headers)
                    if response.status not in _REFUSED:
                        break
            except MagnetRedirect:
                return bad_manifest("a segment of it leads to a magnet link")
            except DownloadError as error:
                return refusal or error
        return refusal

    def may_inherit(self, stream: MediaStream) -> bool:
        """True if its segments lack the query of the manifest, which their host may want."""
        return any(self._inheriting(part.url) for part in stream.parts[:1] + stream.parts[-1:])

    async def fetches(self, stream: MediaStream) -> list[Fetch]:
        """A fetch for each part. Yields to other tasks every few milliseconds."""
        fetches, length = list[Fetch](), 0
        for part in stream.parts:
            fetches.append(self._fetch(part))
            length += len(part.url) + 100
            if length > TURN_CHARS:
                await anyio.lowlevel.checkpoint()
                length = 0
        return fetches

    def _fetch(self, part: Part) -> Fetch:
        origin = _ORIGIN.match(part.url)
        if origin is not None and origin[0] in self.plain and not self.inherited and _is_plain(part.url, origin.end()):
            number = self.plain[origin[0]]
            return Fetch(urls=(part.url,), name=part.name, headers=number, optional=part.optional)
        query = self.inherited.get(urlsplit(part.url).netloc)
        url = self._checked(_with_query(part.url, query) if query else part.url)
        number = self.number(url)
        if origin is not None and url == part.url:
            self.plain[origin[0]] = number
        return Fetch(urls=(url,), name=part.name, headers=number, optional=part.optional)

    def _addresses(self, url: str) -> Iterator[str]:
        """The URL to ask, and the same with the manifest's query: hosts may refuse it without."""
        known = self.inherited.get(urlsplit(url).netloc)
        yield self._checked(_with_query(url, known) if known else url)
        if not known and (query := self._inheriting(url)):
            yield self._checked(_with_query(url, query))

    def _inheriting(self, url: str) -> str:
        """The query that `url` could inherit; empty if there is none, or it has that already."""
        query = urlsplit(self.home).query
        own = urlsplit(url).query
        return query if query and query not in own and same_host(self.home, url) else ""

    def _inherit(self, url: str, address: str) -> None:
        """Note that `url` had to be asked as `address`."""
        query = self._inheriting(url)
        if query and address == self._checked(_with_query(url, query)):
            self.inherited[urlsplit(url).netloc] = query

    def _checked(self, url: str) -> str:
        """An http or https URL, with user info only where it is the home's. Raises DownloadError (`bad_manifest`)."""
        scheme = urlsplit(url).scheme.lower()
        if scheme not in ("http", "https"):
            raise bad_manifest(f"it names an address that is no http or https address ({scheme[:20]}:)")
        try:
            plain = normalise_http(split_credentials(url)[0])
            credentials = split_credentials(self.home)[1]
        except (DownloadError, ValueError) as error:
            raise bad_manifest("an address in it is not valid") from error
        address = credentials.into(plain) if credentials and same_host(self.home, plain) else plain
        return url if address == url else address  # the same string: there may be 20 000

    def _lines(self, url: str) -> Mapping[str, str]:
        """The headers for a request of our own."""
        return {header.name: header.value for header in headers_for(self.headers, self.home, url)}

    def _first_byte(self, url: str) -> Mapping[str, str]:
        return {**self._lines(url), "Range": "bytes=0-0"}


def _is_plain(url: str, path: int) -> bool:
    return len(url) <= _PLAIN_MAX and _PLAIN_PATH.fullmatch(url, path) is not None


def _with_query(url: str, query: str) -> str:
    parts = urlsplit(url)
    return parts._replace(query=f"{parts.query}&{query}" if parts.query else query).geturl()
