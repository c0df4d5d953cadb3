"""`reactor run`: the daemon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reactor.cli.options import Aria2, Db, Jobs

if TYPE_CHECKING:
    from reactor.daemon.probes import Probes
    from reactor.daemon.service import Service
    from reactor.journal.background_writer import Renderer
    from reactor.journal.journal import Journal, Sink
    from reactor.settings import Settings
    from reactor.web.app import Site
    from reactor.webhooks.sender import Sender


def run(
    db: Db = None,
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="FOLDER", help="Folder for finished files. [DOWNLOAD_DIR=downloads]")
    ] = None,
    jobs: Jobs = None,
    aria2: Aria2 = None,
    events: Annotated[
        str | None,
        typer.Option("--events", metavar="FILE|-", help="Append the journal to FILE as NDJSON; -: stdout."),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option("--record", metavar="FILE", help="Append the core's events to FILE, for `reactor replay`."),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", metavar="HOST:PORT", help="Serve Prometheus metrics. [METRICS_ADDRESS]"),
    ] = None,
    with_stdin: Annotated[
        bool,
        typer.Option("--with-stdin", help="Stop when stdin is closed."),
    ] = False,
    launcher: Annotated[
        int | None,
        typer.Option(
            "--launcher", metavar="PID", help="Stop when this parent process ends; wait for its previous reactor."
        ),
    ] = None,
    page: Annotated[
        str | None, typer.Option("--page", "--http", metavar="HOST:PORT", help="Serve the page. [PAGE_ADDRESS]")
    ] = None,
) -> None:
    """Serve the database until SIGTERM or SIGINT.

    Running downloads resume at the next start. Prints text on a terminal and NDJSON into a pipe; with --events FILE,
    NDJSON goes to the file and text to stdout.
    """
    import os

    from reactor.cli.preflight import cookies_trouble, exposure, second_name
    from reactor.cli.runtime import open_journal, run_async
    from reactor.daemon.probes import Probes
    from reactor.daemon.service import open_service
    from reactor.journal.stderr_log import write_stderr
    from reactor.programs import LAUNCHED
    from reactor.settings import Settings
    from reactor.web.app import open_site

    os.environ.pop(LAUNCHED, None)
    settings = Settings.load(
        download_db=db,
        download_dir=folder,
        max_concurrent_downloads=jobs,
        aria2c_rpc_url=aria2,
        metrics_address=metrics,
        page_address=page,
    )
    for trouble in filter(None, (cookies_trouble(settings), exposure(settings), second_name(settings))):
        write_stderr(trouble)
    probes = Probes()
    hook = _hook(settings)
    with (
        _notified(settings) as people,
        open_site(settings, {"aria2": probes.aria2_trouble, "database": probes.database_trouble}) as site,
        open_service(os.environ) as service,
        open_journal(
            *_renderers(events),
            sinks=(service.offer, *(site.sinks if site else ()), *([hook.offer] if hook else []), *people),
        ) as journal,
    ):
        run_async(partial(_serve, settings, service, journal, probes, site, hook, with_stdin, launcher, record))


async def _serve(
    settings: Settings,
    service: Service,
    journal: Journal,
    probes: Probes,
    site: Site | None,
    hook: Sender | None,
    with_stdin: bool,
    launcher: int | None,
    record: Path | None,
) -> None:
    from contextlib import AsyncExitStack

    import anyio

    from reactor.cli.runtime import until_free, until_process_ends, until_stdin_ends
    from reactor.daemon.service import serve_as
    from reactor.journal.recording import Recorder
    from reactor.journal.stream import open_stream

    try:
        async with anyio.create_task_group() as tasks, AsyncExitStack() as stack:
            stop = anyio.Event()
            if with_stdin:
                tasks.start_soon(until_stdin_ends, stop)
            if launcher is not None:
                tasks.start_soon(until_process_ends, launcher, stop)
                await until_free(settings.download_db)
            if site is not None:
                probes.on_change, probes.on_answer = site.on_change, site.on_answer
                probes.page, probes.metrics = site.page, site.metrics
                site.tell = journal.tell
                for line in site.lines:
                    typer.echo(f"reactor: {line}", err=True)
                await stack.enter_async_context(site.serving())
            recorder = Recorder(open_stream(record, "The recording")) if record else None
            if hook is not None:
                hook.tell = journal.tell
                tasks.start_soon(hook.run)
            await serve_as(service, settings, journal, probes=probes if site else None, stop=stop, recorder=recorder)
            tasks.cancel_scope.cancel()
    finally:
        if hook is not None:  # what has ended it is among what it has to tell
            with anyio.CancelScope(shield=True):
                await hook.finish()


def _hook(settings: Settings) -> Sender | None:
    """Who else is told of what happens."""
    if settings.webhook_url is None:
        return None
    from reactor.webhooks.sender import sender_of

    return sender_of(settings)


@contextmanager
def _notified(settings: Settings) -> Iterator[list[Sink]]:
    """By what people are told of it. Raises SettingsError."""
    if settings.notify is None:
        yield []
        return
    from reactor.notify.services import Notifier, events_of, services_of

    with Notifier(services_of(settings), events_of(settings)) as notifier:
        yield [notifier.offer]


def _renderers(events: str | None) -> list[tuple[Renderer, str]]:
    from reactor.journal.ndjson import NdjsonLines
    from reactor.journal.stream import STDOUT, Stream, is_terminal, open_stream

    if events == "-" or (events is None and not is_terminal(STDOUT)):
        return [(NdjsonLines(Stream(STDOUT)), "stdout")]
    from reactor.journal.terminal import HumanLines  # with rich

    shown: list[tuple[Renderer, str]] = [(HumanLines(Stream(STDOUT)), "stdout")]
    if events is not None:
        shown.append((NdjsonLines(open_stream(Path(events))), events))
    return shown
