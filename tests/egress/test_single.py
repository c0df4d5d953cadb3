"""Whether all of a file came in one answer, as far as the guard can tell."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from reactor.egress.answers import Answers
from tests.egress.asking import Streams, connected, guarding, server, tunnel, until


async def test_it_tells_whether_one_answer_was_all() -> None:
    """What one answer brought is one version of a file; what several did may be of two."""
    async with server() as far, guarding() as guard:
        far.put("/whole", b"w" * 1000)
        far.put("/cut", b"c" * 1000, cut_after=500)
        where = f"127.0.0.1:{far.port}"
        users = "first", "second", "third"
        first, second, _ = (guard.route(user, counted=True) for user in users)
        assert guard.single("nobody") is None, "of whom nothing is known"
        async with connected(first) as streams:
            await got(streams, first, where, "/whole")
            assert [guard.single(user) for user in users] == [True] * 3
        await until(lambda: not guard.tunnels)
        assert [guard.single(user) for user in users] == [True] * 3, "what ends between answers brings no second one"
        guard.settle("first")
        async with connected(second) as streams:
            await got(streams, second, where, "/cut")
        await until(lambda: not guard.tunnels)
        assert guard.single("first") is None, "it has all of it"
        assert guard.single("third") is False, "it may have gone on through the one that was cut"
        async with connected(second) as streams:
            assert await tunnel(streams, second, where) == 200
        assert guard.single("second") is False
        guard.settle("second")
        assert guard.single("second") is False
        guard.route("second")
        assert guard.single("second"), "it begins anew"


async def got(streams: Streams, way: str, where: str, path: str) -> None:
    """Ask for it through a tunnel, and read what comes."""
    reader, writer = streams
    assert await tunnel(streams, way, where) == 200
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {where}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    with suppress(asyncio.IncompleteReadError):
        await reader.readexactly(1000)


@pytest.mark.parametrize(
    ("method", "answer", "unfinished"),
    [
        (b"GET", b"", True),
        (b"GET", b"HTTP/1.1 200 OK\r\n", True),
        (b"GET", b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n", True),
        (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length:4\r\n\r\nabc", True),
        (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd", False),
        (b"GET", b"HTTP/1.1 103 Early Hints\r\n\r\n", True),
        (b"GET", b"HTTP/1.1 200 OK\r\n\r\nabcd", False),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", False),
    ],
)
@pytest.mark.parametrize("by", [1, 1000])
def test_it_knows_when_an_answer_is_at_its_end(method: bytes, answer: bytes, unfinished: bool, by: int) -> None:
    answers = Answers()
    assert answers.unfinished, "of what cannot be read"
    answers.asked(method + b" /a HTTP/1.1\r\n\r\n")
    for first in range(0, len(answer), by):
        answers.answered(answer[first : first + by])
    assert answers.unfinished is unfinished
