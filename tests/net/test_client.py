"""The client: what it keeps, what it asks again, and how the end of an answer is told."""

from __future__ import annotations

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import pytest

from reactor.net.client import KEPT_MAX, Broken, Client, NotConnected, NotHttp, UnsendableRequest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


class Script:
    """A server that gives the answers it was told, in order, and counts its connections."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []
        self.connections = 0
        self.open: list[asyncio.StreamWriter] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.append(writer)
        try:
            while True:
                self.asked.append(await reader.readuntil(b"\r\n\r\n"))
                answer = self.answers.pop(0) if self.answers else b"!"
                writer.write(answer.removesuffix(b"!"))
                if answer.endswith(b"!"):
                    return
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def script(*answers: bytes) -> AsyncIterator[Script]:
    told = Script(*answers)
    async with await asyncio.start_server(told.serve, "127.0.0.1", 0) as server:
        told.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a?b=c"
        yield told
        for writer in told.open:
            writer.transport.abort()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with Client(user_agent="test/1", timeout_s=5) as client:
        yield client


async def get(client: Client, url: str) -> bytes:
    with anyio.fail_after(20):
        response = await client.ask("GET", url, {})
        try:
            return b"".join([piece async for piece in response.pieces()])
        finally:
            response.close()


async def test_what_is_asked(client: Client) -> None:
    async with script(HEAD) as server:
        response = await client.ask("HEAD", server.url, {"Range": "bytes=0-0"})
        assert (response.status, response.headers, response.url) == (200, {"content-length": "5"}, server.url)
        lines = server.asked[0].decode().split("\r\n")
        assert lines[0] == "HEAD /a?b=c HTTP/1.1"
        assert {line.split(":")[0].lower() for line in lines[1:] if line} == {
            *("host", "user-agent", "accept", "accept-encoding", "accept-language", "range")
        }


async def test_a_connection_is_used_again(client: Client) -> None:
    async with script(HEAD, OK, OK) as server:
        await client.ask("HEAD", server.url, {})
        assert [await get(client, server.url) for _ in range(2)] == [b"hello"] * 2
        assert server.connections == 1


async def test_one_that_was_closed_while_it_was_kept_is_made_anew(client: Client) -> None:
    async with script(OK) as server:
        assert await get(client, server.url) == b"hello"
        server.open[0].close()
        await server.open[0].wait_closed()
        server.answers.append(OK)
        assert await get(client, server.url) == b"hello"
        assert server.connections == 2


async def test_one_that_dies_under_the_second_question_is_made_anew(client: Client) -> None:
    async with script(OK, b"!", OK) as server:
        assert [await get(client, server.url) for _ in range(2)] == [b"hello"] * 2
        assert (server.connections, len(server.asked)) == (2, 3)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
        b"HTTP/1.0 200 OK\r\n\r\nhello!",
    ],
    ids=["close", "more than was asked for", "ended by its end"],
)
async def test_these_are_not_used_again(client: Client, answer: bytes) -> None:
    async with script(answer, OK) as server:
        assert [await get(client, server.url) for _ in range(2)] == [b"hello"] * 2
        assert server.connections == 2


async def test_an_answer_that_was_left_is_not_read_by_the_next_question(client: Client) -> None:
    async with script(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell", OK) as server:
        (await client.ask("GET", server.url, {})).close()
        assert await get(client, server.url) == b"hello"
        assert server.connections == 2


async def test_no_more_are_kept_than_that() -> None:
    async with Client(user_agent="t") as client, anyio.create_task_group() as tasks, script() as server:
        server.answers += [OK] * (KEPT_MAX + 4)
        for _ in range(KEPT_MAX + 4):
            tasks.start_soon(get, client, server.url)
        with anyio.fail_after(20):
            while len(server.asked) < KEPT_MAX + 4:
                await anyio.sleep(0.01)
    assert len(server.asked) == KEPT_MAX + 4


async def test_packed_bodies(client: Client) -> None:
    body = b"0123456789" * 100_000
    packed = gzip.compress(body)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    async with script(
        head + packed, b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"
    ) as server:
        assert await get(client, server.url) == body
        with pytest.raises(NotHttp):
            await get(client, server.url)


@pytest.mark.parametrize("window_bits", [15, -15], ids=["zlib", "without its head"])
async def test_deflated_bodies(client: Client, window_bits: int) -> None:
    body = b"0123456789" * 100_000
    packer = zlib.compressobj(wbits=window_bits)
    packed = packer.compress(body) + packer.flush()
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    async with script(head + packed) as server:
        assert await get(client, server.url) == body


@pytest.mark.parametrize("window_bits", [15, -15, 31], ids=["zlib", "without its head", "gzip"])
async def test_deflated_bodies_of_which_a_byte_comes_first(client: Client, window_bits: int) -> None:
    packer = zlib.compressobj(wbits=window_bits)
    packed = packer.compress(b"hello") + packer.flush()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in (packed[:1], packed[1:]))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with script(head + chunks + b"0\r\n\r\n") as server:
        assert await get(client, server.url) == b"hello"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"!", Broken),
        (b"HTTP/1.1 200 OK\r\nConte!", Broken),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell!", Broken),
        (b"220 ready\r\n\r\n", NotHttp),
        (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 400_000, NotHttp),
    ],
)
async def test_what_is_no_answer(client: Client, answer: bytes, error: type[Exception]) -> None:
    async with script(answer) as server:
        with pytest.raises(error):
            await get(client, server.url)
        assert server.connections == 1


async def test_what_cannot_be_asked(client: Client) -> None:
    async with script() as server:
        with pytest.raises(UnsendableRequest):
            await client.ask("GET", server.url, {"X": "a\r\nb"})
        for host in ("127.0.0.1:1", "a..b", f"{'a' * 64}.example"):
            with pytest.raises(NotConnected):
                await client.ask("GET", f"http://{host}/", {})


async def test_informational_answers_are_passed_over(client: Client) -> None:
    async with script(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK) as server:
        assert await get(client, server.url) == b"hello"


async def test_it_connects_as_it_is_told() -> None:
    import socket

    dialled: list[tuple[str, int]] = []

    async with script(OK) as server:
        port = int(server.url.split(":")[2].split("/")[0])

        async def dial(host: str, port_asked: int) -> socket.socket:
            dialled.append((host, port_asked))
            found = socket.socket()
            found.setblocking(False)
            await asyncio.get_running_loop().sock_connect(found, ("127.0.0.1", port))
            return found

        async with Client(user_agent="t", dial=dial) as client:
            assert await get(client, "http://somewhere.example:8080/x") == b"hello"
        assert dialled == [("somewhere.example", 8080)]
        assert b"Host: somewhere.example:8080\r\n" in server.asked[0]


async def test_it_hangs_up_what_is_kept_for_an_origin(client: Client) -> None:
    """The next question there is asked by another connection; others stay."""
    async with script(OK, OK) as server, script(OK, OK) as other:
        for each in (server, other):
            assert await get(client, each.url) == b"hello"
        client.hang_up(server.url.replace("//", "//anna:secret@"))
        for each in (server, other):
            assert await get(client, each.url) == b"hello"
        assert (server.connections, other.connections) == (2, 1)


async def test_a_header_goes_out_in_utf_8(client: Client) -> None:
    async with script(OK) as server:
        response = await client.ask("GET", server.url, {"Authorization": "Digest username=\u00e4"})
        response.close()
        assert b"username=\xc3\xa4\r\n" in server.asked[0]


async def test_a_cancel_at_any_moment_of_connecting_leaves_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[socket.socket]()

    class Noted(socket.socket):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    async with script(*[OK] * 100) as server, Client(user_agent="test/1", timeout_s=5) as client:
        monkeypatch.setattr(socket, "socket", Noted)
        for moments in range(40):
            asking = asyncio.create_task(client.ask("GET", server.url, {}))
            for _ in range(moments):
                await asyncio.sleep(0)
            asking.cancel()
            with suppress(asyncio.CancelledError):
                (await asking).close()
        await client.__aexit__()
        for _ in range(10):  # a transport that is aborted closes its socket in the next turns of the loop
            await asyncio.sleep(0)
    assert len(made) > 10
    assert [each for each in made if each.fileno() != -1] == []


async def test_of_several_addresses_one_that_answers_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def both(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, 0)) for address in ("127.0.0.2", "127.0.0.1")]

    async with script(OK) as server, Client(user_agent="test/1", timeout_s=5) as client:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
        url = server.url.replace("127.0.0.1", "two.example")
        response = await client.ask("GET", url, {})
        assert response.status == 200
        response.close()
