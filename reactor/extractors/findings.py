"""What stage 2 sees of a row that asks: what there is to choose from, and what an answer need not ask for again.

Extractors put into it what they see anyway. Its lifetime is its owner's: see `daemon.findings_cache`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import field
from typing import Any, TypeVar

from reactor.choices import ENTRIES_MAX, Choices, FileChoice, ItemChoice, SubtitleChoice
from reactor.lists import Listing
from reactor.media.choice import QUALITIES_MAX, Quality
from reactor.media.offers import format_choices
from reactor.options import LANGUAGE, Options
from reactor.plan import Extraction
from reactor.records import dataclass

KEPT_BYTES_MAX = 32 * 1024 * 1024
"""Of one row."""

Found = TypeVar("Found")


def item_choices(listing: Listing, options: Options) -> Choices:
    """The first entries of a list. They are chosen by their keys: their places change."""
    items = []
    for at, each in enumerate(listing.entries[:ENTRIES_MAX], 1):
        pick = {"playlist": {"keys": [each.key]}}
        items.append(ItemChoice(c=f"i{at}", n=each.position, key=each.key, title=each.title, pick=pick))
    total = len(listing.entries)
    return Choices(title=listing.title, items=tuple(items), items_total=total, unanswered=options.unanswered)


NOTHING: tuple[Any, int] = (None, 0)


@dataclass(slots=True)
class Findings:
    """Of one row."""

    qualities: list[Quality] = field(default_factory=list)
    subtitles: dict[str, bool] = field(default_factory=dict)
    """Languages, and whether a program has made them."""
    files: tuple[tuple[int, str, int], ...] = ()
    """Of a torrent: numbers, paths and bytes; the largest of many."""
    files_total: int = 0
    kept_bytes: int = 0
    _kept: dict[object, tuple[Any, int]] = field(default_factory=dict)
    """With their sizes."""

    def begin(self) -> None:
        """It is looked into once more: what was seen before may be another extractor's."""
        self.qualities, self.subtitles, self.files, self.files_total = [], {}, (), 0

    def see(self, found: Iterable[Quality]) -> None:
        """These are offered."""
        self.qualities += list(found)[: QUALITIES_MAX - len(self.qualities)]

    async def once(self, key: object, look: Callable[[], Awaitable[Found]], size: Callable[[Found], int]) -> Found:
        """What `look` finds, or has found for the same key."""
        if key not in self._kept:
            found = await look()
            self.keep(key, found, size(found))
            return found
        known: Found = self._kept[key][0]
        return known

    def keep(self, key: object, found: object, size: int) -> None:
        """Not to be asked for again, unless it is too large."""
        if self.kept_bytes + size <= KEPT_BYTES_MAX:
            self._kept[key] = found, size
            self.kept_bytes += size

    def known(self, key: object) -> Any:
        """What was kept; None for nothing."""
        return self._kept.get(key, NOTHING)[0]

    def take(self, key: object) -> Any:
        """The same, and once only: what expires is asked for again."""
        found, size = self._kept.pop(key, NOTHING)
        self.kept_bytes -= size
        return found

    def _texts(self) -> list[tuple[str, bool]]:
        """Those that an option can name."""
        named = [(tag, auto) for tag, auto in self.subtitles.items() if re.fullmatch(LANGUAGE, tag)]
        return named[:ENTRIES_MAX]

    def choices(self, extraction: Extraction, options: Options) -> Choices:
        """What there is to choose from."""
        about, finish = extraction.finish.about, extraction.finish
        files = [
            FileChoice(c=f"t{at}", n=number, path=path, bytes=size, pick={"files": [number]})
            for at, (number, path, size) in enumerate(self.files, 1)
        ]
        subtitles = [
            SubtitleChoice(c=f"s{at}", language=language, auto=auto, pick={"subtitles": {"languages": [language]}})
            for at, (language, auto) in enumerate(self._texts(), 1)
        ]
        return Choices(
            title=extraction.title,
            duration_s=finish.duration_s,
            thumbnail=about.thumbnail if 0 < len(about.thumbnail) <= 2000 else None,
            formats=format_choices(self.qualities, finish.duration_s),
            subtitles=tuple(subtitles),
            files=tuple(files),
            files_total=self.files_total or None,
            unanswered=options.unanswered,
        )
