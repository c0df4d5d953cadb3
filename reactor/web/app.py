"""The composition: what is served where, and what it has to be told."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import anyio

from reactor.database.sqlite import sessions
from reactor.errors import DatabaseError, SettingsError
from reactor.journal.journal import Sink
from reactor.notices import Entry, Notice, TokenRefused
from reactor.settings import Settings

if TYPE_CHECKING:  # starlette, uvicorn and prometheus_client are extras: they may not be there
    from starlette.routing import BaseRoute

    from reactor.web.auth import Door
    from reactor.web.health import Probe
    from reactor.web.store import Table

NEEDS = {
    "METRICS_ADDRESS": ("metrics", ("starlette", "uvicorn", "prometheus_client")),
    "PAGE_ADDRESS": ("page", ("starlette", "uvicorn")),
}
"""The extra that a setting needs, and what it brings."""
AGAIN_FIRST_S = 0.05
AGAIN_S = 1.0
"""Before what broke begins again."""


class Site:
    """Listens from the start, answers inside of `serving`.

    `sinks` are for the journal; `on_ring` and `on_answer` for what the journal does not tell: rings of the change
    feed, and the seconds of aria2's answers; `lines` for the person who started it, `page` and `metrics` (where they
    are, without the token) for everybody else."""

    def __init__(self, settings: Settings, probes: Mapping[str, Probe]) -> None:
        """Raises SettingsError."""
        from reactor.web.health import Health
        from reactor.web.store import Table

        self._table = Table(settings.download_db)
        database = settings.download_db.absolute()
        health = Health(probes, {str(database), str(database.resolve())})
        self._health = health.routes()
        self._served: list[tuple[socket.socket, list[BaseRoute]]] = []
        self._tasks: list[Callable[[], Coroutine[Any, Any, None]]] = [self._table.keep]
        self._ringing: list[Callable[[str], None]] = []
        self.sinks: list[Sink] = [partial(_offer, health.offer)]
        self.on_answer: Callable[[float], None] | None = None
        self.tell: Callable[[Notice], object] = lambda notice: None
        """What happens here that the journal is to tell."""
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
        """Listen no longer."""
        for listening, _ in self._served:
            listening.close()

    def on_ring(self, layer: str) -> None:
        """The change feed has rung."""
        for listener in self._ringing:
            listener(layer)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer, beside everything else that the event loop does."""
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
        scrape = Scrape(metrics, self._table)
        self._served.append((listening, [*scrape.routes()]))
        self._tasks.append(scrape.watch_lag)
        self._ringing.append(metrics.rung)
        self.sinks.append(partial(_offer, metrics.offer))
        self.on_answer = metrics.answered
        self.metrics = f"{url_of(listening)}/metrics"
        self.lines.append(f"metrics are at {self.metrics}")

    def _add_page(self, settings: Settings, address: str) -> None:
        from starlette.routing import Mount

        from reactor.web.api import Page
        from reactor.web.auth import Door, names_in
        from reactor.web.live import Board
        from reactor.web.server import bind, is_loopback, url_of

        if address == settings.metrics_address:
            listening, routes = self._served[0]
        else:
            listening, routes = bind(address, "PAGE_ADDRESS"), []
            self._served.append((listening, routes))
        own = settings.page_token.get_secret_value() if settings.page_token else None
        check_token(settings, near=is_loopback(listening))
        host = address.rpartition(":")[0].lower()
        door = Door(own, names_in(settings.page_hosts) | {host})
        door.attempts.tell = self._tell_of_tokens
        self._tasks.append(partial(_remember, door, self._table))
        board = Board(self._table)
        routes.append(Mount("/", Page(self._table, board, door).app()))
        self._tasks.append(board.run)
        self._ringing.append(board.rung)
        self.sinks.append(partial(_offer, board.offer))
        self.page = f"{url_of(listening)}/"
        self.lines.append(f"the page is at {self.page}" + ("" if own else f"#token={door.token}"))


def _offer(sink: Sink, entry: Entry) -> None:
    """Hand a notice on. Whoever tells it must not hear of what goes wrong with those who look."""
    try:
        sink(entry)
    except Exception as error:
        logging.getLogger(__name__).error("What is shown broke", exc_info=error)


async def _remember(door: Door, table: Table) -> None:
    """Have the sessions that were ended before this run be over."""
    while True:
        try:
            door.ended = await table.ask(lambda queue: queue._run(sessions.ended)) | door.ended
        except DatabaseError:
            await anyio.sleep(AGAIN_FIRST_S)
        else:
            await anyio.sleep_forever()


async def _kept_up(task: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a task of those who look, for as long as there is a reactor: whatever breaks it is no reason to end that."""
    while True:
        try:
            await task()
        except Exception as error:
            logging.getLogger(__name__).error("What is shown broke and begins again", exc_info=error)
        await anyio.sleep(AGAIN_S)


@contextmanager
def open_site(settings: Settings, probes: Mapping[str, Probe]) -> Iterator[Site | None]:
    """What the settings ask for; None when they ask for nothing. Raises SettingsError: a port that is taken, an
    extra that is missing, a page for everybody without a token."""
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
    """Raise SettingsError for a page without a token of one's own that is not for this machine alone (`near`)."""
    if settings.page_token is None and not near:
        raise SettingsError(
            f"PAGE_ADDRESS: {settings.page_address} can be reached from other machines, so the page needs a token of "
            "your own.",
            hint="Set PAGE_TOKEN, or serve it at 127.0.0.1.",
        )


def check_installed(variable: str) -> None:
    """Raise SettingsError when what a setting needs is not there."""
    extra, modules = NEEDS[variable]
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"{variable} needs {missing[0]}, which is not installed.",
            hint=f"Run: pip install 'aria2-reactor[{extra}]'.",
        )
