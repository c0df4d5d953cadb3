"""Where the files of a torrent are put: a torrent's own names, cleaned where no disk or aria2 could take them. Pure.

aria2c makes a path of a torrent's name and of the elements of each path (`bittorrent_helper.cc`), one that is no UTF-8
percent-encoded. What would lead out of the folder it refuses, and line breaks and tabs with it. It is told another path
for a file by `index-out`. What other peers do, and what is done here: separators inside a name become `_`, empty
elements are left out, long names are shortened, and equal ones numbered.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import field
from urllib.parse import quote_from_bytes

from reactor.errors import DownloadError
from reactor.files.names import CLEAN_BYTES_MAX, INNER_BYTES_MAX, NAME_BYTES_MAX, candidates, clean_name
from reactor.net.charsets import decode_name
from reactor.patterns import pattern
from reactor.records import dataclass

TOP_BYTES_MAX = NAME_BYTES_MAX - len(".aria2__temp")
"""Of the name that stands in the staging folder: its control file stands beside it."""
PATH_BYTES_MAX = 2000
"""What is longer is put into the torrent's folder itself: systems take 4096 bytes, with the folders above it."""

_ENCODED = pattern(rb"[\x00-\x07\x0b\x0e-\x1f\x7f]")
"""What aria2 does not take for UTF-8 where it is."""
_REFUSED = pattern(r"[\x00-\x1f\x7f]")
_SEPARATORS = pattern(r"[/\\]")


@dataclass(slots=True)
class Paths:
    """The paths of one torrent's files, one after the other."""

    name: bytes
    folder: bool
    top: str = field(init=False)
    """What stands in the staging folder when all is there."""
    _taken: set[tuple[int, str]] = field(default_factory=set)
    """Names inside of a folder, which is a number."""
    _folders: dict[tuple[int, str], tuple[int, str]] = field(default_factory=dict)
    _others: dict[tuple[int, str], Iterator[str]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        _check(_as_aria2(self.name))
        self.top = _on_disk(self.name, TOP_BYTES_MAX, CLEAN_BYTES_MAX)

    def place(self, elements: Sequence[bytes]) -> tuple[str, str | None]:
        """Where the next file is: its path below the staging folder, and once more where aria2 has to be told so, or
        None. Raises DownloadError (`unsafe_name`) where aria2 would refuse the torrent for it."""
        if not self.folder:
            told = None if self.top == _as_aria2(self.name) else self.top
            return self.top, told
        theirs = "/".join(map(_as_aria2, (self.name, *elements)))
        _check(theirs)
        inside = [_on_disk(each, NAME_BYTES_MAX, INNER_BYTES_MAX) for each in elements if each]
        if sum(len(each.encode()) + 1 for each in inside) > PATH_BYTES_MAX:
            inside = inside[-1:]
        ours = "/".join((self.top, *self._free(inside)))
        return ours, None if ours == theirs else ours

    def _free(self, inside: Sequence[str]) -> Iterator[str]:
        """The path, without what another file or folder has already."""
        place = 0
        for name in inside[:-1]:
            if (place, name) not in self._folders:
                self._folders[place, name] = next(self._numbers), self._other(place, name)
            place, found = self._folders[place, name]
            yield found
        yield self._other(place, inside[-1])

    def _other(self, place: int, name: str) -> str:
        if (place, name) not in self._taken:
            self._taken.add((place, name))
            return name
        others = self._others.setdefault((place, name), candidates(name))
        found = next(each for each in others if (place, each) not in self._taken)
        self._taken.add((place, found))
        return found


def _as_aria2(raw: bytes) -> str:
    """What aria2 makes of an element."""
    try:
        return quote_from_bytes(raw, safe="") if _ENCODED.search(raw) else raw.decode()
    except UnicodeDecodeError:
        return quote_from_bytes(raw, safe="")


def _on_disk(raw: bytes, bytes_max: int, clean_max: int) -> str:
    """An element as it is put on the disk: as it is, where that can be."""
    text = decode_name(raw)
    plain = text.encode() == raw and not _REFUSED.search(text) and not _SEPARATORS.search(text)
    # aria2 strips what it is told by `index-out`.
    if plain and len(raw) <= bytes_max and text == text.strip():
        return text
    return clean_name(text, fallback="_", bytes_max=clean_max)


def _check(path: str) -> None:
    """Raises DownloadError for a path for which aria2 refuses a whole torrent."""
    shown = clean_name(path.rpartition("/")[2] or path, fallback="..", bytes_max=100)
    elements = path.split("/")
    if not path or not elements[0] or not elements[-1] or {".", ".."} & set(elements):
        message = f"This torrent was refused: it names a file outside its folder ({shown})."
        raise DownloadError(message, code="unsafe_name")
    if _REFUSED.search(path):
        message = f"This torrent was refused: aria2c takes no name with a line break or a tab in it ({shown})."
        raise DownloadError(message, code="unsafe_name")
