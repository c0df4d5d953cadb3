"""The socket to aria2: one WebSocket that is opened again whenever it breaks.

    async with Aria2Connection(url, secret, post=inbox.append) as aria2:
        await aria2.wait_connected()
        gid = await aria2.call(methods.add_uri([url], options))
        reports = await aria2.batch([methods.tell_status(gid) for gid in gids])

Events (`core.events`): Aria2Connected after every successful connect, before it Aria2Lost if there was a
connection, and TransferNotified for what aria2 tells of itself. A wrong secret, and at the first connect a
server that is not aria2, end the `async with` with the error: trying again would not help.
"""

from __future__ import annotations

import random
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import anyio
from anyio.abc import TaskStatus
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus, InvalidURI

from reactor.aria2 import methods
from reactor.aria2.beside import run_beside
from reactor.aria2.engines import is_known, not_known
from reactor.aria2.errors import shown, why_closed, why_unopened
from reactor.aria2.methods import Method
from reactor.aria2.protocol import BATCH_BYTES_MAX, Encoded, Protocol, Reply, Request, split
from reactor.core import events
from reactor.errors import Aria2Error, Aria2Lost, Aria2Refused, Aria2Timeout, Aria2Unauthorized, SettingsError
from reactor.programs import ca_file
from reactor.records import dataclass

T = TypeVar("T")

CALL_DEADLINE_S = 15.0
OPEN_DEADLINE_S = 10.0
FRAME_BYTES_MAX = 64 * 1024 * 1024
"""Largest answer taken. websockets' 1 MiB is less than one torrent of 10 000 files."""
PING_INTERVAL_S = 20.0
PING_TIMEOUT_S = 60.0
"""aria2 answers nothing while it waits for its disk: do not take a stall for a broken line."""
SILENCE_MAX_S = 180.0
"""How long an aria2 may take connections and answer nothing, once the connection broke, before somebody is told: many
times more than a disk has ever stalled."""
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.05, 5.0
REQUEST_BYTES_MAX = 2 * 1024 * 1024
"""What aria2 takes by default, where it does not say (its option rpc-max-request-size)."""

Post = Callable[[events.Aria2Connected | events.Aria2Lost | events.TransferNotified], None]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts since the start."""

    connects: int
    requests: int
    """Frames sent."""
    calls: dict[str, int]
    """Methods asked, by name: `system.multicall` and what was in it."""
    notifications: int
    ignored: dict[str, int]
    """Frames that led to nothing, by reason."""
    pending: int
    """Requests not answered."""


class _Waiter:
    """A pending request: its reply, or the end of the connection, sets `answered`."""

    __slots__ = ("answered", "outcomes")

    def __init__(self) -> None:
        self.answered = anyio.Event()
        self.outcomes: tuple[Any, ...] | None = None


class Aria2Connection:
    """A connection that reconnects by itself. While it is down, calls raise Aria2Lost at once."""

    def __init__(
        self,
        url: str | Callable[[], str],
        secret: str | None = None,
        *,
        ca: Path | None = None,
        post: Post = lambda event: None,
        unknown: bool = False,
        deadline_s: float = CALL_DEADLINE_S,
        when_silent: Callable[[], None] | None = None,
        silence_max_s: float = SILENCE_MAX_S,
    ) -> None:
        """`url` may be asked anew for each connect: an embedded aria2c changes its port when it is restarted. An engine
        that is not known is refused, unless it may be `unknown`. `when_silent` is called when nothing could be had from
        it for `silence_max_s`, and again after as long."""
        self._url = url if callable(url) else lambda: url
        self._ca = ca
        self._post = post
        self._unknown = unknown
        self._deadline_s = deadline_s
        self._when_silent = when_silent
        self._silence_max_s = silence_max_s
        self._protocol = Protocol(secret)
        self._waiters: dict[int, _Waiter] = {}
        self._socket: ClientConnection | None = None
        self._connected = anyio.Event()
        self._trouble = "it was not tried yet"
        self._request_bytes_max = REQUEST_BYTES_MAX
        self._connects = self._requests = self._notifications = 0
        self._running: AbstractAsyncContextManager[None] | None = None
        self.on_answer: Callable[[float], None] | None = None
        """Called, if set, with the response time of each request in seconds."""

    @property
    def url(self) -> str:
        """Where aria2's RPC is now."""
        return self._url()

    def __repr__(self) -> str:
        return f"<Aria2Connection {shown(self._url())} {'connected' if self._socket else 'lost'}>"

    async def __aenter__(self) -> Aria2Connection:
        self._running = run_beside(self._keep_connected)
        await self._running.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        assert self._running is not None
        return await self._running.__aexit__(kind, error, trace)

    # Asking

    async def call(self, method: Method[T], *, deadline_s: float | None = None) -> T:
        """Carry out one method.

        Raises Aria2Refused (aria2 said no), Aria2Timeout or Aria2Lost (nobody knows whether it was done),
        Aria2Error (an answer that aria2 does not give)."""
        socket = self._connected_socket()
        (outcome,) = await self._ask(socket, self._protocol.request(method), deadline_s)
        if isinstance(outcome, Aria2Error):
            raise outcome
        result: T = outcome
        return result

    async def batch(self, wanted: Sequence[Method[T]], *, deadline_s: float | None = None) -> list[T | Aria2Error]:
        """Carry out several methods in as few requests as their size allows: one outcome for each, in order.

        Raises Aria2Lost only when nothing was sent. The deadline holds for each request."""
        socket = self._connected_socket()
        outcomes: list[Any] = [None] * len(wanted)
        places: deque[int] = deque()

        def encoded() -> Iterator[Encoded]:
            for place, method in enumerate(wanted):
                try:
                    part = self._protocol.encode(method)
                except Aria2Refused as error:
                    outcomes[place] = error
                else:
                    places.append(place)
                    yield part

        # Encoded as they are sent: all at once may be many times what one request holds.
        for group in split(encoded(), min(BATCH_BYTES_MAX, self._request_bytes_max // 2)):
            try:
                answers: Sequence[Any] = await self._ask(socket, self._protocol.batch(group), deadline_s)
            except Aria2Error as error:
                answers = [error] * len(group)
            for answer in answers:
                outcomes[places.popleft()] = answer
        return outcomes

    async def limit_speed(self, limit: int) -> None:
        """So many bytes/s at most for all transfers together, 0: any. Raises as `call` does."""
        await self.call(methods.limit_speed(limit))

    async def wait_connected(self, deadline_s: float = CALL_DEADLINE_S) -> None:
        """Wait for a connection. Raises Aria2Timeout that says what is in the way."""
        with anyio.move_on_after(deadline_s):
            await self._connected.wait()
        if self._socket is None:
            raise Aria2Timeout(
                f"aria2 at {shown(self._url())} cannot be reached: {self._trouble}.",
                hint="Is aria2c running there, with --enable-rpc?",
            )

    @property
    def connected(self) -> bool:
        """True while the connection stands."""
        return self._socket is not None

    def statistics(self) -> Statistics:
        """Counters since the start."""
        calls, ignored = self._protocol.calls, self._protocol.ignored
        return Statistics(
            self._connects, self._requests, dict(calls), self._notifications, dict(ignored), self._protocol.pending
        )

    # One request

    def _connected_socket(self) -> ClientConnection:
        if self._socket is None:
            raise Aria2Lost(f"There is no connection to aria2: {self._trouble}.")
        return self._socket

    async def _ask(self, socket: ClientConnection, request: Request, deadline_s: float | None) -> tuple[Any, ...]:
        waiter = self._waiters[request.id] = _Waiter()
        limit_s = self._deadline_s if deadline_s is None else deadline_s
        asked_at = anyio.current_time() if self.on_answer else 0.0
        try:
            with anyio.fail_after(limit_s):
                await self._send(socket, request)
                await waiter.answered.wait()
        except TimeoutError:
            raise Aria2Timeout(f"aria2 did not answer {request.name} within {limit_s:g} s.") from None
        finally:
            self._waiters.pop(request.id, None)
            self._protocol.forget(request.id)
        if waiter.outcomes is None:
            raise Aria2Lost(f"The connection to aria2 broke before {request.name} was answered: {self._trouble}.")
        if self.on_answer:
            self.on_answer(anyio.current_time() - asked_at)
        return waiter.outcomes

    async def _send(self, socket: ClientConnection, request: Request) -> None:
        size, limit = len(request.data), self._request_bytes_max
        if size > limit:  # aria2 would cut it off and answer to nobody
            raise Aria2Refused(
                f"A request {request.name} of {size / 2**20:.1f} MiB is more than this aria2c takes"
                f" ({limit / 2**20:.1f} MiB).",
                hint=f"Start it with --rpc-max-request-size={size // 2**20 * 2 + 2}M.",
            )
        try:
            await socket.send(request.data, text=True)
        except ConnectionClosed as error:
            raise Aria2Lost(f"The connection to aria2 broke at {request.name}: {why_closed(error)}.") from None
        self._requests += 1

    # Keeping the connection

    async def _keep_connected(self, status: TaskStatus[None]) -> None:
        status.started()
        failures, heard_at = 0, anyio.current_time()
        while True:
            connects = self._connects
            try:
                async with self._opened() as socket:
                    connected = await self._greet(socket)
                    await self._serve(socket, connected)
            except (Aria2Lost, Aria2Timeout) as error:
                self._trouble = error.message.rstrip(".")
            if self._connects > connects:
                failures, heard_at = 0, anyio.current_time()
                self._post(events.Aria2Lost(self._trouble))
            elif self._when_silent is not None and anyio.current_time() - heard_at >= self._silence_max_s:
                heard_at = anyio.current_time()
                self._when_silent()
            await anyio.sleep(min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2**failures) * random.uniform(0.5, 1.0))
            failures = min(failures + 1, 16)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[ClientConnection]:
        """One open socket. Raises Aria2Lost when there is none for now, Aria2Error when there never will be."""
        url = self._url()
        try:
            socket = await connect(
                url,
                ssl=self._tls() if url.startswith("wss:") else None,
                compression=None,
                max_size=FRAME_BYTES_MAX,
                open_timeout=OPEN_DEADLINE_S,
                close_timeout=1,
                ping_interval=PING_INTERVAL_S,
                ping_timeout=PING_TIMEOUT_S,
                proxy=None,
            )
        except (OSError, InvalidHandshake, InvalidURI) as error:
            raise self._unopened(url, error) from None
        try:
            yield socket
        except ConnectionClosed as error:
            raise Aria2Lost(why_closed(error)) from None
        finally:
            with anyio.CancelScope(shield=True):
                await socket.close()

    def _unopened(self, url: str, error: Exception) -> Aria2Error:
        where = shown(url)
        if isinstance(error, ssl.SSLCertVerificationError):
            why = error.verify_message
            return Aria2Error(
                f"The certificate of {where} is not trusted: {why}.", hint="Set ARIA2C_RPC_CA.", retryable=False
            )
        if isinstance(error, InvalidURI):
            return Aria2Error(f"{where} is no address of an aria2.", hint="Check ARIA2C_RPC_URL.", retryable=False)
        reason = why_unopened(error)
        passing = isinstance(error, OSError) and not isinstance(error, ssl.SSLError)
        passing |= isinstance(error, InvalidMessage) and isinstance(error.__cause__, EOFError | OSError)
        passing |= isinstance(error, InvalidStatus) and error.response.status_code in (429, 500, 502, 503, 504)
        return Aria2Lost(reason) if passing else self._stranger(reason)

    def _stranger(self, reason: str) -> Aria2Error:
        """The error for a server that is not aria2. After a first connect it is a passing one: a proxy may answer."""
        if self._connects:
            return Aria2Lost(reason)
        return Aria2Error(
            f"What answers at {shown(self._url())} is not aria2's RPC: {reason}.",
            hint="Check ARIA2C_RPC_URL; the path is /jsonrpc unless a proxy says otherwise.",
            retryable=False,
        )

    async def _greet(self, socket: ClientConnection) -> events.Aria2Connected:
        """Check the secret, the version and the session before anything else is sent."""
        asked: list[Method[Any]] = [
            methods.get_version(),
            methods.get_session_info(),
            methods.get_global_option(),
        ]
        request = self._protocol.batch([self._protocol.encode(method) for method in asked])
        try:
            with anyio.fail_after(self._deadline_s):
                await self._send(socket, request)
                outcomes = await self._answer(socket, request)
        except TimeoutError:
            raise Aria2Timeout("it takes the connection and answers nothing") from None
        finally:
            self._protocol.forget(request.id)
        for outcome in outcomes:
            if isinstance(outcome, Aria2Unauthorized):
                raise outcome
            if isinstance(outcome, Aria2Error):
                raise self._stranger(outcome.message.rstrip("."))
        version, session, options = outcomes
        if not self._unknown and not is_known(version):
            raise not_known(version, shown(self._url()))
        with suppress(ValueError):
            self._request_bytes_max = int(options.get("rpc-max-request-size", REQUEST_BYTES_MAX))
        return events.Aria2Connected(session, version.version, shown(self._url()))

    async def _answer(self, socket: ClientConnection, request: Request) -> tuple[Any, ...]:
        while True:
            for item in self._protocol.receive(await socket.recv(decode=False)):
                if isinstance(item, Reply) and item.id == request.id:
                    return item.outcomes

    async def _serve(self, socket: ClientConnection, connected: events.Aria2Connected) -> None:
        """Dispatch incoming frames until the connection breaks."""
        self._socket = socket
        self._connects += 1
        self._connected.set()
        try:
            self._post(connected)
            while True:
                for item in self._protocol.receive(await socket.recv(decode=False)):
                    if isinstance(item, Reply):
                        self._hand_out(item)
                    else:
                        self._notifications += 1
                        self._post(item)
        except ConnectionClosed as error:
            self._trouble = why_closed(error)
            raise
        finally:
            self._socket = None
            self._connected = anyio.Event()
            self._protocol.abandon()
            for waiter in self._waiters.values():
                waiter.answered.set()

    def _hand_out(self, reply: Reply) -> None:
        waiter = self._waiters.get(reply.id)
        if waiter is not None:
            waiter.outcomes = reply.outcomes
            waiter.answered.set()

    def _tls(self) -> ssl.SSLContext:
        """Made for each connect, which is seldom: the bundle may have been renewed meanwhile."""
        try:
            return ssl.create_default_context(cafile=str(self._ca or ca_file()))
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"ARIA2C_RPC_CA: {self._ca} holds no certificates ({error}).") from None
