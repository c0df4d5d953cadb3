"""Whether what is on the disk is the beginning of what stands on the server now: asked before bytes go on, and at the
end of what more than one answer was put together for.

A strong validator decides; where there is none, the length, and the first and the last 64 KiB of what is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import anyio
from anyio import to_thread

from reactor.aria2.control_file import CONTROL_BYTES_MAX, Present, read_control_file
from reactor.aria2.options import KEPT_FROM_SERVERS
from reactor.errors import DownloadError
from reactor.extractors.base import Context, HandOver
from reactor.extractors.client import NoAnswer
from reactor.extractors.failures import status_failure, transport_failure
from reactor.extractors.http import follow
from reactor.extractors.look import read_headers
from reactor.guard.cookies import Jar
from reactor.guard.credentials import headers_for
from reactor.models import Fetch, Header, Look

SAMPLE_BYTES = 64 * 1024
WORTH_BYTES = 1024 * 1024
"""Less than that is fetched again rather than asked about, where no validator tells anything."""


class Version(Enum):
    """What a comparison shows."""

    SAME = "same"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Versions:
    """Asks servers, with what goes along with a fetch."""

    context: Context

    async def of_part(self, path: Path, fetch: Fetch, headers: Collection[Header], jar: Jar) -> Version:
        """Of a file that aria2 has a control file for: UNKNOWN where going on is worth nothing, or not to be trusted.

        Raises DownloadError when the server does not tell."""
        present = await to_thread.run_sync(_present, path)
        strong = fetch.strong and fetch.validator is not None
        if present is None or not present.runs or (not strong and present.size < WORTH_BYTES):
            return Version.UNKNOWN
        try:
            found = await self._compare(path, fetch, headers, jar, present)
        except DownloadError:
            if not strong:
                raise
            found = Version.UNKNOWN
        # With a strong one aria2 asks by it.
        return Version.SAME if found is Version.UNKNOWN and strong else found

    async def of_whole(self, path: Path, fetch: Fetch, headers: Collection[Header], jar: Jar) -> Version:
        """Of a file that is there as a whole: UNKNOWN also where the server does not tell."""
        size = (await to_thread.run_sync(path.stat)).st_size
        if not size:
            return Version.SAME
        try:
            return await self._compare(path, fetch, headers, jar, Present(size, ((0, size),)))
        except DownloadError:
            return Version.UNKNOWN

    async def _compare(
        self, path: Path, fetch: Fetch, headers: Collection[Header], jar: Jar, present: Present
    ) -> Version:
        if not fetch.urls:
            return Version.UNKNOWN
        start, end = present.runs[0][0], present.runs[-1][1]
        spans = [(start, min(start + SAMPLE_BYTES, present.runs[0][1]))]
        spans += [(max(present.runs[-1][0], end - SAMPLE_BYTES), end)]
        for first, behind in dict.fromkeys(spans):
            seen, sample = await self._ask(fetch, headers, jar, first, behind)
            if fetch.validator is not None and seen.validator is not None:
                if seen.validator != fetch.validator:
                    return Version.OTHER
                if fetch.strong and seen.strong:
                    return Version.SAME
            if seen.size not in (None, present.total):
                return Version.OTHER
            if sample is None:
                return Version.UNKNOWN
            if sample != await to_thread.run_sync(_read, path, first, behind - first):
                return Version.OTHER
        return Version.SAME

    async def _ask(
        self, fetch: Fetch, headers: Collection[Header], jar: Jar, first: int, behind: int
    ) -> tuple[Look, bytes | None]:
        """The headers of these bytes, and the bytes where the server gives them. Raises DownloadError."""
        url = fetch.urls[0]

        def lines(at: str) -> Mapping[str, str]:
            given = [each for each in headers if each.name.lower() not in KEPT_FROM_SERVERS | {"cookie"}]
            cookie = jar.line(at)
            sent = {each.name: each.value for each in headers_for(given, url, at)}
            return sent | ({"Cookie": cookie} if cookie else {}) | {"Range": f"bytes={first}-{behind - 1}"}

        try:
            async with follow("GET", url, self.context, lines) as (final, response):
                if response.status not in (200, 206, 416):
                    raise status_failure(response.status, response.url, response.headers)
                seen = read_headers(final, response)
                if (fetch.strong and seen.strong) or response.status == 416 or (response.status == 200 and first):
                    return seen, None
                body = bytearray()
                with anyio.fail_after(self.context.http_timeout_s):
                    async for piece in response.pieces():
                        body += piece
                        if len(body) >= behind - first:
                            break
                return seen, bytes(body[: behind - first])
        except (NoAnswer, TimeoutError) as error:
            raise transport_failure(error, url) from error
        except HandOver as other:
            raise DownloadError(other.detection.why, code="bad_redirect") from other


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
