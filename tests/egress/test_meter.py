"""What comes for our own downloads is counted, and waits when all that was allowed has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.egress.answers import HEAD_MAX, Answers, ImplausibleLength
from reactor.egress.proxy import Guard
from reactor.egress.relay import REFUSED
from reactor.numbers import SIZE_MAX
from tests.egress.asking import DATA, connected, guarding, tunnel, until
from tests.servers import FileServer

GET = b"GET /file HTTP/1.1\r\nHost: a\r\n\r\n"


@asynccontextmanager
async def saying(*answers: bytes) -> AsyncIterator[str]:
    """A server that says one of these after each request; its place."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def fetched(guard: Guard, far: FileServer, *, counted: bool) -> bytes:
    way = guard.route("0123456789abcdef", counted=counted)
    async with connected(way) as (reader, writer):
        assert await tunnel((reader, writer), way, f"127.0.0.1:{far.port}") == 200
        writer.write(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        return (await reader.read(-1)).partition(b"\r\n\r\n")[2]


async def test_nothing_more_comes_when_all_that_was_allowed_has_come() -> None:
    told: list[int] = []
    async with FileServer() as far, guarding() as guard:
        far.put("/file", DATA)
        guard.meter.on_used = told.append
        guard.meter.allow(1_000_000)
        download = asyncio.create_task(fetched(guard, far, counted=True))
        await until(lambda: bool(told))
        assert 1_000_000 <= told[0] == guard.meter.passed < 1_300_000
        assert await fetched(guard, far, counted=False) == DATA, "that of others is not counted, and does not wait"
        assert guard.meter.passed == told[0]
        guard.meter.allow(1_500_000)
        await until(lambda: len(told) == 2)
        guard.meter.allow(None)
        assert await download == DATA
        assert len(told) == 2
        assert guard.meter.passed > len(DATA)


async def test_one_that_waits_can_be_broken_off() -> None:
    told: list[int] = []
    async with FileServer() as far, guarding() as guard:
        far.put("/file", DATA)
        guard.meter.on_used = told.append
        guard.meter.allow(0)
        download = asyncio.create_task(fetched(guard, far, counted=True))
        await until(lambda: bool(told))
        download.cancel()
        await asyncio.gather(download, return_exceptions=True)
        await until(lambda: guard.tunnels == 0)


LIES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 4611686018427387904\r\n\r\n",
    b"HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Range: bytes 0-4/4611686018427387904\r\n\r\nhello",
    b"HTTP/1.1 302 Found\r\nLocation: /x\r\ncontent-LENGTH : 99999999999999999999999\r\n\r\n",
    b"HTTP/1.1 200 OK\ncontent-length:17592186044417\n\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4611686018427387904\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"x" * HEAD_MAX + b"\r\nContent-Length: 4611686018427387904\r\n\r\n",
]


@pytest.mark.fault(65)
@pytest.mark.parametrize("lie", LIES)
async def test_a_length_that_no_file_has_is_not_passed_on(lie: bytes) -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    async with saying(whole, lie) as place, guarding() as guard:
        way = guard.route("0123456789abcdef", counted=True)
        async with connected(way) as (reader, writer):
            assert await tunnel((reader, writer), way, place) == 200
            writer.write(GET)
            assert await reader.readexactly(len(whole)) == whole
            writer.write(GET)
            assert (await reader.read(-1)).endswith(REFUSED), "also when it is not the first answer"


async def test_the_same_words_in_a_file_are_no_answer() -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(LIES[0]), LIES[0])
    async with saying(whole) as place, guarding() as guard:
        way = guard.route("0123456789abcdef", counted=True)
        async with connected(way) as (reader, writer):
            assert await tunnel((reader, writer), way, place) == 200
            writer.write(GET)
            assert await reader.readexactly(len(whole)) == whole


@given(cuts=st.lists(st.integers(1, 200), max_size=6), which=st.integers(0, len(LIES) - 2))
def test_however_it_is_cut(cuts: list[int], which: int) -> None:
    def pieces(data: bytes) -> list[bytes]:
        marks = [0, *sorted(cuts), len(data)]
        return [data[start:end] for start, end in pairwise(marks)]

    def read(data: bytes) -> bytes:
        answers = Answers()
        answers.asked(GET)
        return b"".join(bytes(answers.answered(piece)) for piece in pieces(data))

    with pytest.raises(ImplausibleLength):
        read(LIES[which])
    honest = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE_MAX + b"x" * 300
    assert read(honest) == honest
