"""The egress guard: the one way out for aria2c, yt-dlp and the browser.

    async with Guard(exceptions, own=…) as guard:
        guard.route("gid-or-name")                  a proxy URL, for one of our own programs
        guard.why("gid-or-name")                    why it was refused, or not connected

A proxy on loopback, for CONNECT and plain HTTP. Whoever has not the secret of this run is turned away. Names are
resolved here, once; what they lead to is judged, and that is dialed (`dialer`). After the head bytes are passed on
as they are (`passing`).

aria2 keeps a tunnel open for the next download to the same host through the same port of the same proxy. Those whose
credentials may go to some hosts only (`Reach`) therefore have a door, a port of its own, which they share with those
of the same reach: through it no tunnel is ever opened that leads elsewhere.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
import sys
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from typing import Self

import anyio
from anyio import AsyncContextManagerMixin
from anyio.abc import TaskGroup

from reactor.egress.addresses import Exceptions
from reactor.egress.dialer import BESIDE_MAX, Dialer, Endpoint, LookUp
from reactor.egress.meter import Meter
from reactor.egress.relay import BROKEN_OFF, IN_ORDER, UP_BYTES, Tunnel, close_by, join, pass_answer
from reactor.egress.requests import BadRequest, Reader, Request
from reactor.errors import DownloadError, Failure
from reactor.net.credentials import Reach

HEAD_S = 10.0
"""How long one of our programs may take to say what it wants."""
IDLE_S = 300.0
"""A tunnel through which nothing went between two looks, so far apart, is closed."""
DOOR_IDLE_S = 3600.0
"""So is a door that nobody used for so long; who comes later is handed a new one."""
DOORS_MAX = 128
"""Of more doors the one that was not used for longest is closed. What goes through it already goes on."""
CONNECTIONS_MAX = 1024
FILES_KEPT = 256
"""Open files that are left to the rest of the process. A tunnel takes two, and more while it is being dialed."""
FAILURES_MAX = 4096
BACKLOG = 128
ACCEPT_AGAIN_S = 0.05
NOWHERE = Reach("", below=False, ports=frozenset())
"""The reach of what is not to be asked at all: a server of another protocol."""
COUNTED = "counted-"
"""How the name of a user begins whose bytes are counted."""
BROKEN = Failure("connection_lost", "The connection broke off.", None, True)

_STATUS = {"bad_redirect": 403, "refused_address": 403, "timeout": 504}
_PHRASES = {400: "Bad Request", 403: "Forbidden", 407: "Proxy Authentication Required", 502: "Bad Gateway"} | {
    504: "Gateway Timeout"
}


@dataclass(eq=False, slots=True)
class _Door:
    listener: socket.socket
    reach: Reach | None
    used_at: float
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])


class Guard(AsyncContextManagerMixin):
    """See the module. Leaving the `async with` closes every connection."""

    def __init__(
        self,
        exceptions: Exceptions | None = None,
        *,
        own: Callable[[], Iterable[Endpoint]] = lambda: (),
        look_up: LookUp | None = None,
    ) -> None:
        """`own`: where our own programs listen, which nobody is let in to. `look_up`: as for `Dialer`."""
        self._own = own
        self.dialer = Dialer(exceptions, own=self._closed, look_up=look_up)
        self.meter = Meter()
        """Counts what comes for our own downloads."""
        self._secret = secrets.token_urlsafe(24)
        self._doors: dict[Reach | None, _Door] = {}
        self._tunnels: set[Tunnel] = set()
        self._failures: OrderedDict[str, Failure] = OrderedDict()
        self._opened: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """For each user, since it was handed its route: how many connections, and `_broken_off` as it was then."""
        self._several: OrderedDict[str, None] = OrderedDict()
        """Those that are settled, with more than one answer."""
        self._broken_off = 0
        """Connections that ended within an answer, as far as can be told."""
        self.broken = 0
        """How many connections ended by an error that nobody had thought of."""
        self._room = anyio.Semaphore(connections_max())
        self._tasks: TaskGroup | None = None

    @property
    def tunnels(self) -> int:
        """How many connections there are."""
        return len(self._tunnels)

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self]:
        try:
            async with anyio.create_task_group() as self._tasks:
                self._open(None)
                self._tasks.start_soon(self._sweep)
                try:
                    yield self
                finally:
                    self._tasks.cancel_scope.cancel()
        except BaseExceptionGroup as errors:
            if len(errors.exceptions) == 1:  # the body's own error, which is no group to whoever uses this
                raise errors.exceptions[0] from errors.exceptions[0].__cause__
            raise
        finally:
            self._tasks = None

    def route(self, user: str, reach: Reach | None = None, *, counted: bool = False) -> str:
        """The URL of the proxy for `user`: letters, digits and dashes. Holds the secret: never shown. What comes is
        `counted` by the meter, and lengths that no file has are not passed on.

        What came of earlier connections of the same user is forgotten."""
        self._failures.pop(user, None)
        self._several.pop(user, None)
        self._opened[user] = 0, self._broken_off
        self._opened.move_to_end(user)
        if len(self._opened) > FAILURES_MAX:
            self.settle(next(iter(self._opened)))
        door = self._doors.get(reach) or self._open(reach)
        door.used_at = anyio.current_time()
        return f"http://{COUNTED if counted else ''}{user}:{self._secret}@127.0.0.1:{door.port}"

    def why(self, user: str) -> Failure | None:
        """Why `user` did not get a connection; a refusal counts more than what may pass."""
        return self._failures.get(user)

    def single(self, user: str) -> bool | None:
        """True when what `user` got since it was handed its route has come in one answer; None when nobody knows any
        more. It is in doubt when it opened more than one connection, or its own broke off; and, as it goes through
        those that others have left open where there are any, when one broke off before it opened its own."""
        if user in self._several:
            return False
        if user not in self._opened:
            return None
        opened, broken_off = self._opened[user]
        return opened == 1 or (opened == 0 and broken_off == self._broken_off)

    def settle(self, user: str) -> None:
        """It has all its bytes: what breaks off later is nothing to it."""
        if self.single(user) is False:
            self._several[user] = None
            if len(self._several) > FAILURES_MAX:
                self._several.popitem(last=False)
        self._opened.pop(user, None)

    def _closed(self) -> Iterable[Endpoint]:
        return [*self._own(), *(("127.0.0.1", door.port) for door in self._doors.values())]

    # Doors

    def _open(self, reach: Reach | None) -> _Door:
        assert self._tasks is not None
        if len(self._doors) >= DOORS_MAX:
            self._close(min((door for door in self._doors.values() if door.reach), key=lambda door: door.used_at))
        listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        listener.setblocking(False)
        door = self._doors[reach] = _Door(listener, reach, anyio.current_time())
        self._tasks.start_soon(self._accept, door)
        return door

    def _close(self, door: _Door) -> None:
        del self._doors[door.reach]
        door.scope.cancel()

    async def _accept(self, door: _Door) -> None:
        loop = asyncio.get_running_loop()
        with closing(door.listener), door.scope:
            while True:
                try:
                    near, _ = await loop.sock_accept(door.listener)
                except OSError:  # no more files, or whoever came has gone
                    await anyio.sleep(ACCEPT_AGAIN_S)
                    continue
                try:
                    await self._room.acquire()
                except BaseException:
                    near.close()
                    raise
                door.used_at = anyio.current_time()
                self._tunnels.add(tunnel := Tunnel(near))
                assert self._tasks is not None
                self._tasks.start_soon(self._serve, tunnel, door)

    async def _sweep(self) -> None:
        while True:
            await anyio.sleep(IDLE_S)
            for tunnel in self._tunnels:
                if not tunnel.moved:
                    tunnel.scope.cancel()
                tunnel.moved = False
            unused = anyio.current_time() - DOOR_IDLE_S
            for door in [door for door in self._doors.values() if door.reach and door.used_at < unused]:
                self._close(door)

    # One connection

    async def _serve(self, tunnel: Tunnel, door: _Door) -> None:
        try:
            with closing(tunnel.near), tunnel.scope:
                await self._answered(tunnel, door)
        except OSError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever one connection does, it does not end those of the others
            self._break(error)
        finally:
            self._tunnels.discard(tunnel)
            if tunnel.answers is not None and tunnel.answers.unfinished:
                self._broken_off += 1
                if tunnel.user in self._opened:
                    opened, broken_off = self._opened[tunnel.user]
                    self._opened[tunnel.user] = opened + 1, broken_off
            self._room.release()

    async def _answered(self, tunnel: Tunnel, door: _Door) -> None:
        request = None
        with anyio.move_on_after(HEAD_S):
            request = await self._request(tunnel.near)
        if request is None:
            return
        if request.user.startswith(COUNTED):
            request, tunnel.meter = replace(request, user=request.user.removeprefix(COUNTED)), self.meter
        try:
            await self._carry_out(request, tunnel, door)
        except OSError:
            raise
        except Exception:
            self._remember(request.user, BROKEN)
            raise

    def _break(self, error: Exception) -> None:
        """Count it. The first one is told, with its trace: it is a flaw of ours."""
        self.broken += 1
        if self.broken == 1:
            message = "A connection through the guard ended by an error; more of them are not told."
            asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})

    async def _request(self, near: socket.socket) -> Request | None:
        """What is wanted, from one of our own programs; None, and it was told so, when it is none."""
        loop, reader = asyncio.get_running_loop(), Reader()
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Until all is said: an end in order would make a whole file of half a one where nobody has said how long it is.
        close_by(BROKEN_OFF, near)
        while data := await loop.sock_recv(near, UP_BYTES):
            try:
                request = reader.take(data)
            except BadRequest as bad:
                await _answer(near, 400, f"This is no request to a proxy: {bad}.")
                return None
            if request is None:
                continue
            if hmac.compare_digest(request.secret.encode(), self._secret.encode()):
                return request
            await _answer(near, 407, "This proxy is for the programs of one reactor.")
            return None
        return None

    async def _carry_out(self, request: Request, tunnel: Tunnel, door: _Door) -> None:
        loop = asyncio.get_running_loop()
        try:
            far = await self._dial(request, door)
        except DownloadError as error:
            self._remember(request.user, error.failure)
            await _answer(tunnel.near, _STATUS.get(error.code, 502), error.message)
            return
        if request.user in self._opened:
            tunnel.user, (opened, broken_off) = request.user, self._opened[request.user]
            # It may have gone through what broke off before it opened its own.
            self._opened[request.user] = opened + 1 + (broken_off != self._broken_off), self._broken_off
        with closing(far):
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if request.opening is None:
                await loop.sock_sendall(tunnel.near, b"HTTP/1.1 200 OK\r\n\r\n")
                await join(tunnel, far)
            else:
                await loop.sock_sendall(far, request.opening)
                await pass_answer(tunnel, far)

    async def _dial(self, request: Request, door: _Door) -> socket.socket:
        """Raises DownloadError."""
        if door.reach is NOWHERE:
            raise DownloadError(
                "The server sends on to an address that is neither http nor https.", code="bad_redirect"
            )
        if door.reach is not None and not door.reach.holds(request.host, request.port):
            raise DownloadError(
                f"The server sends on to {request.host}, where the login or the cookies of this link must not go.",
                code="bad_redirect",
            )
        return await self.dialer.dial(request.host, request.port)

    def _remember(self, user: str, failure: Failure) -> None:
        earlier = self._failures.get(user)
        if earlier is None or earlier.retryable:
            self._failures[user] = failure
        if len(self._failures) > FAILURES_MAX:
            self._failures.popitem(last=False)


def connections_max() -> int:
    """How many connections this process has open files for."""
    if sys.platform == "win32":
        return CONNECTIONS_MAX
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return max(32, min(CONNECTIONS_MAX, (files - FILES_KEPT - DOORS_MAX - BESIDE_MAX) // 2))


async def _answer(near: socket.socket, status: int, sentence: str) -> None:
    close_by(IN_ORDER, near)
    body = f"{sentence}\n".encode()
    lines = [
        f"HTTP/1.1 {status} {_PHRASES[status]}",
        *(['Proxy-Authenticate: Basic realm="reactor"'] if status == 407 else []),
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    await asyncio.get_running_loop().sock_sendall(near, "\r\n".join([*lines, "", ""]).encode("ascii") + body)
