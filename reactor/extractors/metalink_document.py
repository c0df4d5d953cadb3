"""What a metalink names: RFC 5854 (`.meta4`) and its forerunner, version 3 (`.metalink`). Pure, and linear in the text;
runs where it can be killed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from reactor import numbers
from reactor.errors import DownloadError
from reactor.media.parts import URL_MAX
from reactor.media.xml_tree import read_tree
from reactor.records import dataclass

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

URLS_MAX = 50
"""Most addresses of one file that are looked at, the best first."""
FILES_MAX = 1000
NAME_MAX = 4096
"""Characters."""
_SCHEMES = ("http://", "https://", "ftp://")
_HASHES = {
    name: (name, digits)
    for name, digits in (("sha-256", 64), ("sha-512", 128), ("sha-1", 40), ("md5", 32))
} | {"sha256": ("sha-256", 64), "sha512": ("sha-512", 128), "sha1": ("sha-1", 40)}  # fmt: skip
"""By what metalinks call them, best first: aria2's name, and how many digits it has."""
_LAST = 1_000_000
"""The priority of what has none (RFC 5854 allows up to 999 999)."""


@dataclass(frozen=True, slots=True)
class MetalinkFile:
    """A file that a metalink names."""

    name: str
    """As it says itself; not cleaned, and perhaps a path."""
    size: int | None
    checksum: str | None
    """The best one that aria2 knows, as its `checksum` option has it."""
    urls: tuple[str, ...]
    """Where it is, by HTTP or FTP, the best first."""
    torrents: tuple[str, ...]
    """Addresses of `.torrent` files for it."""


def bad_metalink(why: str) -> DownloadError:
    """The error for a metalink that cannot be used; `why` ends the sentence."""
    return DownloadError(f"This metalink cannot be used: {why}.", code="bad_metalink")


def parse_metalink(text: str) -> list[MetalinkFile]:
    """The files that it names, with what there is to fetch of each. Raises DownloadError (`bad_metalink`)."""
    if "<html" in text[:4096].lower():
        raise bad_metalink("it is a web page")
    root = read_tree(text, "metalink", bad_metalink, bad_metalink("it is too large"))
    elements = [*root.findall("file"), *root.findall("files/file")]
    if len(elements) > FILES_MAX:
        raise bad_metalink(f"it names more than {FILES_MAX} files")
    found = [_file(element) for element in elements]
    if not any(each.urls or each.torrents for each in found):
        raise bad_metalink("it names no address of a file")
    return found


def _file(element: Element) -> MetalinkFile:
    size = element.findtext("size")
    listed = list(_urls([*element.findall("url"), *element.findall("resources/url")]))
    torrents = [each for each in element.findall("metaurl") if (each.get("mediatype") or "").strip() == "torrent"]
    return MetalinkFile(
        name=(element.get("name") or "").strip()[:NAME_MAX],
        size=numbers.size((size or "").strip()),
        checksum=_checksum([*element.findall("hash"), *element.findall("verification/hash")]),
        urls=_best((rank, url) for rank, url, torrent in listed if not torrent),
        torrents=_best([*((rank, url) for rank, url, torrent in listed if torrent), *_ranked(torrents)]),
    )


def _urls(elements: Iterable[Element]) -> Iterator[tuple[int, str, bool]]:
    """Rank, address, and whether it leads to a torrent: version 3 says so by a type."""
    for element, (rank, url) in zip(elements, _ranked(elements), strict=True):
        yield rank, url, (element.get("type") or "").strip().lower() == "bittorrent"


def _ranked(elements: Iterable[Element]) -> Iterator[tuple[int, str]]:
    """The lower, the better: `priority`, or in version 3 `preference`, which goes up to 100."""
    for element in elements:
        priority = numbers.whole(element.get("priority"), most=_LAST)
        preference = numbers.whole(element.get("preference"), most=100)
        rank = priority if priority is not None else 101 - preference if preference is not None else _LAST
        yield rank, (element.text or "").strip()


def _best(ranked: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    usable = [each for each in ranked if len(each[1]) <= URL_MAX and each[1].lower().startswith(_SCHEMES)]
    return tuple(dict.fromkeys(url for _, url in sorted(usable, key=lambda each: each[0])))[:URLS_MAX]


def _checksum(elements: Iterable[Element]) -> str | None:
    found: dict[str, str] = {}
    for element in elements:
        name, digits = _HASHES.get((element.get("type") or "").strip().lower(), ("", 0))
        text = (element.text or "").strip().lower()
        if name and re.fullmatch(rf"[0-9a-f]{{{digits}}}", text):
            found.setdefault(name, text)
    best = next((name for name, _ in _HASHES.values() if name in found), None)
    return f"{best}={found[best]}" if best else None
