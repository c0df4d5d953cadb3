"""What a page has asked for and was answered: the sights that `ranking` judges. Runs in the browser's process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from playwright.async_api import Frame, Request, Response

from reactor import numbers
from reactor.extractors.browser.embedded import is_manifest, manifests_in
from reactor.extractors.browser.patience import with_timeout
from reactor.extractors.browser.ranking import MEDIA_SUFFIXES, SEGMENT_SUFFIXES, Sight, suffix_of

SIGHTS_MAX = 2000
TEXT_BYTES_MAX = 4 * 1024 * 1024
"""A longer manifest is read by who downloads it."""
BODY_S = 6.0
"""So long the browser may take to hand over what it has loaded."""
PEEK_BYTES_MAX = 512 * 1024
DISGUISED_BYTES_MAX = 256 * 1024
"""The same of what is said to be a picture, a film or a sound."""
PEEKS_MAX = 120
"""Answers without a telling name or type that are read, to see whether they are manifests, or hold one."""

_TELLING = frozenset(("m3u8", "m3u", "mpd"))
_DULL = frozenset(("image", "font", "stylesheet", "script", "websocket", "manifest", "texttrack"))
_OF_ANYTHING = ("", "application/octet-stream", "binary/octet-stream", "application/binary")
_BINARY_TYPES = ("image/", "video/", "audio/")
_DULL_TYPES = ("font/", "text/css", "text/javascript", "application/javascript", "application/wasm")


class Answers:
    """All answers so far that may be a film, or lead to one."""

    def __init__(self, start: Callable[[Awaitable[Any]], object], changed: Callable[[], None]) -> None:
        """`start` begins work that may never end; `changed` is called for each new sight."""
        self._start = start
        self._changed = changed
        self._under_way = 0
        self._peeks = 0
        self.sights: list[Sight] = []
        self._responses: dict[int, Response] = {}
        """By the place of their sights."""

    def hear(self, response: Response, request: Request, frame: str) -> None:
        """Note what was answered to the frame of that address."""
        suffix = suffix_of(response.url)
        dull = request.resource_type in _DULL or suffix in SEGMENT_SUFFIXES
        if dull or response.status not in (200, 203, 206) or len(self.sights) + self._under_way >= SIGHTS_MAX:
            return
        first = request
        while first.redirected_from:
            first = first.redirected_from
        sight = Sight(
            url=response.url.partition("#")[0],
            asked=first.url.partition("#")[0],
            resource=request.resource_type,
            content_type=response.headers.get("content-type", "").partition(";")[0].strip().lower(),
            size=size_of(response.headers),
            frame=frame,
            method=request.method,
            indirect=response.from_service_worker,
        )
        by_worker = request.service_worker is not None  # whose answers the browser does not hand over
        if not by_worker and self._worth_reading(sight):
            self._under_way += 1
            self._start(self._read(sight, response))
        elif _may_be_played(sight):
            self.note(sight, response)

    def note(self, sight: Sight, response: Response | None = None) -> None:
        """Add a sight, which may have no answer of its own."""
        if response is not None:
            self._responses[len(self.sights)] = response
        self.sights.append(sight)
        self._changed()

    def add_named(self, sights: Iterable[Sight]) -> None:
        """Add what the page only tells of, where it has not been asked for."""
        seen = {sight.url for sight in self.sights}
        for sight in sights:
            if sight.url not in seen:
                self.note(sight)

    def response(self, index: int) -> Response | None:
        """The answer that a sight is of."""
        return self._responses.get(index)

    def _worth_reading(self, sight: Sight) -> bool:
        """Whether the body may tell what the headers do not, or is a manifest."""
        if (sight.size or 0) > TEXT_BYTES_MAX:
            return False
        by_name = suffix_of(sight.url) in _TELLING or "mpegurl" in sight.content_type or "dash+" in sight.content_type
        if by_name:
            return True
        if sight.resource == "media":  # a browser that plays HLS by itself asks for it as media
            return (
                sight.size is not None
                and sight.size <= PEEK_BYTES_MAX
                and not sight.content_type.startswith("video/mp4")
            )
        if sight.resource not in ("fetch", "xhr") or (sight.size or 0) > PEEK_BYTES_MAX:
            return False
        if sight.content_type.startswith(_DULL_TYPES):
            return False
        if sight.content_type.startswith(_BINARY_TYPES) and not 0 < (sight.size or 0) <= DISGUISED_BYTES_MAX:
            return False
        self._peeks += 1
        return self._peeks <= PEEKS_MAX

    async def _read(self, sight: Sight, response: Response) -> None:
        text: str | None = None
        try:
            # The browser may not have kept it.
            body = await with_timeout(response.body(), b"", within_s=BODY_S)
            text = body.decode("utf-8-sig", "replace") if 0 < len(body) <= TEXT_BYTES_MAX else None
        finally:
            self._under_way -= 1
        if text is not None and (is_manifest(text) or "<VAST" in text[:4096]):
            self.note(replace(sight, text=text), response)
            return
        for n, manifest in enumerate(manifests_in(text) if text else ()):
            self.note(replace(sight, url=f"{sight.url}#{n}", text=manifest), response)
        if _may_be_played(sight):
            self.note(sight if text is None else replace(sight, text=_told(sight, text)), response)


def _told(sight: Sight, text: str) -> str | None:
    """What stands in a manifest that is none; nothing of what is no text at all."""
    return text if suffix_of(sight.url) in _TELLING or "mpegurl" in sight.content_type else None


def _may_be_played(sight: Sight) -> bool:
    """Whether it is a film if an element plays it."""
    return sight.resource == "media" or _tells(sight) or sight.content_type in _OF_ANYTHING


def _tells(sight: Sight) -> bool:
    """Whether type or suffix say that it is media."""
    media = sight.content_type.startswith(("video/", "audio/"))
    return media or "mpegurl" in sight.content_type or suffix_of(sight.url) in MEDIA_SUFFIXES | _TELLING


def frame_address(request: Request, frame: Frame | None) -> str:
    """The address of who asked: a frame, or a service worker."""
    if frame is not None:
        return frame.url
    worker = request.service_worker
    return worker.url if worker else ""


def size_of(headers: Mapping[str, str]) -> int | None:
    """Bytes of the whole, as the headers of an answer tell."""
    if headers.get("content-encoding", "identity") != "identity":
        return None
    digits = headers.get("content-range", "").rpartition("/")[2] or headers.get("content-length", "")
    return numbers.size(digits)
