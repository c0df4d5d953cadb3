"""What the guard answers by itself: peers, and zeros."""

from __future__ import annotations

from collections.abc import Sequence

import bencode2
import pytest

from reactor.egress.inner_urls import ZEROS_MAX, swarm_of, swarm_url, zeros_url
from reactor.egress.proxy import DENY_ALL, Guard
from tests.egress.asking import asking, connected, guarding, server

HOST = "reactor.invalid:80"


async def answers(guard: Guard, *requests: bytes) -> bytes:
    """All that comes in one tunnel after these, to its end."""
    async with connected(guard.route("somebody")) as (reader, writer):
        writer.write(asking("CONNECT", HOST, guard.route("somebody")))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        for request in requests:
            writer.write(request)
        writer.write_eof()
        return await reader.read()


def get(url: str, *lines: str) -> bytes:
    return "\r\n".join([f"GET {url.removeprefix('http://reactor.invalid')} HTTP/1.1", *lines, "", ""]).encode()


TRACKERS = ["http://t/announce?passkey=1", "UDP://u:80", "wss://w"]


async def test_a_swarm_is_asked_for_in_the_words_of_who_asks() -> None:
    asked = []

    async def announce(trackers: Sequence[str], peers: Sequence[tuple[str, int]], query: str) -> bytes:
        asked.append((trackers, peers, query))
        return b"d5:peers0:e"

    url = swarm_url(TRACKERS, ["127.0.0.1:6881", "[::1]:2", "127.0.0.1:0", "127.0.0.1:99999", "nonsense", "x y:1"])
    assert url
    async with guarding() as guard:
        guard.announce = announce
        head, _, body = (await answers(guard, get(f"{url}?info_hash=%00&port=1"))).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"d5:peers0:e"
    assert asked == [(TRACKERS[:2], [("127.0.0.1", 6881), ("::1", 2)], "info_hash=%00&port=1")]


async def test_a_guard_that_knows_nobody_who_asks_says_so() -> None:
    async with guarding() as guard:
        answer = await answers(guard, get(swarm_url([], ["127.0.0.1:1"]) or ""))
    assert b"failure reason" in bencode2.bdecode(answer.partition(b"\r\n\r\n")[2])


def test_where_there_is_one_tracker_nobody_has_to_ask_for_aria2() -> None:
    assert swarm_url([]) is None
    assert swarm_url(["http://t/"], ["nonsense", "1:2:3", "a/b:1", "[::1]"]) is None
    inner = swarm_url(["http://t/", "http://u/"])
    assert inner
    assert swarm_url(["http://t/", inner]) is None, "and not itself"
    assert swarm_of("nonsense!") == ((), ())
    assert swarm_of("é") == ((), ())


async def test_zeros_are_sent_as_they_are_asked_for() -> None:
    size = 100_000
    url = zeros_url(size)
    async with guarding() as guard:
        some = await answers(guard, get(url, "Range: bytes=5-9"), get(url, "Range: bytes=99990-"))
        whole = await answers(guard, get(url))
        head = await answers(guard, get(url).replace(b"GET", b"HEAD"))
    first, second = [part.partition(b"\r\n\r\n") for part in some.split(b"HTTP/1.1 ")[1:]]
    assert (first[2], second[2]) == (bytes(5), bytes(10))
    assert first[0].startswith(b"206 ")
    assert b"Content-Range: bytes 5-9/100000" in first[0]
    assert whole.partition(b"\r\n\r\n")[2] == bytes(size)
    assert head.partition(b"\r\n\r\n")[2] == b""
    assert b"Content-Length: 100000" in head


@pytest.mark.parametrize(
    ("url", "status"),
    [
        (zeros_url(0), b"404"),
        (zeros_url(ZEROS_MAX + 1), b"404"),
        (zeros_url(10**30), b"404"),
        ("/zeros/x", b"404"),
        ("/swarm/x", b"200"),
        ("/", b"404"),
        ("/other/1", b"404"),
    ],
)
async def test_nothing_else_is_there(url: str, status: bytes) -> None:
    async with guarding() as guard:
        assert (await answers(guard, get(url)))[9:12] == status
        assert (await answers(guard, get(zeros_url(5), "Range: bytes=9-")))[9:12] == b"416"
        assert await answers(guard, b"x" * 70_000) == b""


async def test_who_may_go_nowhere_is_not_answered_either() -> None:
    async with guarding() as guard, server():
        route = guard.route("somebody", DENY_ALL)
        async with connected(route) as (reader, writer):
            writer.write(asking("CONNECT", HOST, route))
            assert (await reader.readline()).split()[1] == b"403"
