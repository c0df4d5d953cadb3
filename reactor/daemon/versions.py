"""Compares files on the disk with the server's current version: before a partial file is continued, and at the end of
a file that came in more than one response.

A strong validator decides. Without one, the length and samples are compared: the first and the last 64 KiB of what is
there, and for a complete file also some places between, and the places where another response begins."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import field
from enum import Enum
from pathlib import Path

import anyio
from anyio import to_thread

from reactor.aria2.control_file import CONTROL_BYTES_MAX, Present, read_control_file
from reactor.aria2.options import KEPT_FROM_SERVERS
from reactor.errors import DownloadError, Failure
from reactor.extractors.base import Context
from reactor.net.client import NoAnswer
from reactor.net.credentials import headers_for
from reactor.net.failures import status_failure, transport_failure
from reactor.net.jar import Jar
from reactor.net.probe import read_headers
from reactor.net.redirects import MagnetRedirect, follow
from reactor.net.urls import is_ftp
from reactor.plan import Fetch, Header, HttpProbe
from reactor.records import dataclass

SAMPLE_BYTES = 64 * 1024
PLACE_BYTES = 16 * 1024
PLACES = 4
"""So many samples of that size are taken between the two ends of what is whole: one for each connection of aria2."""
SEAMS_MAX = 16
"""So many of the places where bytes of another answer begin are kept of one file."""
FILES_MAX = 1024
REFUSAL_S = 5.0
"""All transfers wait so long for what is said of one."""
BUSY_PAUSES_S = (0.2, 1.0, 3.0)
"""Between two questions to a server that is busy."""
WORTH_BYTES = 1024 * 1024
"""Less than that is fetched again rather than asked about, where no validator tells anything."""


class Version(Enum):
    """The result of a comparison."""

    SAME = "same"
    OTHER = "other"
    NO_RANGES = "no ranges"
    """The server sends nothing but the whole, and that begins in the same way: of one attempt it is one answer."""
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Versions:
    """Compares with the headers and cookies of a fetch, and remembers which files were continued."""

    context: Context
    _seams: OrderedDict[str, tuple[int, ...]] = field(default_factory=OrderedDict)
    """By path as text, a third of the memory of a Path: where bytes of another answer begin in a file that went on;
    nothing in one that began from zero."""

    def begins(self, path: str, *, alone: bool = True) -> None:
        """Note that a file is fetched from zero; its path as text, for there may be many. Of one part among many only a
        note to the contrary is removed."""
        if alone or path in self._seams:
            self._note(path, ())

    def went_on(self, path: str) -> bool | None:
        """True when bytes were added to those of an earlier answer, as far as this process knows; None when it knows
        nothing of it. The path as for `begins`."""
        seams = self._seams.get(path)
        return None if seams is None else bool(seams)

    def _note(self, path: str, seams: tuple[int, ...]) -> None:
        self._seams[path] = seams
        self._seams.move_to_end(path)
        if len(self._seams) > FILES_MAX:
            self._seams.popitem(last=False)

    async def of_part(self, path: Path, fetch: Fetch, headers: Collection[Header], jar: Jar) -> Version:
        """Of a file that aria2 has a control file for: UNKNOWN where going on is worth nothing, or not to be trusted.

        Raises DownloadError when the server does not tell."""
        present = await to_thread.run_sync(_present, path)
        strong = fetch.strong and fetch.validator is not None
        if present is None or not present.runs or (not strong and present.size < WORTH_BYTES):
            return Version.UNKNOWN
        try:
            (start, behind), (last, end) = present.runs[0], present.runs[-1]
            spans = [(start, min(start + SAMPLE_BYTES, behind)), (max(last, end - SAMPLE_BYTES), end)]
            found = await self._compare(path, fetch, headers, jar, present.total, spans)
        except DownloadError:
            if not strong:
                raise
            found = Version.UNKNOWN
        if found is Version.NO_RANGES or (found is Version.UNKNOWN and strong):
            # With a strong one aria2 asks by it.
            found = Version.SAME if strong else Version.UNKNOWN
        self._hang_up(fetch)
        if found is Version.SAME:
            ends = {*self._seams.get(str(path), ()), *(end for _, end in present.runs)}
            self._note(str(path), tuple(sorted(ends)[-SEAMS_MAX:]))
        return found

    async def of_whole(self, path: Path, fetch: Fetch, headers: Collection[Header], jar: Jar) -> Version:
        """Of a file that is there as a whole: UNKNOWN also where the server does not tell."""
        size = (await to_thread.run_sync(path.stat)).st_size
        if not size:
            return Version.SAME
        try:
            return await self._compare(path, fetch, headers, jar, size, _places(size, self._seams.get(str(path), ())))
        except DownloadError:
            return Version.UNKNOWN

    async def refusal(self, fetch: Fetch, headers: Collection[Header], jar: Jar) -> Failure | None:
        """How long a server wants to be left alone that has just refused a fetch: aria2 says nothing of Retry-After.
        None where it does not say so now. Asks for one byte, and for no longer than REFUSAL_S."""
        failure = None
        if not fetch.urls or is_ftp(fetch.urls[0]):
            return None
        with anyio.move_on_after(REFUSAL_S):
            try:
                await self._ask(fetch, headers, jar, 0, 1)
            except DownloadError as error:
                waits = error.retryable and error.retry_after_s is not None
                failure = error.failure if waits or error.code == "rate_limited" else None
        self._hang_up(fetch)
        return failure

    def _hang_up(self, fetch: Fetch) -> None:
        """There may be one connection for each address: aria2's."""
        for url in fetch.urls[:1]:
            self.context.http.client.hang_up(url)

    async def _compare(
        self,
        path: Path,
        fetch: Fetch,
        headers: Collection[Header],
        jar: Jar,
        total: int,
        spans: Collection[tuple[int, int]],
    ) -> Version:
        if not fetch.urls or is_ftp(fetch.urls[0]):
            return Version.UNKNOWN
        for first, behind in dict.fromkeys(spans):
            seen, sample = await self._ask_again(fetch, headers, jar, first, behind)
            if fetch.validator is not None and seen.validator is not None:
                if seen.validator != fetch.validator:
                    return Version.OTHER
                if fetch.strong and seen.strong:
                    return Version.SAME
            if seen.size not in (None, total):
                return Version.OTHER
            if sample is None:
                return Version.NO_RANGES if seen.size == total else Version.UNKNOWN
            if sample != await to_thread.run_sync(_read, path, first, behind - first):
                return Version.OTHER
        return Version.SAME

    async def _ask_again(
        self, fetch: Fetch, headers: Collection[Header], jar: Jar, first: int, behind: int
    ) -> tuple[HttpProbe, bytes | None]:
        """As `_ask`, a few times where the server is too busy: it may allow one connection, and have aria2's still."""
        for pause in BUSY_PAUSES_S:
            try:
                return await self._ask(fetch, headers, jar, first, behind)
            except DownloadError as error:
                if error.code not in ("server_error", "rate_limited") or error.retry_after_s:
                    raise
            self._hang_up(fetch)
            await anyio.sleep(pause)
        return await self._ask(fetch, headers, jar, first, behind)

    async def _ask(
        self, fetch: Fetch, headers: Collection[Header], jar: Jar, first: int, behind: int
    ) -> tuple[HttpProbe, bytes | None]:
        """The headers of these bytes, and the bytes where the server gives them. Raises DownloadError."""
        url = fetch.urls[0]

        def lines(at: str) -> Mapping[str, str]:
            given = [each for each in headers if each.name.lower() not in KEPT_FROM_SERVERS | {"cookie"}]
            cookie = jar.line(at)
            sent = {each.name: each.value for each in headers_for(given, url, at)}
            return sent | ({"Cookie": cookie} if cookie else {}) | {"Range": f"bytes={first}-{behind - 1}"}

        try:
            async with follow("GET", url, self.context.http, lines) as (final, response):
                if response.status not in (200, 206, 416):
                    raise status_failure(response.status, response.url, response.headers)
                seen = read_headers(final, response)
                if (fetch.strong and seen.strong) or response.status == 416 or (response.status == 200 and first):
                    return seen, None
                body = bytearray()
                with anyio.fail_after(self.context.http.timeout_s):
                    async for piece in response.pieces():
                        body += piece
                        if len(body) >= behind - first:
                            break
                return seen, bytes(body[: behind - first])
        except (NoAnswer, TimeoutError) as error:
            raise transport_failure(error, url) from error
        except MagnetRedirect as magnet:
            raise DownloadError(str(magnet), code="bad_redirect") from magnet


def _places(size: int, seams: Collection[int]) -> list[tuple[int, int]]:
    """What is compared of a whole file, in order: of a small one all of it."""
    if size <= 4 * SAMPLE_BYTES:
        return [(0, size)]
    middles = [(2 * n + 1) * size // (2 * PLACES) for n in range(PLACES)]
    behind = [seam for seam in seams if seam < size]
    before = [max(0, seam - PLACE_BYTES) for seam in seams]
    between = [(at, min(at + PLACE_BYTES, size)) for at in sorted({*middles, *behind, *before})]
    return [(0, SAMPLE_BYTES), (size - SAMPLE_BYTES, size), *between]


def _present(path: Path) -> Present | None:
    control = path.with_name(f"{path.name}.aria2")
    try:
        with control.open("rb") as file:
            return read_control_file(file.read(CONTROL_BYTES_MAX))
    except FileNotFoundError:
        return None


def _read(path: Path, at: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(at)
        return file.read(size)
