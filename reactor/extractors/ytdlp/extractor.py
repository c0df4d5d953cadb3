"""Stage 1's query of yt-dlp's list of sites, and stage 2 by yt-dlp.

    async with open_ytdlp(settings) as ytdlp:           None when yt-dlp is not installed
        await ytdlp.suits(url)                          "Youtube", or None: no site of its list
        await ytdlp.extract(url)                        its info dict, as far as reactor uses it

yt-dlp lives in warm processes of its own (`process`), which this process never imports it for. One process
does one request at a time. It is killed at the request's deadline or when whoever asked is cancelled, replaced
when it has grown or served long enough, and ended when nobody has needed it for a while.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import field
from functools import partial
from typing import Any

import anyio
from anyio import to_thread
from pydantic import ValidationError

from reactor import numbers
from reactor.egress.proxy import Guard
from reactor.errors import DownloadError, Failure
from reactor.extractors import EXTRACTORS
from reactor.extractors.base import Context, PageInfo, Reclassified, Several
from reactor.extractors.detect import is_feed, is_manifest, is_named_page
from reactor.extractors.feed import extract_feed, list_wanted, refused
from reactor.extractors.sponsorblock import with_marks
from reactor.extractors.ytdlp.failures import (
    Report,
    browser_may,
    by_the_guard,
    error_of,
    failure_of,
    for_a_browser,
    not_started,
)
from reactor.extractors.ytdlp.process import HINT, YtdlpProcess, YtdlpSetup, bad_answer, installed
from reactor.extractors.ytdlp.selection import FORMAT, FORMAT_SORT, params_of, texts_of, wanted_of
from reactor.lists import Entry, Listing, ListRequest
from reactor.models import Kind
from reactor.net.cookie_files import netscape
from reactor.options import NO_OPTIONS, Options
from reactor.plan import Cookie, Detection, Extraction
from reactor.records import dataclass
from reactor.settings import Settings
from reactor.workers.exchange import WorkerDied
from reactor.workers.pool import Pool

WORKERS_MAX = 4
"""Processes at once; who comes when all are busy waits."""
IDLE_S = 300.0
REQUESTS_MAX = 200
"""A process that has served so many is replaced: yt-dlp leaks a little with each."""
RESIDENT_MAX = 300 * 1024 * 1024
"""Bytes of memory; a process that holds more after a request is replaced. A fresh one holds 60 to 90 MiB."""
SUITS_DEADLINE_S = 15.0
"""Most of it is for a machine so slow that loading yt-dlp takes ten seconds."""


class NoVideoFound(Exception):
    """yt-dlp found no video; a browser may. The text says why."""


class ListRead(Exception):
    """yt-dlp found a list, and its entries were wanted: `told`, as the worker has it."""

    def __init__(self, told: Any) -> None:
        super().__init__("a list")
        self.told = told


class SeveralFound(DownloadError):
    """A page of an unknown site has several videos; a browser may tell which one it is about."""

    code = "playlist"


@dataclass(frozen=True, slots=True)
class YtdlpConfig:
    """yt-dlp's configuration. Contains secrets: do not log it."""

    format: str = ""
    proxy: str | None = field(default=None, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    timeout_s: float = 120.0

    @classmethod
    def of(cls, settings: Settings) -> YtdlpConfig:
        """The configuration by these settings."""
        proxy, options = settings.ytdlp_proxy, settings.ytdlp_options
        return cls(
            format=settings.ytdlp_format,
            proxy=proxy.get_secret_value() if proxy else None,
            options=json.loads(options.get_secret_value()) if options else {},
            timeout_s=settings.ytdlp_timeout_s,
        )

    @property
    def params(self) -> dict[str, Any]:
        """Options of YoutubeDL. Without a proxy there is none, whatever the system has."""
        base = {"format_sort": FORMAT_SORT, "socket_timeout": 20, "proxy": self.proxy or ""}
        return base | dict(self.options) | {"format": self.format or FORMAT}


@asynccontextmanager
async def open_ytdlp(settings: Settings, guard: Guard | None = None) -> AsyncIterator[Ytdlp | None]:
    """yt-dlp for one reactor; None when it is not installed. No process starts before it is needed.

    What it asks goes through `guard`, unless the settings name a proxy."""
    if await to_thread.run_sync(installed) is None:
        yield None
        return
    async with Ytdlp(YtdlpConfig.of(settings), guard=guard) as ytdlp:
        yield ytdlp


class Ytdlp(Pool[YtdlpProcess]):
    """See the module. Leaving the `async with` ends every process."""

    def __init__(
        self,
        config: YtdlpConfig | None = None,
        *,
        guard: Guard | None = None,
        setup: YtdlpSetup | None = None,
        workers_max: int = WORKERS_MAX,
        idle_s: float = IDLE_S,
        requests_max: int = REQUESTS_MAX,
        resident_max: int = RESIDENT_MAX,
    ) -> None:
        super().__init__(most=workers_max, idle_s=idle_s)
        self._config = config or YtdlpConfig()
        self._guard = guard if self._config.proxy is None else None
        self._asked = 0
        self._setup = setup or YtdlpSetup()
        self._requests_max = requests_max
        self._resident_max = resident_max

    async def suits(self, url: str, *, timeout_s: float = SUITS_DEADLINE_S) -> str | None:
        """The name of yt-dlp's extractor for the site of `url`, or None.

        Sends no request to the site. Raises DownloadError (`timeout`, `worker_died`, `bad_answer`, `ytdlp_broken`)."""
        with _deadline(timeout_s):
            async with self.slots:
                answer = await self._ask({"do": "suits", "url": url, "deadline_s": timeout_s})
        name = answer.get("suits")
        if not isinstance(name, str | None):
            raise bad_answer()
        return name

    async def extract(
        self,
        url: str,
        *,
        options: Options = NO_OPTIONS,
        lists: ListRequest | None = None,
        timeout_s: float | None = None,
        cookies: Sequence[Cookie] = (),
        listed: bool = False,
        kept: str | None = None,
    ) -> Mapping[str, Any]:
        """The info of the one video at `url`: `info.parse_info` reads it. `options`: what the row asks for; `cookies`
        go to their hosts; `lists`: what of a list, for which ListRead is raised then. `listed`: all that there is to
        choose from is told, and under `kept` what chooses among it later without asking the site.

        `timeout_s` counts from when a process is free; None: the setting. Raises DownloadError, and NoVideoFound where
        a browser may do better."""
        timeout_s = timeout_s or self._config.timeout_s
        self._asked += 1
        user, params = f"ytdlp-{self._asked}", self._config.params
        said = options.ytdlp_params(url)
        params |= said
        params |= params_of(options, params)
        if self._guard is not None and "proxy" not in said:
            params["proxy"] = self._guard.route(user)
        request = {"do": "extract", "url": url, "params": params, "deadline_s": timeout_s}
        request |= {"wanted": wanted_of(options), "texts": texts_of(options), "listed": listed, "kept": kept}
        request["cookies"] = netscape(cookies) if cookies else ""
        if lists is not None:
            request["list"] = {"reach": lists.reach, "all": lists.options.mode == "all"}
        async with self.slots:
            with _deadline(timeout_s):
                answer = await self._ask(request)
        if "upcoming" in answer:
            raise not_started(_moment(answer["upcoming"]))
        if "list" in answer:
            raise ListRead(answer["list"])
        if "playlist" in answer:
            raise _list_found(answer["playlist"])
        if "error" in answer:
            report = _report(answer["error"])
            failure = self._guard.why(user) if self._guard else None
            if failure is not None and (not failure.retryable or by_the_guard(report)):
                raise error_of(failure)
            why = for_a_browser(report)
            raise NoVideoFound(why) if why else failure_of(report, url)
        info = answer.get("info")
        if not isinstance(info, dict):
            raise bad_answer()
        return info

    async def _ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Have a process answer; when it dies over it, another one, once."""
        try:
            return await self._ask_one(request)
        except WorkerDied:
            pass
        try:
            return await self._ask_one(request)
        except WorkerDied as died:
            raise DownloadError(
                f"yt-dlp crashed on this page, and again at the second try ({died}).",
                hint=f"{HINT}.",
                code="worker_died",
            ) from None

    async def _ask_one(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        async with self.lend() as worker:
            answer = await worker.ask(request)
            worn = worker.requests >= self._requests_max or worker.resident_bytes > self._resident_max
            if worn or "MemoryError" in str(answer.get("error", "")):
                await worker.end()
        return answer

    async def _start(self) -> YtdlpProcess:
        return await YtdlpProcess.start(self._setup)


class YtdlpExtractor:
    """A page or a stream → what yt-dlp finds behind it. A bare manifest needs no yt-dlp."""

    kind = Kind.YTDLP

    async def extract(self, detection: Detection, context: Context) -> Extraction:
        """See Extractor."""
        # Not before they are needed: a reactor is started for the first row, which may be of any kind.
        from reactor.extractors.manifest import extract_manifest
        from reactor.extractors.manifest_streams import LinksFound
        from reactor.extractors.ytdlp.chosen import FormatsGone, choose
        from reactor.extractors.ytdlp.info import extraction_of, parse_info

        if is_manifest(detection):
            try:
                return await extract_manifest(detection.url, context, kind=Kind.YTDLP)
            except LinksFound as links:
                await extract_feed(detection, context, links.read)
        if is_feed(detection):
            await extract_feed(detection, context)
        if context.ytdlp is None and context.browser is not None:
            why = "yt-dlp is not installed"
            raise Reclassified(Detection(kind=Kind.PLAYWRIGHT, url=detection.url, why=why))
        if context.ytdlp is None and is_named_page(detection.url):
            raise Reclassified(Detection(kind=Kind.DIRECT, url=detection.url, why="the page itself"))
        if context.ytdlp is None:
            raise DownloadError(
                "This is a web page or a stream, which needs yt-dlp; yt-dlp is not installed.",
                hint="Run: pip install 'aria2-reactor[media]'.",
                code="unsupported",
            )
        earlier: Failure | None = None
        try:
            wanted = list_wanted(context)
            info = parse_info(await _told(detection.url, context.ytdlp, wanted, context))
            if info.guess and (film := await _played_instead(detection, context)):
                return film
            if context.options.want != "subtitles":
                info = await choose(info, context)
            film = await extraction_of(info, context)
            return await with_marks(film, info.extractor_key or "", info.duration, context)
        except ListRead as read:
            assert wanted is not None  # else none was asked for
            raise Several(listing_of(read.told, wanted, listed_only=context.options.want == "info")) from None
        except SeveralFound as several:
            if context.browser is None:
                raise
            why, earlier = several.message, several.failure
        except NoVideoFound as none:
            if context.browser is None and is_named_page(detection.url):
                raise Reclassified(Detection(kind=Kind.DIRECT, url=detection.url, why="the page itself")) from none
            why = str(none)
        except DownloadError as error:
            if context.browser is None or not (browser_may(error) or isinstance(error, FormatsGone)):
                raise
            why, earlier = f"yt-dlp: {error.code}", error.failure
        raise Reclassified(Detection(kind=Kind.PLAYWRIGHT, url=detection.url, why=why, earlier=earlier))


async def _told(url: str, ytdlp: PageInfo, wanted: ListRequest | None, context: Context) -> Mapping[str, Any]:
    """What yt-dlp says; of a row that was answered a moment ago, out of what it has said before the question."""
    ask = partial(ytdlp.extract, url, options=context.options, cookies=context.http.cookies)
    findings, key = context.findings, ("ytdlp", url)
    if findings is None:
        return await ask(lists=wanted)
    if not context.listing:
        if (kept := findings.take(key)) is not None:
            with suppress(DownloadError, NoVideoFound):
                return await ask(kept=kept)
        return await ask(lists=wanted)
    told = await ask(lists=wanted, listed=True)
    if isinstance(kept := told.get("kept"), str):
        findings.keep(key, kept, len(kept))
    return told


async def _played_instead(detection: Detection, context: Context) -> Extraction | None:
    """What a browser plays at the page; None where there is none, or it does no better."""
    if context.browser is None:
        return None
    try:
        return await EXTRACTORS[Kind.PLAYWRIGHT].extract(detection, context)
    except (DownloadError, Reclassified):
        return None


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError:
        message = f"yt-dlp did not finish within {seconds:g} s."
        raise DownloadError(message, code="timeout", retryable=True) from None


def _report(told: Any) -> Report:
    try:
        return Report.model_validate(told)
    except ValidationError:
        raise bad_answer() from None


def _moment(told: Any) -> float | None:
    """When it begins, in seconds since the epoch; None: nobody says."""
    from reactor.extractors.ytdlp.formats import SECONDS_MAX

    at = told.get("at") if isinstance(told, dict) else None
    return numbers.bounded(at, most=SECONDS_MAX) or None


def listing_of(told: Any, wanted: ListRequest, *, listed_only: bool) -> Listing:
    """Those of the entries of a list that are wanted. Raises DownloadError (`playlist`, `bad_answer`)."""
    match told:
        case {
            "title": str() | None as title,
            "total": int() | None as total,
            "whole": bool(whole),
            "left": int(left),
            "entries": [*entries],
        }:
            try:
                found = [Entry.model_validate(each) for each in entries]
            except ValidationError:
                raise bad_answer() from None
        case _:
            raise bad_answer()
    listing = Listing.of(found, wanted, kind=Kind.YTDLP, title=title, total=total, whole=whole, listed_only=listed_only)
    if not left:
        return listing
    return listing.model_copy(update={"notes": (*listing.notes, f"{left} entries have no address of their own.")})


def _list_found(told: Any) -> DownloadError:
    """The error for what is no single video."""
    count = told.get("count") if isinstance(told, dict) else None
    if not isinstance(count, int):
        return bad_answer()
    if not count:
        return DownloadError("This is a list without a video in it.", code="playlist")
    number = f"{'more than ' if told.get('more') else ''}{count:,}"
    if told.get("pieces"):
        return DownloadError(f"This video comes in {number} pieces, which is not supported.", code="unsupported")
    return refused(number, SeveralFound if told.get("page") else DownloadError)
