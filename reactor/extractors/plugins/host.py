"""The extractors from outside that are installed here, and their processes.

    async with open_plugins(settings, guard) as plugins:
        plugins.match(url)                                   the one that a URL is for
        await plugins.extract(kind, detection, options)      what it finds there

Each has processes of its own. A broken one is told of once, and its URLs go on as if it were not installed; one that
hangs, dies or answers nonsense costs the row that has met it a sentence, and nobody else anything.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import field
from typing import Any

import anyio
from anyio import to_thread

from reactor.egress.proxy import Guard
from reactor.errors import DownloadError
from reactor.extractors.plugins.matchers import Matcher
from reactor.extractors.plugins.process import Installed, PluginProcess, installed
from reactor.extractors.plugins.results import Result, error_of, read_result
from reactor.models import KIND_NAME, Kind
from reactor.options import Options
from reactor.plan import Detection
from reactor.records import dataclass
from reactor.settings import Settings
from reactor.workers.exchange import WorkerDied
from reactor.workers.pool import Pool

WORKERS_MAX = 2
"""Processes of one extractor at once; who comes when all are busy waits."""
IDLE_S = 300.0
REQUESTS_MAX = 200
"""A process that has served so many is replaced."""
RESIDENT_MAX = 300 * 1024 * 1024
"""Bytes of memory; a process that holds more after a request is replaced."""
START_S = 20.0
"""How long one may take to be loaded: rows wait for it at the start."""
MATCHERS_MAX = 200


class Plugin(Pool[PluginProcess]):
    """One of them. Leaving the `async with` ends its processes."""

    def __init__(
        self,
        what: Installed,
        *,
        guard: Guard | None = None,
        timeout_s: float = 60.0,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(most=WORKERS_MAX, idle_s=IDLE_S)
        self.what = what
        self.matchers: Sequence[Matcher] = ()
        self._guard = guard
        self._timeout_s = timeout_s
        self._settings = settings or {}
        self._asked = 0

    async def describe(self) -> None:
        """Load it, and learn which URLs it is for. Raises DownloadError with the reason that it cannot be used."""
        if not KIND_NAME.fullmatch(self.what.name) or Kind(self.what.name).built_in:
            raise DownloadError("Its name is taken, or is none: lower-case letters, digits, - and _, 32 at most.")
        try:
            async with self.lend() as worker:
                with anyio.fail_after(START_S):
                    answer = await worker.ask({"do": "describe"})
        except TimeoutError:
            raise self._slow() from None
        except WorkerDied as died:
            raise DownloadError(f"Its process ended while it was loaded ({died}).", code="worker_died") from None
        if "error" in answer:
            raise error_of(answer["error"], Kind(self.what.name))
        if answer.get("name") != self.what.name:
            raise DownloadError("It calls itself by another name than its package does.")
        self.matchers = _matchers(answer.get("matchers"))

    async def extract(self, detection: Detection, options: Options, reach: int = 0) -> Result:
        """What it finds. Raises DownloadError."""
        kind, self._asked = Kind(self.what.name), self._asked + 1
        user = f"extractor-{kind.replace('_', '-')}-{self._asked}"
        request = {
            "do": "extract",
            "detection": detection.model_dump_json(),
            "options": options.plain().said(),  # what only a preset may say is not for another's code
            "settings": self._settings,
            "reach": reach,
            "proxy": self._guard.route(user) if self._guard else None,
            "deadline_s": self._timeout_s,
        }
        try:
            async with self.slots:
                answer = await self._ask(request)
        except TimeoutError:
            message = f"The extractor {kind} did not finish within {self._timeout_s:g} s."
            raise DownloadError(message, code="timeout", retryable=True) from None
        except WorkerDied as died:
            message = f"The extractor {kind} crashed on this link, and again at the second try ({died})."
            raise DownloadError(message, hint="Tell its author.", code="worker_died") from None
        if "error" in answer:
            refused = self._guard.why(user) if self._guard else None
            if refused is not None and not refused.retryable:
                raise DownloadError(refused.message, hint=refused.hint, code=refused.code)
            raise error_of(answer["error"], kind)
        return await to_thread.run_sync(read_result, answer, kind, options)

    async def _ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Have a process answer; when it dies over it, another one, once."""
        try:
            return await self._ask_one(request)
        except WorkerDied:
            return await self._ask_one(request)

    async def _ask_one(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        async with self.lend() as worker:
            with anyio.fail_after(self._timeout_s):
                answer = await worker.ask(request)
            if worker.requests >= REQUESTS_MAX or worker.resident_bytes > RESIDENT_MAX:
                await worker.end()
        return answer

    async def _start(self) -> PluginProcess:
        try:
            with anyio.fail_after(START_S):
                return await PluginProcess.start(self.what)
        except TimeoutError:
            raise self._slow() from None

    def _slow(self) -> DownloadError:
        message = f"The extractor {self.what.name} is not loaded within {START_S:g} s."
        return DownloadError(message, code="timeout", retryable=True)


@dataclass(slots=True)
class Plugins:
    """Those that can be used."""

    known: dict[Kind, Plugin] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    """Those that are broken, each with a sentence."""

    def __contains__(self, kind: Kind) -> bool:
        return kind in self.known

    def match(self, url: str, *, fallback: bool = False) -> Detection | None:
        """The kind of a normalised http or https URL that one of them is for; with `fallback` by a pattern that comes
        after everything else that is known."""
        best = max(
            (
                (matcher.priority, kind, matcher.pattern)
                for kind, plugin in self.known.items()
                for matcher in plugin.matchers
                if (matcher.priority < 0) is fallback and matcher.matches(url)
            ),
            key=lambda each: each[0],
            default=None,
        )
        return None if best is None else Detection(kind=best[1], url=url, why=f"matches {best[2]}"[:200])

    async def extract(self, kind: Kind, detection: Detection, options: Options, reach: int = 0) -> Result:
        """What the extractor finds; of a list so many entries are worth reading. Raises DownloadError."""
        return await self.known[kind].extract(detection, options, reach)


@asynccontextmanager
async def open_plugins(
    settings: Settings,
    guard: Guard | None = None,
    *,
    found: Callable[[], Iterable[Installed]] = installed,
) -> AsyncIterator[Plugins | None]:
    """Those that are installed, and not turned off; None where there is none. Their requests go through `guard`."""
    wanted = [each for each in await to_thread.run_sync(lambda: list(found())) if not is_off(each.name, settings)]
    if not wanted:
        yield None
        return
    plugins, of_each = Plugins(), settings_of(settings)

    async def describe(plugin: Plugin) -> None:
        try:
            await plugin.describe()
        except DownloadError as error:
            plugins.unusable[plugin.what.name] = error.message

    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(
                Plugin(what, guard=guard, timeout_s=settings.extractor_timeout_s, settings=of_each.get(what.name))
            )
            for what in wanted
        ]
        async with anyio.create_task_group() as describing:
            for plugin in opened:
                describing.start_soon(describe, plugin)
        usable = [each for each in opened if each.what.name not in plugins.unusable]
        plugins.known.update({Kind(each.what.name): each for each in usable})
        yield plugins


def is_off(name: str, settings: Settings) -> bool:
    """True for one that EXTRACTORS_OFF names; `*` names all of them."""
    named = {each.strip() for each in settings.extractors_off.split(",")}
    return name in named or "*" in named


def settings_of(settings: Settings) -> dict[str, Any]:
    """EXTRACTOR_OPTIONS, by the names of the extractors."""
    told = settings.extractor_options
    return dict(json.loads(told.get_secret_value())) if told else {}


def _matchers(told: Any) -> list[Matcher]:
    """Raises DownloadError."""
    if not isinstance(told, list) or not 0 < len(told) <= MATCHERS_MAX:
        raise DownloadError("It does not say which URLs it is for.")
    try:
        return [Matcher(pattern, priority) for pattern, priority in told]
    except (ValueError, TypeError) as error:
        raise DownloadError(f"One of its patterns cannot be used: {error}.") from None
