"""HTTP inside the reactor's own event loop: uvicorn's protocol without its server, its signals and its ticking."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

import anyio
import h11
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from reactor.errors import SettingsError

CONNECTIONS_MAX, CONNECTIONS_MIN = 100, 8
"""At once, at one address."""
DESCRIPTORS_SHARE = 10
"""Of the descriptors that the process may have, one part of so many is the most for connections; the rest is for
what it is there for."""
SILENCE_S = 10
"""How long a connection may be open without a request."""
REQUEST_S = 15.0
"""How long a request may take to arrive, from its first byte to the last of its body."""
STALL_S = 20.0
"""How long a reader may take to read what is waiting for it; then it is sent away, and may come back."""
HEAD_BYTES_MAX = 32 * 1024
END_DEADLINE_S = 2.0


class _Protocol(H11Protocol):
    """One connection. Who keeps us waiting is sent away: for a request, for the rest of it, for an answer to be read.

    Where there are too many, one that a request is owed by goes: those from elsewhere before those of this machine,
    so that whoever looks after it here is always answered; then the one that has owed it longest."""

    def __init__(self, config: Config, state: ServerState, limit: int) -> None:
        super().__init__(config, state, {})
        self._limit = limit
        self._owed_s: float | None = None
        """How long what is owed may take; None while we are the ones to answer."""
        self._owed_since = 0.0
        self._late: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # whatever is not read at once is a reader's debt
        self._watch()
        if len(self.connections) > self._limit:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        _cancel(self._stalled)

    def connection_lost(self, exc: Exception | None) -> None:
        _cancel(self._late)
        _cancel(self._stalled)
        super().connection_lost(exc)

    def _watch(self) -> None:
        owed_s = self._owes()
        if owed_s == self._owed_s:
            return
        _cancel(self._late)
        if owed_s is not None and not self.transport.is_closing():
            self._late = self.loop.call_later(owed_s, self.transport.abort)
        if self._owed_s is None:
            self._owed_since = self.loop.time()
        self._owed_s = owed_s

    def _owes(self) -> float | None:
        match self.conn.their_state:
            case h11.SEND_BODY:
                return REQUEST_S
            case h11.IDLE:
                return REQUEST_S if self.conn.trailing_data[0] else SILENCE_S
            case _:
                return None

    def _make_room(self) -> None:
        owing = [each for each in self.connections if isinstance(each, _Protocol) and each._owed_s is not None]
        first = min(owing, key=lambda each: (each._is_near(), each._owed_since))  # at worst it is the one that came
        self.connections.discard(first)
        first.transport.abort()

    def _is_near(self) -> bool:
        return self.client is not None and _is_loopback(self.client[0])


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def connections_max() -> int:
    """How many connections one address may have."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return min(CONNECTIONS_MAX, max(CONNECTIONS_MIN, descriptors // DESCRIPTORS_SHARE))


def bind(address: str, variable: str) -> socket.socket:
    """Listen at HOST:PORT; port 0 lets the system choose. Raises SettingsError with the setting's name."""
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, place = found[0]
        return socket.create_server(place[:2], family=family, backlog=CONNECTIONS_MAX)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SettingsError(
            f"{variable}: nothing can be served at {address}: {why}.",
            hint="Choose another port, or 0 for one that is free, or end what uses this one.",
        ) from error


def is_loopback(listening: socket.socket) -> bool:
    """True when only this machine can reach it."""
    return _is_loopback(str(listening.getsockname()[0]))


def _is_loopback(host: str) -> bool:
    address = ip_address(host.partition("%")[0])
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def url_of(listening: socket.socket) -> str:
    """Where a browser on this machine finds it."""
    host, port = listening.getsockname()[:2]
    where = ip_address(str(host).partition("%")[0])
    if where.is_unspecified:
        where = ip_address("127.0.0.1" if where.version == 4 else "::1")
    return f"http://{f'[{where}]' if where.version == 6 else where}:{port}"


@asynccontextmanager
async def serving(app: ASGIApp, listening: socket.socket) -> AsyncIterator[None]:
    """Answer requests at `listening`, which is closed at the end; whoever still waits for an answer is cut off."""
    config = Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # what a stranger's request is like is nothing to tell about
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=SILENCE_S,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
    )
    config.load()
    state, limit = ServerState(), connections_max()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Protocol(config, state, limit), sock=listening, backlog=limit
    )
    try:
        yield
    finally:
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        with anyio.CancelScope(shield=True):
            await _ended(state.tasks)


async def _ended(tasks: set[asyncio.Task[None]]) -> None:
    """Wait for the requests that were cut off."""
    if tasks:
        await asyncio.wait(tasks, timeout=END_DEADLINE_S)
    for task in tasks:
        task.cancel()
