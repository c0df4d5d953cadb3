"""Composition of the web side: which routes are served where, and what feeds them."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import anyio

from reactor.errors import DatabaseError, SettingsError
from reactor.journal.journal import Sink
from reactor.notices import Entry, Notice, TokenRefused
from reactor.settings import Settings

if TYPE_CHECKING:  # starlette, uvicorn and prometheus_client are extras: they may not be there
    from starlette.routing import BaseRoute

    from reactor.web.auth import Auth
    from reactor.web.health import Probe
    from reactor.web.store import RowStore

NEEDS = {
    "METRICS_ADDRESS": ("metrics", ("starlette", "uvicorn", "prometheus_client")),
    "PAGE_ADDRESS": ("page", ("starlette", "uvicorn")),
}
"""The extra that a setting needs, and its modules."""
AGAIN_FIRST_S = 0.05
AGAIN_S = 1.0
"""Delay before a failed task is restarted."""


class Site:
    """Listens from the start, answers within `serving`.

    `sinks` go to the journal; `on_change` gets the change feed's events and `on_answer` aria2's response times. `lines`
    are printed at the start; `page` and `metrics` are the URLs, without the token."""

    def __init__(self, settings: Settings, probes: Mapping[str, Probe]) -> None:
        """Raises SettingsError."""
        from reactor.web.health import Health
        from reactor.web.store import RowStore

        self._store = RowStore(settings.download_db)
        database = settings.download_db.absolute()
        health = Health(probes, {str(database), str(database.resolve())})
        self._health = health.routes()
        self._served: list[tuple[socket.socket, list[BaseRoute]]] = []
        self._tasks: list[Callable[[], Coroutine[Any, Any, None]]] = [self._store.keep_open]
        self._change_listeners: list[Callable[[str], None]] = []
        self.sinks: list[Sink] = [partial(_offer, health.offer)]
        self.on_answer: Callable[[float], None] | None = None
        self.tell: Callable[[Notice], object] = lambda notice: None
        """Records a notice in the journal."""
        self.lines: list[str] = []
        self.page: str | None = None
        self.metrics: str | None = None
        try:
            if settings.metrics_address is not None:
                self._add_metrics(settings.metrics_address)
            if settings.page_address is not None:
                self._add_page(settings, settings.page_address)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the listening sockets."""
        for listening, _ in self._served:
            listening.close()

    def on_change(self, layer: str) -> None:
        """The change feed reported a change."""
        for listener in self._change_listeners:
            listener(layer)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve requests within the block."""
        from starlette.applications import Starlette

        from reactor.web.server import serving

        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            for task in self._tasks:
                tasks.start_soon(_kept_up, task)
            for listening, routes in self._served:
                await stack.enter_async_context(serving(Starlette(routes=[*self._health, *routes]), listening))
            yield

    def _tell_of_tokens(self, address: str, count: int) -> None:
        self.tell(TokenRefused(address=address, count=count))

    def _add_metrics(self, address: str) -> None:
        from reactor.journal.metrics import Metrics
        from reactor.web.scrape import Scrape
        from reactor.web.server import bind, url_of

        listening = bind(address, "METRICS_ADDRESS")
        metrics = Metrics()
        scrape = Scrape(metrics, self._store)
        self._served.append((listening, [*scrape.routes()]))
        self._tasks.append(scrape.watch_lag)
        self._change_listeners.append(metrics.on_change)
        self.sinks.append(partial(_offer, metrics.offer))
        self.on_answer = metrics.answered
        self.metrics = f"{url_of(listening)}/metrics"
        self.lines.append(f"metrics are at {self.metrics}")

    def _add_page(self, settings: Settings, address: str) -> None:
        from starlette.routing import Mount

        from reactor.web.api import Page
        from reactor.web.auth import Auth, parse_hosts
        from reactor.web.live import LiveRows
        from reactor.web.server import bind, is_loopback, url_of

        if address == settings.metrics_address:
            listening, routes = self._served[0]
        else:
            listening, routes = bind(address, "PAGE_ADDRESS"), []
            self._served.append((listening, routes))
        own = settings.page_token.get_secret_value() if settings.page_token else None
        check_token(settings, near=is_loopback(listening))
        host = address.rpartition(":")[0].lower()
        auth = Auth(own, parse_hosts(settings.page_hosts) | {host})
        auth.attempts.tell = self._tell_of_tokens
        self._tasks.append(partial(_remember, auth, self._store))
        live_rows = LiveRows(self._store)
        routes.append(Mount("/", Page(self._store, live_rows, auth).app()))
        self._tasks.append(live_rows.run)
        self._change_listeners.append(live_rows.on_change)
        self.sinks.append(partial(_offer, live_rows.offer))
        self.page = f"{url_of(listening)}/"
        self.lines.append(f"the page is at {self.page}" + ("" if own else f"#token={auth.token}"))


def _offer(sink: Sink, entry: Entry) -> None:
    """Pass a notice on; an error here must not reach the daemon."""
    try:
        sink(entry)
    except Exception as error:
        logging.getLogger(__name__).error("The page failed to take a notice", exc_info=error)


async def _remember(auth: Auth, store: RowStore) -> None:
    """Load the sessions that were revoked before this run."""
    while True:
        try:
            auth.ended = await store.run(lambda queue: queue.ended_sessions()) | auth.ended
        except DatabaseError:
            await anyio.sleep(AGAIN_FIRST_S)
        else:
            await anyio.sleep_forever()


async def _kept_up(task: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a task of the web side and restart it after errors, which must not end the daemon."""
    while True:
        try:
            await task()
        except Exception as error:
            logging.getLogger(__name__).error("A task of the page failed and is restarted", exc_info=error)
        await anyio.sleep(AGAIN_S)


@contextmanager
def open_site(settings: Settings, probes: Mapping[str, Probe]) -> Iterator[Site | None]:
    """The page and metrics as set; None when both are off. Raises SettingsError: a port is taken, an extra missing,
    or a public page has no token."""
    if settings.metrics_address is None and settings.page_address is None:
        yield None
        return
    for variable in NEEDS:
        if getattr(settings, variable.lower()) is not None:
            check_installed(variable)
    site = Site(settings, probes)
    try:
        yield site
    finally:
        site.close()


def check_token(settings: Settings, *, near: bool) -> None:
    """Raise SettingsError for a page without PAGE_TOKEN, unless it is on loopback (`near`)."""
    if settings.page_token is None and not near:
        raise SettingsError(
            f"PAGE_ADDRESS: {settings.page_address} is reachable from other machines, so the page needs a token of "
            "your own.",
            hint="Set PAGE_TOKEN, or bind to 127.0.0.1.",
        )


def check_installed(variable: str) -> None:
    """Raise SettingsError when a package that a setting needs is not installed."""
    extra, modules = NEEDS[variable]
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"{variable} needs {missing[0]}, which is not installed.",
            hint=f"Run: pip install 'aria2-reactor[{extra}]'.",
        )
