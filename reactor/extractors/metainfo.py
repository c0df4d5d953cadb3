"""Parses and checks `.torrent` files (BEP 3, BEP 52). Pure.

Its info dictionary has to be canonical bencode (sorted keys, no leading zeros): aria2 encodes it anew to hash it, and
would look for another torrent otherwise. What lies around it is taken as it comes, and written anew for aria2.
"""

from __future__ import annotations

import fnmatch
import hashlib
import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from heapq import nlargest
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reactor.egress.inner_urls import swarm_url
from reactor.errors import DownloadError
from reactor.extractors.bencoded import dictionary
from reactor.extractors.torrent_paths import Paths
from reactor.net.charsets import decode_name
from reactor.patterns import pattern
from reactor.records import dataclass

if TYPE_CHECKING:  # the process that parses does without pydantic
    from reactor.options import FileChoice

DEPTH_MAX = 100
"""Folders inside folders."""
FILES_MAX = 100_000
"""aria2c tells of all of them in one message."""
PATHS_MAX = 32 * 1024 * 1024
"""Characters of all paths together."""
PIECE_BYTES_MAX = 2**28
"""The longest pieces that anybody makes have half of that. aria2c counts them in 31 bits."""
TRACKERS_MAX, URL_MAX = 50, 2000
"""Of those that are asked by us why nobody is found."""
REASON_MAX = 300
PEERS_MAX = 300
SPANS_MAX = 100
LISTED_MAX, PATH_SHOWN_MAX = 50, 500
"""Files that are told to a row that asks, and characters of their paths."""
_RANGE = pattern(r"(\d{1,6})(?:-(\d{1,6}))?")
_UNREADABLE = (ValueError, RecursionError, OverflowError)  # ValueError: 5000 digits
_SAFE = "%:/?#[]@!$&'()*+,;=~"


Outer = dict[bytes, bytes]
"""What a `.torrent` consists of: its keys, and the bytes of their values."""
Raw = bytes | Outer
"""A `.torrent`: its bytes, or what they consist of, where that is known already."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a torrent, none that only fills up a piece."""

    number: int
    """aria2's: from 1, pad files counted."""
    path: str
    """Below the staging folder."""
    size: int
    told: bool
    """True where aria2 has to be told the path."""


@dataclass(frozen=True, slots=True)
class Metainfo:
    """A torrent whose files stay inside its folder."""

    name: str
    """As it says itself; not cleaned."""
    top: str
    """What stands in the staging folder when all is there."""
    folder: bool
    files: tuple[File, ...]
    pads: tuple[tuple[int, int], ...]
    """The numbers and bytes of pad files."""
    v1: str | None
    """40 hex digits, or None for a torrent that is v2 only."""
    v2: str | None

    @property
    def count(self) -> int:
        """How many files there are with pad files."""
        return len(self.files) + len(self.pads)

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def wanted(self, wish: str = "", asked: FileChoice = None) -> tuple[File, ...]:
        """The files that a row has `asked` for; none, where it means none that is there. Else those that a magnet link
        asks for by `so` (BEP 53): `0,2,5-7`, counted from 0; all, where it asks for none that is there."""
        if asked is not None:
            return self._asked(asked)
        wished = spans(wish)
        return tuple(file for file in self.files if any(a <= file.number <= b for a, b in wished)) or self.files

    def _asked(self, asked: str | Sequence[int] | Sequence[str]) -> tuple[File, ...]:
        if isinstance(asked, str):
            return (max(self.files, key=lambda file: file.size),)
        numbers = {each for each in asked if isinstance(each, int)}
        patterns = [fnmatch.translate(each.lower()) for each in asked if isinstance(each, str)]
        fits = re.compile("|".join(patterns or ["(?!)"])).match
        return tuple(file for file in self.files if file.number in numbers or any(map(fits, _names(file.path))))


def listed(found: Metainfo) -> list[tuple[int, str, int]]:
    """The files to choose from: numbers, paths and bytes; the largest of many."""
    largest = nlargest(LISTED_MAX, found.files, key=lambda file: (file.size, -file.number))
    return [(file.number, _below(file.path, found)[-PATH_SHOWN_MAX:], file.size) for file in sorted(largest, key=_at)]


def _below(path: str, found: Metainfo) -> str:
    return path.partition("/")[2] or path if found.folder else path


def _at(file: File) -> int:
    return file.number


def _names(path: str) -> tuple[str, str]:
    """By which a file is meant: its name, and its path below the torrent's folder."""
    path = path.lower()
    return path.rpartition("/")[2], path.partition("/")[2]


def spans(wish: str) -> list[tuple[int, int]]:
    """The numbers, from 1, that a `so` names: the first and the last one of each range."""
    ranges = [found for each in wish.split(",") if (found := _RANGE.fullmatch(each.strip()))]
    return [(int(found[1]) + 1, int(found[2] or found[1]) + 1) for found in ranges[:SPANS_MAX]]


def selected(files: Sequence[File], count: int) -> str:
    """aria2's `select-file` for these of so many: `1,3-5`; "" for all."""
    if len(files) == count:
        return ""
    numbers = [file.number for file in files]
    begins = [n for n, number in enumerate(numbers) if n == 0 or number != numbers[n - 1] + 1]
    runs = [(numbers[a], numbers[b - 1]) for a, b in pairwise([*begins, len(numbers)])]
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def parse_metainfo(raw: Raw) -> Metainfo:
    """Look into a `.torrent`; of the longest ones it takes seconds. Raises DownloadError (`bad_torrent`,
    `unsafe_name`, `too_large`)."""
    from bencode2 import bdecode

    encoded = outer_of(raw).get(b"info", b"")
    if encoded[:1] != b"d":
        raise bad_torrent("it has no info dictionary")
    try:
        info = bdecode(encoded)
    except _UNREADABLE as error:
        raise bad_torrent("its info dictionary cannot be read") from error
    v1 = hashlib.sha1(encoded, usedforsecurity=False).hexdigest() if b"pieces" in info else None
    v2 = hashlib.sha256(encoded).hexdigest() if info.get(b"meta version") == 2 else None
    if not (v1 or v2):
        raise bad_torrent("it has no pieces")
    name = _name(info)
    entries = list(islice(_v1_files(info) if v1 else _v2_files(info.get(b"file tree")), FILES_MAX + 1))
    if len(entries) > FILES_MAX:
        raise DownloadError(f"This torrent holds more than {FILES_MAX:,} files.", code="too_large")
    folder = b"files" in info if v1 else [path for path, _, _ in entries] != [[name]]
    paths = Paths(name, folder)
    files = tuple(_placed(entries, paths))
    if not files:
        raise bad_torrent("it names no file")
    if v1:
        _check_pieces(info, sum(length for _, length, _ in entries))
    pads = tuple((number, size) for number, (_, size, pads) in enumerate(entries, 1) if pads)
    return Metainfo(decode_name(name), paths.top, folder, files, pads, v1, v2)


def has_web_seeds(raw: Raw) -> bool:
    """True when the web shares it, too."""
    return bool(_web_seeds(outer_of(raw)))


def trackers(raw: Raw, *, by_http: bool = False) -> list[str]:
    """Whom it has announced to, the first ones first; `by_http`: of those that are asked so."""
    outer = outer_of(raw)
    urls = [url for tier in _tiers(_value(outer, b"announce-list")) for url in tier]
    announce = _value(outer, b"announce")
    urls += [announce] if isinstance(announce, bytes) else []
    urls = [url for url in urls if not by_http or _by_http(url)]
    return [url.decode("ascii", "replace").strip() for url in dict.fromkeys(urls) if len(url) <= URL_MAX][:TRACKERS_MAX]


def metainfo_for_aria2(raw: Raw, *, by_http: bool = False, inner: bool = False) -> bytes:
    """A `.torrent` that `parse_metainfo` has taken, as aria2 reads it: the info dictionary, trackers in tiers, encoded
    URLs of web seeds. `by_http`: without trackers that are not asked by HTTP, and without nodes of the DHT."""
    from bencode2 import bencode

    outer = outer_of(raw)
    tiers = [[url for url in tier if not by_http or _by_http(url)] for tier in _tiers(_value(outer, b"announce-list"))]
    announce = _value(outer, b"announce")
    swarm = swarm_url(trackers(outer, by_http=by_http)) if inner else None
    if swarm is not None and [swarm.encode()] not in tiers:
        tiers = [[swarm.encode()], *(tiers or [[announce]])]
    kept: dict[bytes, bytes] = {b"info": outer[b"info"]}
    if tiers := [tier for tier in tiers if tier]:
        kept[b"announce-list"] = bencode(tiers)
    if isinstance(announce, bytes) and (not by_http or _by_http(announce)):
        kept[b"announce"] = bencode(announce)
    if urls := [quote(url, safe=_SAFE).encode() for url in _web_seeds(outer)]:
        kept[b"url-list"] = bencode(urls)
    if b"nodes" in outer and not by_http:
        kept[b"nodes"] = outer[b"nodes"]
    return b"d%se" % b"".join(bencode(key) + value for key, value in sorted(kept.items()))


def tracker_answer(raw: bytes) -> dict[str, str | int | None]:
    """What a tracker answers (BEP 3): why it refuses, and how many have all of the torrent. Raises DownloadError
    (`bad_torrent`) when that is no answer."""
    answer = outer_of(raw)
    refused, peers = _value(answer, b"failure reason"), _value(answer, b"peers")
    if isinstance(peers, list):
        peers = b"".join(map(_compact, peers[:PEERS_MAX]))
    return {
        "refused": decode_name(refused[:REASON_MAX]) if isinstance(refused, bytes) else None,
        "seeds": _count(_value(answer, b"complete")),
        "interval": _count(_value(answer, b"interval")) or 0,
        "peers": _whole_ones(peers, 6),
        "peers6": _whole_ones(_value(answer, b"peers6"), 18),
    }


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 2**31 else None


def _compact(peer: Any) -> bytes:
    """Of a peer that is told as a dictionary, as long as its address is one of IPv4."""
    if not isinstance(peer, dict) or not isinstance(peer.get(b"port"), int) or not 0 < peer[b"port"] < 2**16:
        return b""
    try:
        address = ipaddress.IPv4Address((peer.get(b"ip") or b"").decode("ascii"))
    except (ValueError, AttributeError):
        return b""
    return address.packed + int(peer[b"port"]).to_bytes(2, "big")


def _whole_ones(peers: Any, length: int) -> str:
    """In hex."""
    kept = peers[: PEERS_MAX * length] if isinstance(peers, bytes) else b""
    return kept[: len(kept) // length * length].hex()


def outer_of(raw: Raw) -> Outer:
    """The outer dictionary. Raises DownloadError (`bad_torrent`)."""
    if not isinstance(raw, bytes):
        return raw
    try:
        return dictionary(raw)
    except ValueError as error:
        page = raw.lstrip()[:1] == b"<"
        raise bad_torrent("it is a web page" if page else "its content cannot be read") from error


def _value(outer: dict[bytes, bytes], key: bytes) -> Any:
    """What a key of the outer dictionary holds; None where that cannot be read."""
    from bencode2 import bdecode

    try:
        return bdecode(outer[key]) if key in outer else None
    except _UNREADABLE:
        return None


def _web_seeds(outer: dict[bytes, bytes]) -> list[bytes]:
    """Their URLs (BEP 19), as they are."""
    listed = _value(outer, b"url-list")
    urls = listed if isinstance(listed, list) else [listed]
    return [url for url in urls if isinstance(url, bytes) and _by_http(url)]


def _tiers(value: Any) -> list[list[bytes]]:
    """Lists of trackers (BEP 12), also of those that somebody has written one after the other."""
    tiers = value if isinstance(value, list) else []
    return [[url for url in (tier if isinstance(tier, list) else [tier]) if isinstance(url, bytes)] for tier in tiers]


def _by_http(url: bytes) -> bool:
    return url.lower().startswith((b"http://", b"https://"))


Entry = tuple[list[bytes], int, bool]
"""The elements of a path, bytes, and whether it is a pad file (BEP 47): it fills up a piece, and is no content."""


def _v1_files(info: dict[bytes, Any]) -> Iterator[Entry]:
    if b"files" not in info:
        yield [], _length(info), False
        return
    if not isinstance(info[b"files"], list):
        raise bad_torrent("its list of files is not valid")
    for file in info[b"files"]:
        path = file.get(b"path.utf-8", file.get(b"path")) if isinstance(file, dict) else None
        if not isinstance(path, list) or not 0 < len(path) <= DEPTH_MAX:
            raise bad_torrent("its list of files is not valid")
        if not all(isinstance(part, bytes) for part in path):
            raise bad_torrent("a name in it is not valid")
        length = _length(file)
        yield path, length, _pads(path, length, file.get(b"attr"))


def _pads(path: list[bytes], length: int, attr: Any) -> bool:
    """By its attribute, or by the name that clients without attributes give it."""
    if isinstance(attr, bytes) and b"p" in attr:
        return True
    return path == [b".pad", b"%d" % length] or path[-1].startswith(b"_____padding_file_")


def _v2_files(tree: Any, above: tuple[bytes, ...] = ()) -> Iterator[Entry]:
    """A file is a name whose dictionary has the empty key."""
    if not isinstance(tree, dict) or len(above) > DEPTH_MAX:
        raise bad_torrent("its file tree is not valid")
    for key, value in tree.items():
        if key == b"":
            if not isinstance(value, dict) or not above:
                raise bad_torrent("its file tree is not valid")
            yield list(above), _length(value), False
        else:
            yield from _v2_files(value, (*above, key))


def _placed(entries: Iterable[Entry], paths: Paths) -> Iterator[File]:
    """The files with their paths, as long as those are not too long together: a v2 torrent names a folder once for all
    in it."""
    length = 0
    for number, (elements, size, pads) in enumerate(entries, 1):
        length += sum(map(len, elements))
        if length > PATHS_MAX:
            raise DownloadError("This torrent's paths are too long to be held.", code="too_large")
        path, told = paths.place(elements)
        if not pads:
            yield File(number, path, size, told is not None)


def _check_pieces(info: dict[bytes, Any], size: int) -> None:
    """As many hashes as pieces."""
    pieces, length = info[b"pieces"], info.get(b"piece length")
    if not isinstance(pieces, bytes) or not isinstance(length, int) or not 0 < length <= PIECE_BYTES_MAX:
        raise bad_torrent("its pieces are not valid")
    if len(pieces) != 20 * -(-size // length):
        raise bad_torrent("its pieces do not fit its files")


def _length(file: dict[bytes, Any]) -> int:
    length = file.get(b"length")
    if not isinstance(length, int) or not 0 <= length < 2**63:
        raise bad_torrent("a file in it has no valid length")
    return length


def _name(info: dict[bytes, Any]) -> bytes:
    name = info.get(b"name.utf-8", info.get(b"name"))
    if not isinstance(name, bytes):
        raise bad_torrent("a name in it is not valid")
    return name


def none_of(found: Metainfo) -> DownloadError:
    """The error where a row asks for files that are not there."""
    few = "has 1 file" if len(found.files) == 1 else f"has {len(found.files)} files"
    return DownloadError(
        f"None of the files that were asked for is in this torrent, which {few}.",
        hint="Name their numbers from 1, patterns of their names, or `largest`.",
        code="not_as_wished",
    )


def bad_torrent(why: str) -> DownloadError:
    """The error for a `.torrent` that cannot be used; `why` ends the sentence."""
    return DownloadError(f"This is not a valid .torrent file: {why}.", code="bad_torrent")
