"""Serves one database file: everything outside is opened here, joined to the loop, and closed again.

It ends when the process is to end, or when another file has taken the database's place. In that case the transfers of
its rows are removed from aria2, and their unfinished files from the disk, so that nothing of one database reaches the
next.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

import anyio

from reactor import __version__, notices
from reactor.aria2.connection import Aria2Connection
from reactor.aria2.connection import Post as Aria2Post
from reactor.aria2.embedded import EmbeddedAria2
from reactor.aria2.router import Aria2Router, routed
from reactor.core import events
from reactor.core.context import Limits
from reactor.core.machine import Machine
from reactor.core.quotas import MIB
from reactor.daemon import clock
from reactor.daemon.effects.aria2 import Downloading
from reactor.daemon.effects.database import Rows, open_rows
from reactor.daemon.effects.work import Stages
from reactor.daemon.egress import Egress, open_guard
from reactor.daemon.heartbeat import registered
from reactor.daemon.hours import Hours
from reactor.daemon.leaving import Leaving
from reactor.daemon.loop import Loop, Post
from reactor.daemon.outdated import tell_outdated
from reactor.daemon.perform import Performer
from reactor.daemon.policy import SERVER_TIMEOUT_MAX_S, transfer_policy_of
from reactor.daemon.probes import Probes
from reactor.daemon.rehearsal import rehearse
from reactor.daemon.retention import keep
from reactor.daemon.row_cookies import RowCookies
from reactor.daemon.unserved import tell_unserved
from reactor.daemon.workers import Workers
from reactor.egress.handover import HOST, Handover
from reactor.egress.proxy import Guard
from reactor.extractors.announce import announce
from reactor.extractors.base import Context
from reactor.extractors.browser.browser import open_browser
from reactor.extractors.context import open_context
from reactor.extractors.detect import by_text
from reactor.extractors.plugins.host import open_plugins
from reactor.extractors.trackers import ask_trackers
from reactor.extractors.ytdlp.extractor import open_ytdlp
from reactor.extractors.ytdlp.selection import choice_of
from reactor.files.staging import Staging
from reactor.journal.journal import Journal
from reactor.journal.recording import Begun, Recorder
from reactor.media.room import Room
from reactor.net.session import open_session
from reactor.plan import build_models
from reactor.programs import find_aria2c
from reactor.records import dataclass
from reactor.row_options import ReadOptions, asked_of
from reactor.settings import Settings

WITHOUT_UDP = {"enable-dht": "false", "enable-dht6": "false", "bt-enable-lpd": "false"}
"""What aria2 sends by UDP unasked; trackers are another thing."""
OF_PARTS = {"auto-save-interval": "0", "max-download-result": "4096"}
"""What the aria2c of small parts has of its own. Their results are many, and kept until the end of a row: one that is
dropped sooner is known by its notification."""


@dataclass(slots=True)
class Lasting:
    """What outlives a change of the database."""

    settings: Settings
    limits: Limits
    staging: Staging
    journal: Journal
    leaving: Leaving
    probes: Probes | None = None
    recorder: Recorder | None = None
    on_ready: Callable[[], None] | None = None
    read_options: ReadOptions = asked_of
    """With the presets of the operator."""
    on_connected: Callable[[], None] = lambda: None
    """Told of each connect of aria2."""

    def ready(self) -> None:
        """aria2 is connected. Only the first call counts."""
        on_ready, self.on_ready = self.on_ready, None
        if on_ready is not None:
            on_ready()


async def live(lasting: Lasting, opened: Callable[[Rows], Awaitable[None]], *, again: bool = False) -> bool:
    """Serve the database until the process is to end: False; or until another file takes its place: True.

    `opened` is called when everything is open. `again`: the database has taken the place of another one. Raises
    DatabaseError when it cannot be opened, and what `serve` raises."""
    settings, staging, journal = lasting.settings, lasting.staging, lasting.journal
    recorder, machine = lasting.recorder, Machine(lasting.limits)
    loop = Loop(machine, recorder.note if recorder is not None else None)
    ours = list[EmbeddedAria2]()
    async with (
        open_rows(settings, staging, journal, loop.post, again=again, read_options=lasting.read_options) as rows,
        _aria2c(settings, ours) as embedded,  # comes to listen while the others are opened
        open_guard(settings, lambda: _rpc_urls(settings, ours)) as guard,
        _handover(settings, guard) as handover,
        _context(settings, guard if settings.egress_guard else None, handover, shared=staging.shared) as context,
        _aria2(settings, embedded, ours, _telling_when_ready(loop, lasting), patient=again) as aria2,
    ):
        if context.plugins is not None:
            rows.by_text = partial(by_text, plugins=context.plugins)
        guard.announce = partial(announce, resolve=guard.dialer.resolve, context=context)
        if recorder is not None:
            recorder.begin(Begun(__version__, clock.wall(), clock.monotonic(), lasting.limits))
        if lasting.probes:
            lasting.probes.attach(aria2, rows)
        guard.meter.on_used = lambda passed: loop.post(events.AllowanceUsed(passed))
        egress = Egress(guard if settings.aria2c_rpc_url is None else None, context.http.held)
        room = Room(spare=settings.min_free_disk_mib * MIB, size_max=settings.max_file_size_mib * MIB)
        row_cookies, same = RowCookies(rows.store.jars, settings), rows.store.find_same
        stages = Stages(
            context,
            staging,
            settings.ffmpeg_path,
            loop.post,
            room,
            egress.single,
            row_cookies,
            same,
            thumbnails=settings.thumbnails,
            file_url=settings.file_url,
        )
        downloading = Downloading(
            aria2,
            staging,
            transfer_policy_of(settings),
            egress,
            loop.post,
            stages.versions,
            partial(ask_trackers, context=context),
            row_cookies,
        )
        await opened(rows)
        for name, reason in context.plugins.unusable.items() if context.plugins is not None else ():
            journal.tell(notices.ExtractorUnusable(name=name, reason=reason))
        replaced = await _serve(lasting, loop, rows, aria2, downloading, stages)
        if replaced:
            loop.take_in()
            async with lasting.leaving.cuts_short():
                await downloading.abandon(*machine.abandon())
        return replaced


async def _serve(
    lasting: Lasting, loop: Loop, rows: Rows, aria2: Aria2Router, downloading: Downloading, stages: Stages
) -> bool:
    """As `live`, with all that is open. Nothing of it runs any more afterwards."""
    journal, leaving, replaced = lasting.journal, lasting.leaving, False
    async with anyio.create_task_group() as tasks, anyio.create_task_group() as work:

        async def leave() -> None:
            await leaving.asked.wait()
            if not leaving.hurried.is_set():
                loop.post(events.ShutdownRequested(leaving.reason, leaving.drained_at))
                await leaving.hurried.wait()
            loop.post(events.ShutdownRequested(leaving.reason))
            await leaving.forced.wait()
            rows.hurry()
            tasks.cancel_scope.cancel()

        async def watch() -> None:
            nonlocal replaced
            await rows.watch()
            replaced = True
            tasks.cancel_scope.cancel()

        performer = Performer(rows, downloading, stages, Workers(work), journal, loop.post)
        tasks.start_soon(watch)
        tasks.start_soon(leave)
        tasks.start_soon(rehearse, lasting.settings, lasting.limits, rows.quiet)
        tasks.start_soon(tell_unserved, rows, journal)
        tasks.start_soon(tell_outdated, journal, leaving)
        tasks.start_soon(keep, rows, lasting.staging, lasting.settings, journal)
        hours = Hours(lasting.settings, aria2, loop.post, journal)
        hours.begin()
        lasting.on_connected = hours.connected
        tasks.start_soon(hours.run)
        async with registered(rows, aria2, tasks, leaving, lasting.probes):
            loop.start(performer.submit)
            try:
                await performer.run()
                await rows.leave()
            finally:
                loop.close()
        work.cancel_scope.cancel()
        tasks.cancel_scope.cancel()
    return replaced


def _telling_when_ready(loop: Loop, lasting: Lasting) -> Post:
    """Forwards aria2's events to the loop, and reports the first connect."""

    def post(event: events.Event) -> None:
        loop.post(event)
        if isinstance(event, events.Aria2Connected):
            lasting.on_connected()
            lasting.ready()

    return post


@asynccontextmanager
async def _handover(settings: Settings, guard: Guard) -> AsyncIterator[Handover | None]:
    """By which aria2 gets what only a browser can fetch; None for an aria2c elsewhere, which does not come here."""
    if settings.aria2c_rpc_url is not None:
        yield None
        return
    async with Handover() as handover:
        guard.serve_inside(HOST, handover.connect, handover.endpoint)
        yield handover


@asynccontextmanager
async def _context(
    settings: Settings, guard: Guard | None, handover: Handover | None, *, shared: bool
) -> AsyncIterator[Context]:
    """What extraction needs, with yt-dlp, a browser and extractors from outside where they are installed."""
    dial = guard.dialer.dial if guard else None
    timeout_s, patience_s = settings.http_timeout_s, min(settings.stall_timeout_s, SERVER_TIMEOUT_MAX_S)
    session = open_session(user_agent=settings.user_agent, timeout_s=timeout_s, patience_s=patience_s, dial=dial)
    async with (
        open_context(session) as context,
        open_ytdlp(settings, guard) as ytdlp,
        open_browser(settings, guard, handover.offer if handover else None) as browser,
        open_plugins(settings, guard) as plugins,
    ):
        yield dataclasses.replace(
            context,
            hold=settings.aria2c_rpc_url is None,  # nobody could hand it over to one elsewhere
            ytdlp=ytdlp,
            browser=browser,
            plugins=plugins,
            choice=choice_of(settings.ytdlp_format),
            holes=settings.holes,
            live_max_s=_live_max_s(settings),
            live_patience_s=settings.live_patience_s,
            playlist_max=settings.playlist_max,
            sponsorblock=settings.sponsorblock_url,
            torrents=settings.torrents,
            metadata_first=shared,
            inner=settings.aria2c_rpc_url is None,
            torrent_udp=settings.torrent_udp,
        )


def _live_max_s(settings: Settings) -> float:
    """What is recorded has to be put together, too, before the time of its attempt is up."""
    share = 0.8 * settings.download_timeout_s
    return min(float(settings.live_max_s), share) if share else float(settings.live_max_s)


def _rpc_urls(settings: Settings, ours: Sequence[EmbeddedAria2]) -> list[str]:
    """Where every aria2c can be told what to do."""
    return [each.url for each in ours] if settings.aria2c_rpc_url is None else [settings.aria2c_rpc_url]


@asynccontextmanager
async def _of_our_own(
    settings: Settings, ours: list[EmbeddedAria2], more: Mapping[str, str], *, waits: bool
) -> AsyncIterator[EmbeddedAria2]:
    """One of our own, noted in `ours` from before its start until it is over."""
    program = find_aria2c(settings.aria2c_path)
    # The parts of one row, and one for each of the others.
    slots = str(settings.max_concurrent_downloads + settings.slow_max - 1 + settings.max_concurrent_parts)
    options = {"max-concurrent-downloads": slots} | ({} if settings.torrent_udp else WITHOUT_UDP)
    embedded = EmbeddedAria2(program, settings.aria2c_conf, options={**options, **more}, waits=waits)
    ours.append(embedded)
    try:
        async with embedded:
            yield embedded
    finally:
        ours.remove(embedded)


@asynccontextmanager
async def _aria2c(settings: Settings, ours: list[EmbeddedAria2]) -> AsyncIterator[EmbeddedAria2 | None]:
    """One of our own, which may not listen yet; None where the settings name one elsewhere."""
    if settings.aria2c_rpc_url is not None:
        yield None
        return
    async with _of_our_own(settings, ours, {}, waits=False) as embedded:
        yield embedded


@asynccontextmanager
async def _aria2(
    settings: Settings, embedded: EmbeddedAria2 | None, ours: list[EmbeddedAria2], post: Post, *, patient: bool
) -> AsyncIterator[Aria2Router]:
    """A connection to the aria2c that the settings name, or to embedded ones. `patient`: one elsewhere may be away
    now."""
    build_models()
    if embedded is None:
        async with routed(partial(_elsewhere, settings), None, post) as router:
            if not patient:
                await router.wait_connected()
            yield router
        return
    await embedded.wait_listening()
    connected, of_parts = partial(_connected, settings, embedded), partial(_of_parts, settings, ours)
    async with routed(connected, of_parts, post) as router:
        yield router


def _elsewhere(settings: Settings, post: Aria2Post) -> Aria2Connection:
    url, secret = settings.aria2c_rpc_url, settings.aria2c_rpc_secret
    assert url is not None
    return Aria2Connection(
        url,
        secret.get_secret_value() if secret else None,
        ca=settings.aria2c_rpc_ca,
        post=post,
        unknown=settings.aria2c_unknown,
    )


@asynccontextmanager
async def _of_parts(settings: Settings, ours: list[EmbeddedAria2], post: Aria2Post) -> AsyncIterator[Aria2Connection]:
    """A second one, and the connection to it."""
    async with (
        _of_our_own(settings, ours, WITHOUT_UDP | OF_PARTS, waits=True) as embedded,
        _connected(settings, embedded, post) as connection,
    ):
        yield connection


def _connected(settings: Settings, embedded: EmbeddedAria2, post: Aria2Post) -> Aria2Connection:
    return Aria2Connection(
        lambda: embedded.url,
        embedded.secret,
        post=post,
        when_silent=embedded.kill,
        unknown=settings.aria2c_unknown,
    )
