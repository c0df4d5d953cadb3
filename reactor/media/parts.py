"""The result of reading a manifest: one or two streams, made of parts at URLs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urljoin

from reactor.errors import DownloadError
from reactor.numbers import FETCHES_MAX, PLAN_BYTES_MAX

URL_MAX = 16 * 1024
"""Characters of one address."""
URLS_MAX = PLAN_BYTES_MAX
"""Characters of all addresses of a stream: a small manifest can make long ones, and many of them."""

Holds = tuple[Literal["video", "audio"], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to fetch."""

    url: str
    """Absolute, as the manifest has it: not yet checked."""
    name: str
    """Ours; unique in its stream."""
    optional: bool = False
    """True when the manifest only lets one think that it exists."""


@dataclass(frozen=True, slots=True)
class MediaStream:
    """One track of the result, as `models.Track` has it."""

    form: Literal["file", "hls", "concat"]
    parts: tuple[Part, ...]
    playlist: str | None = None
    duration_s: float | None = None
    """Where the manifest tells it exactly."""
    holds: Holds = ()
    """What is promised to be in it; empty when nothing is said."""


def absolute(base: str, uri: str) -> str:
    """What `uri` in a manifest at `base` means. Raises DownloadError (`bad_manifest`)."""
    try:
        found = urljoin(base, uri.strip()) if len(uri) <= URL_MAX else ""
    except ValueError as error:
        raise bad_manifest("an address in it is not valid") from error
    if not 0 < len(found) <= URL_MAX:
        raise bad_manifest("an address in it is too long")
    return found


def bounded(urls: Iterable[str]) -> Iterator[str]:
    """The addresses, as long as they are not too many. Raises DownloadError (`too_many_parts`, `too_large`)."""
    length = 0
    for count, url in enumerate(urls, 1):
        length += len(url)
        if count > FETCHES_MAX:
            raise too_many_parts()
        if length > URLS_MAX:
            raise too_large()
        yield url


def bad_manifest(why: str, *, code: str = "bad_manifest") -> DownloadError:
    """The error for a manifest that cannot be followed; `why` ends the sentence."""
    return DownloadError(f"The manifest of this stream cannot be used: {why}.", code=code)


def too_many_parts(count: int | None = None) -> DownloadError:
    """The error for a stream in more parts than one download may have."""
    said = f"{count:,}" if count is not None else f"more than {FETCHES_MAX:,}"
    return DownloadError(f"This stream comes in {said} parts; the limit is {FETCHES_MAX:,}.", code="too_many_parts")


def too_large() -> DownloadError:
    """The error for a manifest nobody needs to read."""
    return bad_manifest("it is too large", code="too_large")


def live() -> DownloadError:
    """The error for a stream without an end."""
    return DownloadError("This is a live stream: it has no end yet.", hint="Try again when it is over.", code="live")


def protected(system: str = "") -> DownloadError:
    """The error for what only a licensed player may decrypt."""
    return DownloadError(f"This stream is protected by DRM{f' ({system})' if system else ''}.", code="drm")
