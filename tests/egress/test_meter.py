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


def read(*data: bytes) -> bytes:
    """What is relayed of an answer."""
    answers = Answers()
    answers.asked(GET)
    return b"".join(bytes(answers.answered(each)) for each in data)


def test_a_head_that_is_not_quite_http_is_repaired() -> None:
    """aria2c (1.36) refuses it. The body, and a head that cannot be understood, stay as they are."""
    head = b"http/1.1 200 OK\nX-A : b\nrubbish\n: x\nContent-Length : 9\n\n"
    body = b"A : b\n\n\r\n"
    right = b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 9\r\n\r\n"
    assert read(head + body) == right + body
    assert read(*(bytes([each]) for each in head), body) == right + body
    hints = b"HTTP/1.1 103 Early Hints\r\nLink : a\r\n\r\n"
    assert read(hints + head) == b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + right
    assert read(b"SSH-2.0-x : y\r\n\r\n") == b"SSH-2.0-x : y\r\n\r\n"


LINES = (
    b"Content-Length: 9", b"Content-Length: 0", b"content-length: 12, 12", b"CONTENT-LENGTH: 9x", b"Content-Length : 9",
    b"Content-Range: bytes 0-8/9", b"Transfer-Encoding: chunked", b"transfer-encoding: identity", b"ETag: \"a\"",
    b"Content-Length: 99999999999999", b"X-A:b", b"X-A:", b"X-A: ", b"X-A: b ", b"X-A: b\tc", b"X-A: \xe9\x01",
    b" fold", b"rubbish", b": x", b"X A: b", b"X-A: b\rContent-Length: 7", b"X-A: b\nContent-Length: 7",
)  # fmt: skip
STATUSES = (
    b"HTTP/1.1 200 OK",
    b"HTTP/1.0 206 Partial Content",
    b"HTTP/1.1 404",
    b"http/1.1 200 OK",
    b"HTTP/1.1 200  OK",
)


@given(
    status=st.sampled_from((*STATUSES, b"HTTP/1.1 200 OK ", b"HTTP/1.1 103 Early Hints", b"ICY 200 OK")),
    lines=st.lists(st.sampled_from(LINES), max_size=5),
    body=st.sampled_from((b"", b"x" * 9, b"x" * 20, b"A : b\r\n\r\n")),
)
def test_a_head_is_read_alike_in_one_piece_or_in_two(status: bytes, lines: list[bytes], body: bytes) -> None:
    """One that comes as a whole and has nothing to be repaired is passed on as it is; in pieces each is looked into."""

    def relayed(*pieces: bytes) -> tuple[bytes, bool]:
        answers = Answers()
        answers.asked(GET)
        try:
            return b"".join(bytes(answers.answered(memoryview(each))) for each in pieces), answers.unfinished
        except ImplausibleLength:
            return b"refused", True

    answer = b"\r\n".join((status, *lines, b"", body))
    assert relayed(answer) == relayed(answer[:1], answer[1:])


def test_what_is_implausible_is_so_repaired_or_not() -> None:
    for line in (b"Content-Length:\r\n 4611686018427387904", b"Content-Length : " + b"9" * 30):
        with pytest.raises(ImplausibleLength):
            read(b"HTTP/1.1 200 OK\r\n" + line + b"\r\n\r\n")


def test_an_empty_cookie_is_sent_to_nobody() -> None:
    """It is there for aria2 only. One that holds something goes on, and so does what is no request."""
    request = b"GET / HTTP/1.1\r\nHost: h\r\n%bAccept: */*\r\n\r\n"
    for line, sent in (
        (b"Cookie:\r\n", b""),
        (b"cookie: \r\n", b""),
        (b"Want-Digest: SHA-256;q=1\r\nCookie:\r\n", b""),
        *((each, each) for each in (b"Cookie: a=b\r\n", b"X-Cookie:\r\n", b"")),
    ):
        assert bytes(Answers().asked(memoryview(request % line))) == request % sent
    assert bytes(Answers().asked(b"\r\nCookie:\r\n")) == b"\r\nCookie:\r\n"
