"""Both aria2c's that must work, running, without DHT and local discovery; and what they talk to."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import anyio
import pytest

from reactor.aria2.connection import Aria2Connection
from reactor.aria2.embedded import EmbeddedAria2
from reactor.aria2.methods import tell_status
from reactor.core import events
from reactor.core.events import TransferReport, TransferStatus
from reactor.programs import Program, find_aria2c
from tests.aria2.servers import FileServer, Tracker, serving
from tests.tools import tool

DEADLINE_S = 30.0

AnyEvent = events.Aria2Connected | events.Aria2Lost | events.TransferNotified


def system_aria2c() -> Program:
    """The system's aria2c, also in an active virtual environment."""
    found = tool("aria2c")
    return Program("aria2c", Path(found), "path") if found else wheel_aria2c()


def wheel_aria2c() -> Program:
    """The aria2c of the extra `bundled`."""
    saved = os.environ["PATH"]
    os.environ["PATH"] = ""
    try:
        return find_aria2c()
    finally:
        os.environ["PATH"] = saved


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test runs with both programs; unless it is about what differs between them, with the system's nightly."""
    if "program" in metafunc.fixturenames:
        differs = metafunc.definition.get_closest_marker("both_aria2c") is not None
        system = pytest.param("system", marks=[] if differs else pytest.mark.nightly)
        metafunc.parametrize("program", [system, "wheel"], indirect=True)


@pytest.fixture
def program(request: pytest.FixtureRequest) -> Program:
    """The aria2c that the test is run with."""
    return system_aria2c() if request.param == "system" else wheel_aria2c()


def for_tests(**more: str) -> dict[str, str]:
    """Options that keep an aria2c on this machine, and to a port of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    quiet = {"enable-dht": "false", "enable-dht6": "false", "bt-enable-lpd": "false", "listen-port": port}
    return quiet | {"auto-save-interval": "1"} | more


@dataclass
class Recorder:
    """An inbox that can be waited on."""

    events: list[AnyEvent] = field(default_factory=list)
    changed: anyio.Event = field(default_factory=anyio.Event)

    def post(self, event: AnyEvent) -> None:
        self.events.append(event)
        self.changed.set()
        self.changed = anyio.Event()

    async def until(self, condition: Callable[[list[AnyEvent]], bool], deadline_s: float = DEADLINE_S) -> None:
        with anyio.fail_after(deadline_s):
            while not condition(self.events):
                await self.changed.wait()

    def words(self, gid: str) -> list[str]:
        """What was notified about a gid, in order."""
        return [e.what for e in self.events if isinstance(e, events.TransferNotified) and e.gid == gid]

    async def notified(self, gid: str, *words: str) -> None:
        await self.until(lambda _: any(word in self.words(gid) for word in words))


async def fetched(connection: Aria2Connection, gid: str, size: int) -> None:
    """Wait until aria2 says it has that many bytes: of this it tells nothing by itself."""
    with anyio.fail_after(DEADLINE_S):
        while (await connection.call(tell_status(gid))).completed < size:
            await anyio.sleep(0.01)


@dataclass
class Running:
    """An aria2c, the connection to it, and what came over it."""

    embedded: EmbeddedAria2
    connection: Aria2Connection
    inbox: Recorder

    async def over(self, gid: str) -> TransferReport:
        """The report of a transfer that has come to its end, good or bad."""
        await self.inbox.notified(gid, "complete", "error", "stop")
        report = await self.connection.call(tell_status(gid, files=True))
        assert report.status in (TransferStatus.COMPLETE, TransferStatus.ERROR, TransferStatus.REMOVED)
        return report


class Start(Protocol):
    """Starts an aria2c with further options (`auto_save_interval="60"`) and connects to it."""

    async def __call__(self, **options: str) -> Running: ...


@pytest.fixture
async def start(program: Program) -> AsyncIterator[Start]:
    """Start an aria2c and connect to it: `await start(**options)`."""
    async with AsyncExitStack() as stack:

        async def started(**options: str) -> Running:
            settings = for_tests(**{name.replace("_", "-"): value for name, value in options.items()})
            embedded = await stack.enter_async_context(EmbeddedAria2(program, options=settings))
            inbox = Recorder()
            connection = Aria2Connection(lambda: embedded.url, embedded.secret, post=inbox.post)
            await stack.enter_async_context(connection)
            await connection.wait_connected()
            return Running(embedded, connection, inbox)

        yield started


@pytest.fixture
async def aria2(start: Start) -> Running:
    """One running aria2c."""
    return await start()


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    """An HTTP server without files."""
    server = FileServer()
    async with serving(server):
        yield server


@pytest.fixture
async def tracker() -> AsyncIterator[Tracker]:
    """A tracker that knows nobody."""
    tracker = Tracker()
    async with serving(tracker):
        yield tracker
