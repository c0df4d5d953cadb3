"""Tokenises an HLS playlist (RFC 8216bis) in one pass: the tags that reactor uses, as text. Pure.

Other tags (dates, seek positions) are ignored, whatever their value. Variables (EXT-X-DEFINE) are replaced here;
numbers are parsed later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field

from reactor.media.variables import Variables
from reactor.patterns import pattern
from reactor.records import dataclass

Attributes = Mapping[str, str]
"""An attribute list: names in upper case, values without quotes."""

_ATTRIBUTE = pattern(r'(?:^|,)[ \t]*([A-Z0-9-]+)=("[^"]*"|[^,]*)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Variant:
    """EXT-X-STREAM-INF, and the URI that follows it."""

    uri: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class InitTag:
    """EXT-X-MAP."""

    uri: str
    byterange: str | None
    key: Attributes | None
    """The EXT-X-KEY in force at the EXT-X-MAP."""


@dataclass(frozen=True, slots=True)
class SegmentTag:
    """A segment's URI, and the tags that apply to it."""

    uri: str
    duration: str | None
    byterange: str | None
    key: Attributes | None
    init: InitTag | None
    discontinuity: bool
    gap: bool


@dataclass(slots=True)
class Playlist:
    """The content of one playlist."""

    variants: list[Variant] = field(default_factory=list)
    media: list[Attributes] = field(default_factory=list)
    """EXT-X-MEDIA."""
    segments: list[SegmentTag] = field(default_factory=list)
    master: bool = False
    """True when there is an EXT-X-STREAM-INF, even one without a URI."""
    target: str | None = None
    """EXT-X-TARGETDURATION; None where there is none. Only a media playlist has it."""
    ended: bool = False
    form: str = ""
    """EXT-X-PLAYLIST-TYPE in lower case: `vod`, `event`, or empty."""
    seeking: bool = False
    """True for a playlist of I-frames or images, made for seeking."""
    sequence: str = ""
    section: str = ""
    """EXT-X-DISCONTINUITY-SEQUENCE."""


def read(lines: Iterable[str], variables: Variables) -> Playlist:
    """Read the `lines_of` a playlist; `variables` takes up those that it defines. Raises DownloadError
    (`bad_manifest`, `too_large`).

    If several keys apply to the same segments, one per DRM system, the one that needs no licence is used."""
    found = Playlist()
    about: dict[str, str] = {}  # tags since the last URI, which apply to the next one
    key: Attributes | None = None
    init: InitTag | None = None
    variant: Attributes | None = None
    plain = False  # whether there was a key without a licence since the last segment

    def attributes(rest: str) -> dict[str, str]:
        return {name: variables.fill(value) for name, value in _attributes(rest).items()}

    for line in lines:
        if not line:
            continue
        if not line.startswith("#"):
            plain = False
            line = variables.fill(line)
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
        match name.strip().upper():
            case "#EXTINF":
                about["EXTINF"] = rest.partition(",")[0]
            case "#EXT-X-BYTERANGE":
                about["BYTERANGE"] = rest
            case "#EXT-X-DISCONTINUITY" | "#EXT-X-GAP":
                about[name.strip().upper().removeprefix("#EXT-X-")] = ""
            case "#EXT-X-KEY":
                told = attributes(rest)
                if not plain or _is_plain(told) or told.get("METHOD", "").upper() == "NONE":
                    key = told
                plain = plain or _is_plain(told)
            case "#EXT-X-MAP":
                told = attributes(rest)
                init = InitTag(told.get("URI", ""), told.get("BYTERANGE"), key)
            case "#EXT-X-STREAM-INF":
                found.master, variant = True, attributes(rest)
            case "#EXT-X-MEDIA":
                found.media.append(attributes(rest))
            case "#EXT-X-DEFINE":
                variables.define(_attributes(rest))
            case "#EXT-X-TARGETDURATION":
                found.target = rest
            case "#EXT-X-MEDIA-SEQUENCE":
                found.sequence = rest
            case "#EXT-X-DISCONTINUITY-SEQUENCE":
                found.section = rest
            case "#EXT-X-PLAYLIST-TYPE":
                found.form = rest.strip().lower()
            case "#EXT-X-ENDLIST":
                found.ended = True
            case "#EXT-X-I-FRAMES-ONLY" | "#EXT-X-IMAGES-ONLY":
                found.seeking = True
    return found


def lines_of(text: str) -> list[str]:
    """The lines of a playlist, stripped: what else than CR and LF ends a line in Unicode stands in titles."""
    return [line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]


def _attributes(text: str) -> dict[str, str]:
    return {name.upper(): _unquoted(value.strip()) for name, value in _ATTRIBUTE.findall(text)}


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _is_plain(key: Attributes) -> bool:
    return key.get("METHOD") == "AES-128" and key.get("KEYFORMAT", "identity").lower() == "identity"
