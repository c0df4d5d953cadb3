"""A URL that stands for several things: what stage 2 finds there in place of something to fetch, and which of it a row
asks for.

Each entry becomes a row of its own, a child of the row that named the list. `ListRequest` says how far a list has to be
read for what is asked for; `Listing.of` picks that. Both are linear in what was read, and a list is never read further
than LIST_MAX entries, however long it says it is: a mix has no end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from reactor.errors import DownloadError
from reactor.models import Kind, whole_characters
from reactor.numbers import LIST_MAX
from reactor.options import PlaylistOptions, item_ranges
from reactor.records import dataclass

KEY_MAX = 200
"""Characters of an entry's key; a longer one is replaced by its hash."""
KEYS_REACH = 500
"""So far entries are looked for that were chosen before: others may have come in front of them."""
TITLE_MAX = 1000
URL_MAX = 16 * 1024

_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


def _text(value: object) -> object:
    return whole_characters(value.strip()[:TITLE_MAX]) if isinstance(value, str) else value


def _key(value: object) -> object:
    if not isinstance(value, str) or len(value) <= KEY_MAX:
        return value
    return "sha256:" + hashlib.sha256(value.encode(errors="replace")).hexdigest()


class Entry(BaseModel):
    """One thing in a list."""

    model_config = _STRICT

    key: Annotated[str, BeforeValidator(_key), StringConstraints(min_length=1, max_length=KEY_MAX)]
    """What it is, however its place in the list changes: once in each list."""
    url: Annotated[str, StringConstraints(min_length=1, max_length=URL_MAX, pattern=r"^[^\x00-\x20\x7f]+$")]
    """What its row asks for."""
    title: Annotated[str, BeforeValidator(_text)] | None = None
    referer: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@\\]+\S*$", max_length=2000)] | None = None
    """The page that it was found on, where the URL is that of the film itself."""
    position: Annotated[int, Field(ge=1, le=LIST_MAX)]
    """Its place in the list, from 1."""


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What a row wants of a list."""

    options: PlaylistOptions
    most: int
    """How many entries the operator allows (PLAYLIST_MAX)."""

    @property
    def limit(self) -> int:
        """How many entries at most."""
        return min(self.most, self.options.limit or self.most)

    @property
    def from_the_end(self) -> bool:
        """True when the end of the list has to be known."""
        ranges = item_ranges(self.options.items) if self.options.items else ()
        return self.options.order == "reverse" or any(first < 0 or last < 0 for first, last in ranges)

    @property
    def reach(self) -> int:
        """How many entries have to be read."""
        if self.options.keys:
            return min(max(self.limit, KEYS_REACH), LIST_MAX)
        if self.from_the_end:
            return LIST_MAX
        if not self.options.items:
            return min(self.limit + 1, LIST_MAX)  # one more tells whether there are more
        places = _places(self.options.items, LIST_MAX)
        return max(places[: self.limit], default=1)


class Listing(BaseModel):
    """What is to become rows of their own."""

    model_config = _STRICT

    kind: Kind
    title: Annotated[str, BeforeValidator(_text)] | None = None
    entries: Annotated[tuple[Entry, ...], Field(max_length=LIST_MAX)]
    """In the order in which they are wanted, each key once."""
    listed_only: bool = False
    """True when the list is all that is asked for: its entries are not downloaded."""
    notes: tuple[str, ...] = ()
    """Sentences for the person about what of the list is left out."""

    @classmethod
    def of(
        cls,
        found: Iterable[Entry],
        wanted: ListRequest,
        *,
        kind: Kind,
        title: str | None = None,
        total: int | None = None,
        whole: bool = True,
        listed_only: bool = False,
    ) -> Self:
        """Those of the entries that were found, in their order, that are wanted.

        `total` is how many the list says it has; `whole` is False where it was not read to its end. Raises
        DownloadError (`playlist`) where that leaves nothing."""
        read = _once(found)
        if not read and whole:
            raise DownloadError("This is a list without an entry in it.", code="playlist")
        if wanted.from_the_end and not whole:
            raise DownloadError(
                f"This list is too long to be counted from its end: {len(read):,} entries were read.",
                hint="Count from its beginning (`playlist.items`).",
                code="playlist",
            )
        options, count_read = wanted.options, len(read)
        if options.keys:
            read = [entry for entry in read if entry.key in options.keys]
        places = _places(options.items, len(read)) if options.items else range(1, len(read) + 1)
        picked = [read[place - 1] for place in places if place <= len(read)]
        if options.order == "reverse":
            picked.reverse()
        if not picked:
            raise DownloadError(
                f"This list has {count_read:,} entries, and none of those that are asked for.",
                hint="`playlist.items` counts from 1, or from the end by -1.",
                code="playlist",
            )
        notes = []
        if not whole and len(read) < wanted.reach:
            notes.append(f"Only the first {len(read):,} entries of the list could be read in time.")
        if options.items and len(picked) > wanted.limit:
            notes.append(f"Of {len(picked):,} entries that were asked for the first {wanted.limit:,} were taken.")
        elif not options.items and options.limit is None and len(picked) > wanted.limit:
            count = max(total or 0, len(read)) if whole or total else None
            there = f"more than {wanted.limit:,}" if count is None else f"{count:,}"
            notes.append(f"Of {there} entries the first {wanted.limit:,} were taken (PLAYLIST_MAX).")
        return cls(
            kind=kind,
            title=title,
            entries=tuple(picked[: wanted.limit]),
            listed_only=listed_only,
            notes=tuple(notes),
        )


def _once(found: Iterable[Entry]) -> list[Entry]:
    """Each key once, the first time."""
    known: dict[str, Entry] = {}
    for entry in found:
        known.setdefault(entry.key, entry)
    return list(known.values())


def _places(items: str, count: int) -> Sequence[int]:
    """The places, from 1, that `1-5,7,-3--1` names in a list of so many entries: each once, in the order in which they
    are named. What is beyond the end is none."""
    named: dict[int, None] = {}
    for first, last in item_ranges(items):
        start = first if first > 0 else count + first + 1
        end = last if last > 0 else count + last + 1
        named.update(dict.fromkeys(range(max(start, 1), min(end, count) + 1)))
    return list(named)
