"""Whose turn it is, where rows have owners: each gets as many seconds of slot as the others.

Start-time fair queueing. An owner's tag is the seconds of slot that its rows have had; of those who wait, the one with
the least tag is next. The queue's own tag is that of whom it began last, and a tag below it counts as much: who was
away has saved nothing up, and who is new owes nothing. Who adds a hundred rows waits with the second of them until the
others had their turn.
"""

from __future__ import annotations

from collections.abc import Sequence

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
