"""The one way out of this machine: who goes through the guard, and what it says afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from reactor.aria2.options import through
from reactor.core.events import TransferReport, TransferStatus
from reactor.egress.addresses import ANYWHERE, Exceptions
from reactor.egress.proxy import DENY_ALL, Guard
from reactor.errors import SettingsError
from reactor.net.credentials import credential_scope
from reactor.net.held import HeldAnswers
from reactor.net.jar import Jar
from reactor.net.urls import is_ftp
from reactor.plan import Fetch, Header
from reactor.settings import Settings

NOT_CONNECTED = "Proxy connection failed"
"""aria2's words, whatever the reason was."""


class Egress:
    """What aria2c's transfers are told of the guard, and what the guard tells of them. Without a guard, which an aria2c
    elsewhere could not scope: nothing."""

    def __init__(self, guard: Guard | None, held: HeldAnswers | None = None) -> None:
        """`held`: answers that fetches take over."""
        self._guard = guard
        self._held = held

    def options(
        self, fetch: Fetch, gid: str, headers: Collection[Header] = (), jar: Jar | None = None
    ) -> dict[str, str]:
        """aria2's options for a transfer with these headers, and with the cookies of the jar that go to it."""
        if self._guard is None:
            return {}
        scope = None
        if fetch.torrent is None and fetch.urls:
            if is_ftp(fetch.urls[0]):  # it knows no redirects, and its data comes from any port
                return through(proxy := self._guard.route(gid, counted=True, greeted=True), proxy)
            scope = credential_scope(fetch.urls[0], headers, jar.of(fetch.urls[0]) if jar else ())
        return through(*self._guard.routes(gid, (scope, DENY_ALL), counted=True))

    def handed(self, fetch: Fetch, *, from_zero: bool, jar: Jar | None = None) -> str | None:
        """The URL by which aria2c takes over the answer that is held for a fetch with these cookies; None where there
        is none. One that is of no use to a part that goes on is closed."""
        response = None
        if self._held is not None and fetch.urls:
            response = self._held.take(fetch.urls[0], jar.line(fetch.urls[0]) if jar else "")
        if response is None or self._guard is None or not from_zero:
            if response is not None:
                response.close()
            return None
        return self._guard.handed.add(response)

    @property
    def inner(self) -> bool:
        """True when aria2c is answered what `egress.inner` has."""
        return self._guard is not None

    @property
    def passed(self) -> int:
        """Bytes that have come for aria2c's transfers."""
        return self._guard.meter.passed if self._guard is not None else 0

    def allow(self, until: int | None) -> None:
        """Let so many come; None: all there are."""
        if self._guard is not None:
            self._guard.meter.allow(until)

    def single(self, gid: str) -> bool | None:
        """True when all of a transfer came in one answer, as far as can be told; None where nobody knows."""
        return self._guard.single(gid) if self._guard is not None else None

    def settle(self, gid: str) -> None:
        """A transfer has all its bytes."""
        if self._guard is not None:
            self._guard.settle(gid)

    def explained(self, report: TransferReport) -> TransferReport:
        """The report, with what the guard knows of the error."""
        if self._guard is None or report.status is not TransferStatus.ERROR:
            return report
        if NOT_CONNECTED not in report.error_message:
            return report
        return replace(report, failure=self._guard.why(report.gid) or report.failure)


@asynccontextmanager
async def open_guard(settings: Settings, aria2_urls: Callable[[], Collection[str]]) -> AsyncIterator[Guard]:
    """The guard. Nobody gets through it to `aria2_urls`. Raises SettingsError."""
    exceptions = allowed_hosts(settings)

    def own() -> list[tuple[str, int]]:
        split = map(urlsplit, aria2_urls())
        return [(parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)) for parts in split]

    async with Guard(exceptions if settings.egress_guard else ANYWHERE, own=own) as guard:
        yield guard


def allowed_hosts(settings: Settings) -> Exceptions:
    """ALLOWED_PRIVATE_HOSTS. Raises SettingsError."""
    try:
        return Exceptions.parse(settings.allowed_private_hosts)
    except ValueError as error:
        raise SettingsError(f"ALLOWED_PRIVATE_HOSTS: {error}.") from error
