"""Our own HTTP/1.1 client: h11 speaks, asyncio's streams carry, connections are kept for the next question.

It asks, with HEAD and GET, and reads; a webhook is a POST. Nothing else. One question costs a quarter of what it costs
by a client that can everything, and a look at each row's server is what a reactor does most.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address
from socket import SOCK_STREAM, socket
from typing import Self
from urllib.parse import urlsplit

import anyio
import h11

from reactor.net.digest import DigestLogin
from reactor.net.heads import END, may_be_head, repaired
from reactor.net.race import ADDRESSES_MAX, Address, Race
from reactor.plan import Cookie
from reactor.programs import ca_file

Origin = tuple[str, str, int]
"""Scheme, host without brackets, port."""
Dial = Callable[[str, int], Awaitable[socket]]
"""Connects to a host and port. Raises OSError, or DownloadError when it must not."""

LANGUAGES = "en-US,en;q=0.9"
"""Accept-Language, as browsers send it: some servers refuse who has none."""
HEAD_BYTES_MAX = 300 * 1024
"""As curl has it."""
PACKINGS = ("gzip", "x-gzip", "deflate")
"""Values of Content-Encoding that are unpacked."""
GZIP_HEAD = b"\x1f\x8b"
PIECE_BYTES = 64 * 1024
KEPT_S = 15.0
"""How long a connection waits for the next question."""
KEPT_MAX = 8
CLOSE_S = 5.0
"""How long closing connections may take."""


class NoAnswer(Exception):
    """No answer was received; `__cause__` says why."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


class NotConnected(NoAnswer):
    """The server could not be reached."""


class Broken(NoAnswer):
    """The connection ended too early."""


class NotHttp(NoAnswer):
    """The answer is not HTTP."""


class UnsendableRequest(NoAnswer):
    """The URL or a header cannot be written into a request."""


class Response:
    """A response. Its body may be read once, before `close`."""

    def __init__(self, url: str, head: h11.Response, connection: _Connection) -> None:
        self.url = url
        """That was asked, as it was asked."""
        self.status = head.status_code
        self.raw = list(head.headers)
        """Header lines in order, names in lower case."""
        several: dict[str, list[str]] = {}
        for name, value in self.raw:
            several.setdefault(name.decode("ascii"), []).append(_text(value))
        self.headers = {name: ", ".join(values) for name, values in several.items()}
        """By name in lower case; several of one name are joined by a comma."""
        self.cookies: tuple[Cookie, ...] = ()
        """Those that went with the request, but for the session's own; `redirects.follow` says so."""
        self.cookie_line = ""
        """The header `Cookie` of the request."""
        self.digest: DigestLogin | None = None
        """The login that went with the request, where the server wants one by Digest."""
        self.held = False
        """True when somebody else is going to read and close it."""
        self._connection = connection

    @property
    def _coding(self) -> str:
        return self.headers.get("content-encoding", "").strip().lower()

    @property
    def packed(self) -> bool:
        """True where the body is compressed in a way that is understood here."""
        return self._coding in PACKINGS

    def as_sent(self, patience_s: float) -> AsyncIterator[bytes]:
        """The body in pieces, packed where it is. Raises NoAnswer, and TimeoutError when one takes longer."""
        return self._connection.body(patience_s)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body in pieces, decompressed. Raises NoAnswer, and TimeoutError when a piece does not arrive in time."""
        unpack = _unpacker(self._coding == "deflate") if self.packed else None
        async for piece in self._connection.body(self._connection.timeout_s):
            if unpack is None:
                yield piece
                continue
            try:
                for plain in unpack(piece):
                    yield plain
            except zlib.error as error:
                raise NotHttp(self._connection.host) from error

    def close(self) -> None:
        """Release the connection: it is kept when the response was read completely, else closed."""
        self._connection.leave()


class _Connection:
    """One connection to one origin, for one question at a time."""

    def __init__(self, client: Client, origin: Origin, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]):
        self.origin = origin
        self.used = False
        self.timer: asyncio.TimerHandle | None = None
        self._client = client
        self._reader, self._writer = streams
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)
        self._left = False
        self._received = b""
        """What h11 was not given yet."""

    @property
    def host(self) -> str:
        return self.origin[1]

    @property
    def alive(self) -> bool:
        return not self._reader.at_eof() and not self._writer.is_closing()

    async def ask(self, method: str, url: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Response:
        self._left = False
        try:
            lines = [(name.encode(), value.encode()) for name, value in headers.items()]
            data = self._http.send(h11.Request(method=method, target=target, headers=lines))
            data = (data or b"") + (self._http.send(h11.Data(data=body)) or b"" if body else b"")
            data += self._http.send(h11.EndOfMessage()) or b""
        except (h11.LocalProtocolError, UnicodeError) as error:
            raise UnsendableRequest(self.host) from error
        self._writer.write(data)
        event = await self._next()
        while isinstance(event, h11.InformationalResponse):
            event = await self._next()
        assert isinstance(event, h11.Response)  # nothing else comes first
        return Response(url, event, self)

    @property
    def timeout_s(self) -> float:
        return self._client.timeout_s

    async def body(self, patience_s: float) -> AsyncIterator[bytes]:
        while True:
            with anyio.fail_after(patience_s):
                event = await self._next()
            if not isinstance(event, h11.Data):
                self.leave()
                return
            yield bytes(event.data)

    def leave(self) -> None:
        """Return the connection to the pool after a complete response, else close it."""
        if self._left:
            return
        self._left = True
        try:
            if self._received:
                self._feed(b"")
            while isinstance(self._http.next_event(), h11.Data):
                pass
            self._http.start_next_cycle()
        except (h11.LocalProtocolError, h11.RemoteProtocolError):  # more is to come, or it says `close`
            return self.abort()
        if self._http.trailing_data[0]:  # nobody asked for that: it must not answer the next question
            return self.abort()
        self.used = True
        return self._client.keep(self)

    def abort(self) -> None:
        """Close it at once."""
        self._left = True
        self._writer.transport.abort()

    async def closed(self) -> None:
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _next(self) -> h11.Event:
        ended = False
        try:
            while not isinstance(event := self._http.next_event(), h11.Event):
                if self._http.their_state is h11.SEND_RESPONSE:
                    ended = await self._receive_head()
                else:
                    data = b"" if self._received else await self._reader.read(PIECE_BYTES)
                    ended = not (data or self._received)
                    self._feed(data)
        except OSError as error:
            raise Broken(self.host) from error
        except h11.RemoteProtocolError as error:
            raise (Broken if ended else NotHttp)(self.host) from error
        if isinstance(event, h11.ConnectionClosed):
            raise Broken(self.host)
        return event

    async def _receive_head(self) -> bool:
        """Give h11 the head of an answer, repaired. True when the connection ended before it was complete."""
        searched = 0
        while True:
            self._received = self._received.lstrip(b"\r\n")
            end = END.search(self._received, searched)
            if end is not None:
                head, self._received = self._received[: end.end()], self._received[end.end() :]
                self._http.receive_data(repaired(head))
                return False
            if len(self._received) > HEAD_BYTES_MAX or not may_be_head(self._received):
                self._feed(b"")  # h11 says what is wrong
                return False
            searched = max(0, len(self._received) - 3)
            data = await self._reader.read(PIECE_BYTES)
            if not data:
                self._feed(b"")
                return True
            self._received += data

    def _feed(self, data: bytes) -> None:
        received, self._received = self._received + data, b""
        self._http.receive_data(received)


async def _dial(host: str, port: int) -> socket:
    """Whatever the address is. Raises OSError."""
    race = Race(port, anyio.Semaphore(ADDRESSES_MAX))
    connected = await race.run(await _addresses(host, port))
    if connected is None:
        raise race.error or OSError(f"{host} has no address")
    return connected


async def _addresses(host: str, port: int) -> list[Address]:
    with suppress(ValueError):
        return [ip_address(host)]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
    return list(dict.fromkeys(ip_address(each[4][0]) for each in found))


class Client:
    """`async with Client() as client: response = await client.ask("HEAD", url, {})`. Follows no redirects, keeps no
    cookies, knows no proxies."""

    def __init__(
        self,
        *,
        user_agent: str,
        timeout_s: float = 20.0,
        tls: ssl.SSLContext | None = None,
        dial: Dial | None = None,
    ) -> None:
        """`tls` says whose certificates count, those of `programs.ca_file` unless given; `timeout_s` is for a
        connection, and for each piece of a body."""
        self.timeout_s = timeout_s
        self._tls = tls
        self._dial = dial or _dial
        self._headers = {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        self._headers |= {"Accept-Language": LANGUAGES}
        self._kept: list[_Connection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        kept, self._kept = self._kept, []
        with anyio.move_on_after(CLOSE_S, shield=True):
            for connection in kept:
                self._end(connection)
                await connection.closed()

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Response:
        """Send one request, with a `body` whose length is among the headers. `url` is an http or https URL in ASCII
        without user info. The caller sets the deadline and closes the response. Raises NoAnswer."""
        origin, target = _origin(url), request_target(url)
        lines = {"Host": urlsplit(url).netloc, **self._headers, **headers}
        while True:
            connection = self._take(origin) or await self._connect(origin)
            try:
                response = await connection.ask(method, url, target, lines, body)
            except Broken:
                connection.abort()
                if not connection.used:
                    raise
                continue  # it was closed while it was kept
            except BaseException:
                connection.abort()
                raise
            if method == "HEAD":
                response.close()
            return response

    def hang_up(self, url: str) -> None:
        """Close the connections that are kept for the origin of `url`: somebody else is going to connect there."""
        origin = _origin(url)
        for connection in [each for each in self._kept if each.origin == origin]:
            self._drop(connection)

    async def _connect(self, origin: Origin) -> _Connection:
        scheme, host, port = origin
        more: dict[str, object] = {}
        if scheme == "https":
            # Made when the first one is asked: reading all CAs takes 40 ms, which a start has better use for.
            self._tls = self._tls or ssl.create_default_context(cafile=ca_file())
            more = {"ssl": self._tls, "server_hostname": host.rstrip(".")}
        with anyio.fail_after(self.timeout_s):
            try:
                connected = await self._dial(host, port)
                streams = await asyncio.open_connection(sock=connected, **more)  # type: ignore[arg-type]
            except (OSError, UnicodeError) as error:  # UnicodeError: a label of the host is empty, or too long
                raise NotConnected(host) from error
        return _Connection(self, origin, streams)

    def _take(self, origin: Origin) -> _Connection | None:
        for connection in reversed(self._kept):
            if connection.origin == origin:
                self._kept.remove(connection)
                if connection.timer is not None:
                    connection.timer.cancel()
                if connection.alive:
                    return connection
                connection.abort()
        return None

    def keep(self, connection: _Connection) -> None:
        """Keep a connection for the next request to its origin."""
        self._kept.append(connection)
        connection.timer = asyncio.get_running_loop().call_later(KEPT_S, self._drop, connection)
        if len(self._kept) > KEPT_MAX:
            self._drop(self._kept[0])

    def _drop(self, connection: _Connection) -> None:
        self._kept.remove(connection)
        self._end(connection)

    def _end(self, connection: _Connection) -> None:
        if connection.timer is not None:
            connection.timer.cancel()
        connection.abort()


def request_target(url: str) -> str:
    """What stands in the request line: path and query."""
    parts = urlsplit(url)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def _origin(url: str) -> Origin:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _text(value: bytes) -> str:
    """What most mean: UTF-8, which is not what the RFC says."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _unpacker(deflate: bool) -> Callable[[bytes], Iterator[bytes]]:
    """`deflate`: perhaps without a head (RFC 1950), as many servers send it; else gzip."""
    packed = None if deflate else zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    head = b""

    def unpack(piece: bytes) -> Iterator[bytes]:
        nonlocal packed, head
        if packed is None:
            head += piece
            if len(head) < 2:
                return
            is_zlib = head[0] & 15 == zlib.DEFLATED and int.from_bytes(head[:2], "big") % 31 == 0
            named = is_zlib or head[:2] == GZIP_HEAD
            packed, piece = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32 if named else -zlib.MAX_WBITS), head
        while piece:
            yield packed.decompress(piece, PIECE_BYTES)
            piece = packed.unconsumed_tail

    return unpack
