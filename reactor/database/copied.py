"""What copying a queue from one database into another has done."""

from __future__ import annotations

from reactor.records import dataclass


@dataclass(frozen=True, slots=True)
class Copied:
    """Counted in both databases, and compared."""

    downloads: int
    begun: int
    """Rows that were under way: they are `pending`, and are fetched anew."""
    others: dict[str, int]
    """How many rows each of reactor's own tables got."""
    columns: tuple[str, ...] = ()
    """Columns of the bot's that the table got."""
    left_out: tuple[str, ...] = ()
    """Columns of the bot's that are not in the other table."""
