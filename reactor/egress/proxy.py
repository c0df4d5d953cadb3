"""The egress guard: the proxy through which aria2c, yt-dlp and the browser reach the network.

    async with Guard(exceptions, own=…) as guard:
        guard.route("gid-or-name")                  a proxy URL, for one of our own programs
        guard.why("gid-or-name")                    why a connection was refused or failed

A proxy on loopback for CONNECT and plain HTTP. It requires the secret of this run. It resolves each host name once,
checks the addresses, and connects to the address that it has checked (`dialer`). After the head it relays bytes
(`relay`): unchanged, but for the heads of plain answers to aria2c.

aria2 reuses an open tunnel for the next download to the same host through the same proxy port. Downloads whose
credentials may go to certain hosts only (`CredentialScope`) therefore use a listener (a port) of their own, shared by
downloads of the same scope: it opens tunnels to those hosts only.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
import sys
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, closing
from dataclasses import field, replace
from typing import Self

import anyio
from anyio import AsyncContextManagerMixin
from anyio.abc import TaskGroup

from reactor.egress import inner
from reactor.egress.addresses import Exceptions
from reactor.egress.dialer import BESIDE_MAX, Dialer, Endpoint, LookUp
from reactor.egress.handed import HandedAnswers, pass_handed
from reactor.egress.inner_urls import HOST
from reactor.egress.meter import Meter
from reactor.egress.relay import LINGER_DEFAULT, LINGER_RESET, UP_BYTES, Tunnel, close_by, join, pass_answer
from reactor.egress.requests import BadProxyRequest, ProxyRequest, RequestReader
from reactor.errors import DownloadError, Failure
from reactor.net.credentials import CredentialScope
from reactor.records import dataclass

HEAD_S = 10.0
"""How long a client may take to send its request."""
IDLE_S = 300.0
"""A tunnel that relays nothing between two checks, this far apart, is closed."""
LISTENER_IDLE_S = 3600.0
"""A listener that is unused for so long is closed; a later route gets a new one."""
LISTENERS_MAX = 128
"""Above this the least recently used listener is closed. Its open tunnels stay open."""
CONNECTIONS_MAX = 1024
FILES_KEPT = 256
"""Descriptors reserved for the rest of the process. A tunnel takes two, and more while it connects."""
FAILURES_MAX = 4096
BACKLOG = 128
ACCEPT_AGAIN_S = 0.05
DENY_ALL = CredentialScope("", below=False, ports=frozenset())
"""The scope for protocols that are never connected."""
COUNTED = "counted-"
"""Prefix of the names of users whose bytes are counted."""
GREETED = "greeted-"
"""Prefix of the names of users who are greeted by servers before they have asked anything: by FTP and SSH."""
BROKEN = Failure("connection_lost", "The connection broke off.", None, True)

_STATUS = {"bad_redirect": 403, "refused_address": 403, "timeout": 504}
_PHRASES = {400: "Bad Request", 403: "Forbidden", 407: "Proxy Authentication Required", 502: "Bad Gateway"} | {
    504: "Gateway Timeout"
}


@dataclass(eq=False, slots=True)
class _Listener:
    """A port for one credential scope."""

    server: socket.socket
    scope: CredentialScope | None
    """None: for connections that may go anywhere."""
    used_at: float
    port: int
    accepting: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Guard(AsyncContextManagerMixin):
    """See the module. Leaving the `async with` closes every connection."""

    def __init__(
        self,
        exceptions: Exceptions | None = None,
        *,
        own: Callable[[], Iterable[Endpoint]] = lambda: (),
        look_up: LookUp | None = None,
    ) -> None:
        """`own`: the ports of our own programs, to which it never connects. `look_up`: as for `Dialer`."""
        self._own = own
        self._inside: list[Endpoint] = []
        self.dialer = Dialer(exceptions, own=self._closed, look_up=look_up)
        self.handed = HandedAnswers()
        """What reactor's own client hands over to aria2c."""
        self.meter = Meter()
        """Counts the bytes of our own downloads."""
        self.announce: inner.Announce = inner.nobody
        """Asks trackers in aria2c's stead."""
        self._secret = secrets.token_urlsafe(24)
        self._listeners: dict[CredentialScope | None, _Listener] = {}
        self._tunnels: set[Tunnel] = set()
        self._failures: OrderedDict[str, Failure] = OrderedDict()
        self._opened: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """For each user, since it was handed its route: how many connections, and `_broken_off` as it was then."""
        self._several: OrderedDict[str, None] = OrderedDict()
        """Settled users whose bytes came in more than one answer."""
        self._broken_off = 0
        """Connections that ended within an answer, as far as is known."""
        self.broken = 0
        """How many connections ended by an unexpected exception."""
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
            self.handed.close()

    def route(
        self, user: str, scope: CredentialScope | None = None, *, counted: bool = False, greeted: bool = False
    ) -> str:
        """The proxy URL for `user` (letters, digits and dashes). It contains the secret: do not log it. With `counted`
        the meter counts the received bytes, the heads of plain answers are repaired, and an implausible length is
        answered with IMPLAUSIBLE_STATUS. With `greeted` the server may speak first.

        Resets what is known of the user's earlier connections."""
        (way,) = self.routes(user, (scope,), counted=counted, greeted=greeted)
        return way

    def routes(
        self, user: str, scopes: Iterable[CredentialScope | None], *, counted: bool = False, greeted: bool = False
    ) -> list[str]:
        """As `route`, one for each scope."""
        self._failures.pop(user, None)
        self._several.pop(user, None)
        self._opened[user] = 0, self._broken_off
        self._opened.move_to_end(user)
        if len(self._opened) > FAILURES_MAX:
            self.settle(next(iter(self._opened)))
        login = f"{COUNTED if counted else ''}{GREETED if greeted else ''}{user}:{self._secret}"
        return [f"http://{login}@127.0.0.1:{self._listener(scope).port}" for scope in scopes]

    def why(self, user: str) -> Failure | None:
        """Why `user` got no connection. A final failure takes precedence over a retryable one."""
        return self._failures.get(user)

    def single(self, user: str) -> bool | None:
        """True when everything that `user` received since `route` came in one answer; None when that is not known any
        more. False when it opened several connections or its connection broke off; also when any connection broke off
        before it opened its own, since it may have reused that one."""
        if user in self._several:
            return False
        if user not in self._opened:
            return None
        opened, broken_off = self._opened[user]
        return opened == 1 or (opened == 0 and broken_off == self._broken_off)

    def settle(self, user: str) -> None:
        """The user has all its bytes: connections that break off from now on do not count."""
        if self.single(user) is False:
            self._several[user] = None
            if len(self._several) > FAILURES_MAX:
                self._several.popitem(last=False)
        self._opened.pop(user, None)

    def _closed(self) -> Iterable[Endpoint]:
        doors = (("127.0.0.1", listener.port) for listener in self._listeners.values())
        return [*self._own(), *self._inside, *doors]

    def serve_inside(self, host: str, connect: Callable[[], Awaitable[socket.socket]], endpoint: Endpoint) -> None:
        """Connect to what this process serves under the name `host`; by its address nobody gets there."""
        self.dialer.inside[host] = connect
        self._inside.append(endpoint)

    # Listeners

    def _listener(self, scope: CredentialScope | None) -> _Listener:
        listener = self._listeners.get(scope) or self._open(scope)
        listener.used_at = anyio.current_time()
        return listener

    def _open(self, scope: CredentialScope | None) -> _Listener:
        assert self._tasks is not None
        if len(self._listeners) >= LISTENERS_MAX:
            scoped = [each for each in self._listeners.values() if each.scope]
            self._close(min(scoped, key=lambda each: each.used_at))
        server = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        server.setblocking(False)
        listener = self._listeners[scope] = _Listener(server, scope, anyio.current_time(), server.getsockname()[1])
        self._tasks.start_soon(self._accept, listener)
        return listener

    def _close(self, listener: _Listener) -> None:
        del self._listeners[listener.scope]
        listener.accepting.cancel()

    async def _accept(self, listener: _Listener) -> None:
        loop = asyncio.get_running_loop()
        with closing(listener.server), listener.accepting:
            while True:
                try:
                    client, _ = await loop.sock_accept(listener.server)
                except OSError:  # out of descriptors, or the client is gone
                    await anyio.sleep(ACCEPT_AGAIN_S)
                    continue
                try:
                    await self._room.acquire()
                except BaseException:
                    client.close()
                    raise
                listener.used_at = anyio.current_time()
                self._tunnels.add(tunnel := Tunnel(client))
                assert self._tasks is not None
                self._tasks.start_soon(self._serve, tunnel, listener)

    async def _sweep(self) -> None:
        while True:
            await anyio.sleep(IDLE_S)
            for tunnel in self._tunnels:
                if not tunnel.moved:
                    tunnel.scope.cancel()
                tunnel.moved = False
            unused = anyio.current_time() - LISTENER_IDLE_S
            for each in [each for each in self._listeners.values() if each.scope and each.used_at < unused]:
                self._close(each)

    # One connection

    async def _serve(self, tunnel: Tunnel, listener: _Listener) -> None:
        try:
            with closing(tunnel.client), tunnel.scope:
                await self._answered(tunnel, listener)
        except OSError:
            pass
        except Exception as error:  # noqa: BLE001 - one connection must not end the others
            self._break(error)
        finally:
            self._tunnels.discard(tunnel)
            if tunnel.answers is not None and tunnel.answers.unfinished:
                self._broken_off += 1
                if tunnel.user in self._opened:
                    opened, broken_off = self._opened[tunnel.user]
                    self._opened[tunnel.user] = opened + 1, broken_off
            self._room.release()

    async def _answered(self, tunnel: Tunnel, listener: _Listener) -> None:
        request = None
        with anyio.move_on_after(HEAD_S):
            request = await self._request(tunnel.client)
        if request is None:
            return
        if request.user.startswith(COUNTED):
            request, tunnel.meter = replace(request, user=request.user.removeprefix(COUNTED)), self.meter
        if request.user.startswith(GREETED):
            request, tunnel.greeted = replace(request, user=request.user.removeprefix(GREETED)), True
        try:
            await self._carry_out(request, tunnel, listener)
        except OSError:
            raise
        except Exception:
            self._remember(request.user, BROKEN)
            raise

    def _break(self, error: Exception) -> None:
        """Count an unexpected exception, and log the first one."""
        self.broken += 1
        if self.broken == 1:
            message = "A connection through the egress guard ended by an unexpected error; later ones are counted only."
            asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})

    async def _request(self, client: socket.socket) -> ProxyRequest | None:
        """Read and authenticate a request; None after it was answered with an error."""
        loop, reader = asyncio.get_running_loop(), RequestReader()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Until the answer is complete: an orderly close would make a truncated file of unknown length look complete.
        close_by(LINGER_RESET, client)
        while data := await loop.sock_recv(client, UP_BYTES):
            try:
                request = reader.take(data)
            except BadProxyRequest as bad:
                await _answer(client, 400, f"This is not a proxy request: {bad}.")
                return None
            if request is None:
                continue
            if hmac.compare_digest(request.secret.encode(), self._secret.encode()):
                return request
            await _answer(client, 407, "This proxy is for the programs of one reactor.")
            return None
        return None

    async def _carry_out(self, request: ProxyRequest, tunnel: Tunnel, listener: _Listener) -> None:
        loop = asyncio.get_running_loop()
        if request.host == HOST and request.opening is None and listener.scope is None:
            await loop.sock_sendall(tunnel.client, b"HTTP/1.1 200 OK\r\n\r\n")
            close_by(LINGER_DEFAULT, tunnel.client)
            return await inner.serve(tunnel.client, self.announce)
        try:
            handed = self.handed.take(request.host)
            upstream = await self._dial(request, listener) if handed is None else None
        except DownloadError as error:
            self._remember(request.user, error.failure)
            await _answer(tunnel.client, _STATUS.get(error.code, 502), error.message)
            return
        if request.user in self._opened:
            tunnel.user, (opened, broken_off) = request.user, self._opened[request.user]
            # It may have gone through what broke off before it opened its own.
            self._opened[request.user] = opened + 1 + (broken_off != self._broken_off), self._broken_off
        if upstream is None:
            assert handed is not None
            await loop.sock_sendall(tunnel.client, b"HTTP/1.1 200 OK\r\n\r\n")
            await pass_handed(tunnel, handed)
            return
        with closing(upstream):
            upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if request.opening is None:
                await loop.sock_sendall(tunnel.client, b"HTTP/1.1 200 OK\r\n\r\n")
                await join(tunnel, upstream)
            else:
                await loop.sock_sendall(upstream, request.opening)
                await pass_answer(tunnel, upstream)

    async def _dial(self, request: ProxyRequest, listener: _Listener) -> socket.socket:
        """Raises DownloadError."""
        if listener.scope is DENY_ALL:
            raise DownloadError("The server redirects to a URL that is neither http nor https.", code="bad_redirect")
        if listener.scope is not None and not listener.scope.holds(request.host, request.port):
            raise DownloadError(
                f"The server redirects to {request.host}, which must not get the login or the cookies of this link.",
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
    """How many connections the descriptors of this process suffice for."""
    if sys.platform == "win32":
        return CONNECTIONS_MAX
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return max(32, min(CONNECTIONS_MAX, (files - FILES_KEPT - LISTENERS_MAX - BESIDE_MAX) // 2))


async def _answer(client: socket.socket, status: int, sentence: str) -> None:
    close_by(LINGER_DEFAULT, client)
    body = f"{sentence}\n".encode()
    lines = [
        f"HTTP/1.1 {status} {_PHRASES[status]}",
        *(['Proxy-Authenticate: Basic realm="reactor"'] if status == 407 else []),
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    await asyncio.get_running_loop().sock_sendall(client, "\r\n".join([*lines, "", ""]).encode("ascii") + body)
