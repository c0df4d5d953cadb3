"""HLS (RFC 8216): the text of a playlist → what stands in it. Pure: nothing is asked.

    parse(text, url) -> Master | Media      which of the two it is
    choose(master, choice) -> list[Pick]    the playlists to read next: of the picture, of the sound
    stream(media, …) -> MediaStream              the parts, and a playlist of our own for them

All raise DownloadError: `bad_manifest`, `live`, `drm`, `unsupported`, `too_many_parts`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from reactor import numbers
from reactor.errors import DownloadError
from reactor.media.choice import Choice, audio_rank, holds_audio, holds_video, is_audio_only, split_codecs, video_rank
from reactor.media.local import Init, Key, Segment, Span, key_data, write_playlist
from reactor.media.parts import (
    URLS_MAX,
    Holds,
    MediaStream,
    Part,
    absolute,
    bad_manifest,
    live,
    protected,
    too_large,
    too_many_parts,
)
from reactor.media.tags import Attributes, InitTag, SegmentTag, Variant, read
from reactor.numbers import FETCHES_MAX

LINE_MAX = 64 * 1024
"""Characters of one line."""
LINES_MAX = 12 * FETCHES_MAX
ATTRIBUTES_MAX = 500_000
"""In all tags together."""
KEY_BYTES = 16

_EXACT = re.compile(r"^#EXTINF:[ ]*\d+\.\d", re.MULTILINE)
_URI_LINE = re.compile(r"^[^#\s]", re.MULTILINE)
_BYTE_RANGE = re.compile(r"(\d{1,15})(?:@(\d{1,15}))?")
_IV = re.compile(r"0x([0-9a-f]{1,32})", re.IGNORECASE)
_SYSTEMS = {
    "com.apple.streamingkeydelivery": "FairPlay",
    "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed": "Widevine",
    "urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95": "PlayReady",
    "com.microsoft.playready": "PlayReady",
    "com.widevine": "Widevine",
}
_FLOAT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")
_SIZE = re.compile(r"([0-9]{1,6})[xX]([0-9]{1,6})")
SEGMENT_S_MAX = 86_400.0
SECTIONS_MAX = 10**15


@dataclass(frozen=True, slots=True)
class Master:
    """A multivariant playlist."""

    url: str
    variants: tuple[Variant, ...]
    media: tuple[Attributes, ...]


@dataclass(frozen=True, slots=True)
class Media:
    """A media playlist that has an end."""

    url: str
    segments: tuple[SegmentTag, ...]
    sequence: int | None
    """The number of the first segment; None where what is said is none."""
    exact: bool
    """True when the durations are no whole numbers of seconds, rounded."""
    section: int = 0
    """How many discontinuities there were before."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A media playlist to read."""

    url: str
    holds: Holds


def is_hls(text: str) -> bool:
    """True when the text says that it is an M3U playlist."""
    return text.lstrip("\ufeff \t\r\n").startswith("#EXTM3U")


def parse(text: str, url: str) -> Master | Media:
    """Read a playlist that stands at `url`."""
    if not is_hls(text):
        raise bad_manifest("it is not a playlist")
    count = len(_URI_LINE.findall(text))
    if count > FETCHES_MAX:
        raise too_many_parts(count)
    if "\n#EXT-X-DEFINE:" in text:
        raise DownloadError("This playlist uses variables, which reactor does not understand.", code="unsupported")
    lines = text.splitlines()
    if any(len(line) > LINE_MAX for line in lines):
        raise bad_manifest("a line in it is too long")
    if len(lines) > LINES_MAX or sum(line.count("=") for line in lines if line.startswith("#")) > ATTRIBUTES_MAX:
        raise too_large()
    found = read(text)
    if found.master:
        return Master(url, tuple(found.variants), tuple(found.media))
    if not found.timed and not found.ended:
        raise DownloadError("This is a list of links, not one video.", code="unsupported")
    if found.seeking:
        raise DownloadError("This playlist holds pictures to seek by, not the video.", code="unsupported")
    if not found.ended and not found.vod:
        raise live()
    if not found.segments:
        raise bad_manifest("it names no segment")
    sequence = numbers.whole(found.sequence or "0")
    section = numbers.whole(found.section, most=SECTIONS_MAX) or 0
    return Media(url, tuple(found.segments), sequence, _EXACT.search(text) is not None, section)


def choose(master: Master, choice: Choice) -> list[Pick]:
    """The best variant within the choice, and the sound that belongs to it where that stands apart."""
    variants = master.variants
    if not variants:
        raise bad_manifest("it names no variant")
    pictures = [variant for variant in variants if not _is_audio(variant)]
    best = max(pictures or variants, key=lambda variant: _rank(variant, choice))
    sound = _rendition(master, best)
    if choice.audio_only and sound is None:
        best = _for_its_sound(variants)
    url = absolute(master.url, best.uri)
    sound_url = absolute(master.url, sound["URI"]) if sound else url
    if choice.audio_only or not pictures:
        return [Pick(sound_url, ("audio",))]
    if sound_url != url:
        return [Pick(url, ("video",)), Pick(sound_url, ("audio",))]
    codecs = _codecs(best)
    holds: Holds = ("video",) if holds_video(codecs) else ()
    return [Pick(url, (*holds, "audio") if holds_audio(codecs) else holds)]


def stream(media: Media, *, prefix: str = "", holds: Holds = ()) -> MediaStream:
    """The parts of a media playlist, named with `prefix` before each name, and our playlist of them."""
    naming = _Naming(media.url, prefix)
    segments = list(_segments(media, naming))
    if not segments:
        raise bad_manifest("all of its segments are missing")
    total = sum(segment.duration_s for segment in segments)
    exact = media.exact and total > 0
    return MediaStream("hls", tuple(naming.parts), write_playlist(segments), total if exact else None, holds)


# Which variant


def _codecs(variant: Variant) -> tuple[str, ...]:
    return split_codecs(variant.attributes.get("CODECS"))


def _is_audio(variant: Variant) -> bool:
    return not _SIZE.fullmatch(variant.attributes.get("RESOLUTION", "")) and is_audio_only(_codecs(variant))


def _number(variant: Variant, name: str) -> float:
    told = variant.attributes.get(name, "")
    return (numbers.decimal(told) or 0.0) if _FLOAT.fullmatch(told) else 0.0


def _bandwidth(variant: Variant) -> int:
    return int(_number(variant, "BANDWIDTH"))


def _rank(variant: Variant, choice: Choice) -> tuple[float, ...]:
    size = _SIZE.fullmatch(variant.attributes.get("RESOLUTION", ""))
    return video_rank(
        choice,
        codecs=_codecs(variant),
        height=int(size[2]) if size else None,
        bandwidth=_bandwidth(variant),
        fps=_number(variant, "FRAME-RATE"),
        sdr=variant.attributes.get("VIDEO-RANGE", "SDR") == "SDR",
    )


def _for_its_sound(variants: Iterable[Variant]) -> Variant:
    """The best variant of sound alone, else the smallest of all."""
    alone = [variant for variant in variants if _is_audio(variant)]
    if alone:
        return max(alone, key=lambda variant: audio_rank(codecs=_codecs(variant), bandwidth=_bandwidth(variant)))
    return min(variants, key=_bandwidth)


def _rendition(master: Master, variant: Variant) -> Attributes | None:
    """The sound of a variant where it has a playlist of its own, else None."""
    group = variant.attributes.get("AUDIO")
    members = [each for each in master.media if each.get("TYPE") == "AUDIO" and each.get("GROUP-ID") == group]
    if not members or group is None:
        return None

    def rank(each: Attributes) -> tuple[bool, bool, bool]:
        plain = "accessibility" not in each.get("CHARACTERISTICS", "")
        return each.get("DEFAULT") == "YES", plain, each.get("AUTOSELECT") == "YES"

    best = max(members, key=rank)
    return best if best.get("URI") else None


# The segments


@dataclass(slots=True)
class _Naming:
    """Gives each address a name of ours, once. What stands for many segments is worked out once, too."""

    base: str
    prefix: str
    parts: list[Part] = field(default_factory=list)
    _urls: dict[str, str] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)
    _names: dict[tuple[str, str], str] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _length: int = 0

    def url(self, uri: str) -> str:
        """What `uri` means here."""
        if uri not in self._urls:
            self._urls[uri] = absolute(self.base, uri)
            self._length += len(self._urls[uri])
            if self._length > URLS_MAX:
                raise too_large()
        return self._urls[uri]

    def name(self, kind: str, uri: str, form: Callable[[int], str]) -> str:
        url = self.url(uri)
        if (kind, url) not in self._names:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            name = self._names[kind, url] = self.prefix + form(self._counts[kind])
            self.parts.append(Part(url, name))
            if len(self.parts) > FETCHES_MAX:
                raise too_many_parts()
        return self._names[kind, url]

    def known(self, kind: str, uri: str) -> str | None:
        return self._names.get((kind, self.url(uri)))

    def data_key(self, uri: str) -> str:
        if uri not in self._keys:
            self._keys[uri] = _data_key(uri)
        return self._keys[uri]


def _segments(media: Media, naming: _Naming) -> Iterator[Segment]:
    ends: dict[str, int] = {}
    section, gap = media.section, False
    for place, raw in enumerate(media.segments):
        number = None if media.sequence is None else media.sequence + place
        section += bool(place and raw.discontinuity)
        if raw.gap:
            gap = True
            continue
        key = _key(raw.key, number, naming)
        init = _init(raw.init, number, naming)
        span = _span(raw.byterange, naming.url(raw.uri), ends)
        name = _segment_name(raw.uri, init, naming)
        yield Segment(name, _duration(raw.duration), span, key, init, section, gap)
        gap = False


def _segment_name(uri: str, init: Init | None, naming: _Naming) -> str:
    # ffmpeg looks at the suffix; the manifest's own may be anything, so it is ours by what the segment must be.
    suffix = "m4s" if init else "ts"
    if init and naming.known("init", uri) == init.name:
        return init.name  # one file holds the init section and all segments, as ranges
    return naming.name("segment", uri, lambda n: f"{n:04}.{suffix}")


def _init(raw: InitTag | None, number: int | None, naming: _Naming) -> Init | None:
    if raw is None:
        return None
    if not raw.uri:
        raise bad_manifest("an init section in it has no address")
    span = _span(raw.byterange, naming.url(raw.uri), {})
    name = naming.name("init", raw.uri, lambda n: f"init-{n}.mp4")
    return Init(name, span, _key(raw.key, number, naming))


def _key(raw: Attributes | None, number: int | None, naming: _Naming) -> Key | None:
    """The key of segment `number`, whose number is the IV where none is given (RFC 8216, section 5.2)."""
    method = "NONE" if raw is None else raw.get("METHOD", "").upper()
    if raw is None or method == "NONE":
        return None
    uri, form = raw.get("URI", ""), raw.get("KEYFORMAT", "identity").lower()
    if method and (method != "AES-128" or form != "identity" or uri[:4].lower() == "skd:"):
        raise protected(_SYSTEMS.get(form, ""))
    iv = _IV.fullmatch(raw["IV"]) if "IV" in raw else None
    if not method or not uri or ("IV" in raw and iv is None):
        raise bad_manifest("a key in it is not described as it must be")
    value = int(iv[1], 16) if iv else number
    if value is None:
        raise bad_manifest("the number of its first segment is not valid")
    if uri[:5].lower() == "data:":
        return Key(naming.data_key(uri), f"{value:032x}")
    return Key(naming.name("key", uri, lambda n: f"key-{n}.bin"), f"{value:032x}")


def _data_key(uri: str) -> str:
    """A key that stands in the playlist itself, written anew by us."""
    head, _, body = uri.partition(",")
    raw = unquote_to_bytes(body)
    try:
        key = base64.b64decode(raw, validate=True) if head.lower().endswith(";base64") else raw
    except binascii.Error as error:
        raise bad_manifest("a key in it cannot be read") from error
    if len(key) != KEY_BYTES:
        raise bad_manifest(f"a key in it has {len(key)} bytes, not {KEY_BYTES}", code="bad_key")
    return key_data(key)


def _span(raw: str | None, url: str, ends: dict[str, int]) -> Span | None:
    """A byte range. Without an offset it begins where the last one of the same address ended."""
    if raw is None:
        return None
    found = _BYTE_RANGE.fullmatch(raw.strip())
    if found is None or not int(found[1]):
        raise bad_manifest("a byte range in it is not valid")
    span = Span(int(found[2]) if found[2] else ends.get(url, 0), int(found[1]))
    if span.offset + span.length > numbers.SIZE_MAX:
        raise bad_manifest("a byte range in it is not valid")
    ends[url] = span.offset + span.length
    return span


def _duration(raw: str | None) -> float:
    """Seconds, nominally: what a segment really lasts its own clock tells. 0 where nothing is said that makes sense."""
    return round(numbers.decimal(raw, most=SEGMENT_S_MAX) or 0.0, 6)
