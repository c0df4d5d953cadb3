"""What an extractor from outside is written with.

    from reactor.extractors.plugins.api import Extraction, Matcher, Onward, PluginContext, Detection

    class Filehost:
        name = "filehost"
        matchers = (Matcher("*://filehost.example/d/*"),)

        async def extract(self, detection: Detection, context: PluginContext) -> Extraction | Onward | None:
            page = await context.get(detection.url)
            …
            return context.file(link, headers={"Referer": page.url})

    extractor = Filehost()

Whatever it raises as DownloadError should have a `code` of `reactor errors`; without one it is `unsupported`.

A package names that object in the entry point group `reactor.extractors`, under the name that it has. It runs in a
process of its own, which may be killed at any moment and serves one link at a time. What it raises beside DownloadError
is told as its mistake.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from reactor.errors import DownloadError
from reactor.extractors.plugins.matchers import Matcher
from reactor.files.names import candidates, clean_name
from reactor.models import Kind
from reactor.net.credentials import HeaderSets
from reactor.net.disposition import Disposition, choose_name
from reactor.net.failures import status_failure
from reactor.net.jar import Jar
from reactor.net.redirects import follow, read_body
from reactor.net.session import HttpSession
from reactor.net.urls import normalise_http
from reactor.options import NO_OPTIONS, Options
from reactor.patterns import pattern
from reactor.plan import Cookie, Detection, Extraction, Fetch, Finish, Header, Track
from reactor.records import dataclass

__all__ = [
    "Cookie",
    "Detection",
    "DownloadError",
    "Entries",
    "Extraction",
    "Extractor",
    "Fetch",
    "File",
    "Finish",
    "Header",
    "Link",
    "Matcher",
    "Onward",
    "Page",
    "PluginContext",
    "Track",
]

PAGE_BYTES_MAX = 16 * 1024 * 1024
_CHARSET = pattern(r"""charset\s*=\s*["']?([\w.:-]{1,40})""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Onward:
    """The link leads to this one, which is looked at as if a person had sent it: a file, a page, a playlist, a magnet
    link."""

    url: str


@dataclass(frozen=True, slots=True)
class Link:
    """One thing in a list."""

    url: str
    """As a person would send it."""
    title: str = ""
    key: str = ""
    """What it is, however its place in the list changes; empty: its URL."""


@dataclass(frozen=True, slots=True)
class Entries:
    """The link stands for several things: each is downloaded by itself, as a row of its own."""

    title: str
    links: Sequence[Link]
    whole: bool = True
    """False: there are more than were read."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a folder."""

    url: str
    name: str = ""
    """Empty: by its URL."""
    size: int | None = None
    """Bytes, where the server itself has said so; a difference is a failure."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """What a server has answered."""

    url: str
    """After every redirect."""
    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes

    @property
    def text(self) -> str:
        """The body by the charset that it names, else UTF-8."""
        found = _CHARSET.search(self.headers.get("content-type", ""))
        try:
            return self.body.decode(found[1] if found else "utf-8", "replace")
        except (LookupError, ValueError):
            return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises DownloadError (`bad_answer`)."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            host = urlsplit(self.url).hostname
            raise DownloadError(f"{host} did not answer with JSON.", code="bad_answer") from None


class PluginContext:
    """What an extractor is given for one link."""

    def __init__(
        self,
        name: str,
        http: HttpSession,
        *,
        folder: Path,
        proxy: str | None = None,
        options: Options = NO_OPTIONS,
        settings: Mapping[str, Any] | None = None,
        reach: int = 0,
    ) -> None:
        self.name = name
        self.folder = folder
        """A folder of its own for what it has to write, deleted with its process; also its home."""
        self.proxy = proxy
        """The URL of the proxy that all its requests have to go through (`http://user:password@host:port`), for
        libraries that send requests by themselves; None: there is none. Contains a secret."""
        self.options = options
        """What the row asks for."""
        self.settings: Mapping[str, Any] = settings or {}
        """What the operator has set for it: EXTRACTOR_OPTIONS."""
        self.reach = reach
        """How many entries of a list are worth reading; 0: a list is refused."""
        self.jar = Jar()
        """The cookies of its requests: they go with what is fetched."""
        self._http = http

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None, any_status: bool = False) -> Page:
        """Send a GET, follow redirects, keep cookies. Private addresses are refused.

        Raises DownloadError, also for a status that is no success, unless `any_status`."""
        async with follow("GET", normalise_http(url), self._http, headers or {}, self.jar) as (final, response):
            if not (any_status or 200 <= response.status < 300):
                raise status_failure(response.status, response.url, response.headers)
            too_long = DownloadError(f"{urlsplit(final).hostname} sends too much.", code="bad_answer")
            body = await read_body(response, self._http, PAGE_BYTES_MAX, too_long)
            return Page(final, response.status, dict(response.headers), body)

    def file(
        self,
        url: str,
        *,
        name: str = "",
        title: str | None = None,
        size: int | None = None,
        checksum: str | None = None,
        headers: Mapping[str, str] | None = None,
        mirrors: Sequence[str] = (),
    ) -> Extraction:
        """One file. `checksum`, such as `sha-256=…`, is compared; `mirrors` have the same bytes, and need one. The
        cookies of earlier requests go along to the hosts that they belong to."""
        sets, clean = HeaderSets(), _name(name, url)
        fetch = Fetch(
            urls=(url, *mirrors),
            name=clean,
            headers=sets.number(_headers(headers or {})),
            size=size,
            checksum=checksum,
        )
        return self._extraction(title or clean, sets, (fetch,), Finish(how="file", name=clean))

    def folder_of(self, title: str, files: Sequence[File], *, notes: Sequence[str] = ()) -> Extraction:
        """Several files, which become one folder. Equal names get numbers."""
        if len(files) == 1:
            (only,) = files
            return self.file(only.url, name=only.name, title=title, size=only.size, headers=only.headers)
        sets, names = HeaderSets(), _Names()
        fetches = tuple(
            Fetch(
                urls=(file.url,),
                name=names.free(_name(file.name, file.url)),
                headers=sets.number(_headers(file.headers)),
                size=file.size,
            )
            for file in files
        )
        finish = Finish(how="folder", name=clean_name(title), notes=tuple(notes))
        return self._extraction(title, sets, fetches, finish)

    def _extraction(self, title: str, sets: HeaderSets, fetches: tuple[Fetch, ...], finish: Finish) -> Extraction:
        hosts = {urlsplit(url).hostname or "" for fetch in fetches for url in fetch.urls}
        return Extraction(
            kind=Kind(self.name),
            title=title,
            headers=sets.all,
            cookies=self.jar.of_hosts(hosts),
            fetches=fetches,
            finish=finish,
        )


class Extractor(Protocol):
    """An extractor from outside."""

    @property
    def name(self) -> str:
        """Lower-case letters, digits, `-` and `_`, 32 at most; the row's `url_type`."""
        ...

    @property
    def matchers(self) -> Sequence[Matcher]:
        """The URLs that it is for."""
        ...

    async def extract(self, detection: Detection, context: PluginContext) -> Extraction | Entries | Onward | None:
        """What there is to fetch; a list; where the link leads; None: it is not for this extractor, after all.

        Raises DownloadError with a sentence for a person."""
        ...


class _Names:
    """Where several are the same, whoever comes later gets a number. Linear."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._more: dict[str, Iterator[str]] = {}

    def free(self, name: str) -> str:
        more = self._more.setdefault(name, candidates(name))
        found = next(each for each in more if each not in self._taken)
        self._taken.add(found)
        return found


def _name(name: str, url: str) -> str:
    return clean_name(name) if name else choose_name(Disposition(), url, None)


def _headers(headers: Mapping[str, str]) -> tuple[Header, ...]:
    return tuple(Header(name=name, value=value) for name, value in headers.items())
