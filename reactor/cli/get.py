"""`reactor get`: download URLs from the command line."""

from __future__ import annotations

import signal
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer

from reactor.cli.asked import with_flags
from reactor.cli.options import Aria2, readable

if TYPE_CHECKING:
    from reactor.journal.journal import Journal
    from reactor.notices import Entry
    from reactor.queue import Queue
    from reactor.settings import Settings

DEFAULTS: dict[str, Any] = {
    "max_concurrent_downloads": 3,
    "host_max": 0,
    "max_download_retries": 2,
    "retry_base_delay": 1.0,
    "egress_guard": False,
    "allow_executables": True,
    "thumbnails": False,
    "operator_cookies_for": "*",
}
"""Defaults of `get`, for somebody who waits and chose the URL."""
REFRESH_S = 0.5
CANCEL_S = 10.0
"""How long Ctrl-C waits for everything to be cleared away."""
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


@with_flags(but=("ask",))
def get(
    urls: Annotated[list[str], typer.Argument(metavar="URL", help="URLs, magnet links or info hashes.")],
    folder: Annotated[
        Path | None,
        typer.Option("--dir", metavar="FOLDER", help="Folder for the files. [DOWNLOAD_DIR, else here]"),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", metavar="N", help="Downloads at the same time. [MAX_CONCURRENT_DOWNLOADS, else 3]"
        ),
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option("--retries", metavar="N", help="Retries after the first attempt. [MAX_DOWNLOAD_RETRIES, else 2]"),
    ] = None,
    aria2: Aria2 = None,
    *,
    said: dict[str, Any] | None,
) -> None:
    """Download URLs and print the path of each file.

    Progress goes to stderr. Exits with 0 only if every download succeeded. Ctrl-C cancels and removes partial files.
    """
    from reactor.cli.runtime import run_async

    urls = readable(urls)
    with tempfile.TemporaryDirectory(prefix="reactor-get-", ignore_cleanup_errors=True) as private:
        settings = settings_for(
            download_db=Path(private) / "get.db",
            download_dir=folder,
            max_concurrent_downloads=jobs,
            max_download_retries=retries,
            aria2c_rpc_url=aria2,
            progress_interval=REFRESH_S,
        )
        outcomes = run_async(partial(_get, settings, urls, said))
    for path in outcomes.paths():
        typer.echo(path)
    raise typer.Exit(outcomes.exit_code)


def settings_for(**flags: Any) -> Settings:
    """The settings of `get`: flags, what is set, and its own defaults for the rest. Raises SettingsError."""
    from reactor.settings import Settings

    told = vars(Settings.load(**flags))
    defaults = DEFAULTS | {"download_dir": Path()}
    return Settings.load(**{name: value for name, value in defaults.items() if name not in told} | _given(flags))


def _given(flags: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flags.items() if value is not None}


class Outcomes:
    """How each row ended, heard from the journal. `note` is a sink."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        """In the order of the command line; filled before anything can end."""
        self.ended: dict[int, str | None] = {}
        """The path of what arrived, None for what did not, and for a list."""
        self.lists: dict[int, list[str]] = {}
        """What arrived of each list; filled in at the end."""
        self.partial: set[int] = set()
        """Lists of which not all came."""
        self.done = anyio.Event()
        self.signal: int | None = None

    def note(self, entry: Entry) -> None:
        """Take in how a row ended."""
        from reactor import notices as n

        match entry.notice:
            case n.DownloadCompleted(download_id=number, path=path):
                self.ended[number] = path
            case n.ListEnded(download_id=number, failed=failed, done=done):
                self.ended[number], self.lists[number] = None, []
                if failed or not done:
                    self.partial.add(number)
            case n.DownloadFailed(download_id=number) | n.DownloadCancelled(download_id=number):
                self.ended[number] = None
            case _:
                return
        if not self.open_rows():
            self.done.set()

    def open_rows(self) -> list[int]:
        """Rows that have not ended."""
        return [number for number in self.rows if number not in self.ended]

    def paths(self) -> list[str]:
        """What arrived, in the order of the command line."""
        found = []
        for number in self.rows:
            path = self.ended.get(number)
            found += self.lists.get(number, []) if path is None else [path]
        return found

    @property
    def exit_code(self) -> int:
        """0 when all arrived, 1 when not, 128 and the signal's number when a person ended it."""
        if self.signal is not None:
            return 128 + self.signal
        came = {number for number, path in self.ended.items() if path is not None} | (self.lists.keys() - self.partial)
        return 0 if came.issuperset(self.rows) else 1


async def _get(settings: Settings, urls: list[str], said: dict[str, Any] | None) -> Outcomes:
    from reactor.cli.runtime import open_journal
    from reactor.journal.progress import LiveView
    from reactor.journal.stream import STDERR, Stream
    from reactor.queue import Queue

    outcomes = Outcomes()
    async with Queue(settings.download_db) as queue:
        outcomes.rows = [await queue.add(url, options=said) for url in urls]
        with open_journal((LiveView(Stream(STDERR)), "stderr"), sinks=(outcomes.note,)) as journal:
            await _serve(settings, journal, queue, outcomes)
        for number in outcomes.lists:
            entries = await queue.children(number)
            outcomes.lists[number] = [row.file_path for row in entries if row.file_path is not None]
    _clear_away(settings.download_dir)
    return outcomes


async def _serve(settings: Settings, journal: Journal, queue: Queue, outcomes: Outcomes) -> None:
    """Serve the rows until all have ended, or a signal asks for a stop and nothing is left of them."""
    from reactor.daemon.run import serve

    stop = anyio.Event()
    async with anyio.create_task_group() as tasks:

        async def stop_when_done() -> None:
            await outcomes.done.wait()
            stop.set()

        tasks.start_soon(stop_when_done)
        tasks.start_soon(_cancel_on_signal, queue, outcomes, stop)
        await serve(settings, journal, handle_signals=False, stop=stop, lasting_files=False)
        tasks.cancel_scope.cancel()


async def _cancel_on_signal(queue: Queue, outcomes: Outcomes, stop: anyio.Event) -> None:
    """The first signal cancels the rows; a second one, or too long a wait, ends it as it is."""
    numbers = [number for name in SIGNALS if (number := getattr(signal, name, None))]
    with anyio.open_signal_receiver(*numbers) as signals:
        outcomes.signal = int(await anext(signals))
        for number in outcomes.open_rows():
            await queue.cancel(number)
        with anyio.move_on_after(CANCEL_S):
            await anext(signals)
    stop.set()


def _clear_away(folder: Path) -> None:
    """Remove the staging folder from a person's folder, when nothing else is in it."""
    from reactor.files.staging import FOLDER

    with suppress(OSError):
        (folder / FOLDER).rmdir()
