"""What PostgreSQL says in place of a fragment of `reactor.database.sql`, and of SQLite's placeholders.

The shared statements are a closed set, made of few fragments. Each rule below is one of these; what it becomes depends
on the type that the bot has given to a column: `cancelled` may be a number, a boolean or a text. A statement is made
once and kept. `tests/database/postgres/test_plans_of_queries.py` looks at each of them with EXPLAIN.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from re import Match
from typing import TypeVar

from reactor.database.contract import TRUE_WORDS
from reactor.database.sql import crashes, downloads, lists, order, plans, statements, table, unserved
from reactor.database.sql.connection import Column
from reactor.patterns import pattern

KEPT_MAX = 2000
"""Statements that are kept as they were made."""
TRUE = ", ".join(f"'{word}'" for word in ("1", *TRUE_WORDS))
MOMENTS = ("timestamp", "date")
"""How the types of columns begin that hold moments."""
NUMBERS = ("smallint", "integer", "bigint", "real", "double precision", "numeric")

RANK = "(CASE WHEN priority IN (-2, -1, 1, 2) THEN -CAST(priority AS INTEGER) ELSE 0 END)"
"""As the index has it of old; PostgreSQL makes a table of no IN."""
BEGUN = ("started_at", "finished_at", "file_path")

T = TypeVar("T")
Rule = tuple[re.Pattern[str], str | Callable[[Match[str]], str]]


class Words:
    """For a table with these columns."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._types = {name: column.type for name, column in columns.items()}
        self._rules = [*self._of_types(), *RULES]
        self._made: dict[str, str] = {}
        self._numbered: dict[str, tuple[str, tuple[str | int, ...]]] = {}

    def sql(self, statement: str) -> str:
        """A shared statement as psycopg takes it."""
        return _once(self._made, statement, lambda one: PLACEHOLDER.sub(_placeholder, self.spoken(one)))

    def numbered(self, statement: str) -> tuple[str, tuple[str | int, ...]]:
        """A shared statement as the server takes it, with `$1` and so on, and what these stand for: names, or places in
        a sequence."""
        return _once(self._numbered, statement, lambda one: _numbered(self.spoken(one)))

    def spoken(self, statement: str) -> str:
        """A shared statement, or a part of one, in PostgreSQL's words; its placeholders are left alone."""
        for fragment, said in self._rules:
            statement = fragment.sub(said, statement)
        return statement

    def type_of(self, column: str) -> str:
        """As the server names it."""
        return self._types.get(column, "text")

    def is_text(self, column: str) -> bool:
        """True for one that takes any text."""
        return self.type_of(column).startswith(("text", "character", "citext"))

    def is_number(self, column: str) -> bool:
        """True for one that holds numbers."""
        return self._types.get(column, "").startswith(NUMBERS)

    def cancelled(self, prefix: str = "") -> str:
        """That a stop was asked for, as a condition; NULL where nothing is said."""
        declared = self._types.get("cancelled", "integer")
        if declared == "boolean":
            return f"{prefix}cancelled"
        return f"(lower({prefix}cancelled) IN ({TRUE}))" if self.is_text("cancelled") else f"({prefix}cancelled <> 0)"

    def _of_types(self) -> list[Rule]:
        asked = self.cancelled()
        rank = "(CASE WHEN priority IN ('-2', '-1', '1', '2') THEN -CAST(priority AS bigint) ELSE 0 END)"
        rules: list[Rule] = [
            (_exactly(downloads.WORDED), "FALSE"),
            (_exactly(downloads.DISMISSED), f"status = 'choosing' AND {asked}"),
            (_exactly(downloads.REFUSES), """(CAST(choices AS text) ~ '"unanswered" *: *"fail"') IS TRUE"""),
            (_exactly(downloads.PATCHED), PATCHED),
            (_exactly(lists.ADDED), self._added()),
            (_exactly(lists.OUTCOME), self._as("status", lists.OUTCOME)),
            (_exactly(lists.FINISHED), self._as("finished_at", lists.FINISHED)),
            (_exactly(unserved.NEVER_BEGUN), " AND ".join(f"{self._named(name)} IS NULL" for name in BEGUN)),
            (re.compile(r"\bcancelled <> 0 AND\b"), f"{asked} AND"),
            (re.compile(r"\b(\w\.)?cancelled IS (NOT )?TRUE"), self._is_cancelled),
            (re.compile(r"(?<![.\w])cancelled AND\b"), f"{asked} AND"),
            (re.compile(r"\bcancelled = ([01])"), r"cancelled = '\1'"),
            (re.compile(r"\bNULLIF\((\w+), ''\)", re.IGNORECASE), self._filled),
            (re.compile(r"\bcoalesce\(owner, ''\) <> ''"), self._is_owned),
            (re.compile(r"\bsubstr\((owner|options), "), r"substr(CAST(\1 AS text), "),
            (re.compile(r"\b(options|choices) IS \?"), r"CAST(\1 AS text) IS NOT DISTINCT FROM CAST(? AS text)"),
        ]
        if not self.is_text("priority"):
            rank = RANK
        place = f"{rank}, added_date NULLS FIRST, id"
        return [(_exactly(order.PLACE), place), (_exactly(order.RANK), rank), *rules]

    def _is_cancelled(self, found: Match[str]) -> str:
        return f"{self.cancelled(found[1] or '')} IS {found[2] or ''}TRUE"

    def _as(self, column: str, expression: str) -> str:
        """An expression of texts, in the type of a column."""
        return f"CAST({expression} AS {self._types.get(column, 'text')})"

    def _filled(self, found: Match[str]) -> str:
        return self._named(found[1])

    def _named(self, column: str) -> str:
        """NULL where nothing is said."""
        return f"nullif({column}, '')" if self.is_text(column.lower()) else column

    def _is_owned(self, found: Match[str]) -> str:
        return found[0] if self.is_text("owner") else "owner IS NOT NULL"

    def _added(self) -> str:
        kind = self._types.get("added_date", "text")
        now = ":now" if self.is_number("added_date") else ":moment"
        return f"CASE WHEN added_date IS NOT NULL THEN CAST({now} AS {kind}) END"


def _exactly(fragment: str) -> re.Pattern[str]:
    return re.compile(re.escape(fragment))


PATCHED = """CASE WHEN CAST(options AS text) ~ '^[[:space:]]*[{]'
    THEN CAST(CAST(options AS jsonb) || '{"ask": "never"}' AS text) ELSE '{"ask": "never"}' END"""
ARRAY = r"CAST(translate(\1, '[]', '{}') AS bigint[])"
MACHINE = "current_setting('reactor.machine', true)"
"""The one that this connection serves for; NULL for a bot's."""
RULES: list[Rule] = [
    # What is a machine's own
    (_exactly(plans.FOREIGN), f"{plans.FOREIGN} OR p.machine <> {MACHINE}"),
    (_exactly(plans.OWNERS), f"{plans.OWNERS} AND p.machine = {MACHINE}"),
    (_exactly(plans.LEFT_BY), f"p.machine = {MACHINE} AND {plans.LEFT_BY}"),
    (_exactly(plans.KEEPS), f"{plans.KEEPS}, machine = excluded.machine"),
    (_exactly(crashes.KNOWN), f"{crashes.KNOWN} WHERE machine = {MACHINE}"),
    (re.compile(f"^{crashes.FORGET_ALL}$"), f"{crashes.FORGET_ALL} WHERE machine = {MACHINE}"),
    (_exactly(downloads.OWN_UNDER_WAY), f"status = 'downloading' AND claimed_by = {MACHINE}"),
    (_exactly(downloads.UNWATCHED), f"{downloads.UNWATCHED} AND coalesce(claimed_by, {MACHINE}) = {MACHINE}"),
    (_exactly("p.at < 9e999"), "TRUE"),
    # Moments
    (_exactly(statements.NOW), "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"),
    (_exactly(table.NOW), "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS')"),
    # Lists of numbers and of names, which come as JSON
    (re.compile(r"\bNOT IN \(SELECT value FROM json_each\((:\w+|\?)\)\)"), f"<> ALL ({ARRAY})"),
    (re.compile(r"\bIN \(SELECT value FROM json_each\((:\w+|\?)\)\)"), f"= ANY ({ARRAY})"),
    (
        re.compile(r"\(SELECT value FROM json_each\((:\w+|\?), '\$'\)\)"),
        r"(SELECT json_array_elements_text(CAST(\1 AS json)))",
    ),
    (re.compile(r"\bjson_each\((:\w+|\?)\)"), f"unnest({ARRAY}) AS value"),
    (
        re.compile(r"\bjson_extract\(value, '\$\.tag'\)"),
        "CAST(CAST(value AS json) ->> 'tag' AS double precision)",
    ),
    # Types: a column has the one that it has
    (re.compile(r"\btypeof\(\w+\) = '(integer|blob)'"), "TRUE"),
    (re.compile(r"\bCAST\((.+?) AS INTEGER\)"), r"CAST(\1 AS bigint)"),
    (re.compile(r"\bnot_before >= ''"), "FALSE"),
    (re.compile(r"\bnot_before < ''"), "TRUE"),
    (re.compile(r"\bmax\((0|(?:\w+\.)?tag), "), r"greatest(\1, "),
    # What is equal although it may be NULL
    (re.compile(r"\bIS NOT (?!NULL\b|TRUE\b|DISTINCT\b)"), "IS DISTINCT FROM "),
    (re.compile(r"\bIS (?!NOT\b|NULL\b|TRUE\b|DISTINCT\b)"), "IS NOT DISTINCT FROM "),
    # The order in which SQLite has them: what has no date is first. A column that is NULL in all rows is named too,
    # or the order of the index would not be known for that of the rows.
    (re.compile(r"\badded_date IS NULL ORDER BY id"), "added_date IS NULL ORDER BY added_date NULLS FIRST, id"),
    (re.compile(r"(\bowner IS NULL\b(?:(?!ORDER BY|SELECT)[\s\S])*ORDER BY )"), r"\1owner, "),
    (re.compile(r"(ORDER BY [^)]*?)\badded_date, id\b"), r"\1added_date NULLS FIRST, id"),
    (re.compile(r"\bfinished_at DESC\b"), "finished_at DESC NULLS LAST"),
]
PLACEHOLDER = pattern(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|:([A-Za-z_]\w*)|\?|%")


def _once(made: dict[str, T], statement: str, make: Callable[[str], T]) -> T:
    found = made.get(statement)
    if found is None:
        if len(made) >= KEPT_MAX:
            made.clear()
        found = made[statement] = make(statement)
    return found


def _placeholder(found: Match[str]) -> str:
    if found[1]:
        return f"%({found[1]})s"
    return "%s" if found[0] == "?" else found[0].replace("%", "%%")


def _numbered(statement: str) -> tuple[str, tuple[str | int, ...]]:
    stand_for: list[str | int] = []

    def number(found: Match[str]) -> str:
        if not found[1] and found[0] != "?":
            return found[0]
        what = found[1] or len(stand_for)
        if what not in stand_for:
            stand_for.append(what)
        return f"${stand_for.index(what) + 1}"

    return PLACEHOLDER.sub(number, statement), tuple(stand_for)
