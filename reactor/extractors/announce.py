"""Asks all trackers of a torrent at once, in aria2's stead, and tells it of all the peers that they know.

aria2 asks the first tracker that answers, and no other (BEP 12): one that knows nobody, or that is slow to say so,
hides all that do. So it is given a tracker first that does not exist, which is the guard (`egress.inner`); what it asks
there is asked of each real one, by HTTP (BEP 3) and UDP (BEP 15), with its own words: who it is, how far it is.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import parse_qsl, urlsplit

import anyio
from anyio.abc import ConnectedUDPSocket

from reactor.egress.addresses import Address
from reactor.egress.inner import Resolve
from reactor.egress.inner_urls import PEERS_MAX
from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.extractors.documents import Swarm
from reactor.extractors.trackers import ask_by_http
from reactor.net.redirects import MagnetRedirect

ALL_S = 10.0
"""How long any of them may take: aria2 waits for twenty seconds."""
FIRST_S = 3.0
"""How long the others may still take when one has named peers."""
PEERS_TOLD_MAX = 300
INTERVAL_MIN_S, INTERVAL_MAX_S = 60, 3600
PEERS_WANTED = 50
UDP_AGAIN_S = 3.0
UDP_BYTES_MAX = 8 * 1024
_CONNECT, _MAGIC = 0, 0x41727101980
_EVENTS = {"": 0, "completed": 1, "started": 2, "stopped": 3}


async def announce(
    trackers: Sequence[str], known: Sequence[tuple[str, int]], query: str, *, resolve: Resolve, context: Context
) -> bytes:
    """The answer to aria2's `query`, bencoded: the peers of all these trackers, and those that are `known` by host and
    port; or why there are none."""
    swarms: list[Swarm] = []
    peers: list[tuple[Address, int]] = []

    async def ask(url: str) -> None:
        with suppress(DownloadError, MagnetRedirect, OSError, ValueError, struct.error):
            by_udp = url.lower().startswith("udp://")
            swarm = await (_by_udp(url, query, resolve) if by_udp else _by_http(url, query, context))
            swarms.append(swarm)
            if swarm.peers or swarm.peers6:
                scope.deadline = min(scope.deadline, anyio.current_time() + FIRST_S)

    async def look_up(host: str, port: int) -> None:
        with suppress(DownloadError):
            peers.extend((address, port) for address in (await resolve(host, port))[:PEERS_MAX])

    with anyio.move_on_after(ALL_S) as scope:
        async with anyio.create_task_group() as tasks:
            for url in trackers:
                tasks.start_soon(ask, url)
            for host, port in known:
                tasks.start_soon(look_up, host, port)
    return _together(swarms, peers)


def _together(swarms: Sequence[Swarm], peers: Sequence[tuple[Address, int]]) -> bytes:
    named = [address.packed + port.to_bytes(2, "big") for address, port in peers]
    four = dict.fromkeys([*(each for each in named if len(each) == 6), *_cut(swarms, 6)])
    six = dict.fromkeys([*(each for each in named if len(each) == 18), *_cut(swarms, 18)])
    taken = [swarm for swarm in swarms if swarm.refused is None]
    if not four and not six and not taken:
        # Then aria2 asks the real ones itself, one after the other.
        reason = next((swarm.refused for swarm in swarms if swarm.refused), "No tracker answers.").encode()
        return b"d14:failure reason%d:%be" % (len(reason), reason)
    intervals = [swarm.interval for swarm in taken if swarm.interval]
    interval = max(INTERVAL_MIN_S, min([*intervals, INTERVAL_MAX_S]) if four or six else INTERVAL_MIN_S)
    told, told6 = (b"".join(list(each)[:PEERS_TOLD_MAX]) for each in (four, six))
    return b"d8:intervali%de5:peers%d:%b6:peers6%d:%be" % (interval, len(told), told, len(told6), told6)


def _cut(swarms: Sequence[Swarm], length: int) -> list[bytes]:
    """The peers of each in turn: those of one with many do not crowd out the others."""
    lists = [swarm.peers if length == 6 else swarm.peers6 for swarm in swarms]
    longest = max(map(len, lists), default=0)
    return [each[at : at + length] for at in range(0, longest, length) for each in lists if len(each) >= at + length]


async def _by_http(url: str, query: str, context: Context) -> Swarm:
    return await context.parsers.tracker(await ask_by_http(url, query, context))


async def _by_udp(url: str, query: str, resolve: Resolve) -> Swarm:
    parts, values = urlsplit(url), dict(parse_qsl(query, encoding="latin-1"))
    host, port = parts.hostname or "", parts.port or 80
    address = (await resolve(host, port))[0]
    async with await anyio.create_connected_udp_socket(str(address), port) as udp:
        number = int.from_bytes(os.urandom(4), "big")
        connected = await _exchange(udp, struct.pack(">QII", _MAGIC, _CONNECT, number), number, 0)
        (connection,) = struct.unpack_from(">Q", connected, 8)
        info_hash, peer_id = (_twenty(values.get(key, "")) for key in ("info_hash", "peer_id"))
        sizes = (_whole(values.get(key)) for key in ("downloaded", "left", "uploaded"))
        event = _EVENTS.get(values.get("event", ""), 0)
        identity, ours = (connection, 1, number, info_hash, peer_id), _whole(values.get("port")) & 0xFFFF
        question = struct.pack(">QII20s20sQQQIIIiH", *identity, *sizes, event, 0, number, PEERS_WANTED, ours)
        answer = await _exchange(udp, question, number, 1)
    interval, _, seeds = struct.unpack_from(">III", answer, 8)
    peers = answer[20:]
    if address.version == 4:
        return Swarm(seeds=seeds, interval=interval, peers=peers)
    return Swarm(seeds=seeds, interval=interval, peers6=peers)


async def _exchange(udp: ConnectedUDPSocket, question: bytes, number: int, action: int) -> bytes:
    """The answer to this question. Asked again while none comes. Raises DownloadError when it is refused."""
    while True:
        await udp.send(question)
        with anyio.move_on_after(UDP_AGAIN_S):
            while True:
                answer = (await udp.receive())[:UDP_BYTES_MAX]
                if len(answer) < 8:
                    continue
                told, back = struct.unpack_from(">II", answer)
                if back == number and told == 3:
                    raise DownloadError("The tracker refuses it.", code="no_peers")
                if back == number and told == action and len(answer) >= (16, 20)[action]:
                    return answer


def _twenty(text: str) -> bytes:
    return text.encode("latin-1", "replace")[:20].ljust(20, b"\0")


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 19 else 0
