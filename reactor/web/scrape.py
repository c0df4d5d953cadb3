"""`/metrics`, and the one thing that has to be measured while nobody asks: how late the event loop is."""

from __future__ import annotations

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reactor.errors import DatabaseError
from reactor.journal.metrics import Metrics
from reactor.web.store import RowStore

LAG_INTERVAL_S = 1.0


class Scrape:
    """Answers a scraper out of `metrics`, with the queue as it is at that moment."""

    def __init__(self, metrics: Metrics, store: RowStore) -> None:
        self._metrics = metrics
        self._store = store

    async def watch_lag(self) -> None:
        """Look at the clock once a second."""
        while True:
            due = anyio.current_time() + LAG_INTERVAL_S
            await anyio.sleep(LAG_INTERVAL_S)
            self._metrics.lagged(anyio.current_time() - due)

    def routes(self) -> list[Route]:
        """`/metrics`."""
        return [Route("/metrics", self._metrics_now)]

    async def _metrics_now(self, request: Request) -> Response:
        try:
            counts = await self._store.run(lambda queue: queue.counts())
            machines = await self._store.run(lambda queue: queue.machines())
        except DatabaseError:
            self._metrics.queue_unknown()
        else:
            rows = {"pending": counts.pending, "waiting": counts.waiting, "downloading": counts.downloading}
            rows["choosing"] = counts.choosing
            self._metrics.queued(rows, counts.oldest_s)
            self._metrics.served_by({each.name: (each.downloading, each.seen_s) for each in machines})
        body, content_type = self._metrics.render(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})
