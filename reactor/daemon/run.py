"""The composition: everything outside is opened here, joined to the loop, and closed again."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio

from reactor import __version__, notices
from reactor.aria2.connection import Aria2Connection
from reactor.aria2.embedded import EmbeddedAria2
from reactor.aria2.options import TransferPolicy
from reactor.core import events
from reactor.core.context import Limits
from reactor.core.machine import Machine
from reactor.core.quotas import MIB, Quotas
from reactor.core.retry import RetryPolicy
from reactor.core.stalls import KIB
from reactor.daemon import clock
from reactor.daemon.effects.aria2 import Downloading
from reactor.daemon.effects.database import open_rows
from reactor.daemon.effects.work import Stages
from reactor.daemon.egress import Egress, open_guard
from reactor.daemon.heartbeat import registered
from reactor.daemon.loop import Loop
from reactor.daemon.perform import Emit, Performer
from reactor.daemon.probes import Probes
from reactor.daemon.unserved import tell_unserved
from reactor.daemon.workers import Workers
from reactor.egress.proxy import Guard
from reactor.extractors.base import Context
from reactor.extractors.browser.browser import open_browser
from reactor.extractors.context import open_context
from reactor.extractors.ytdlp.extractor import choice_of, open_ytdlp
from reactor.files.staging import staging_of
from reactor.journal.journal import Journal
from reactor.journal.recording import Begun, Recorder
from reactor.media.room import Room
from reactor.models import build_models
from reactor.net.session import user_agent_of
from reactor.programs import find_aria2c
from reactor.settings import Settings

WITHOUT_UDP = {"enable-dht": "false", "enable-dht6": "false", "bt-enable-lpd": "false"}
"""What aria2 asks by UDP of its own accord; trackers are another thing."""
LEAVE_DEADLINE_S = 4.0
"""How long the last saves may take when we are asked to stop."""
SERVER_TIMEOUT_MAX_S = 60.0


async def serve(
    settings: Settings,
    journal: Journal,
    *,
    handle_signals: bool = True,
    on_ready: Callable[[], None] | None = None,
    stop: anyio.Event | None = None,
    probes: Probes | None = None,
    recorder: Recorder | None = None,
) -> None:
    """Serve the database until SIGTERM, SIGINT or `stop`; leave everything resumable.

    `on_ready` is called once, when aria2 is there and rows can be taken; `probes` lets others see in;
    `recorder` takes down what the core is told.
    Raises ReactorError, with a sentence for a person, when it cannot start, or cannot go on (a wrong secret, another
    server in aria2's place)."""
    limits = _limits(settings)
    staging = staging_of(settings, limits.quotas.too_large)
    if recorder is not None:
        recorder.begin(Begun(__version__, clock.wall(), clock.monotonic(), limits))
    loop = Loop(Machine(limits), recorder.note if recorder is not None else None)
    async with (
        open_rows(settings, staging, journal, loop.emit) as rows,
        _aria2(settings, _telling_when_ready(loop, on_ready)) as aria2,
        open_guard(settings, lambda: aria2.url) as guard,
        _context(settings, guard if settings.egress_guard else None) as context,
        anyio.create_task_group() as tasks,
        anyio.create_task_group() as work,
    ):
        build_models()

        def leave() -> None:
            rows.hurry()
            tasks.cancel_scope.cancel()

        if probes:
            probes.attach(aria2, rows)
        if handle_signals:
            await tasks.start(_take_signals, loop, leave)
        journal.tell(
            notices.ReactorStarted(
                version=__version__,
                pid=os.getpid(),
                database=str(settings.download_db.absolute()),
                download_dir=str(staging.download_dir),
                database_made=rows.store.created,
            )
        )
        ours = settings.aria2c_rpc_url is None
        guard.meter.on_used = lambda passed: loop.post(events.AllowanceUsed(passed))
        egress = Egress(guard if ours else None, everything=settings.egress_guard)
        room = Room(spare=settings.min_free_disk_mib * MIB, size_max=settings.max_file_size_mib * MIB)
        stages = Stages(context, staging, settings.ffmpeg_path, loop.post, room, egress.single)
        downloading = Downloading(aria2, staging, _policy(settings), egress, stages.versions)
        performer = Performer(rows, downloading, stages, Workers(work), journal, loop.emit)
        tasks.start_soon(rows.watch)
        tasks.start_soon(tell_unserved, rows, journal)
        tasks.start_soon(_wait_for_stop, stop, loop, leave)
        async with registered(rows, aria2, tasks, probes):
            loop.start(performer.submit)
            try:
                await performer.run()
                await rows.leave()
            finally:
                loop.close()
        work.cancel_scope.cancel()
        tasks.cancel_scope.cancel()


def _telling_when_ready(loop: Loop, on_ready: Callable[[], None] | None) -> Emit:
    """Passes aria2's events on, and says once that it is there."""
    told = False

    async def emit(event: events.Event) -> None:
        nonlocal told
        loop.post(event)
        if isinstance(event, events.Aria2Connected) and on_ready is not None and not told:
            told = True
            on_ready()

    return emit


async def _wait_for_stop(stop: anyio.Event | None, loop: Loop, leave: Callable[[], None]) -> None:
    if stop is not None:
        await stop.wait()
        loop.post(events.ShutdownRequested("asked"))
        await _leave_by_force(leave)


async def _take_signals(loop: Loop, leave: Callable[[], None], *, task_status: anyio.abc.TaskStatus[None]) -> None:
    """The first signal asks to leave in order; a second one, or a database that lets nobody write, ends it at once."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        number = await anext(signals)
        loop.post(events.ShutdownRequested(number.name))
        with anyio.move_on_after(LEAVE_DEADLINE_S):
            await anext(signals)
        leave()


async def _leave_by_force(leave: Callable[[], None]) -> None:
    await anyio.sleep(LEAVE_DEADLINE_S)
    leave()


@asynccontextmanager
async def _context(settings: Settings, guard: Guard | None) -> AsyncIterator[Context]:
    """What extraction needs, with yt-dlp and a browser where they are installed."""
    dial = guard.dialer.dial if guard else None
    timeout_s, patience_s = settings.http_timeout_s, min(settings.stall_timeout_s, SERVER_TIMEOUT_MAX_S)
    opening = open_context(user_agent=settings.user_agent, http_timeout_s=timeout_s, patience_s=patience_s, dial=dial)
    async with (
        opening as context,
        open_ytdlp(settings, guard) as ytdlp,
        open_browser(settings, guard) as browser,
    ):
        yield dataclasses.replace(
            context,
            ytdlp=ytdlp,
            browser=browser,
            choice=choice_of(settings.ytdlp_format),
            torrents=settings.torrents,
            torrent_udp=settings.torrent_udp,
        )


@asynccontextmanager
async def _aria2(settings: Settings, emit: Emit) -> AsyncIterator[Aria2Connection]:
    """A connection to the aria2c that the settings name, or to one of our own."""
    if settings.aria2c_rpc_url is not None:
        secret = settings.aria2c_rpc_secret.get_secret_value() if settings.aria2c_rpc_secret else None
        async with Aria2Connection(
            settings.aria2c_rpc_url, secret, ca=settings.aria2c_rpc_ca, emit=emit, unknown=settings.aria2c_unknown
        ) as connection:
            await connection.wait_connected()
            yield connection
        return
    program = find_aria2c(settings.aria2c_path)
    # The parts of one row, and one for each of the others.
    slots = str(settings.max_concurrent_downloads - 1 + settings.max_concurrent_parts)
    options = {"max-concurrent-downloads": slots} | ({} if settings.torrent_udp else WITHOUT_UDP)
    async with (
        EmbeddedAria2(program, settings.aria2c_conf, options=options) as embedded,
        Aria2Connection(
            lambda: embedded.url,
            embedded.secret,
            emit=emit,
            when_silent=embedded.kill,
            unknown=settings.aria2c_unknown,
        ) as connection,
    ):
        yield connection


def _limits(settings: Settings) -> Limits:
    return Limits(
        concurrent=settings.max_concurrent_downloads,
        parts=settings.max_concurrent_parts,
        progress_interval_s=settings.progress_interval,
        seeding=settings.seed_ratio > 0,
        stall_timeout_s=settings.stall_timeout_s,
        torrent_stall_timeout_s=settings.torrent_stall_timeout_s,
        min_speed=settings.min_speed_kib * KIB,
        retry=RetryPolicy(settings.max_download_retries, settings.retry_base_delay, settings.retry_max_delay_s),
        quotas=Quotas(
            max_file_size=settings.max_file_size_mib * MIB,
            min_free_disk=settings.min_free_disk_mib * MIB,
            max_parts=settings.max_parts,
            download_timeout_s=settings.download_timeout_s,
        ),
        guarded=settings.aria2c_rpc_url is None and settings.egress_guard,
    )


def _policy(settings: Settings) -> TransferPolicy:
    timeout_s = min(settings.stall_timeout_s or SERVER_TIMEOUT_MAX_S, SERVER_TIMEOUT_MAX_S)
    return TransferPolicy(
        connections_per_server=settings.connections_per_server,
        user_agent=user_agent_of(settings.user_agent),
        seed_ratio=settings.seed_ratio,
        timeout_s=max(1.0, timeout_s),
        connect_timeout_s=max(1.0, min(settings.http_timeout_s, timeout_s)),
    )
