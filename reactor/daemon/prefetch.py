"""Prefetch: while one row is fetched, the next row's URL is probed already.

A few results are kept for a short time, and only for direct files, which one probe describes completely.
"""

from __future__ import annotations

from dataclasses import replace

import anyio

from reactor.core.job import CookieSource
from reactor.daemon import clock
from reactor.daemon.row_cookies import RowCookies
from reactor.extractors import EXTRACTORS
from reactor.extractors.base import Context
from reactor.extractors.detect import by_text
from reactor.models import Kind
from reactor.net.urls import is_personal
from reactor.options import NO_OPTIONS, Options
from reactor.plan import Detection, Extraction

ANSWERS_MAX = 4
KEPT_S = 30.0
"""Lifetime of a result: a file may change, a link may expire."""
Key = tuple[str, Options, CookieSource | None]


class _Answer:
    """One probe, running or done."""

    def __init__(self) -> None:
        self.there = anyio.Event()
        self.found: Extraction | None = None
        self.at = 0.0


class ProbeCache:
    """Probes by URL, options and whose cookies go along, running or done."""

    def __init__(self, context: Context, row_cookies: RowCookies | None = None) -> None:
        self._context = context
        self._row_cookies = row_cookies or RowCookies()
        self._answers: dict[Key, _Answer] = {}

    async def prefetch(self, typed: str, options: Options = NO_OPTIONS, cookies_of: CookieSource | None = None) -> None:
        """Probe the URL if its text alone marks it as a direct file. Errors are not kept: the row's own attempt reports
        them."""
        detection = by_text(typed, self._context.plugins)
        if detection is None or detection.kind is not Kind.DIRECT or is_personal(detection.url):
            return  # what may be asked for once is asked for by the row's own attempt
        key = detection.url, options, cookies_of
        if key in self._answers:
            return
        while len(self._answers) >= ANSWERS_MAX:
            del self._answers[next(iter(self._answers))]
        answer = self._answers[key] = _Answer()
        try:
            context = await self._row_cookies.context(self._context, options, cookies_of)
            answer.found = await EXTRACTORS[Kind.DIRECT].extract(detection, replace(context, hold=False, ahead=True))
            answer.at = clock.monotonic()
        except Exception:  # noqa: BLE001 - the row's own attempt reports it
            self._answers.pop(key, None)
        finally:
            answer.there.set()

    async def take(
        self, detection: Detection, options: Options = NO_OPTIONS, cookies_of: CookieSource | None = None
    ) -> Extraction | None:
        """Take the result out of the cache; None without one, or when it has expired. Waits for a running probe."""
        key = detection.url, options, cookies_of
        answer = self._answers.pop(key, None) if detection.kind is Kind.DIRECT else None
        if answer is None:
            return None
        await answer.there.wait()
        return answer.found if clock.monotonic() - answer.at < KEPT_S else None
