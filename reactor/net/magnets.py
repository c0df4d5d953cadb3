"""Magnet links (BEP 9): read in the spellings that people and sites use, and written as aria2 reads them. Pure.

    magnet:?xt=urn:btih:<40 hex digits or 32 of base32>&dn=<name>&tr=<tracker>&ws=<web seed>&x.pe=<peer>&so=<files>

Sites write keys and URNs in capitals, number them (`tr.1=`), put `//` behind the colon, and encode the whole link once
more. A bare info hash is a magnet link too.
"""

from __future__ import annotations

import base64
import re
from urllib.parse import parse_qsl, quote, unquote

from reactor.errors import DownloadError
from reactor.patterns import pattern
from reactor.records import dataclass

TRACKERS_MAX = 200
"""More of them ask nobody that the first ones did not."""
FIELDS_MAX = 1000

_MAGNET = pattern(r"(?:web\+)?magnet:(?://?)?\?*", re.IGNORECASE)
_ENCODED = pattern(r"(?:web\+)?magnet(?:%3a|:(?://?)?%3f)", re.IGNORECASE)
_PARTED = pattern(r"[;?](?=(?:as|dn|so|tr|ws|x\.pe|xl|xs)(?:\.\d+)?=)", re.IGNORECASE)
"""What some put between the keys, in place of `&`."""
_HASH_V1 = pattern(r"(?:urn:)?(?:btih[:=])?([0-9a-f]{40}|[a-z2-7]{32})(?![0-9a-z])", re.IGNORECASE)
"""As `xt` has it: with its URN or without, and with what has been glued to it."""
_HEX_V1 = pattern(r"[0-9a-f]{40}", re.IGNORECASE)
_BASE32 = pattern(r"[a-z2-7]{32}", re.IGNORECASE)
_HEX_V2 = pattern(r"[0-9a-f]{64}", re.IGNORECASE)
_NUMBER = pattern(r"\.\d+$|\[\d*\]$")
_NEXT_URL = pattern(r",(?=https?:|udp:)", re.IGNORECASE)
_V2_MULTIHASH = "1220"  # SHA-256, 32 bytes (BEP 9 and 52)
_BY_HTTP = ("http://", "https://")
_TRACKERS = (*_BY_HTTP, "udp://")
"""Those that aria2 asks."""
_SAFE = ":/"


@dataclass(frozen=True, slots=True)
class Magnet:
    """What a magnet link says."""

    v1: str | None
    """40 hex digits, lower case."""
    v2: str | None
    """64 hex digits, lower case."""
    name: str | None = None
    """`dn`: a wish, as yet unchecked."""
    trackers: tuple[str, ...] = ()
    more: tuple[tuple[str, str], ...] = ()
    """Other keys that have a meaning: web seeds (`ws`), sources (`xs`, `as`), peers (`x.pe`), files (`so`)."""

    @property
    def info_hash(self) -> str:
        return self.v1 or self.v2 or ""

    def all(self, *keys: str) -> list[str]:
        """The values of these keys, in the order of the link."""
        return [value for key, value in self.more if key in keys]

    def url(self, *, by_http: bool = False) -> str:
        """The link, each key spelled as BEP 9 has it; `by_http`: without trackers that are not asked by HTTP."""
        pairs = [("xt", f"urn:btih:{self.v1}")] if self.v1 else []
        pairs += [("xt", f"urn:btmh:{_V2_MULTIHASH}{self.v2}")] if self.v2 else []
        pairs += [("dn", self.name)] if self.name else []
        pairs += [("tr", url) for url in self.trackers if not by_http or url.lower().startswith(_BY_HTTP)]
        return "magnet:?" + "&".join(f"{key}={quote(value, safe=_SAFE)}" for key, value in (*pairs, *self.more))


def parse_magnet(text: str) -> Magnet | None:
    """Read a magnet link, a bare info hash (40 hex digits, 32 of base32, 64 hex digits for v2) or a URN; None for any
    other text. Raises DownloadError (`bad_magnet`) where the link names no torrent."""
    if _ENCODED.match(text):
        text = unquote(text, errors="replace")
    bare, long = _hex(text) or _v1(text), text.lower() if _HEX_V2.fullmatch(text) else _v2(text)
    if bare or long:
        return Magnet(bare, None if bare else long)
    begin = _MAGNET.match(text)
    if begin is None:
        return None
    pairs = _pairs(_PARTED.sub("&", text[begin.end() :]))
    v1 = next((found for key, value in pairs if key == "xt" and (found := _v1_in(value))), None)
    v2 = next((found for key, value in pairs if key == "xt" and (found := _v2(value))), None)
    if not (v1 or v2):
        raise DownloadError("This magnet link names no torrent: its hash is missing or not valid.", code="bad_magnet")
    told = (url for key, value in pairs if key == "tr" for url in _NEXT_URL.split(_decoded_url(value)))
    trackers = dict.fromkeys(url for url in told if url.lower().startswith(_TRACKERS))
    return Magnet(
        v1,
        v2,
        next((value for key, value in pairs if key == "dn"), None),
        tuple(trackers)[:TRACKERS_MAX],
        tuple((key, value) for key, value in pairs if key in ("ws", "xs", "as", "x.pe", "so"))[:TRACKERS_MAX],
    )


def _pairs(query: str) -> list[tuple[str, str]]:
    """Keys in lower case, without the numbers that some have; values decoded, without what nobody sees."""
    try:
        pairs = parse_qsl(query, errors="replace", max_num_fields=FIELDS_MAX)
    except ValueError as error:
        raise DownloadError("This magnet link has too many fields.", code="bad_magnet") from error
    return [(_NUMBER.sub("", key.lower()), "".join(filter(str.isprintable, value)).strip()) for key, value in pairs]


def _v1(urn: str) -> str | None:
    kind, _, text = urn.rpartition(":")
    return _hex(text) if kind.lower() == "urn:btih" else None


def _v1_in(xt: str) -> str | None:
    """The same of an `xt` as sites misspell it."""
    found = _HASH_V1.match(xt)
    return _v1(xt) or (_hex(found[1]) if found else None)


def _decoded_url(value: str) -> str:
    """A URL that was encoded twice."""
    return unquote(value, errors="replace") if "%3a%2f%2f" in value[:20].lower() else value


def _v2(urn: str) -> str | None:
    kind, _, text = urn.lower().rpartition(":")
    known = kind == "urn:btmh" and text.startswith(_V2_MULTIHASH) and _HEX_V2.fullmatch(text[4:])
    return text[4:] if known else None


def _hex(info_hash: str) -> str | None:
    if _HEX_V1.fullmatch(info_hash):
        return info_hash.lower()
    return base64.b32decode(info_hash.upper()).hex() if _BASE32.fullmatch(info_hash) else None
