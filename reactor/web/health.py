"""Whether it lives, and whether it can serve: for a service manager, a load balancer, a person with curl.

No token is asked for, so what is said names no URL and no path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

import anyio
import anyio.lowlevel
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from reactor import notices as n
from reactor.journal.format import clean
from reactor.patterns import pattern

Probe = Callable[[], Awaitable[str | None]]
"""Looks at one thing: a sentence when it is in trouble, else None."""


_PLACE = pattern(r"\w+://\S+|(?<![\w.])~?/[^\s:;,)]+")
"""A URL, or a path from the root."""


class Health:
    """`offer` is a sink of the journal: what was told there counts until the opposite is. `probes`, by what each
    looks at, are asked at every request. `unsaid` are paths that may hold blanks."""

    def __init__(self, probes: Mapping[str, Probe], unsaid: Iterable[str] = ()) -> None:
        self._probes = probes
        self._unsaid = sorted(unsaid, key=len, reverse=True)
        self._told: dict[str, str] = {}

    def offer(self, entry: n.Entry) -> None:
        """Take a notice."""
        match entry.notice:
            case n.Aria2Lost(reason=reason):
                self._told["aria2"] = f"aria2 cannot be reached: {reason.rstrip('.')}."
            case n.Aria2Connected():
                self._told.pop("aria2", None)
            case n.DatabaseTroubled(reason=reason):
                self._told["database"] = reason
            case n.DatabaseRecovered():
                self._told.pop("database", None)
            case n.ReactorStopped():
                self._told["reactor"] = "It is stopping."
            case _:
                pass

    async def troubles(self) -> list[str]:
        """What is in the way of serving, a sentence each."""
        found = dict(self._told)

        async def look(what: str, probe: Probe) -> None:
            if trouble := await probe():
                found.setdefault(what, trouble)

        async with anyio.create_task_group() as tasks:
            for what, probe in self._probes.items():
                if what not in found:
                    tasks.start_soon(look, what, probe)
        return [clean(self._without_places(sentence), 300) for _, sentence in sorted(found.items())]

    def _without_places(self, sentence: str) -> str:
        for path in self._unsaid:
            sentence = sentence.replace(f" {path}", "")
        return _PLACE.sub("…", sentence)

    def routes(self) -> list[Route]:
        """`/healthz`: it lives. `/readyz`: it can serve."""
        return [Route("/healthz", self._healthz), Route("/readyz", self._readyz)]

    async def _healthz(self, _: Request) -> PlainTextResponse:
        asked_at = anyio.current_time()
        await anyio.lowlevel.checkpoint()
        late_ms = (anyio.current_time() - asked_at) * 1000
        return _said(f"It lives: the event loop came round in {late_ms:.1f} ms.", 200)

    async def _readyz(self, _: Request) -> PlainTextResponse:
        troubles = await self.troubles()
        if troubles:
            return _said(" ".join(troubles), 503)
        return _said("It serves: aria2 answers, the database can be used.", 200)


def _said(sentence: str, status: int) -> PlainTextResponse:
    return PlainTextResponse(f"{sentence}\n", status, headers={"Cache-Control": "no-store"})
