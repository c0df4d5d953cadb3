"""What is asked of strangers' documents, and what they say: manifests, torrents, trackers. `parsing` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from reactor.media.choice import Quality
from reactor.media.parts import Holds, MediaStream, Subtitles
from reactor.records import dataclass

MANIFEST_BYTES_MAX = 16 * 1024 * 1024
"""More than any whose addresses fit into a plan."""


@dataclass(frozen=True, slots=True)
class TorrentFacts:
    """The facts of a `.torrent` file."""

    name: str
    """As it says itself; not cleaned."""
    top: str
    """What stands in the staging folder when all is there: a base name that a disk takes."""
    folder: bool
    size: int
    """Bytes of what is wanted of it, without pad files."""
    select: str
    """aria2's `select-file`; "" for all of it."""
    paths: tuple[tuple[int, str], ...]
    """Files that are not put where aria2 would put them: their numbers from 1, and their paths."""
    pads: tuple[tuple[int, int], ...]
    """Of one that the web shares: its pad files, by their numbers, and their bytes."""
    trackers: tuple[str, ...]
    v1: str | None
    v2: str | None
    files: tuple[tuple[int, str, int], ...] = ()
    """Numbers, paths and bytes of its files, where that was asked; the largest, where there are many."""
    files_total: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """How a manifest is to be read."""

    variant: bool = False
    """True for an HLS playlist that another one has named."""
    prefix: str = ""
    """Put before the name of each part."""
    holds: Holds = ()
    """What the playlist that named it says that it contains."""
    subtitles: Subtitles | None = None
    """Set for a playlist of subtitles."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """EXT-X-DEFINE of the playlist that named it."""
    server: int = 0
    """Which BaseURL of an MPD is used, where there are several."""
    avoid: tuple[str, ...] = ()
    """Ids of representations of an MPD that are not taken while there are others."""
    now_s: float = 0.0
    """Seconds since the epoch."""
    listed: bool = False
    """True when it is to be told which qualities an MPD has."""
    timed: bool = False
    """True if it is wanted what each segment of an MPD lasts."""


ASKED = Asked()


@dataclass(frozen=True, slots=True)
class Parsed:
    """A manifest that was read."""

    streams: tuple[MediaStream, ...]
    servers: int = 1
    """How many alternative BaseURLs it has."""
    qualities: tuple[Quality, ...] = ()
    """What an MPD offers, where that was asked."""


@dataclass(frozen=True, slots=True)
class Swarm:
    """What a tracker tells of a torrent."""

    refused: str | None = None
    """Why it does not."""
    seeds: int | None = None
    """How many have all of it."""
    interval: int = 0
    """When it may be asked again, in seconds; 0: it does not say."""
    peers: bytes = b""
    """Six bytes each: IPv4 address and port."""
    peers6: bytes = b""
    """Eighteen bytes each."""
