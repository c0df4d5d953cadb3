"""HTTP inside the reactor's own event loop: uvicorn's protocol without its server, its signals and its ticking."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

import anyio
import anyio.lowlevel
from starlette.types import ASGIApp, Scope
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from reactor.errors import SettingsError

CONNECTIONS_MAX = 100
"""At once; those above are told to come back later."""
SILENCE_S = 10
"""How long a connection may be open without a request."""
HEAD_BYTES_MAX = 32 * 1024
END_DEADLINE_S = 2.0


class _Protocol(H11Protocol):
    """One connection. Who says nothing is sent away, and the application may break it off (`abort`)."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "abort": transport.abort}
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)


async def abort(scope: Scope) -> None:
    """Break off the connection of a request: what was not read of the answer is thrown away."""
    scope["state"]["abort"]()
    await anyio.lowlevel.checkpoint()  # the protocol hears of it in the loop's next turn


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
    return ip_address(str(listening.getsockname()[0]).partition("%")[0]).is_loopback


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
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=SILENCE_S,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
    )
    config.load()
    state = ServerState()
    kept: dict[str, Any] = {}
    server = await asyncio.get_running_loop().create_server(lambda: _Protocol(config, state, kept), sock=listening)
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
