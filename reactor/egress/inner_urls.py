"""The URLs that the guard answers by itself (`egress.inner`), under a host name that nobody has (RFC 6761). Pure.

http://reactor.invalid/swarm/<base64 of lines: trackers, and peers as host:port>
http://reactor.invalid/zeros/12768
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence

from reactor.patterns import pattern

HOST = "reactor.invalid"
PREFIX = f"http://{HOST}/"
TRACKERS_MAX = 40
PEERS_MAX = 20
ZEROS_MAX = 2**28
BY = ("http://", "https://", "udp://")
_PEER = pattern(r"(?:\[([0-9a-fA-F:.]+)\]|([^\s:/\[\],]+)):(\d{1,5})")


def swarm_url(trackers: Iterable[str], peers: Iterable[str] = ()) -> str | None:
    """A tracker that tells the peers of all these, and these peers (`host:port`). None where it would be of no use: for
    a single tracker and no peer."""
    asked = [url for url in trackers if url.lower().startswith(BY) and not url.startswith(PREFIX)][:TRACKERS_MAX]
    known = [peer for peer in peers if _PEER.fullmatch(peer)][:PEERS_MAX]
    if not known and len(asked) < 2:
        return None
    told = "\n".join([*asked, *known]).encode("utf-8", "replace")
    return f"{PREFIX}swarm/{base64.urlsafe_b64encode(told).decode()}"


def swarm_of(path: str) -> tuple[Sequence[str], Sequence[tuple[str, int]]]:
    """The trackers and peers of a URL's last part; none where it is not one."""
    try:
        lines = base64.urlsafe_b64decode(path.encode("ascii")).decode().split("\n")
    except (binascii.Error, UnicodeError, ValueError):
        return (), ()
    trackers = [line for line in lines if line.lower().startswith(BY)][:TRACKERS_MAX]
    found = [peer for line in lines if (peer := _PEER.fullmatch(line))][:PEERS_MAX]
    return trackers, [(peer[1] or peer[2], int(peer[3])) for peer in found if 0 < int(peer[3]) < 2**16]


def zeros_url(size: int) -> str:
    """A web seed of so many zeros."""
    return f"{PREFIX}zeros/{size}"
