"""The lines of an HLS playlist that reactor goes by. Pure.

The library that reads a playlist takes each tag to pieces, and raises at what it cannot make out in tags that nobody
needs here: a date, a length in tenths, an address for seeking. So it is shown these lines only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

USED = frozenset({
    "#EXTM3U", "#EXTINF", "#EXT-X-BYTERANGE", "#EXT-X-DISCONTINUITY", "#EXT-X-ENDLIST", "#EXT-X-GAP",
    "#EXT-X-I-FRAMES-ONLY", "#EXT-X-IMAGES-ONLY", "#EXT-X-MAP", "#EXT-X-MEDIA", "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-PLAYLIST-TYPE",
})  # fmt: skip
"""Tags that are passed on as they are."""
VARIANT, KEY, LONGEST = "#EXT-X-STREAM-INF", "#EXT-X-KEY", "#EXT-X-TARGETDURATION"
TEXTS = ("CODECS", "AUDIO", "VIDEO-RANGE")
NUMBERS = {
    "BANDWIDTH": re.compile(r"\d{1,12}(?:\.\d{1,12})?"),
    "FRAME-RATE": re.compile(r"\d{1,12}(?:\.\d{1,12})?"),
    "RESOLUTION": re.compile(r"\d{1,6}[xX]\d{1,6}"),
}
"""What counts of a variant."""

_ATTRIBUTE = re.compile(r'(?:^|,)\s*([A-Z0-9-]+)=("[^"]*"|[^,]*)', re.IGNORECASE)


def useful(text: str) -> str:
    """The playlist without the lines that nobody needs.

    Of several keys for the same segments, each for players of another kind, the one that needs no licence is left."""
    return "\n".join([*_lines(text), ""])


def _lines(text: str) -> Iterator[str]:
    plain = False  # whether there was a key without a licence since the last segment
    for line in map(str.strip, text.splitlines()):
        name, _, rest = line.partition(":")
        if name == KEY:
            attributes = _attributes(rest)
            if not plain or _is_plain(attributes) or attributes.get("METHOD") == "NONE":
                yield line
            plain = plain or _is_plain(attributes)
        elif name == VARIANT:
            yield f"{VARIANT}:{','.join(_of_variant(_attributes(rest)))}"
        elif name == LONGEST:
            yield f"{LONGEST}:1"  # that it stands there is all that counts
        elif name in USED:
            yield line
        elif line and not line.startswith("#"):
            plain = False
            yield line


def _attributes(text: str) -> dict[str, str]:
    return {name.upper(): value.strip() for name, value in _ATTRIBUTE.findall(text)}


def _is_plain(key: Mapping[str, str]) -> bool:
    return key.get("METHOD") == "AES-128" and key.get("KEYFORMAT", "identity").strip('"').lower() == "identity"


def _of_variant(attributes: Mapping[str, str]) -> Iterator[str]:
    for name in TEXTS:
        if name in attributes:
            value = attributes[name].strip('"')
            yield f'{name}="{value}"'
    for name, form in NUMBERS.items():
        if found := form.fullmatch(attributes.get(name, "").strip('"')):
            yield f"{name}={found[0]}"
