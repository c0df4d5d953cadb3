"""The lines of an HLS playlist that reactor goes by, read in one pass. Pure.

A tag that nobody needs here (a date, an address for seeking) is passed by, whatever stands in it. Nothing is taken for
a number yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

Attributes = Mapping[str, str]
"""Of one tag: names in upper case, values without their quotes."""

_ATTRIBUTE = re.compile(r'(?:^|,)[ \t]*([A-Z0-9-]+)=("[^"]*"|[^,]*)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Variant:
    """EXT-X-STREAM-INF, and the address after it."""

    uri: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class InitTag:
    """EXT-X-MAP."""

    uri: str
    byterange: str | None
    key: Attributes | None
    """The EXT-X-KEY that was in force where it was named."""


@dataclass(frozen=True, slots=True)
class SegmentTag:
    """An address, and the tags that are about it."""

    uri: str
    duration: str | None
    byterange: str | None
    key: Attributes | None
    init: InitTag | None
    discontinuity: bool
    gap: bool


@dataclass(slots=True)
class Playlist:
    """All that stands in one."""

    variants: list[Variant] = field(default_factory=list)
    media: list[Attributes] = field(default_factory=list)
    """EXT-X-MEDIA."""
    segments: list[SegmentTag] = field(default_factory=list)
    master: bool = False
    """True when it names variants, be it none with an address."""
    timed: bool = False
    """True when it says how long its longest segment is: that is a media playlist."""
    ended: bool = False
    vod: bool = False
    seeking: bool = False
    """True when it holds pictures to seek by."""
    sequence: str = ""
    section: str = ""
    """EXT-X-DISCONTINUITY-SEQUENCE."""


def read(text: str) -> Playlist:
    """Read a playlist.

    Of several keys for the same segments, each for players of another kind, the one that needs no licence counts."""
    found = Playlist()
    about: dict[str, str] = {}  # what the lines since the last address say of the next one
    key: Attributes | None = None
    init: InitTag | None = None
    variant: Attributes | None = None
    plain = False  # whether there was a key without a licence since the last segment
    for line in map(str.strip, text.splitlines()):
        if not line:
            continue
        if not line.startswith("#"):
            plain = False
            if variant is None and not found.master:  # one whose length is not said is a segment, too
                gap, cut = "GAP" in about, "DISCONTINUITY" in about
                found.segments.append(
                    SegmentTag(line, about.get("EXTINF"), about.get("BYTERANGE"), key, init, cut, gap)
                )
                about.clear()
            elif variant is not None:
                found.variants.append(Variant(line, variant))
                variant = None
            continue
        name, _, rest = line.partition(":")
        match name:
            case "#EXTINF":
                about["EXTINF"] = rest.partition(",")[0]
            case "#EXT-X-BYTERANGE":
                about["BYTERANGE"] = rest
            case "#EXT-X-DISCONTINUITY" | "#EXT-X-GAP":
                about[name.removeprefix("#EXT-X-")] = ""
            case "#EXT-X-KEY":
                told = _attributes(rest)
                if not plain or _is_plain(told) or told.get("METHOD", "").upper() == "NONE":
                    key = told
                plain = plain or _is_plain(told)
            case "#EXT-X-MAP":
                told = _attributes(rest)
                init = InitTag(told.get("URI", ""), told.get("BYTERANGE"), key)
            case "#EXT-X-STREAM-INF":
                found.master, variant = True, _attributes(rest)
            case "#EXT-X-MEDIA":
                found.media.append(_attributes(rest))
            case "#EXT-X-TARGETDURATION":
                found.timed = True
            case "#EXT-X-MEDIA-SEQUENCE":
                found.sequence = rest
            case "#EXT-X-DISCONTINUITY-SEQUENCE":
                found.section = rest
            case "#EXT-X-PLAYLIST-TYPE":
                found.vod = rest.strip().lower() == "vod"
            case "#EXT-X-ENDLIST":
                found.ended = True
            case "#EXT-X-I-FRAMES-ONLY" | "#EXT-X-IMAGES-ONLY":
                found.seeking = True
    return found


def _attributes(text: str) -> dict[str, str]:
    return {name.upper(): _unquoted(value.strip()) for name, value in _ATTRIBUTE.findall(text)}


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _is_plain(key: Attributes) -> bool:
    return key.get("METHOD") == "AES-128" and key.get("KEYFORMAT", "identity").lower() == "identity"
