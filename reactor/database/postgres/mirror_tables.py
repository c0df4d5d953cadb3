"""What both ways of a mirror on PostgreSQL need: its names, and the expressions for columns of either table."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reactor.database.contract import TRUE_WORDS
from reactor.database.mirror import Mirror, Word
from reactor.database.postgres.words import Words
from reactor.database.sql.connection import Column
from reactor.database.sql.mirror_words import text_literal
from reactor.database.sql.statements import fit, quoted
from reactor.database.sql.table import ANEW
from reactor.models import Status
from reactor.patterns import pattern
from reactor.records import dataclass

NUMBER, BOOLEAN, TEXT, DATE = "N", "B", "S", "D"
"""Categories of types, as the catalog has them."""
WHOLE = pattern(r"[+-]?\d{1,18}")
INTEGERS = ("smallint", "integer", "bigint")
SHAPE = """(SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attname)
    FROM pg_attribute AS a WHERE a.attrelid = to_regclass({table}) AND NOT a.attisdropped
    AND a.attname = ANY ({columns}))"""
"""The columns that a mirror uses, with their types."""
Source = Callable[[str], str]
"""The expression for a column of `downloads`."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of a column of the bot's."""

    name: str
    """With its length."""
    category: str


def functions(mirror: Mirror) -> tuple[str, str]:
    """The way in, and the way back."""
    return f"reactor_mirror_{mirror.name}_in", f"reactor_mirror_{mirror.name}_back"


def theirs(mirror: Mirror) -> tuple[str, ...]:
    """The triggers on the bot's table."""
    return f"reactor_mirror_{mirror.name}_rows", f"reactor_mirror_{mirror.name}_all"


def triggers(mirror: Mirror) -> list[str]:
    """All, by name."""
    back = [f"reactor_mirror_{mirror.name}_status", *([f"reactor_mirror_{mirror.name}_values"] * bool(mirror.written))]
    return [*theirs(mirror), *back]


def used(mirror: Mirror) -> list[str]:
    """The bot's columns that it needs."""
    found = (*mirror.keys, mirror.url, *mirror.status, *mirror.read.values(), *mirror.written.values())
    return list(dict.fromkeys(found))


def array(names: list[str]) -> str:
    """Of texts."""
    return f"CAST(ARRAY[{', '.join(map(text_literal, names))}] AS text[])"


def link_type(kind: Kind) -> str:
    """Of the column in `downloads` for a key of this type: room for what a migration may make of it."""
    return "bigint" if kind.name in INTEGERS else "text" if kind.category == TEXT else kind.name


class BothTables:
    """The bot's table and `downloads` as they are now, and what a mirror makes of their columns."""

    def __init__(
        self,
        mirror: Mirror,
        theirs: Mapping[str, Column],
        kinds: Mapping[str, Kind],
        ours: Mapping[str, Column],
    ) -> None:
        """The columns of both tables and the types of the bot's, by their names in lower case."""
        self.mirror, self.theirs, self.kinds, self.ours = mirror, theirs, kinds, ours
        self.table, self.words = quoted(mirror.table), Words(ours)
        empties = {name: column.empty for name, column in ours.items() if column.not_null and column.empty}
        self.anew = self.words.spoken(fit(ANEW, empties))

    def read(self, prefix: str) -> dict[str, str]:
        """What is read of a row of the bot's, by the name of the variable."""
        mirror = self.mirror
        more = {name: self._value(name, prefix, column) for name, column in mirror.read.items() if name != "cancelled"}
        return {
            **{f"key{n}": f"{prefix}{quoted(key)}" for n, key in enumerate(mirror.keys)},
            "url": f"CAST({prefix}{quoted(mirror.url)} AS text)",
            **{f"state{n}": self.word(prefix, column) for n, column in enumerate(mirror.status)},
            "flag": self._flag(prefix),
            **more,
        }

    def variables(self, prefix: str) -> list[str]:
        """Those of a function that hold a status."""
        return [f"{prefix}state{n}" for n, _ in enumerate(self.mirror.status)]

    def word(self, prefix: str, column: str) -> str:
        """A status, as `_canonical` has its word."""
        value, kind = f"{prefix}{quoted(column)}", self.kinds[column.lower()]
        if kind.category == BOOLEAN:
            return f"CASE WHEN {value} THEN '1' WHEN NOT {value} THEN '0' END"
        if kind.category == NUMBER and kind.name not in INTEGERS:
            return f"CAST(trim_scale(CAST({value} AS numeric)) AS text)"
        return f"CAST({value} AS text)"

    def _canonical(self, value: str, column: str) -> str:
        kind = self.kinds[column.lower()]
        if kind.category == BOOLEAN:
            return "1" if value.strip().lower() in (*TRUE_WORDS, "1", "true", "t") else "0"
        return str(int(value)) if kind.category == NUMBER and WHOLE.fullmatch(value) else value

    def _flag(self, prefix: str) -> str:
        """Whether the bot's own flag asks for a stop."""
        column = self.mirror.read.get("cancelled")
        if column is None:
            return "FALSE"
        value, category = f"{prefix}{quoted(column)}", self.kinds[column.lower()].category
        if category == BOOLEAN:
            return f"coalesce({value}, FALSE)"
        if category == NUMBER:
            return f"coalesce({value} <> 0, FALSE)"
        if category != TEXT:
            return f"{value} IS NOT NULL"
        words = ", ".join(map(text_literal, TRUE_WORDS))
        return f"coalesce(lower({value}) IN ({words}) OR {value} ~ '^\\s*[+-]?0*[1-9]', FALSE)"

    def _value(self, name: str, prefix: str, column: str) -> str:
        """What `downloads` has of it; a priority that is none is none."""
        value, kind, ours = f"{prefix}{quoted(column)}", self.kinds[column.lower()], self.ours[name].type
        if name != "priority":
            return f"CAST({value} AS {ours})"
        if kind.category == NUMBER:
            return f"CASE WHEN {value} BETWEEN -2 AND 2 THEN CAST({value} AS {ours}) END"
        text = f"CAST({value} AS text)"
        return f"CASE WHEN {text} ~ '^[+-]?[0-2]$' THEN CAST({text} AS {ours}) END"

    def whole(self, name: str) -> bool:
        """True for a number of ours that is written without its fraction."""
        column = self.mirror.written.get(name)
        return name == "progress" and column is not None and self.kinds[column.lower()].name in INTEGERS

    def literal(self, value: str | None, column: str) -> str:
        """A value of a word as the bot's column has it."""
        if value is None:
            return "NULL"
        return f"CAST({text_literal(self._canonical(value, column))} AS {self.theirs[column.lower()].type})"

    def strangers(self, limit: int) -> str:
        """Words that the map does not name, and how many rows have each."""
        states = [self.word("t.", column) for column in self.mirror.status]
        shown = " || '+' || ".join(f"coalesce({state}, 'NULL')" for state in states)
        return f"""SELECT {shown} AS word, count(*) FROM {self.table} AS t WHERE NOT {self.means(states, *Status)}
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {limit}"""

    def join(self, downloads: str) -> str:
        """Whether row `t` of the bot's is that of a row of `downloads`."""
        pairs = zip(self.mirror.links, self.mirror.keys, strict=True)
        return " AND ".join(f"t.{quoted(key)} = {downloads}.{quoted(link)}" for link, key in pairs)

    def means(self, states: list[str], *statuses: Status) -> str:
        """Whether these have a word for one of the statuses."""
        words = self.mirror.words_for(*statuses)
        return f"({' OR '.join(self._has(states, word) for word in words)})" if words else "FALSE"

    def _has(self, states: list[str], word: Word) -> str:
        return " AND ".join(
            f"{state} IS NULL"
            if value is None
            else f"{state} IS NOT DISTINCT FROM {text_literal(self._canonical(value, column))}"
            for state, value, column in zip(states, word, self.mirror.status, strict=True)
        )
