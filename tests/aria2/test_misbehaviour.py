"""The socket to a server that is not, or not quite, aria2: real WebSockets, wrong words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from websockets.asyncio.server import ServerConnection

from reactor.aria2.connection import Aria2Connection
from reactor.aria2.methods import Method, get_version
from reactor.core import events
from reactor.errors import Aria2Error, Aria2Lost, Aria2Timeout
from tests.aria2.conftest import Recorder
from tests.aria2.servers import FileServer, other_server

GREETING = [[{"version": "1.37.0"}], [{"sessionId": "session"}], [{"rpc-max-request-size": "2097152"}]]
NULL_ID = '{"id":null,"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request."}}'
COMPLETE = '{"jsonrpc":"2.0","method":"aria2.onDownloadComplete","params":[{"gid":"2089b05ecca3d829"}]}'

Handle = Callable[[ServerConnection], Awaitable[None]]


def echo(value: object) -> Method[Any]:
    return Method("test.echo", (value,), lambda result: result)


async def hear(socket: ServerConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await socket.recv())
    return message


async def say(socket: ServerConnection, request: dict[str, Any], result: Any) -> None:
    await socket.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}))


async def greet(socket: ServerConnection) -> None:
    """What every aria2 answers first."""
    await say(socket, await hear(socket), GREETING)


async def serve_echoes(socket: ServerConnection) -> None:
    async for data in socket:
        request = json.loads(data)
        await say(socket, request, request["params"][-1])


@asynccontextmanager
async def connected(handle: Handle, inbox: Recorder, **more: Any) -> AsyncIterator[Aria2Connection]:
    async with other_server(handle) as url, Aria2Connection(url, "s3cret", post=inbox.post, **more) as aria2:
        await aria2.wait_connected(30)
        yield aria2


@pytest.fixture
def inbox() -> Recorder:
    return Recorder()


async def refuse(handle: Handle, reason: str, **more: Any) -> None:
    async with other_server(handle) as url:
        with pytest.raises(Aria2Error, match=reason) as caught:
            async with Aria2Connection(url, "s3cret", **more) as aria2:
                await aria2.wait_connected(60)
    assert not isinstance(caught.value, Aria2Lost | Aria2Timeout)
    assert not caught.value.retryable
    assert "s3cret" not in str(caught.value)


class TestAnotherServer:
    async def test_one_for_files(self, server: FileServer) -> None:
        url = server.url.replace("http:", "ws:") + "/jsonrpc"
        with pytest.raises(Aria2Error, match=r"is not aria2's RPC: HTTP 404"):
            async with Aria2Connection(url) as aria2:
                await aria2.wait_connected(60)

    async def test_one_that_speaks_something_else(self) -> None:
        async def banner(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
            writer.close()

        async with await asyncio.start_server(banner, "127.0.0.1", 0) as listener:
            url = f"ws://127.0.0.1:{listener.sockets[0].getsockname()[1]}/jsonrpc"
            with pytest.raises(Aria2Error, match="is not aria2's RPC"):
                async with Aria2Connection(url) as aria2:
                    await aria2.wait_connected(60)

    async def test_no_address_at_all(self) -> None:
        with pytest.raises(Aria2Error, match="no address"):
            async with Aria2Connection("http://127.0.0.1/jsonrpc") as aria2:
                await aria2.wait_connected(60)

    @pytest.mark.parametrize(
        "result", [None, "hello", [], [["1.37"], ["session"], [{}]], [[{"version": 1}], [{}], [{}]], GREETING[:2]]
    )
    async def test_one_that_answers_otherwise(self, result: Any) -> None:
        async def handle(socket: ServerConnection) -> None:
            await say(socket, await hear(socket), result)
            await socket.wait_closed()

        await refuse(handle, "is not aria2's RPC")

    async def test_one_that_knows_no_such_method(self) -> None:
        async def handle(socket: ServerConnection) -> None:
            error = {"code": -32601, "message": "Method not found"}
            await socket.send(json.dumps({"id": (await hear(socket))["id"], "error": error}))
            await socket.wait_closed()

        await refuse(handle, "is not aria2's RPC: Method not found")

    async def test_one_that_repeats_what_it_hears(self) -> None:
        async def handle(socket: ServerConnection) -> None:
            async for data in socket:
                await socket.send(data)

        async with other_server(handle) as url, Aria2Connection(url, "s3cret", deadline_s=0.1) as aria2:
            with pytest.raises(Aria2Timeout, match="takes the connection and answers nothing"):
                await aria2.wait_connected(2)


async def test_the_connection_breaks_in_mid_call(inbox: Recorder) -> None:
    sockets = 0

    async def handle(socket: ServerConnection) -> None:
        nonlocal sockets
        sockets += 1
        await greet(socket)
        if sockets == 1:
            await hear(socket)
            await socket.close(1001, "going away")
        else:
            await serve_echoes(socket)

    async with connected(handle, inbox) as aria2:
        with pytest.raises(Aria2Lost, match=r"test\.echo .*1001 going away"):
            await aria2.call(echo(1))
        await inbox.until(lambda seen: len(seen) == 3)
        assert [type(e) for e in inbox.events] == [events.Aria2Connected, events.Aria2Lost, events.Aria2Connected]
        assert await aria2.call(echo(2)) == 2
        assert aria2.statistics().pending == 0


async def test_the_connection_is_cut_without_a_word(inbox: Recorder) -> None:
    async def handle(socket: ServerConnection) -> None:
        await greet(socket)
        await hear(socket)
        socket.transport.abort()

    lost = []

    async def ask(aria2: Aria2Connection, n: int) -> None:
        try:
            await aria2.call(echo(n))
        except Aria2Lost:
            lost.append(n)

    async with connected(handle, inbox) as aria2, anyio.create_task_group() as group:
        for n in range(20):
            group.start_soon(ask, aria2, n)
    assert sorted(lost) == list(range(20))


async def test_the_connection_breaks_within_a_batch(inbox: Recorder) -> None:
    async def handle(socket: ServerConnection) -> None:
        await greet(socket)
        request = await hear(socket)
        await say(socket, request, [[call["params"][-1][:1]] for call in request["params"][0]])
        await hear(socket)
        await socket.close()

    async with connected(handle, inbox) as aria2:
        outcomes = await aria2.batch([echo(letter * 400_000) for letter in "abcdef"])
    assert [o if isinstance(o, str) else type(o) for o in outcomes] == ["a", "b", *[Aria2Lost] * 4]


@pytest.mark.fault(25)
async def test_no_answer_within_the_deadline(inbox: Recorder) -> None:
    late = anyio.Event()

    async def handle(socket: ServerConnection) -> None:
        await greet(socket)
        first = await hear(socket)
        await late.wait()
        await say(socket, first, "too late")
        await serve_echoes(socket)

    async with connected(handle, inbox) as aria2:
        with pytest.raises(Aria2Timeout, match=r"test\.echo within 0\.5 s"):
            await aria2.call(echo(1), deadline_s=0.5)
        late.set()
        assert await aria2.call(echo(2)) == 2
        statistics = aria2.statistics()
    assert (statistics.connects, statistics.ignored, statistics.pending) == (1, {"unknown id": 1}, 0)


async def test_a_caller_that_goes_away(inbox: Recorder) -> None:
    heard = anyio.Event()

    async def handle(socket: ServerConnection) -> None:
        await greet(socket)
        first = await hear(socket)
        heard.set()
        second = await hear(socket)
        await say(socket, first, "nobody waits")
        await say(socket, second, "one waits")

    async with connected(handle, inbox) as aria2:
        async with anyio.create_task_group() as group:
            group.start_soon(aria2.call, echo(1))
            await heard.wait()
            group.cancel_scope.cancel()
        assert await aria2.call(echo(2)) == "one waits"
        assert aria2.statistics().pending == 0


@pytest.mark.fault(24)
async def test_noise_between_question_and_answer(inbox: Recorder) -> None:
    noise = [NULL_ID, "not json", "[1]", '{"id":99,"result":1}', '{"method":"aria2.onNoon","params":[]}', "{"]

    async def handle(socket: ServerConnection) -> None:
        for frame in noise:
            await socket.send(frame)
        await greet(socket)
        async for data in socket:
            request = json.loads(data)
            for frame in noise:
                await socket.send(frame)
            await socket.send(b'{"id":98,"result":"\xff"}', text=True)
            await say(socket, request, request["params"][-1])
            await say(socket, request, "once more")

    async with connected(handle, inbox) as aria2:
        assert [await aria2.call(echo(n)) for n in range(3)] == [0, 1, 2]
        ignored = aria2.statistics().ignored
    assert ignored["null id"] == 4
    assert ignored["malformed"] == 12
    assert ignored["other notification"] == 4
    assert inbox.events[:1] == [events.Aria2Connected("session", "1.37.0", inbox.events[0].url)]  # type: ignore[union-attr]
    assert aria2.statistics().connects == 1


async def test_a_notification_that_comes_twice_is_told_twice(inbox: Recorder) -> None:
    async def handle(socket: ServerConnection) -> None:
        await greet(socket)
        await socket.send(COMPLETE)
        await socket.send(COMPLETE)
        await serve_echoes(socket)

    async with connected(handle, inbox):
        await inbox.until(lambda seen: len(seen) == 3)
    assert inbox.words("2089b05ecca3d829") == ["complete", "complete"]


async def test_notifications_before_the_greeting_are_not_told(inbox: Recorder) -> None:
    async def handle(socket: ServerConnection) -> None:
        await socket.send(COMPLETE)
        await greet(socket)
        await serve_echoes(socket)

    async with connected(handle, inbox) as aria2:
        await aria2.call(echo(1))
    assert [type(event) for event in inbox.events] == [events.Aria2Connected]


async def test_where_aria2_was_it_may_come_back(inbox: Recorder) -> None:
    sockets = 0

    async def handle(socket: ServerConnection) -> None:
        nonlocal sockets
        sockets += 1
        if sockets == 2:
            await say(socket, await hear(socket), "I am a proxy")
        await greet(socket)
        if sockets != 1:
            await serve_echoes(socket)

    async with connected(handle, inbox) as aria2:
        await inbox.until(lambda seen: len(seen) == 3)
        assert await aria2.call(echo(1)) == 1
    assert sockets == 3


async def test_an_inbox_that_fails_ends_it(inbox: Recorder) -> None:
    def post(event: object) -> None:
        raise RuntimeError(f"no room for {type(event).__name__}")

    async def handle(socket: ServerConnection) -> None:
        await greet(socket)
        await serve_echoes(socket)

    async with other_server(handle) as url:
        with pytest.raises(RuntimeError, match="no room for Aria2Connected"):
            async with Aria2Connection(url, post=post):
                await anyio.sleep_forever()


async def test_an_error_of_the_body_comes_out_as_it_is(inbox: Recorder) -> None:
    async def handle(socket: ServerConnection) -> None:
        await greet(socket)
        await serve_echoes(socket)

    async def body() -> None:
        async with connected(handle, inbox) as aria2:
            await aria2.call(get_version(), deadline_s=0.0)

    with pytest.raises(Aria2Timeout):
        await body()
