"""The proxy: who may use it, what it lets through, what it leaves behind."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

import anyio
import pytest

from reactor.egress import proxy
from reactor.egress.addresses import Exceptions
from reactor.egress.proxy import DENY_ALL
from reactor.net.credentials import CredentialScope
from tests.egress.asking import (
    DATA,
    Streams,
    ask,
    asking,
    connected,
    guarding,
    login,
    server,
    status,
    tunnel,
    until,
)
from tests.servers import FileServer, to_be_reset


async def test_a_tunnel_carries_every_byte_both_ways() -> None:
    said = bytearray()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(0, len(DATA), 1000):
            writer.write(await reader.readexactly(1000))
            await writer.drain()
        writer.write(b"the end")
        writer.write_eof()  # one half is closed, the other one goes on
        said.extend(await reader.readexactly(5))
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as far, guarding() as guard:
        way = guard.route("one")
        async with connected(way) as (reader, writer):
            assert await tunnel((reader, writer), way, f"127.0.0.1:{far.sockets[0].getsockname()[1]}") == 200

            async def send() -> None:
                writer.write(DATA)
                await writer.drain()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(send)
                assert await reader.read(-1) == DATA + b"the end"
            writer.write(b"I too")
            await until(lambda: said == b"I too")


async def test_a_server_that_does_not_hear_is_cut_off_when_our_program_has_closed() -> None:
    """For what it sends on nobody asks any more."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        assert await reader.read() == b""  # half of the connection is closed: it could go on
        await seen.wait()
        writer.close()

    seen = asyncio.Event()
    async with await asyncio.start_server(talk, "127.0.0.1", 0) as far, guarding() as guard:
        way = guard.route("one")
        async with connected(way) as (reader, writer):
            assert await tunnel((reader, writer), way, f"127.0.0.1:{far.sockets[0].getsockname()[1]}") == 200
            assert await reader.readexactly(5) == b"hello"
        await until(lambda: guard.tunnels == 0)
        seen.set()


async def ask_for_file(streams: Streams, way: str, where: str, plain: bool) -> None:
    """By a plain request, or within a tunnel."""
    if plain:
        streams[1].write(asking("GET", f"http://{where}/file", way))
    else:
        assert await tunnel(streams, way, where) == 200
        streams[1].write(b"GET /file HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize("plain", [False, True], ids=["tunnel", "plain"])
async def test_what_a_server_breaks_off_does_not_look_whole(plain: bool) -> None:
    """Where nobody has said how long it is, the end of the connection is the end of the file."""
    head = b"HTTP/1.1 200 OK\r\n\r\n"

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + b"half of it")
        await writer.drain()
        await heard.wait()
        to_be_reset(writer)
        writer.close()

    heard = asyncio.Event()
    async with await asyncio.start_server(talk, "127.0.0.1", 0) as far, guarding() as guard:
        way, where = guard.route("one"), f"127.0.0.1:{far.sockets[0].getsockname()[1]}"
        async with connected(way) as (reader, writer):
            await ask_for_file((reader, writer), way, where, plain)
            assert (await reader.readuntil(b"half of it")).startswith(b"HTTP/1.1 200 OK\r\n")
            heard.set()
            async with asyncio.timeout(10):
                with pytest.raises(ConnectionResetError):
                    await reader.read()


@pytest.mark.parametrize("plain", [False, True], ids=["tunnel", "plain"])
async def test_what_our_program_breaks_off_the_server_hears_of_at_once(plain: bool) -> None:
    """By an end in order it would learn only that nothing more is asked."""
    broken = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await reader.readuntil(b"\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        broken.set()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as far, guarding() as guard:
        way, where = guard.route("one"), f"127.0.0.1:{far.sockets[0].getsockname()[1]}"
        async with connected(way) as (reader, writer):
            await ask_for_file((reader, writer), way, where, plain)
            await reader.readuntil(b"hello")
            to_be_reset(writer)
            writer.transport.abort()
            async with asyncio.timeout(10):
                await broken.wait()


async def test_a_plain_request() -> None:
    async with server() as far, guarding() as guard:
        way = guard.route("one")
        async with connected(way) as (reader, writer):
            writer.write(asking("GET", far.url("/file"), way, "Proxy-Connection: keep-alive", "X-A: 1"))
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\nConnection: close\r\n")
        assert body == DATA
        (request,) = far.log
        assert request.path == "/file"
        assert request.headers == {"host": f"127.0.0.1:{far.port}", "x-a": "1", "connection": "close"}


async def test_a_second_request_on_the_same_connection_goes_nowhere() -> None:
    """It may be for another server, which nobody has judged."""
    async with server() as far, FileServer(host="127.0.0.2") as private, guarding() as guard:
        way = guard.route("one")
        far.put("/slow", DATA, rate=1_000_000)
        async with connected(way) as (reader, writer):
            writer.write(asking("GET", far.url("/slow"), way))
            await reader.readuntil(b"\r\n\r\n")
            writer.write(asking("GET", private.url("/file"), way))
            with suppress(ConnectionResetError):
                assert len(await reader.read(-1)) < len(DATA)
        await until(lambda: far.log[0].ended == "closed by client")
        assert [request.path for request in far.log] == ["/slow"]
        assert private.log == []


@pytest.mark.parametrize("name", ["nothing", "another secret", "an empty one", "a bearer"])
async def test_whoever_has_not_the_secret_is_turned_away(name: str) -> None:
    async with server() as far, guarding() as guard:
        way = guard.route("one")
        other = urlsplit(way)._replace(netloc=f"one:{'x' * 32}@127.0.0.1").geturl()
        lines = {
            "nothing": "X-A: 1",
            "another secret": f"Proxy-Authorization: {login(other)}",
            "an empty one": f"Proxy-Authorization: {login('http://one:@x')}",
            "a bearer": f"Proxy-Authorization: Bearer {urlsplit(way).password}",
        }[name]
        for request in (("CONNECT", f"127.0.0.1:{far.port}"), ("GET", far.url("/file"))):
            async with connected(way) as (reader, writer):
                writer.write(asking(*request, None, lines))
                answer = await reader.read(-1)
                assert answer.startswith(b"HTTP/1.1 407 ")
                assert b"\r\nProxy-Authenticate: Basic " in answer
        assert far.log == []


async def test_each_guard_has_a_secret_of_its_own() -> None:
    async with guarding() as one, guarding() as other:
        assert urlsplit(one.route("a")).password == urlsplit(one.route("b")).password
        assert urlsplit(one.route("a")).password != urlsplit(other.route("a")).password
        assert len(urlsplit(one.route("a")).password or "") >= 32


@pytest.mark.parametrize("place", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_a_private_address_is_refused(place: str) -> None:
    async with server() as far, guarding(None) as guard:
        way = guard.route("one")
        assert await ask(way, f"{place}:{far.port}") == 403
        async with connected(way) as (reader, writer):
            writer.write(asking("GET", f"http://{place}:{far.port}/file", way))
            assert await status(reader) == 403
        failure = guard.why("one")
        assert failure is not None
        assert failure.code == "refused_address"
        assert not failure.retryable
        assert far.log == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2", "0", "[::1]"])
async def test_the_guard_itself_and_our_own_programs(host: str) -> None:
    anywhere = Exceptions.parse("0.0.0.0/0, ::/0, localhost")
    async with server() as rpc, guarding(anywhere, ("127.0.0.1", rpc.port)) as guard:
        way, door = guard.route("one"), guard.route("two", CredentialScope("a.example", False, frozenset({80})))
        ports = [rpc.port, *(urlsplit(each).port for each in (way, door, guard.route("three", DENY_ALL)))]
        assert len(set(ports)) == 4
        assert [await ask(way, f"{host}:{port}") for port in ports] == [403] * 4
        assert rpc.log == []


async def test_why_is_forgotten_with_the_next_route() -> None:
    async with guarding() as guard:
        way = guard.route("one")
        assert await ask(way, "no-such-name.invalid:80") == 502
        assert await ask(way, "127.0.0.2:80") == 403
        assert await ask(way, "no-such-name.invalid:80") == 502
        failure = guard.why("one")
        assert failure is not None
        assert failure.code == "refused_address", "what never passes counts more than what may"
        assert guard.why("two") is None
        guard.route("one")
        assert guard.why("one") is None


async def test_credentials_leave_by_a_door_that_leads_to_their_host_only() -> None:
    async with server() as home, FileServer() as other, guarding(Exceptions.parse("127.0.0.0/8, localhost")) as guard:
        scope = CredentialScope("127.0.0.1", below=False, ports=frozenset({home.port}))
        way = guard.route("one", scope)
        assert way.rpartition(":")[2] != guard.route("two").rpartition(":")[2], (
            "nobody else's tunnel is ever found here"
        )
        assert way.rpartition(":")[2] == guard.route("two", scope).rpartition(":")[2]
        assert await ask(way, f"127.0.0.1:{home.port}") == 200
        for place in (f"127.0.0.1:{other.port}", f"localhost:{home.port}", f"127.0.0.2:{home.port}"):
            assert await ask(way, place) == 403
        failure = guard.why("one")
        assert failure is not None
        assert failure.code == "bad_redirect"
        nowhere = guard.route("three", DENY_ALL)
        assert await ask(nowhere, f"127.0.0.1:{home.port}") == 403


async def test_of_too_many_doors_the_oldest_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "LISTENERS_MAX", 4)
    async with server() as far, guarding() as guard:
        ways = [guard.route("one", CredentialScope(f"{n}.example", False, frozenset({80}))) for n in range(10)]
        with pytest.raises(OSError, match="Connect"):
            await until_refused(ways[0])
        assert await ask(ways[-1], "9.example:81") == 403
        assert await ask(guard.route("one"), f"127.0.0.1:{far.port}") == 200, "the one for all stays open"


async def until_refused(url: str) -> None:
    """Connect until nobody takes it; raises that error."""
    with anyio.fail_after(30):
        while True:
            async with connected(url):
                await anyio.sleep(0.005)


@pytest.mark.parametrize("sent", [b"", b"CONNECT ", b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nX-A:"])
async def test_who_does_not_say_what_is_wanted_is_sent_away(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(proxy, "HEAD_S", 0.1)
    async with guarding() as guard, connected(guard.route("one")) as (reader, writer):
        writer.write(sent)
        with anyio.fail_after(30), pytest.raises(ConnectionResetError):
            await reader.read(-1)
        await until(lambda: guard.tunnels == 0)


async def test_a_drop_at_a_time_is_no_way_to_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline is for the whole head, not for its next byte."""
    monkeypatch.setattr(proxy, "HEAD_S", 0.2)
    async with guarding() as guard, connected(guard.route("one")) as (reader, writer):
        with anyio.fail_after(30), suppress(ConnectionResetError, BrokenPipeError):
            while not reader.at_eof():
                writer.write(b"X")
                await writer.drain()
                await anyio.sleep(0.01)
        await until(lambda: guard.tunnels == 0)


async def test_a_tunnel_through_which_nothing_goes_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not ended: that would say that all has come."""
    monkeypatch.setattr(proxy, "IDLE_S", 0.1)
    async with server() as far, guarding() as guard:
        way = guard.route("one")
        far.put("/never", hang=True)
        async with connected(way) as silent, connected(way) as half:
            assert await tunnel(silent, way, f"127.0.0.1:{far.port}") == 200
            half[1].write(asking("GET", far.url("/never"), way))
            for reader, _ in (silent, half):
                with anyio.fail_after(30), pytest.raises(ConnectionResetError):
                    await reader.read(-1)
        await until(lambda: guard.tunnels == 0)
        await far.until(lambda: [request.ended for request in far.log] == ["closed by client"])


async def test_more_than_there_is_room_for_wait_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "connections_max", lambda: 2)
    async with server() as far, guarding() as guard:
        way, place = guard.route("one"), f"127.0.0.1:{far.port}"
        async with connected(way) as one, connected(way) as two, connected(way) as three:
            assert await tunnel(one, way, place) == 200
            assert await tunnel(two, way, place) == 200
            three[1].write(asking("CONNECT", place, way))
            assert guard.tunnels == 2
            one[1].close()
            assert await status(three[0]) == 200


async def test_leaving_closes_every_connection() -> None:
    async with server() as far:
        far.put("/slow", DATA, rate=10_000)
        async with guarding() as guard:
            way = guard.route("one")
            async with connected(way) as silent, connected(way) as one, connected(way) as two:
                assert await tunnel(one, way, f"127.0.0.1:{far.port}") == 200
                one[1].write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
                two[1].write(asking("GET", far.url("/slow"), way))
                await far.until(lambda: len(far.log) == 2)
                silent[1].write(b"CONN")
                await until(lambda: guard.tunnels == 3)
                leaving = guard
                assert leaving._tasks is not None
                leaving._tasks.cancel_scope.cancel()
                await anyio.lowlevel.checkpoint()
        await far.until(lambda: [request.ended for request in far.log] == ["closed by client"] * 2)


async def test_who_goes_away_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server() as far, guarding() as guard:
        way = guard.route("one")
        far.put("/slow", DATA, rate=10_000)
        async with connected(way) as one, connected(way) as two:
            assert await tunnel(one, way, f"127.0.0.1:{far.port}") == 200
            one[1].write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            two[1].write(asking("GET", far.url("/slow"), way))
            await far.until(lambda: len(far.log) == 2)
            one[1].transport.abort()
            two[1].transport.abort()
        await far.until(lambda: [request.ended for request in far.log] == ["closed by client"] * 2)
        await until(lambda: guard.tunnels == 0)


async def test_a_reader_that_does_not_read_does_not_fill_the_memory() -> None:
    """What the server has handed over is at most what the buffers of two connections hold."""
    async with server() as far, guarding() as guard:
        way = guard.route("one")
        far.put("/endless", DATA, endless=True)
        async with connected(way) as (_, writer):
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(asking("GET", far.url("/endless"), way))
            await far.until(lambda: bool(far.log) and far.log[0].sent > 0)
            sent = -1
            while sent != far.log[0].sent:
                sent = far.log[0].sent
                assert sent < 64 * 1024 * 1024
                await anyio.sleep(0.3)


@pytest.mark.parametrize(("files", "connections"), [(1024, 288), (65536, 1024), (256, 32)])
def test_as_many_connections_as_there_are_files_for(
    monkeypatch: pytest.MonkeyPatch, files: int, connections: int
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (files, files))
    assert proxy.connections_max() == connections
