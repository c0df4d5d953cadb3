"""What a part of a stream holds and when it begins and ends, by its own clock. `containers` measures it."""

from __future__ import annotations

from typing import Literal

from reactor.records import dataclass

StreamKind = Literal["video", "audio"]


class CutShort(Exception):
    """The file ends before its own headers say that it does."""


@dataclass(frozen=True, slots=True)
class StreamClock:
    """One stream of a part."""

    kind: StreamKind
    codec: str
    """As ffmpeg calls it, where it is known; else how the container calls it."""
    start_s: float
    """When its first picture or sound is shown."""
    end_s: float
    """When its last one is over."""
    setup: str = ""
    """What a decoder is set up with once: parts in which it differs cannot follow each other. Empty: unknown."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one part holds."""

    streams: tuple[StreamClock, ...]
    """In the order that ffmpeg numbers them in."""
    ragged: bool = False
    """Its last packet is not whole. A muxer that was stopped leaves that too: no proof that something is missing."""

    def of(self, kind: StreamKind) -> StreamClock | None:
        """The first stream of a kind."""
        return next((stream for stream in self.streams if stream.kind == kind), None)

    @property
    def main(self) -> StreamClock | None:
        """The stream that tells how long the part is: the picture, where there is one."""
        return self.of("video") or self.of("audio")


_PICTURES = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a"
_OTHERS = b"PK\x03\x04", b"%PDF", b"\x1f\x8b", b"Rar!"


def is_picture(start: bytes) -> bool:
    """True for what begins as a picture."""
    return start.startswith(_PICTURES) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")


def is_foreign(start: bytes) -> bool:
    """True for what begins as a picture, an archive or a document: no part of a stream, whatever its name."""
    return is_picture(start) or start.startswith(_OTHERS)
