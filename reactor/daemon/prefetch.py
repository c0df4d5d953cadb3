"""The look ahead: while one row is fetched, the next one's server is asked already.

Kept are a few answers, for a short time, and only of files that one look at their server tells all about.
"""

from __future__ import annotations

import anyio

from reactor.daemon import clock
from reactor.errors import DownloadError
from reactor.extractors import EXTRACTORS
from reactor.extractors.base import Context
from reactor.extractors.detect import detect_by_text
from reactor.models import Detection, Extraction, Kind
from reactor.net.urls import normalise

ANSWERS_MAX = 4
KEPT_S = 30.0
"""How long what a server said counts: a file may change, a link may run out."""


class _Answer:
    """What comes, or has come, of one look."""

    def __init__(self) -> None:
        self.there = anyio.Event()
        self.found: Extraction | None = None
        self.at = 0.0


class Ahead:
    """The looks that were taken, or are being taken, by URL."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._answers: dict[str, _Answer] = {}

    async def look(self, typed: str) -> None:
        """Look, if the URL says by itself that a file is behind it. What goes wrong is not kept: the row's own turn
        will tell."""
        try:
            detection = detect_by_text(normalise(typed))
        except DownloadError:
            return
        if detection is None or detection.kind is not Kind.DIRECT or detection.url in self._answers:
            return
        while len(self._answers) >= ANSWERS_MAX:
            del self._answers[next(iter(self._answers))]
        answer = self._answers[detection.url] = _Answer()
        try:
            answer.found = await EXTRACTORS[Kind.DIRECT].extract(detection, self._context)
            answer.at = clock.monotonic()
        except Exception:  # noqa: BLE001 - whatever it is, the row's own turn will tell
            self._answers.pop(detection.url, None)
        finally:
            answer.there.set()

    async def take(self, detection: Detection) -> Extraction | None:
        """What was found for it, once; None when nothing was, or too long ago."""
        answer = self._answers.pop(detection.url, None) if detection.kind is Kind.DIRECT else None
        if answer is None:
            return None
        await answer.there.wait()
        return answer.found if clock.monotonic() - answer.at < KEPT_S else None
