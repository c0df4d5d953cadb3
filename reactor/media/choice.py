"""Chooses among the qualities of a manifest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_VIDEO = ("avc1", "avc3"), ("hvc1", "hev1"), ("av01",), ("vp09", "vp9"), ("dvh1", "dvhe", "dav1", "mp4v")
"""Families of codecs that fit into an mp4, what most players show first."""
_AUDIO = ("mp4a",), ("ec-3", "ac-3", "ac-4"), ("opus",), ("flac", "alac"), ("mp3", ".mp3")
CODECS_MAX = 200
"""Characters of a list of codecs that are read."""
_OTHER_VIDEO = ("vp8", "vp08", "theora")
_TEXT = ("wvtt", "stpp", "tx3g")


@dataclass(frozen=True, slots=True)
class Choice:
    """The wanted quality of a video."""

    max_height: int | None = None
    """Lines of the picture. When all are higher, the lowest is taken."""
    audio_only: bool = False
    like: tuple[Like, ...] = ()
    """What somebody else has chosen of a DASH manifest: only these kinds are taken, of each what is most like it."""


@dataclass(frozen=True, slots=True)
class Like:
    """A quality, as far as it is known."""

    kind: Literal["video", "audio"]
    height: int | None = None
    bandwidth: float | None = None
    """Bits a second."""
    codecs: str = ""
    language: str = ""


def split_codecs(codecs: str | None) -> tuple[str, ...]:
    """The families in a CODECS attribute (RFC 6381): `avc1.64001f, mp4a.40.2` → `avc1`, `mp4a`."""
    parts = (codecs or "")[:CODECS_MAX].split(",")
    return tuple(part.strip().partition(".")[0].lower() for part in parts if part.strip())


def is_audio_only(codecs: Iterable[str]) -> bool:
    """True when codecs are named and none of them is a picture's."""
    families = [family for family in codecs if family not in _TEXT]
    return bool(families) and all(_place(family, _AUDIO) is not None or family == "vorbis" for family in families)


def holds_audio(codecs: Iterable[str]) -> bool:
    """True when one of the codecs is known to be sound."""
    return any(_place(family, _AUDIO) is not None or family == "vorbis" for family in codecs)


def holds_video(codecs: Iterable[str]) -> bool:
    """True when one of the codecs is known to be a picture's."""
    return any(_place(family, _VIDEO) is not None or family in _OTHER_VIDEO for family in codecs)


def video_rank(
    choice: Choice, *, codecs: Iterable[str], height: int | None, bandwidth: int, fps: float = 0.0, sdr: bool = True
) -> tuple[float, ...]:
    """A key for `max`: what fits the wish, goes into an mp4, is high, plain, widely played, smooth, dense."""
    lines = height or 0
    fits = choice.max_height is None or lines <= choice.max_height
    places = [place for family in codecs if (place := _place(family, _VIDEO)) is not None]
    other = not places and any(family in _OTHER_VIDEO for family in codecs)
    return fits, not other, lines if fits else -lines, sdr, -max(places, default=0), fps, bandwidth


def audio_rank(*, codecs: Iterable[str], bandwidth: int, main: bool | None = None) -> tuple[float, ...]:
    """A key for `max`: what is said to be the main sound, then that of which nothing is said (None), then a commentary;
    what goes into an mp4, the densest."""
    places = [place for family in codecs if (place := _place(family, _AUDIO)) is not None]
    return 0.5 if main is None else main, "vorbis" not in tuple(codecs), -max(places, default=0), bandwidth


def _place(family: str, families: tuple[tuple[str, ...], ...]) -> int | None:
    return next((place for place, names in enumerate(families) if family in names), None)
