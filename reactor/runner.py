"""For bots: runs reactor as a child process, and restarts it when it dies.

    async with Runner(download_db="bot.db") as runner:
        ...
        print((await runner.status()).state)

The child ends with the bot, however the bot ends: it watches the bot's process, and reads from a pipe that the
system closes then. Its output and its journal go to the logger `reactor.runner`.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal, Self

import anyio
from anyio.abc import ByteReceiveStream, Process, TaskGroup
from anyio.streams.buffered import BufferedByteReceiveStream
from pydantic import SecretStr

from reactor.concurrency.bell import Bell
from reactor.concurrency.groups import unwrapped
from reactor.concurrency.task_context import TaskContext
from reactor.database.engine import open_table
from reactor.database.presence import Presence
from reactor.errors import DatabaseError, ReactorError, SettingsError
from reactor.journal.format import describe
from reactor.journal.ndjson import BrokenLine, from_line
from reactor.models import Download
from reactor.programs import FROZEN_HINT, LAUNCHED, daemon_command, daemon_environment
from reactor.records import dataclass
from reactor.settings import SETTING_NAMES, Settings, current_name

__all__ = ["Runner", "RunnerStatus", "State"]

State = Literal["stopped", "starting", "running", "waiting"]
"""`waiting`: it has died, and will be restarted."""
Event = Mapping[str, Any]

READY_DEADLINE_S = 60.0
STOP_DEADLINE_S = 10.0
"""Beside DRAIN_S."""
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.2, 30.0
SETTLED_S = 60.0
"""A process that has run this long resets the backoff."""
WRONG = 2
"""The exit code after which starting again is no use: a setting is wrong, another reactor serves the database."""
NOT_BEGUN = -1
"""In place of an exit code: the system had no room for another process."""
NO_REACTOR = "No module named reactor"
IN_ITS_PLACE = "started_in_reactors_place"
"""Said by a bot that a bot has started for the reactor: its `sys.executable` is no Python."""
LINE_BYTES_MAX = 1024 * 1024
LINES_KEPT = 20
TROUBLES = {"aria2_lost", "database_troubled", "disk_full", "entries_lost", "token_refused"} | {
    "download_stuck",
    "mirror_broken",
    "status_unserved",
    "table_unserved",
}
STEPS = {
    "download_progressed",
    "download_detected",
    "download_reclassified",
    "download_extracted",
    "download_finishing",
}
"""Of the journal, what is logged as a warning, and what at DEBUG; the rest is INFO."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunnerStatus:
    """How the reactor is. Moments in seconds since the epoch."""

    state: State
    pid: int | None
    since: float | None
    """Since when it is in this state."""
    restarts: int
    """How often it was started again after it had died."""
    under_way: tuple[Download, ...]
    version: str | None
    aria2: str | None
    """The version of its aria2c."""
    error: str | None
    """Its last words, when it has died, or cannot be started. With `stopped`: it is not started again by itself."""


class Runner:
    """One reactor process. Entering the context starts it and waits until it is ready; leaving it shuts it down.

    Raises ReactorError with reactor's message when it cannot start. Afterwards it is restarted whenever it dies, with
    exponential backoff."""

    def __init__(
        self,
        *,
        launch: bool = True,
        on_event: Callable[[Event], None] | None = None,
        python: str | os.PathLike[str] | None = None,
        **settings: object,
    ) -> None:
        """`settings` take precedence over the environment: `download_db="bot.db"`. With `launch=False` another process
        runs reactor (systemd), and only `status` is of use. `on_event` gets each line of the journal and must not
        block. `python` is a Python that has reactor, for a bot that was made into a program of its own (PyInstaller,
        Nuitka, …).

        Raises SettingsError."""
        if python is not None:
            settings["reactor_python"] = python
        unknown = sorted(set(settings) - SETTING_NAMES)
        if unknown:
            raise SettingsError(f"There is no setting {unknown[0].upper()}.")
        known = Settings.load(**settings)
        self._path, self._python, self._strangers = known.download_db, known.reactor_python, known.download_dir
        self._environment = {
            current_name(name).upper(): _plain(value) for name, value in settings.items() if value is not None
        }
        self._stop_deadline_s = STOP_DEADLINE_S + known.drain_s
        self._launch = launch
        self._on_event = on_event
        self._process: Process | None = None
        self._state: State = "stopped"
        self._since = time.time()
        self._restarts = 0
        self._error: str | None = None
        self._keeper: anyio.CancelScope | None = None
        self._is_the_bot = False
        """What was started in reactor's place has said that it is a bot."""
        self._starters = 0
        """How many wait for it to be ready: they are told by an error what the log tells later on."""
        self._tasks: TaskGroup | None = None
        self._changed = Bell()
        self._context = TaskContext("Runner")

    async def __aenter__(self) -> Self:
        """Start it. Another task may stop it."""
        await self._context.enter(self._being_open())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._context.exit()

    @asynccontextmanager
    async def _being_open(self) -> AsyncGenerator[None, None]:
        with unwrapped():
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                try:
                    if self._launch:
                        await self.start()
                    yield
                finally:
                    with anyio.CancelScope(shield=True):
                        await self.stop()
                    self._tasks = None

    async def start(self) -> None:
        """Start it, unless it is there, and wait until it takes rows. Raises ReactorError."""
        if self._tasks is None:
            raise ReactorError("The runner is not open.", hint="Use it inside `async with Runner(…) as runner`.")
        if LAUNCHED in os.environ:
            # The bot that has started this one hears it.
            os.write(1, json.dumps({"event": IN_ITS_PLACE}).encode() + b"\n")
            raise _not_a_python()
        if self._keeper is None:
            self._error, self._keeper = None, anyio.CancelScope()
            self._move("starting")
            self._tasks.start_soon(self._keep, self._keeper)
        keeper = self._keeper
        self._starters += 1
        try:
            with anyio.move_on_after(READY_DEADLINE_S) as waiting:
                while self._state != "running" and self._keeper is keeper:
                    await self._changed.next.wait()
        finally:
            self._starters -= 1
        if self._keeper is keeper and not waiting.cancelled_caught:
            return
        last_words = self._error or "It was stopped before it was ready."
        if waiting.cancelled_caught:
            last_words = self._error or f"It was not ready within {READY_DEADLINE_S:g} s."
            await self.stop()
        raise ReactorError(last_words, code="not_started")

    async def stop(self) -> None:
        """Shut it down. Running downloads resume at the next start; with DRAIN_S they may end before, unless `stop` is
        called once more meanwhile."""
        keeper, self._keeper = self._keeper, None
        if self._process is not None:
            await _end(self._process, self._stop_deadline_s)  # its last words are still heard
        if keeper is not None:
            keeper.cancel()
        while self._process is not None:
            await self._changed.next.wait()
        self._move("stopped")

    async def restart(self) -> None:
        """Stop and start. Raises ReactorError."""
        await self.stop()
        await self.start()

    async def status(self) -> RunnerStatus:
        """The state of the process, and what it has registered in the database."""
        presence, under_way = await self._look()
        alive = presence is not None and presence.alive
        state, since, pid = self._state, self._since, self._process.pid if self._process else None
        if self._keeper is None and (not self._launch or alive):
            state = "running" if alive else "stopped"
            since, pid = (presence.since, presence.pid if alive else None) if presence else (since, None)
        return RunnerStatus(
            state,
            pid,
            since,
            self._restarts,
            under_way,
            presence.version if presence else None,
            presence.aria2 if presence else None,
            self._error,
        )

    async def _look(self) -> tuple[Presence | None, tuple[Download, ...]]:
        try:
            async with open_table(self._path, create=False) as table:
                return await table.presence(), tuple(await table.list("downloading"))
        except DatabaseError:
            return None, ()  # there is none yet, or it cannot be read just now

    # Keeping it alive

    def _move(self, state: State) -> None:
        self._state, self._since = state, time.time()
        self._changed.ring()

    async def _keep(self, scope: anyio.CancelScope) -> None:
        """Restart it until it is stopped, or cannot start."""
        pause = BACKOFF_FIRST_S
        with scope:
            while True:
                began = time.monotonic()
                code, last_words = await self._run_once()
                if self._keeper is not scope:
                    break
                self._error = last_words
                if code == WRONG:
                    if not self._starters:
                        _log.error("the reactor has ended for good: %s", last_words)
                    break
                pause = BACKOFF_FIRST_S if time.monotonic() - began > SETTLED_S else pause
                _log.warning("the reactor has ended (%s); it is started again in %.1f s", last_words, pause)
                self._move("waiting")
                await anyio.sleep(pause)
                pause = min(2 * pause, BACKOFF_MAX_S)
                self._restarts += 1
                self._move("starting")
        if self._keeper is scope:
            self._keeper = None
            self._move("stopped")

    async def _run_once(self) -> tuple[int, str]:
        """Run one process; returns its exit code and its last output. A cancel shuts it down."""
        said: deque[str] = deque(maxlen=LINES_KEPT)

        def listen(line: str) -> None:
            said.append(line.removeprefix("reactor: "))
            _log.info("%s", said[-1])

        watching = ["--with-stdin", "--launcher", str(os.getpid())]
        try:
            process = await anyio.open_process(
                daemon_command(self._python, "run", "--events", "-", *watching),
                stdin=subprocess.PIPE,
                env=daemon_environment(self._python, self._environment, self._strangers),
                start_new_session=True,
            )
        except ReactorError as error:
            return WRONG, str(error)
        except (OSError, RuntimeError) as error:  # RuntimeError: no room for the thread that waits for its end
            return NOT_BEGUN, f"It could not be started: {getattr(error, 'strerror', None) or error}."
        self._process = process
        try:
            async with anyio.create_task_group() as tasks:
                assert process.stdout is not None
                assert process.stderr is not None
                tasks.start_soon(_lines, process.stdout, self._hear)
                tasks.start_soon(_lines, process.stderr, listen)
                code = await process.wait()
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process, self._stop_deadline_s)
                await process.aclose()
                self._process = None
                self._move(self._state)
        if self._is_the_bot:
            return WRONG, str(_not_a_python())
        if code == 1 and said and said[-1].endswith(NO_REACTOR):
            return WRONG, f"{said[-1]}. Install it there: pip install aria2-reactor."
        # Whoever is killed has no last words: what it said before may be an address with a token.
        return code, said[-1] if said and code > 0 else f"It ended with {code}."

    def _hear(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return
        if not isinstance(event, dict):
            return
        if event.get("event") == IN_ITS_PLACE:
            self._is_the_bot = True
            return
        _tell(line, event.get("event"))
        if event.get("event") == "aria2_connected" and self._state == "starting":
            self._move("running")
        if self._on_event is not None:
            try:
                self._on_event(event)
            except Exception:  # noqa: BLE001  (the bot's own mistake is no reason to end its downloads)
                _log.exception("on_event has raised an error at %s", event.get("event"))


def _not_a_python() -> ReactorError:
    return ReactorError(
        f"{sys.executable or sys.argv[0]} is no Python: started as the reactor, it was this bot once more.",
        hint=FROZEN_HINT,
        code="not_started",
    )


def _tell(line: str, event: str | None) -> None:
    """Log a line of the journal, in words for people."""
    level = logging.WARNING if event in TROUBLES else logging.DEBUG if event in STEPS else logging.INFO
    if not _log.isEnabledFor(level):
        return
    with suppress(BrokenLine):
        if (entry := from_line(line)) is not None:
            number: int | None = getattr(entry.notice, "download_id", None)
            _log.log(level, "%s%s", f"#{number} " if number is not None else "", describe(entry.notice))


def _plain(value: object) -> str:
    return str(value.get_secret_value() if isinstance(value, SecretStr) else _handed_on(value))


def _handed_on(value: object) -> object:
    """The address of a server is shown without its password, and handed on with it."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value


async def _lines(stream: ByteReceiveStream, take: Callable[[str], object]) -> None:
    """Hand on each line, to the end of the stream."""
    buffered = BufferedByteReceiveStream(stream)
    with suppress(anyio.IncompleteRead, anyio.ClosedResourceError, anyio.EndOfStream):
        while True:
            take((await buffered.receive_until(b"\n", LINE_BYTES_MAX)).decode(errors="replace"))


async def _end(process: Process, deadline_s: float) -> None:
    """SIGTERM; after `deadline_s` SIGKILL."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    with anyio.move_on_after(deadline_s):
        await process.wait()
        return
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
