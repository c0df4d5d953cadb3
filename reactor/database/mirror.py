"""A mirror: which table of a bot's stands for rows of `downloads`, and its words for their statuses. No SQL.

The bot's rows get a row in `downloads` each, and what becomes of that is written back into the bot's own columns. How
that is done is the engine's; see `sqlite/mirrors.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from reactor.errors import DatabaseError
from reactor.models import Status
from reactor.patterns import pattern
from reactor.records import dataclass

READ = ("owner", "priority", "options", "cancelled")
"""Columns of the bot's that reactor reads, besides the URL."""
WRITTEN = ("file_path", "error", "progress", "title")
"""Columns of `downloads` that may be written into columns of the bot's, besides the status."""
LIVE = (Status.PENDING, Status.DOWNLOADING, Status.CHOOSING)
"""Of rows that are not over."""
NULL = "NULL"
"""The word for a status that is NULL."""
ODD = pattern(r"[^0-9A-Za-z_]+")

Word = tuple[str | None, ...]
"""One value for each column of the status, as text."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """What `reactor attach` was asked for, and by which columns it is kept together."""

    table: str
    url: str
    status: tuple[str, ...]
    """The columns that hold the status: one, or several flags."""
    words: tuple[tuple[Word, Status], ...]
    """The bot's words with what they stand for. Of several for the same status, the first is written."""
    read: Mapping[str, str] = field(default_factory=dict)
    """Columns of the bot's, by the name in READ."""
    written: Mapping[str, str] = field(default_factory=dict)
    """Columns of the bot's, by the name in WRITTEN."""
    keys: tuple[str, ...] = ()
    """Columns that tell the bot's rows apart; empty before the table was looked at: its primary key."""
    name: str = ""
    """What the triggers, the index and the columns in `downloads` are called after."""

    @property
    def links(self) -> tuple[str, ...]:
        """The columns in `downloads` that hold the bot's key."""
        if len(self.keys) == 1:
            return (f"mirror_{self.name}",)
        return tuple(f"mirror_{self.name}_{number}" for number, _ in enumerate(self.keys, 1))

    def words_for(self, *statuses: Status) -> list[Word]:
        """The bot's words for any of these."""
        return [word for word, status in self.words if status in statuses]

    @property
    def told(self) -> dict[Status, Word]:
        """The word that is written for each status that has one."""
        return {status: word for word, status in reversed(self.words)}

    @property
    def wordless(self) -> list[Status]:
        """Statuses that the bot has no word for; `choosing` only concerns rows that ask."""
        return [status for status in Status if status not in self.told and status is not Status.CHOOSING]

    def stored(self) -> str:
        """As JSON."""
        words = [[list(word), status] for word, status in self.words]
        plain = {"url": self.url, "status": self.status, "words": words, "keys": self.keys, "name": self.name}
        return json.dumps({**plain, "read": dict(self.read), "written": dict(self.written)}, ensure_ascii=False)

    def asks_the_same_as(self, other: Mirror) -> bool:
        """True where the same was asked for, under whatever name it is kept."""
        return replace(self, name="") == replace(other, name="")


@dataclass(frozen=True, slots=True)
class Attached:
    """What attaching has done, or would do."""

    mirror: Mirror
    statements: tuple[str, ...]
    """What is written into the schema, and the triggers of the way back."""
    taken: int = 0
    """Rows of the bot's that waited."""
    mended: bool = False
    """True where it was attached already, and something was missing."""
    strangers: tuple[tuple[str, int], ...] = ()
    """Words in the bot's table that the map does not name, with how many rows have them."""


@dataclass(frozen=True, slots=True)
class Detached:
    """What detaching has done, or would do."""

    statements: tuple[str, ...]
    forgotten: int = 0
    """Downloads that were waiting or under way: they are the bot's again."""


@dataclass(frozen=True, slots=True)
class MirrorMended:
    """A table of the bot's was made anew, and is attached again."""

    table: str
    taken: int
    """Rows that waited meanwhile."""


@dataclass(frozen=True, slots=True)
class MirrorTrouble:
    """Rows of a table that was attached are not served."""

    table: str
    reason: str
    """Half a sentence."""


@dataclass(frozen=True, slots=True)
class MirrorState:
    """How it is with a table that is attached."""

    mirror: Mirror
    trouble: str | None
    """Why its rows are not served, half a sentence."""
    strangers: tuple[tuple[str, int], ...]
    """As of `Attached`; none where there is trouble."""


def read_mirror(table: str, stored: str) -> Mirror:
    """What `Mirror.stored` has written."""
    found = json.loads(stored)
    return Mirror(
        table=table,
        url=found["url"],
        status=tuple(found["status"]),
        words=tuple((tuple(word), Status(status)) for word, status in found["words"]),
        read=found["read"],
        written=found["written"],
        keys=tuple(found["keys"]),
        name=found["name"],
    )


def read_words(texts: Sequence[str], columns: int) -> tuple[tuple[Word, Status], ...]:
    """`queued=pending,done=downloaded`, of a status in so many columns (`0+1=failed` of two).

    Raises DatabaseError: no such status, a word twice, none for `pending`."""
    found: dict[Word, Status] = {}
    for part in (part for text in texts for part in text.split(",")):
        said, equals, name = (each.strip() for each in part.rpartition("="))
        if not equals:
            raise DatabaseError(f"The map has {part.strip()!r}.", hint="Write WORD=STATUS, as in queued=pending.")
        if name not in [*Status]:
            raise DatabaseError(f"There is no status {name!r}.", hint=f"Statuses are {', '.join(Status)}.")
        values = said.split("+") if columns > 1 else [said]
        if len(values) != columns:
            hint = f"Write {'+'.join('0' * columns)}={name} for one value each."
            raise DatabaseError(f"The map has {said!r}, and the status is in {columns} columns.", hint=hint)
        word = tuple(None if value == NULL else value for value in values)
        if word in found:
            raise DatabaseError(f"The map has the word {said!r} twice.")
        found[word] = Status(name)
    if Status.PENDING not in found.values():
        raise DatabaseError("No word stands for `pending`, so no row would be taken.", hint="Map the bot's to it.")
    return tuple(found.items())


def shown(word: Word) -> str:
    """A word as it is written in a map."""
    return "+".join(NULL if value is None else value for value in word)


def plain_name(table: str) -> str:
    """A name for what belongs to the mirror of a table, without anything that would have to be quoted."""
    return ODD.sub("_", table).strip("_").lower()[:40] or "table"
