"""What is measured: the reactor and its rival as processes of their own, and bare aria2c. All run the same aria2c
with the same configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from contrib.bench import proc
from contrib.bench.bot import Bot
from contrib.bench.servers import PATIENCE_S, ROOT, ended, free_port, wait_for_port
from contrib.bench.validity import Invalid
from reactor.aria2.embedded import default_conf
from reactor.programs import find_aria2c
from reactor.settings import SETTING_NAMES

ARIA2_CONF = "enable-dht=false\nenable-peer-exchange=false\n"
"""Nothing leaves this machine."""
CALL = b"Executing RPC method"
"""What aria2's log says once for each call."""
CONNECTIONS = ("--max-connection-per-server=4", "--split=4", "--min-split-size=4M")
"""As reactor asks for by default."""
LINES = 3
"""Of what a process said last, in an error."""
READ_S = 0.002
SECRET = "bench"


def write_conf(folder: Path, *, log: bool) -> Path:
    """The aria2.conf that is shipped, on loopback; with `log` aria2 says in `aria2.log` what it is asked."""
    folder.mkdir(parents=True, exist_ok=True)
    conf = folder / "aria2.conf"
    lines = f"log={folder / 'aria2.log'}\nlog-level=info\n" if log else ""
    conf.write_text(default_conf().read_text() + ARIA2_CONF + lines)
    return conf


class Subject(ABC):
    """Something that serves a database. `log_calls` makes its aria2c write down what it is asked."""

    name: str
    process: subprocess.Popen[bytes]
    began: int
    """The moment before the process was started, in ns of CLOCK_MONOTONIC."""
    bot: Bot

    def __init__(self, folder: Path, *, log_calls: bool = False) -> None:
        self.folder = folder
        self.db = folder / "bot.db"
        self.downloads = folder / "downloads"
        self.conf = write_conf(folder, log=log_calls)
        self._log = folder / "output.log"
        self._processes = ExitStack()

    @contextmanager
    def running(self) -> Iterator[Self]:
        """It serves; `bot` is connected. What goes wrong meanwhile comes with its last words."""
        with self._processes:
            try:
                self._start()
                self._until_ready()
                self.bot = self._bot()
                self._processes.callback(self.bot.close)
                yield self
                self._still_there()
            except Invalid as error:
                said = self.log.splitlines()[-LINES:]
                raise Invalid("\n  ".join([str(error), f"{self.name} said last:", *said])) from error

    @property
    def log(self) -> str:
        """What its process has said so far."""
        return self._log.read_text() if self._log.exists() else ""

    def calls(self) -> int:
        """What its aria2c has been asked so far."""
        return (self.folder / "aria2.log").read_bytes().count(CALL)

    @property
    @abstractmethod
    def aria2_pid(self) -> int:
        """Its aria2c."""

    def _bot(self) -> Bot:
        return Bot(self.db)

    def _start(self) -> None:
        self.downloads.mkdir(exist_ok=True)
        command = self._command()
        self._mark = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self.began = time.monotonic_ns()
            self.process = subprocess.Popen(
                command, cwd=self._cwd, env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._processes.enter_context(ended(self.process))

    def _until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            self._still_there()
            if self._is_ready(self._log.read_bytes()[self._mark :]):
                return
            time.sleep(READ_S)
        raise Invalid("it does not come to serve")

    @property
    @abstractmethod
    def _cwd(self) -> Path: ...

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _is_ready(self, said: bytes) -> bool: ...

    def environment(self) -> dict[str, str]:
        """Of its process: ours, without what changes how Python runs. It may keep bytecode, as it does for anybody."""
        return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def _still_there(self) -> None:
        if self.process.poll() is not None:
            raise Invalid(f"it ended with {self.process.returncode}")


class Reactor(Subject):
    """`reactor run` with its defaults, but for `settings`."""

    name = "reactor"

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None, *, log_calls: bool = False) -> None:
        super().__init__(folder, log_calls=log_calls)
        self._settings = settings or {}

    @property
    def aria2_pid(self) -> int:
        first, *_ = self.aria2_pids
        return first

    @property
    def aria2_pids(self) -> list[int]:
        """Its aria2c, and the one of what comes in many parts where that runs, too."""
        return sorted(pid for pid in proc.children(self.process.pid) if proc.name(pid) == "aria2c")

    @property
    def _cwd(self) -> Path:
        return self.folder  # so that no .env is read

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "reactor", "run"]

    def _is_ready(self, said: bytes) -> bool:
        whole = [line for line in said.splitlines(keepends=True) if line.startswith(b"{") and line.endswith(b"\n")]
        return any(json.loads(line)["event"] == "aria2_connected" for line in whole)

    def environment(self) -> dict[str, str]:
        ours = {name.upper() for name in SETTING_NAMES}
        kept = {name: value for name, value in super().environment().items() if name not in ours}
        return kept | {
            "DOWNLOAD_DB": str(self.db),
            "DOWNLOAD_DIR": str(self.downloads),
            "ARIA2C_PATH": str(find_aria2c().path),
            "ARIA2C_CONF": str(self.conf),
            "ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
            **self._settings,
        }


class Poller(Subject):
    """The rival of `poller.py`, beside an aria2c that is always there before it."""

    name = "poller"

    @contextmanager
    def running(self) -> Iterator[Self]:
        self._port = free_port()
        command = [str(find_aria2c().path), f"--conf-path={self.conf}", "--enable-rpc", f"--rpc-secret={SECRET}"]
        null = subprocess.DEVNULL
        command += [f"--rpc-listen-port={self._port}"]
        with subprocess.Popen(command, stdin=null, stdout=null, stderr=null) as self._aria2, ended(self._aria2):
            wait_for_port(self._port, self._aria2)
            with super().running():
                yield self

    @property
    def aria2_pid(self) -> int:
        return self._aria2.pid

    @property
    def _cwd(self) -> Path:
        return ROOT

    def _command(self) -> list[str]:
        arguments = [str(self.db), str(self.downloads), str(self._port), SECRET]
        return [sys.executable, "-m", "contrib.bench.poller", *arguments]

    def _is_ready(self, said: bytes) -> bool:
        return said.startswith(b"ready\n")


def bare_aria2c(folder: Path, urls: Sequence[str], *more: str, program: Path | None = None) -> tuple[float, Path]:
    """`aria2c -j1 -i list`, with `more` options: the seconds from its start to its end, and where the files are.
    `program`: another one than the reactor's own."""
    conf, downloads, wanted = write_conf(folder, log=False), folder / "downloads", folder / "list"
    downloads.mkdir()
    wanted.write_text("".join(f"{url}\n" for url in urls))
    command = [
        str(program or find_aria2c().path),
        "-j1",
        "-i",
        str(wanted),
        f"--dir={downloads}",
        f"--conf-path={conf}",
    ]
    began = time.monotonic()
    done = subprocess.run([*command, *CONNECTIONS, *more], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    took = time.monotonic() - began
    if done.returncode:
        raise Invalid(f"bare aria2c ended with {done.returncode}: {done.stderr.decode().splitlines()[-LINES:]}")
    return took, downloads
