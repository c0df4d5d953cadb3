"""The real reactor as a process of its own, beside tests that play the bot and the servers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil

from reactor.aria2.embedded import default_conf
from reactor.files.kept import ID
from reactor.files.staging import THUMBNAILS
from reactor.settings import SETTING_NAMES
from tests.extractors.trees import tree
from tests.warm import BESIDE

PATIENCE_S = 60.0
"""How long a condition may take to hold: an error in the product or the test, not a measure."""
LOOK_S = 0.05

ARIA2_CONF = """
enable-dht=false
enable-dht6=false
enable-peer-exchange=false
bt-enable-lpd=false
listen-port=40000-49999
"""
"""For tests: no peer but those that a tracker names."""

IDLE = "ytdlp/worker"
"""On the command line of the only process that stays for a while when its work is done."""
READER = "parse_worker"
"""Except for this one."""
SETTINGS = {
    "ALLOWED_PRIVATE_HOSTS": "127.0.0.0/8, ::1",
    "DOWNLOAD_POLL_INTERVAL": "1",
    "PROGRESS_INTERVAL": "0.3",
    "RETRY_BASE_DELAY": "0.1",
    "MAX_DOWNLOAD_RETRIES": "1",
    "HTTP_TIMEOUT_S": "5",
    "STALL_TIMEOUT_S": "60",  # aria2c may be busy for seconds with forgetting 20 000 parts
    "TORRENT_STALL_TIMEOUT_S": "30",
    "HOST_MAX": "0",  # the servers of a test are one site
}

NUMBERS = itertools.count(1)
R = TypeVar("R", bound="Reactor")


class Reactor:
    """One `reactor run`, its database, its folder, its events."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.db = folder / "bot.db"
        self.downloads = folder / "downloads"
        self.events_file = folder / "events.ndjson"
        self.conf = folder / "aria2.conf"
        self.settings = SETTINGS | settings
        self.before: tuple[str, ...] = ()
        """What stands before it on the command line."""
        self.more: tuple[str, ...] = ()
        """And what stands after it."""
        self.process: asyncio.subprocess.Process | None = None
        self.log = folder / f"reactor.{next(NUMBERS)}.log"
        """What it prints."""
        self._printed_bytes = 0
        self._read: list[dict[str, Any]] = []
        self._read_bytes = 0
        self.conf.write_text(default_conf().read_text() + ARIA2_CONF)

    @property
    def environment(self) -> dict[str, str]:
        """This test's own settings and nothing of the machine's."""
        ours = {name.upper() for name in SETTING_NAMES}
        kept = {name: value for name, value in os.environ.items() if name not in ours}
        own = {"DOWNLOAD_DB": str(self.db), "DOWNLOAD_DIR": str(self.downloads), "ARIA2C_CONF": str(self.conf)}
        return kept | own | self.settings

    async def start(self) -> None:
        """Start it and wait until it can take rows."""
        seen = len(self.events("aria2_connected"))
        self._printed_bytes = self.log.stat().st_size if self.log.exists() else 0
        command = ["-m", "reactor", "run", "--events", str(self.events_file), *self.more]
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(*self.before, sys.executable, *command),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        await self.until(lambda: len(self.events("aria2_connected")) > seen)

    @property
    def printed(self) -> str:
        """What it has printed since it was started last."""
        with self.log.open("rb") as log:
            log.seek(self._printed_bytes)
            return log.read().decode()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> str:
        """Signal it and wait for its end; what it printed."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            await self.process.wait()
        return self.printed

    async def until(self, condition: Callable[[], Any], patience_s: float = PATIENCE_S) -> None:
        """Wait until `condition` holds. Fails when the reactor ends first."""
        try:
            async with asyncio.timeout(patience_s):
                while not condition():
                    if self.process is not None and self.process.returncode is not None:
                        raise AssertionError(f"reactor ended with {self.process.returncode}: {self.printed}")
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            odd = [row for row in self.rows() if row["status"] != "downloaded"]
            raise AssertionError(f"still not so after {patience_s} s; rows not downloaded: {odd[:5]}") from None

    async def until_final(self, *ids: int) -> None:
        """Wait until these rows, or all, are final."""
        await self.until(lambda: all(row["status"] in FINAL for row in self.rows(*ids)))

    # The bot's side

    def add(self, *urls: str, **options: Any) -> list[int]:
        """Insert rows as a bot does, all in one transaction, with what they ask for."""
        insert, asked = "INSERT INTO downloads(url, options) VALUES(?, ?)", json.dumps(options) if options else None
        with contextlib.closing(sqlite3.connect(self.db, timeout=30)) as db, db:
            return [_id(db.execute(insert, (url, asked)).lastrowid) for url in urls]

    def execute(self, sql: str, *values: Any) -> None:
        """Any other statement of the bot's."""
        with contextlib.closing(sqlite3.connect(self.db, timeout=30)) as db, db:
            db.execute(sql, values)

    def rows(self, *ids: int) -> list[dict[str, Any]]:
        """These rows, or all, in the order of their ids."""
        with contextlib.closing(sqlite3.connect(self.db, timeout=30)) as db:
            db.row_factory = sqlite3.Row
            rows = [dict(row) for row in db.execute("SELECT * FROM downloads ORDER BY id")]
        return [row for row in rows if not ids or row["id"] in ids]

    def row(self, download_id: int) -> dict[str, Any]:
        """One row."""
        (row,) = self.rows(download_id)
        return row

    # What it left

    def events(self, kind: str | None = None, download_id: int | None = None) -> list[dict[str, Any]]:
        """The events so far, of one kind or one row only."""
        self._read_on()
        return [
            event
            for event in self._read
            if kind in (None, event["event"]) and download_id in (None, event.get("download_id"))
        ]

    def _read_on(self) -> None:
        """Parse the lines that are new since the last time: conditions ask many times a second."""
        with contextlib.suppress(FileNotFoundError), self.events_file.open("rb") as file:
            file.seek(self._read_bytes)
            whole, newline, _ = file.read().rpartition(b"\n")
            self._read_bytes += len(whole) + len(newline)
            self._read += [json.loads(line) for line in whole.splitlines() if line.endswith(b"}")]

    def files(self) -> dict[str, bytes]:
        """Everything in the download folder, partial files too, by relative path; no thumbnails, and not the folder's
        id."""
        found = {}
        for folder, _, names in os.walk(self.downloads):  # which does not mind what goes meanwhile
            for path in (Path(folder, name) for name in names if name != ID and not folder.endswith(THUMBNAILS)):
                with contextlib.suppress(FileNotFoundError):
                    found[str(path.relative_to(self.downloads))] = path.read_bytes()
        return dict(sorted(found.items()))

    def staged(self) -> list[str]:
        """What is left in the staging folders."""
        return [name for name in self.files() if name.startswith(".reactor")]

    def held(self) -> int:
        """Bytes of all files below the download folder; what goes meanwhile counts for nothing."""
        total = 0
        for path in self.downloads.rglob("*"):
            with contextlib.suppress(OSError):
                total += path.stat().st_size if path.is_file() else 0
        return total

    def children(self) -> list[int]:
        """The aria2c processes it has started."""
        assert self.process is not None
        pid = str(self.process.pid)
        return [child for child in processes() if parent(child) == pid and name_of(child).startswith("aria2c")]

    def beside(self) -> list[str]:
        """The command lines of all processes that it has started, and those they have, but for its aria2c, and what
        reads documents, of which one stays warm."""
        assert self.process is not None
        found = []
        for pid in tree(self.process.pid)[1:]:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
        return [line for line in found if "aria2c" not in line and READER not in line and BESIDE not in line]

    def readers(self) -> list[int]:
        """The processes that read documents."""
        assert self.process is not None
        found = []
        for pid in tree(self.process.pid)[1:]:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE and READER in " ".join(process.cmdline()):
                    found.append(pid)
        return found


FINAL = ("downloaded", "failed", "cancelled")


def _id(lastrowid: int | None) -> int:
    assert lastrowid is not None
    return lastrowid


def processes() -> list[int]:
    """Every process of this machine."""
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdecimal()]


def name_of(pid: int) -> str:
    """The name of a process's program, as far as the kernel keeps it; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def parent(pid: int) -> str | None:
    """The pid of a process's parent; None when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    except OSError:
        return None


def alive(pid: int) -> bool:
    """True while a process of this pid runs."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def running(folder: Path, **settings: str) -> AbstractAsyncContextManager[Reactor]:
    """A reactor that serves."""
    return serving(Reactor(folder, **settings))


@asynccontextmanager
async def serving(reactor: R) -> AsyncIterator[R]:
    """It serves, and is ended by its own signal at the end, if it is still there."""
    await reactor.start()
    try:
        yield reactor
    finally:
        if reactor.process is not None and reactor.process.returncode is None:
            await reactor.stop()
