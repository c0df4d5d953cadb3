"""Whose turn it is, where rows have owners: each gets as many seconds of slot as the others.

Start-time fair queueing. An owner's tag is the seconds of slot that its rows have had; of those who wait, the one with
the least tag is next. The queue's own tag is that of whom it began last, and a tag below it counts as much: who was
away has saved nothing up, and who is new owes nothing. Who adds a hundred rows waits with the second of them until the
others had their turn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from reactor.records import dataclass

WINDOW = 16
"""So many owners are looked at for one turn, the next ones after the one that was served last."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An owner with a row that is due."""

    tag: float
    """Seconds of slot; 0 for one that was never served."""
    begun: int
    """How many of its rows this look has claimed already: a look that has several slots to give gives them in turn."""
    row: int
    """The first of its rows."""


@dataclass(frozen=True, slots=True)
class Account:
    """What an owner has had, as it counts now."""

    owner: str | None
    tag: float
    waits: bool
    """True when it has a row that is due, and that has no slot."""


def counted(tag: float, queue_tag: float) -> float:
    """What a tag counts as."""
    return max(tag, queue_tag)


def next_of(waiting: Sequence[Waiting], queue_tag: float) -> int:
    """The place of the one whose turn it is: the least tag, of several the smallest id of a row."""
    order = [(each.begun, counted(each.tag, queue_tag), each.row) for each in waiting]
    return order.index(min(order))


@dataclass(frozen=True, slots=True)
class Caps:
    """What one owner, and one site, may have; 0 is no limit. Of rows without an owner only the sites count."""

    owner_max: int = 0
    """Rows under way at once."""
    owner_rows_day: int = 0
    """Rows begun in a day (UTC); what was begun goes on, and its next tries do not count."""
    owner_bytes_day: int = 0
    """Bytes that came in a day (UTC)."""
    site_max: int = 0
    """Rows under way at once from one registrable domain."""
    owner_waiting_max: int = 0
    """Rows that wait at once; further ones fail."""

    def too_many(self, waiting: int) -> int:
        """How many of the rows of an owner are refused, if so many wait."""
        return max(0, waiting - self.owner_waiting_max) if self.owner_waiting_max else 0

    def owner_is_full(self, account: str, under_way: int) -> bool:
        """True when an owner with so many rows under way may begin none."""
        return bool(account and self.owner_max and under_way >= self.owner_max)

    def site_is_full(self, under_way: int) -> bool:
        """The same of a site."""
        return bool(self.site_max and under_way >= self.site_max)

    def is_used_up(self, account: str, spent: Spent) -> bool:
        """True when an owner that has `spent` so much today may begin nothing new."""
        if not account:
            return False
        rows, size = self.owner_rows_day, self.owner_bytes_day
        return bool((rows and spent.rows >= rows) or (size and spent.bytes >= size))

    @property
    def daily(self) -> bool:
        """True when what owners have in a day is counted."""
        return bool(self.owner_rows_day or self.owner_bytes_day)


NO_CAPS = Caps()


@dataclass(frozen=True, slots=True)
class Spent:
    """What an owner has had in a day."""

    day: int = 0
    rows: int = 0
    bytes: int = 0


DAY_S = 86_400


def day_of(now: float) -> int:
    """The number of a day (UTC)."""
    return int(now // DAY_S)


def next_day(now: float) -> float:
    """When it is over, in seconds since the epoch."""
    return float((day_of(now) + 1) * DAY_S)


@dataclass(frozen=True, slots=True)
class Line:
    """The rows of one owner that wait."""

    tag: float
    """As it counts now."""
    weight: float
    rows: int
    first: int
    """The smallest id of them; of the owner of the row that is asked about, that of this row."""


def before(mine: Line, others: Iterable[Line], ahead: int, took_s: float) -> int:
    """How many rows have their turn before one of which `ahead` of the same owner stand, if each takes `took_s`: of
    another owner those that it gets until this owner has paid for these."""
    found, due = ahead, mine.tag + ahead * took_s / mine.weight
    for each in others:
        turns = (due - each.tag) * each.weight / took_s
        level = math.isclose(turns, round(turns), abs_tol=1e-9)
        number = round(turns) + (each.first < mine.first) if level else math.ceil(turns)
        found += min(each.rows, max(0, number))
    return found
