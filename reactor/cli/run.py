"""`reactor run`: the daemon."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reactor.cli.options import Aria2, Db, Jobs

if TYPE_CHECKING:
    from reactor.journal.outlet import Renderer


def run(
    db: Db = None,
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="FOLDER", help="Where files go. [DOWNLOAD_DIR=downloads]")
    ] = None,
    jobs: Jobs = None,
    aria2: Aria2 = None,
    events: Annotated[
        str | None,
        typer.Option("--events", metavar="FILE|-", help="Append the events as NDJSON to FILE; -: print them."),
    ] = None,
) -> None:
    """Serve the database until SIGTERM or SIGINT.

    What is under way then goes on with the next run. Prints lines for people on a terminal, NDJSON into a pipe;
    with --events FILE, NDJSON goes there and lines for people to stdout.
    """
    from reactor.cli.running import open_journal, run_async
    from reactor.daemon.run import serve
    from reactor.settings import Settings

    settings = Settings.load(download_db=db, download_dir=folder, max_concurrent_downloads=jobs, aria2c_rpc_url=aria2)
    with open_journal(*_renderers(events)) as journal:
        run_async(partial(serve, settings, journal))


def _renderers(events: str | None) -> list[tuple[Renderer, str]]:
    from reactor.journal.ndjson import NdjsonLines
    from reactor.journal.stream import STDOUT, Stream, is_terminal, open_stream
    from reactor.journal.terminal import HumanLines

    if events == "-" or (events is None and not is_terminal(STDOUT)):
        return [(NdjsonLines(Stream(STDOUT)), "stdout")]
    shown: list[tuple[Renderer, str]] = [(HumanLines(Stream(STDOUT)), "stdout")]
    if events is not None:
        shown.append((NdjsonLines(open_stream(Path(events))), events))
    return shown
