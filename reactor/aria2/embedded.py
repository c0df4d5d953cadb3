"""An embedded aria2c: a child process that is restarted when it dies or hangs, and ends with this process in any case.

    async with EmbeddedAria2(find_aria2c()) as embedded:
        async with Aria2Connection(lambda: embedded.url, embedded.secret, when_silent=embedded.kill) as aria2: …

It listens on a free loopback port with a random secret. The secret stands in a file that only this user can
read, for as long as aria2c takes to read it. Nothing of the user's (configuration, netrc, proxies in the
environment) reaches it.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from itertools import chain
from pathlib import Path
from types import TracebackType

import anyio
from anyio import to_thread
from anyio.abc import ByteReceiveStream, Process, TaskStatus

from reactor.aria2.beside import run_beside
from reactor.errors import Aria2Error, SettingsError
from reactor.programs import Program, ca_file, child_environment, limit_memory, raise_descriptors

START_DEADLINE_S = 10.0
"""aria2c listens 20 ms after its start; a slow machine gets much more."""
FAILED_STARTS_MAX = 3
"""In a row, until the person is told. A port that was taken meanwhile is one of them."""
LISTEN_CHECK_S = 0.01
PORT_TAKEN = "failed to bind TCP port"
"""aria2's words. It goes on all the same when the port is free for IPv6."""
PORTS = range(20_000, 32_768)
"""Below those that systems give to outgoing connections and to servers that do not mind."""
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.1, 5.0
SETTLED_S = 30.0
"""A process that has run this long resets the restart backoff."""
STOP_DEADLINE_S = 3.0
MEMORY_MAX = 4 * 1024**3
"""Bytes: far more than it uses, with a large disk cache too. Else a server that tells it a length which no file has
could take the whole machine's."""
ERRORS_KEPT = 4096
"""Characters of aria2c's last errors."""
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


def default_conf() -> Path:
    """The aria2.conf that is shipped: beside this file in a wheel, at the top of a working copy."""
    here = Path(__file__).resolve()
    shipped = here.with_name("aria2.conf")
    return shipped if shipped.exists() else here.parents[2] / "aria2.conf"


class EmbeddedAria2:
    """See the module. Entering waits until it listens, unless that is left to `wait_listening`. Leaving ends it: asked
    first, killed after `STOP_DEADLINE_S`.

    Raises Aria2Error out of the `async with` when aria2c does not come to listen, again and again, and
    SettingsError when its configuration cannot be read."""

    def __init__(
        self,
        program: Program,
        conf: Path | None = None,
        *,
        options: Mapping[str, str] | None = None,
        waits: bool = True,
    ) -> None:
        """`options` are further lines for the configuration, which win over its own. Without `waits` entering does not
        wait until it listens: there is other work meanwhile."""
        self._program = program
        self._conf = conf
        self._options = dict(options or {})
        self.secret = secrets.token_urlsafe(24)
        self._port = 0
        self._process: Process | None = None
        self._folder = Path()
        self._errors = ""
        self._waits = waits
        self._listened = anyio.Event()
        """Set once it has come to listen."""
        self._running: AbstractAsyncContextManager[None] | None = None

    def __repr__(self) -> str:
        return f"<EmbeddedAria2 {self._program.path} at {self.url}, pid {self.pid}>"

    @property
    def url(self) -> str:
        """Where its RPC is now; another port after a restart."""
        return f"ws://127.0.0.1:{self._port}/jsonrpc"

    @property
    def pid(self) -> int | None:
        """Its process, or None while there is none."""
        return self._process.pid if self._process else None

    async def wait_listening(self) -> None:
        """Return once it has come to listen."""
        await self._listened.wait()

    def kill(self) -> None:
        """Kill a process that hangs; it is restarted. Transfers resume from their control files."""
        if self._process is not None:
            _signal(self._process, KILL)

    async def __aenter__(self) -> EmbeddedAria2:
        self._folder = Path(await to_thread.run_sync(lambda: tempfile.mkdtemp(prefix="reactor-aria2c-")))
        self._running = run_beside(self._keep_running)
        try:
            await self._running.__aenter__()
        except BaseException:
            await self._clean()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        assert self._running is not None
        try:
            return await self._running.__aexit__(kind, error, trace)
        finally:
            await self._clean()

    async def _clean(self) -> None:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(lambda: shutil.rmtree(self._folder, ignore_errors=True))

    async def _keep_running(self, status: TaskStatus[None]) -> None:
        failures = deaths = 0
        if not self._waits:
            status.started()
        while True:
            began = anyio.current_time()
            async with self._started() as process:
                listens = await self._listening(process)
                if listens and not self._listened.is_set():
                    self._listened.set()
                    if self._waits:
                        status.started()
                await process.wait()
            failures = 0 if listens else failures + 1
            if failures == FAILED_STARTS_MAX:
                raise self._unable(process)
            deaths = 0 if anyio.current_time() - began > SETTLED_S else deaths + 1
            await anyio.sleep(min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(deaths, 16)) if deaths > 1 else 0)

    # One process

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[Process]:
        """Start aria2c; at the end, kill its whole session."""
        self._port = _free_port()
        self._errors = ""
        await to_thread.run_sync(self._write_lines)
        try:
            process = await anyio.open_process(
                [str(self._program.path), f"--conf-path={self._lines_path}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=self._folder,
                # The language is that of its error texts, which we read.
                env=child_environment(home=self._folder, LC_ALL="C.UTF-8", LANGUAGE="C"),
                start_new_session=True,  # a Ctrl-C in the terminal is for us: we end it when we are ready
            )
        except OSError as error:
            raise Aria2Error(f"aria2c at {self._program.path} does not start: {error.strerror}.") from error
        limit_memory(process.pid, MEMORY_MAX)
        raise_descriptors(process.pid)
        self._process = process
        try:
            async with anyio.create_task_group() as group:
                assert process.stderr is not None
                group.start_soon(self._keep_errors, process.stderr)
                try:
                    yield process
                finally:
                    with anyio.CancelScope(shield=True):
                        await self._end(process)
        finally:
            self._process = None
            with anyio.CancelScope(shield=True):
                await self._delete_lines()
                await process.aclose()

    async def _listening(self, process: Process) -> bool:
        """Wait until aria2c listens. When it does not within the deadline, kill it and return False."""
        with anyio.move_on_after(START_DEADLINE_S):
            while process.returncode is None and PORT_TAKEN not in self._errors:
                with suppress(OSError):
                    await (await anyio.connect_tcp("127.0.0.1", self._port)).aclose()
                    await self._delete_lines()  # they have been read
                    return True
                await anyio.sleep(LISTEN_CHECK_S)
        _signal(process, KILL)
        return False

    async def _end(self, process: Process) -> None:
        """SIGTERM, which saves the control files; then SIGKILL."""
        if process.returncode is None:
            _signal(process, signal.SIGTERM)
            with suppress(OSError):
                # An idle aria2c sleeps for up to 1 s between two looks at its signals, unless a socket wakes it.
                await (await anyio.connect_tcp("127.0.0.1", self._port)).aclose()
            with anyio.move_on_after(STOP_DEADLINE_S):
                await process.wait()
        # Whatever is left of its session: aria2c itself, where the program was a script around it.
        _signal(process, KILL)
        with anyio.move_on_after(STOP_DEADLINE_S):
            await process.wait()

    async def _keep_errors(self, stream: ByteReceiveStream) -> None:
        async for data in stream:
            self._errors = (self._errors + data.decode("utf-8", "replace"))[-ERRORS_KEPT:]

    def _unable(self, process: Process) -> Aria2Error:
        lines = [line.strip() for line in self._errors.replace(self.secret, "***").splitlines() if line.strip()]
        said = " | ".join(lines[:4]) or "nothing"
        return Aria2Error(
            f"aria2c at {self._program.path} ended {FAILED_STARTS_MAX} times before it listened"
            f" (exit code {process.returncode}). It said: {said}",
            hint="Check ARIA2C_PATH and ARIA2C_CONF.",
            retryable=False,
        )

    # What it is started with

    @property
    def _lines_path(self) -> Path:
        return self._folder / "aria2.conf"

    def _write_lines(self) -> None:
        """Write the configuration. Of two lines for one option aria2 takes the later."""
        conf = self._conf or default_conf()
        try:
            given = conf.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"ARIA2C_CONF: {conf} cannot be read ({error}).") from None
        # The wheel's static build looks for certificates where most systems have none.
        lines = [f"ca-certificate={ca_file()}", given, *_as_lines(self._options | self._own())]
        self._lines_path.touch(mode=0o600)
        self._lines_path.write_text("\n".join(lines), encoding="utf-8")

    async def _delete_lines(self) -> None:
        await to_thread.run_sync(lambda: self._lines_path.unlink(missing_ok=True))

    def _own(self) -> dict[str, str]:
        return {
            "enable-rpc": "true",
            "rpc-listen-all": "false",
            "rpc-listen-port": str(self._port),
            "rpc-secret": self.secret,
            "rpc-secure": "false",
            "daemon": "false",
            "stop-with-process": str(os.getpid()),
            "dht-file-path": str(self._folder / "dht.dat"),
            "dht-file-path6": str(self._folder / "dht6.dat"),
        }


def _as_lines(options: Mapping[str, str]) -> list[str]:
    for name, value in options.items():
        if any(c in f"{name}{value}" for c in "\r\n\0"):
            raise ValueError(f"a line break in the aria2 option {name}")
    return [f"{name}={value}" for name, value in options.items()]


def _free_port() -> int:
    """A loopback port that is free now. Should somebody take it before aria2c does, the next start has another.

    Not one that the system chooses: it would choose the same for the next program that asks."""
    first = random.randrange(len(PORTS))
    for port in chain(PORTS[first:], PORTS[:first]):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise Aria2Error("No loopback port is free for aria2c.")


def _signal(process: Process, number: signal.Signals) -> None:
    """Signal the whole session of the process, where there are sessions."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
