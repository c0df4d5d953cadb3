"""Chooses among the qualities of a video: one rule for manifests, for what yt-dlp finds, and for pages.

What was asked for by name comes first (a format, a language, a codec), then the lines of the picture, then what plays
everywhere. Nothing that is asked for rules out a quality: what cannot be had is taken as near as possible.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from reactor.records import dataclass

_VIDEO = ("avc1", "avc3"), ("hvc1", "hev1"), ("av01",), ("vp09", "vp9"), ("dvh1", "dvhe", "dav1", "mp4v")
"""Families of codecs that fit into an mp4, what most players show first."""
_AUDIO = ("mp4a",), ("ec-3", "ac-3", "ac-4"), ("opus",), ("flac", "alac"), ("mp3", ".mp3")
QUALITIES_MAX = 400
"""So many of one film are looked at."""
CODECS_MAX = 200
"""Characters of a list of codecs that are read."""
_OTHER_VIDEO = ("vp8", "vp08", "theora")
_TEXT = ("wvtt", "stpp", "tx3g")
CODEC_NAMES = {
    "h264": ("avc1", "avc3", "avc", "h264", "x264"),
    "h265": ("hvc1", "hev1", "hevc", "h265", "x265", "dvh1", "dvhe"),
    "vp9": ("vp09", "vp9"),
    "av1": ("av01", "av1", "dav1"),
}
"""What people call a codec, and its families."""
_WEBM = ("vp8", "vp08", "vp09", "vp9", "av01", "av1", "opus", "vorbis")


@dataclass(frozen=True, slots=True)
class Choice:
    """The wanted quality of a video."""

    max_lines: int | None = None
    """Lines of the picture, by its smaller side: of a portrait film its width. When all have more, the fewest are
    taken."""
    worst: bool = False
    """The smallest picture, or the thinnest sound."""
    audio_only: bool = False
    codec: str = ""
    """`h264`, `h265`, `vp9` or `av1`."""
    container: str = ""
    """`mp4`, `mkv` or `webm`."""
    language: str = ""
    """Of the sound: a BCP-47 tag."""
    formats: tuple[str, ...] = ()
    """Ids of one or two of its formats."""
    texts: tuple[str, ...] | None = None
    """Languages of the subtitles that come with it; None: nobody has said, and those that it offers do."""
    texts_only: bool = False
    """Nothing else is wanted."""
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


@dataclass(frozen=True, slots=True)
class Traits:
    """What was chosen, as far as it is told."""

    format: str = ""
    """Its id: stable as long as the manifest offers the same."""
    lines: int | None = None
    """Of the picture, by its smaller side."""
    wide: int | None = None
    """The larger side."""
    codec: str = ""
    """Of the picture: its family, as a manifest has it."""
    language: str = ""
    """Of the sound."""
    bandwidth: int = 0
    """Bits a second; 0: nobody says."""


NO_TRAITS = Traits()


@dataclass(frozen=True, slots=True)
class Quality:
    """One picture or one sound that is offered."""

    id: str = ""
    """As the option `format` takes it."""
    sound_alone: bool = False
    lines: int | None = None
    """Of the picture, by its smaller side."""
    codec: str = ""
    """Of the picture: its family."""
    language: str = ""
    """Of the sound."""
    bandwidth: float = 0.0
    """Bits a second; 0: nobody says."""
    silent: bool = False
    """True when its sound is another one's."""
    bytes: int | None = None
    """As the site shows them."""


def split_codecs(codecs: str | None) -> tuple[str, ...]:
    """The families in a CODECS attribute (RFC 6381): `avc1.64001f, mp4a.40.2` → `avc1`, `mp4a`."""
    parts = (codecs or "")[:CODECS_MAX].split(",")
    return tuple(part.strip().partition(".")[0].lower() for part in parts if part.strip())


def codec_name(family: str) -> str:
    """What people call it: `h264` for `avc1`; the family itself where that is not known."""
    family = family.partition(".")[0].lower()
    return next((name for name, families in CODEC_NAMES.items() if family in families), family)


def is_audio_only(codecs: Iterable[str]) -> bool:
    """True when codecs are named and none of them is a picture's."""
    families = [family for family in codecs if family not in _TEXT]
    return bool(families) and all(_place(family, _AUDIO) is not None or family == "vorbis" for family in families)


def holds_audio(codecs: Iterable[str]) -> bool:
    """True when one of the codecs is known to be sound."""
    return any(_place(family, _AUDIO) is not None or family == "vorbis" for family in codecs)


def holds_video(codecs: Iterable[str]) -> bool:
    """True when one of the codecs is known to be a picture's."""
    return any(_is_video(family) for family in codecs)


def video_codec(codecs: Iterable[str]) -> str:
    """The picture's family; empty if none is told."""
    return next((family for family in codecs if _is_video(family)), "")


def smaller_side(width: int | None, height: int | None) -> int | None:
    """Lines of a picture; None if neither side is known."""
    return min((side for side in (width, height) if side), default=None)


def lines_rank(choice: Choice, lines: int) -> tuple[float, ...]:
    """A key for `max`: the most lines that are not too many, else the fewest."""
    fits = not choice.worst and (choice.max_lines is None or lines <= choice.max_lines)
    return fits, lines if fits else -lines


def video_rank(
    choice: Choice,
    *,
    codecs: Iterable[str],
    lines: int | None,
    bandwidth: int,
    fps: float = 0.0,
    sdr: bool = True,
    format_id: str = "",
) -> tuple[float, ...]:
    """A key for `max`: what is asked for by its id, in the codec and for the container that are asked for; what fits,
    goes into an mp4, has many lines, is plain, widely played, smooth, dense."""
    codecs = tuple(codecs)
    fits, tall = lines_rank(choice, lines or 0)
    places = [place for family in codecs if (place := _place(family, _VIDEO)) is not None]
    other = not places and any(family in _OTHER_VIDEO for family in codecs)
    asked = format_id in choice.formats, *_asked(choice, codecs)
    if choice.worst:
        return *asked, not other, tall, sdr, -bandwidth
    return *asked, fits, not other, tall, sdr, -max(places, default=0), fps, bandwidth


def audio_rank(
    choice: Choice,
    *,
    codecs: Iterable[str],
    bandwidth: int,
    main: bool | None = None,
    language: int = 0,
    format_id: str = "",
) -> tuple[float, ...]:
    """A key for `max`: what is asked for; what is said to be the main sound, then that of which nothing is said (None),
    then a commentary; what goes into an mp4, the densest. `language`: how well it fits, see `languages.fits`."""
    codecs = tuple(codecs)
    places = [place for family in codecs if (place := _place(family, _AUDIO)) is not None]
    webm = choice.container == "webm" and any(family in _WEBM for family in codecs)
    dense = -bandwidth if choice.worst else bandwidth
    said = 0.5 if main is None else main
    asked = format_id in choice.formats, language, webm
    return *asked, said, "vorbis" not in codecs, -max(places, default=0), dense


def _asked(choice: Choice, codecs: tuple[str, ...]) -> tuple[bool, bool]:
    """Whether these are of the codec, and go into the container, that are asked for."""
    wanted = bool(choice.codec) and any(codec_name(family) == choice.codec for family in codecs)
    webm = choice.container == "webm" and bool(codecs) and all(family in _WEBM for family in codecs)
    return wanted, webm


def _is_video(family: str) -> bool:
    return _place(family, _VIDEO) is not None or family in _OTHER_VIDEO


def _place(family: str, families: tuple[tuple[str, ...], ...]) -> int | None:
    return next((place for place, names in enumerate(families) if family in names), None)
