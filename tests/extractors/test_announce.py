"""All trackers of a torrent at once, in aria2's words."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from bencode2 import bdecode, bencode

from reactor.egress.addresses import Address
from reactor.errors import DownloadError
from reactor.extractors import announce as module
from reactor.extractors.announce import announce
from reactor.extractors.base import Context
from tests.servers import FileServer

QUERY = "info_hash=%00" + "a" * 19 + "&peer_id=" + "b" * 20 + "&port=6881&uploaded=1&downloaded=2&left=3&event=started"
ONE, TWO, THREE = (b"\x0a\0\0" + bytes([n]) + b"\x1a\xe1" for n in (1, 2, 3))


async def resolve(host: str, port: int) -> tuple[Address, ...]:
    if host == "refused":
        raise DownloadError("It is refused.", code="refused_address")
    return (ipaddress.ip_address(host),)


async def asked(context: Context, *trackers: str, peers: tuple[tuple[str, int], ...] = ()) -> dict[bytes, Any]:
    told: dict[bytes, Any] = bdecode(await announce(trackers, peers, QUERY, resolve=resolve, context=context))
    return told


async def test_what_all_know_is_told_once(server: FileServer, context: Context) -> None:
    urls = [
        server.put("/empty", bencode({"interval": 1800, "peers": b""})),
        server.put("/some", bencode({"interval": 900, "peers": ONE + TWO})),
        server.put("/others", bencode({"interval": 5, "peers": TWO + THREE, "peers6": bytes(18)})) + "?key=1",
        server.put("/refuses", bencode({"failure reason": "No."})),
        server.url("/nothing"),
    ]
    told = await asked(context, *urls)
    peers = told[b"peers"]
    assert sorted(peers[at : at + 6] for at in range(0, len(peers), 6)) == sorted([ONE, TWO, THREE])
    assert (told[b"peers6"], told[b"interval"]) == (bytes(18), 60)
    assert {request.path for request in server.log} >= {f"/some?{QUERY}", f"/others?key=1&{QUERY}"}


async def test_peers_of_the_link_are_told_with_them(server: FileServer, context: Context) -> None:
    url = server.put("/some", bencode({"peers": TWO}))
    told = await asked(context, url, peers=(("10.0.0.1", 6881), ("refused", 1), ("::1", 1)))
    assert told[b"peers"] == ONE + TWO
    assert told[b"peers6"] == bytes(15) + b"\1\0\1"
    assert (await asked(context, peers=(("10.0.0.1", 6881),)))[b"peers"] == ONE


async def test_where_nobody_answers_aria2_asks_itself(server: FileServer, context: Context) -> None:
    assert await asked(context, server.url("/nothing"), "udp://refused:1") == {
        b"failure reason": b"No tracker answers."
    }
    refuses = server.put("/refuses", bencode({"failure reason": "No such torrent."}))
    assert (await asked(context, refuses, refuses))[b"failure reason"] == b"No such torrent."
    empty = server.put("/empty", bencode({"interval": 1800, "peers": b""}))
    assert await asked(context, empty, refuses) == {b"interval": 60, b"peers": b"", b"peers6": b""}


async def test_one_that_hangs_does_not_keep_the_others_waiting(
    server: FileServer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_S", 0.1)
    hangs = server.put("/hangs", bencode({"peers": TWO}), stall_after=3)
    with anyio.fail_after(module.ALL_S / 2):
        told = await asked(context, hangs, server.put("/some", bencode({"peers": ONE})))
    assert told[b"peers"] == ONE


@pytest.fixture
async def by_udp() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A tracker by UDP that answers rubbish, and then as it should."""
    questions: list[bytes] = []

    async def serve(udp: Any) -> None:
        async for question, (host, port) in udp:
            questions.append(question)
            action, number = struct.unpack_from(">II", question, 8)
            answer = (
                struct.pack(">IIQ", 0, number, 77) if action == 0 else struct.pack(">IIIII", 1, number, 900, 1, 2) + ONE
            )
            for each in (b"", b"short", struct.pack(">IIQ", action, number ^ 1, 5), answer):
                await udp.sendto(each, host, port)

    async with (
        await anyio.create_udp_socket(local_host="127.0.0.1") as udp,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(serve, udp)
        yield f"udp://127.0.0.1:{udp.extra(anyio.abc.SocketAttribute.local_port)}/announce", questions
        tasks.cancel_scope.cancel()


async def test_by_udp(by_udp: tuple[str, list[bytes]], context: Context) -> None:
    url, questions = by_udp
    told = await asked(context, url)
    assert (told[b"peers"], told[b"interval"]) == (ONE, 900)
    connect, question = questions
    assert struct.unpack_from(">QI", connect) == (0x41727101980, 0)
    connection, action, _, info_hash, peer_id, *numbers = struct.unpack(">QII20s20sQQQIIIiH", question)
    assert (connection, action, info_hash, peer_id) == (77, 1, b"\0" + b"a" * 19, b"b" * 20)
    assert (numbers[:3], numbers[3], numbers[7]) == ([2, 3, 1], 2, 6881)


@pytest.mark.parametrize("url", ["udp://127.0.0.1:99999", "udp://", "http://[", "udp://[::1"])
async def test_what_is_no_tracker_says_nothing(context: Context, url: str) -> None:
    assert b"failure reason" in await asked(context, url)
