"""The SQL of a mirror: what a bot's commit does to `downloads`, and what a commit of ours does to the bot's table.

The way in are three triggers on the bot's table. They stand in its schema, since any program may write there, and use
nothing but SQL that every SQLite has. The way back are TEMP triggers on `downloads`, in reactor's own connections only:
a trigger in the schema that names the bot's table would outlive it, and SQLite refuses every ALTER TABLE … RENAME while
one names a table that is not there. That is how Alembic and Django rebuild a table: drop it, rename the copy.

No loop: what the way back writes is always the word for the status that the row in `downloads` has by then, and of that
the way in does nothing. The statements of a trigger run under the conflict policy of the statement that fired it
(INSERT OR REPLACE), so that none of them may meet a conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from reactor.database.contract import TRUE_WORDS
from reactor.database.mirror import LIVE, NULL, Mirror, Word
from reactor.database.sql.connection import TEXTS, Column, required
from reactor.database.sql.mirror_words import IS_LIVE, KEPT, OUR_WORDS, WORD_MAX, text_literal
from reactor.database.sql.statements import fit, quoted
from reactor.database.sql.table import ANEW
from reactor.models import Status
from reactor.patterns import pattern

NUMBER = pattern(r"[+-]?\d{1,18}(\.\d{1,15})?")
ALWAYS, NEVER = "1", "0"
"""Conditions that need not be asked."""
Source = Callable[[str], str]
"""The expression for a column of `downloads`."""


def trigger_names(mirror: Mirror) -> dict[str, str]:
    """The triggers in the bot's schema, by the event."""
    return {event: f"reactor_mirror_{mirror.name}_{event}" for event in ("insert", "update", "delete")}


def link_statements(links: Sequence[str], *, strict: bool) -> list[str]:
    """Add the columns that hold the bot's key. They have no type, so that a key stays what it is."""
    kind = " ANY" if strict else ""
    return [f"ALTER TABLE downloads ADD COLUMN {quoted(link)}{kind}" for link in links]


class MirrorSql:
    """The statements of one mirror, between the bot's table as it is now and `downloads`."""

    def __init__(self, mirror: Mirror, theirs: Mapping[str, Column], ours: Mapping[str, Column]) -> None:
        """The columns of both tables, by their names in lower case."""
        self._mirror = mirror
        self._theirs = theirs
        self._ours = ours
        empties = {name: column.empty for name, column in ours.items() if column.not_null and column.empty}
        self._anew = fit(ANEW, empties)

    # The way in

    def triggers(self, *, replaces: bool) -> dict[str, str]:
        """The triggers on the bot's table, by their names. `replaces`: something other than the key is UNIQUE too, so
        that INSERT OR REPLACE may remove a row of another key without a word."""
        names, table = trigger_names(self._mirror), quoted(self._mirror.table)
        keyed = " AND ".join(f"NEW.{quoted(key)} IS NOT NULL" for key in self._mirror.keys)
        watched = ", ".join(quoted(name) for name in self._watched())
        bodies = {
            "insert": (f"AFTER INSERT ON {table} WHEN {keyed}", self._on_insert(replaces=replaces)),
            "update": (
                f"AFTER UPDATE OF {watched} ON {table} WHEN {keyed} AND {_changed(self._watched())}",
                self._on_update(),
            ),
            "delete": (f"AFTER DELETE ON {table}", [f"DELETE FROM downloads WHERE {self._row('OLD')}"]),
        }
        return {
            names[event]: f"CREATE TRIGGER {quoted(names[event])} {when}\nBEGIN\n"
            + "".join(f"    {statement};\n" for statement in body)
            + "END"
            for event, (when, body) in bodies.items()
        }

    def _watched(self) -> list[str]:
        mirror = self._mirror
        return list(dict.fromkeys((*mirror.keys, mirror.url, *mirror.status, *mirror.read.values())))

    def _on_insert(self, *, replaces: bool) -> Iterator[str]:
        if replaces:
            yield f"""DELETE FROM downloads WHERE status = 'downloading' AND {self._is_linked()}
        AND NOT EXISTS (SELECT 1 FROM {quoted(self._mirror.table)} AS t WHERE {self._join("downloads")})"""
        yield from self._body(ALWAYS, ALWAYS, ALWAYS, self._is("NEW.", Status.PENDING, Status.DOWNLOADING))

    def _on_update(self) -> Iterator[str]:
        mirror = self._mirror
        moved = _changed(mirror.keys)
        pairs = zip(mirror.links, mirror.keys, strict=True)
        links = ", ".join(f"{quoted(link)} = NEW.{quoted(key)}" for link, key in pairs)
        yield f"DELETE FROM downloads WHERE {moved} AND {self._row('NEW')}"
        yield f"UPDATE downloads SET {links} WHERE {moved} AND {self._row('OLD')}"
        status, url = _changed(mirror.status), _changed([mirror.url])
        flag = _changed([mirror.read["cancelled"]]) if "cancelled" in mirror.read else NEVER
        yield from self._body(status, url, flag, self._is("NEW.", Status.PENDING))

    def _body(self, status: str, url: str, flag: str, taken: str) -> Iterator[str]:
        """What both do. `status`, `url`, `flag`: whether these have changed; `taken`: whether it has a word with which
        a row that is not there is added."""
        mirror, row, live = self._mirror, self._row("NEW"), IS_LIVE
        waits, cancelled = self._is("NEW.", Status.PENDING), self._is("NEW.", Status.CANCELLED)
        known = self._is("NEW.", *LIVE, Status.CANCELLED)
        values, link = self._values("NEW."), f"NEW.{quoted(mirror.url)}"
        assigned = ", ".join(f"{name} = {value}" for name, value in values.items())
        differs = " OR ".join(f"{name} IS NOT {value}" for name, value in values.items())
        stopped = self._flag("NEW.")
        wanted = (waits, _not(stopped), f"{link} IS NOT NULL")
        # Asked for again while it is being stopped, or by another URL: a new row, so that the old one ends by itself.
        yield f"""DELETE FROM downloads WHERE {row} AND status IN ('downloading', 'choosing')
        AND {_all(_any(status, url), *wanted)} AND (COALESCE(cancelled, 0) <> 0 OR url IS NOT {link})"""
        # The bot has taken its row away from us: it has a word of the bot's own, or for an end.
        yield f"DELETE FROM downloads WHERE {row} AND {_all(live, status)} AND NOT {known}"
        if status != ALWAYS and len(mirror.status) == 1:
            yield from self._afterwards(status)
        if mirror.words_for(Status.CHOOSING):
            yield f"""UPDATE downloads SET status = 'pending', choices = NULL, next_attempt_at = NULL, {assigned}
        WHERE {row} AND status = 'choosing' AND {_all(status, *wanted)}"""
        yield f"""UPDATE downloads SET {self._anew}, {assigned}
        WHERE {row} AND NOT ({live}) AND {_all(_any(status, url, flag), *wanted)}"""
        yield f"""UPDATE downloads SET {assigned}
        WHERE {row} AND status = 'pending' AND {link} IS NOT NULL AND ({differs})"""
        if mirror.words_for(Status.CANCELLED):
            yield f"""UPDATE downloads SET cancelled = 1,
        status = CASE status WHEN 'pending' THEN 'cancelled' ELSE status END
        WHERE {row} AND {_all(live, status, cancelled)}"""
        if "cancelled" in mirror.read:
            yield f"UPDATE downloads SET cancelled = 1 WHERE {row} AND {_all(live, flag, stopped)}"
            yield f"""UPDATE downloads SET cancelled = 0
        WHERE {row} AND {_all(live, flag, _not(stopped), _not(cancelled))} AND COALESCE(cancelled, 0) <> 0"""
        names, expressions = self._inserted("NEW.")
        yield f"""INSERT INTO downloads ({names}) SELECT {expressions}
        WHERE {_all(_any(status, url, flag), taken, *wanted[1:])}
        AND NOT EXISTS (SELECT 1 FROM downloads WHERE {row})"""

    def _afterwards(self, changed: str) -> Iterator[str]:
        """A word of the bot's own for what has come (it was sent, say) stands in `downloads`, too: DELETE_STATUSES may
        name it."""
        word, came = f"NEW.{quoted(self._mirror.status[0])}", f"(status = 'downloaded' OR status NOT IN ({OUR_WORDS}))"
        own = f"typeof({word}) = 'text' AND {word} NOT IN ({OUR_WORDS}) AND length({word}) <= {WORD_MAX}"
        yield f"""UPDATE downloads SET status = {word}
        WHERE {self._row("NEW")} AND {came} AND {_all(changed, own)} AND NOT {self._is("NEW.", *Status)}"""
        yield f"""UPDATE downloads SET status = 'downloaded'
        WHERE {self._row("NEW")} AND {came} AND {_all(changed, self._is("NEW.", Status.DOWNLOADED))}"""

    # Both at once, where no trigger has told

    def catch_up(self) -> list[str]:
        """Brings both together where triggers were missing: what has ended is told, what waits is taken."""
        row = f"SELECT 1 FROM {quoted(self._mirror.table)} AS t WHERE {self._join('downloads')}"
        linked = self._is_linked()
        stopped, live = self._flag("t."), f"{linked} AND {IS_LIVE}"
        known = self._is("t.", *LIVE, Status.CANCELLED)
        return [
            *self._told_later(),
            f"""UPDATE downloads SET {self._anew} WHERE {linked} AND status IN ('failed', 'cancelled')
            AND EXISTS ({_all(row, self._is("t.", Status.PENDING), _not(stopped))})""",
            f"""UPDATE downloads SET cancelled = 1 WHERE {live}
            AND EXISTS ({row} AND {_any(self._is("t.", Status.CANCELLED), stopped)})""",
            f"DELETE FROM downloads WHERE {live} AND EXISTS ({row} AND NOT {known})",
        ]

    def _told_later(self) -> Iterator[str]:
        """What has become of rows whose table was away meanwhile."""
        source: Source = lambda name: f"(SELECT d.{name} FROM downloads AS d WHERE {self._join('d', 't')})"  # noqa: E731
        waiting, begun = self._is("t.", Status.PENDING), self._is("t.", Status.DOWNLOADING)
        told = self._mirror.told
        for which, statuses in (
            (_any(waiting, begun), (Status.DOWNLOADED,)),
            (begun, (Status.FAILED, Status.CANCELLED, Status.PENDING)),
            (waiting, (Status.DOWNLOADING,)),
        ):
            if mapped := ", ".join(f"'{status}'" for status in statuses if status in told):
                ids = ", ".join(f"t.{quoted(key)}" for key in self._mirror.keys)
                found = f"""SELECT {ids} FROM {quoted(self._mirror.table)} AS t JOIN downloads AS d
                ON {self._join("d")} WHERE {which} AND d.status IN ({mapped})"""
                own = ", ".join(quoted(key) for key in self._mirror.keys)
                yield f"""UPDATE {quoted(self._mirror.table)} AS t SET {self._assigned(source, "t.")}
                WHERE ({own}) IN ({found})"""

    def take(self) -> str:
        """Adds rows for those that wait, or that an earlier downloader had under way, in the order of the key."""
        names, expressions = self._inserted("t.")
        order = ", ".join(f"t.{quoted(key)}" for key in self._mirror.keys)
        return f"""INSERT INTO downloads ({names}) SELECT {expressions} FROM {quoted(self._mirror.table)} AS t
            WHERE {self.waiting()}
            AND NOT EXISTS (SELECT 1 FROM downloads WHERE {self._join("downloads")}) ORDER BY {order}"""

    def waiting(self) -> str:
        """Which rows `t` of the bot's are to be taken, if they are not yet."""
        filled = " AND ".join(f"t.{quoted(key)} IS NOT NULL" for key in (*self._mirror.keys, self._mirror.url))
        return _all(self._is("t.", Status.PENDING, Status.DOWNLOADING), _not(self._flag("t.")), filled)

    def forget_orphans(self) -> str:
        """Stops what no row of the bot's stands for any more."""
        return f"""DELETE FROM downloads WHERE {self._is_linked()} AND {IS_LIVE}
            AND NOT EXISTS (SELECT 1 FROM {quoted(self._mirror.table)} AS t WHERE {self._join("downloads")})"""

    def strangers(self, limit: int) -> str:
        """Words that the map does not name, and how many rows have each."""
        shown = " || '+' || ".join(
            f"COALESCE(CAST({quoted(column)} AS TEXT), '{NULL}')" for column in self._mirror.status
        )
        return f"""SELECT {shown} AS word, count(*) FROM {quoted(self._mirror.table)} WHERE NOT {self._is("", *Status)}
            GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {limit}"""

    # The way back

    def back(self) -> dict[str, str]:
        """The TEMP triggers on `downloads`, by their names."""
        mirror, name = self._mirror, f"reactor_mirror_{self._mirror.name}"
        linked = self._is_linked("NEW.")
        where = self._join("NEW", quoted(mirror.table))
        there = f"SELECT 1 FROM {quoted(mirror.table)} WHERE {where}"
        mapped = ", ".join(f"'{status}'" for status in mirror.told)
        source: Source = lambda column: f"NEW.{column}"  # noqa: E731
        found = {
            f"{name}_status": f"""AFTER UPDATE OF status ON main.downloads
WHEN {linked} AND NEW.status IS NOT OLD.status AND NEW.status IN ({mapped})
BEGIN UPDATE {quoted(mirror.table)} SET {self._assigned(source)} WHERE {where}; END""",
            # The bot has replaced its row by one of another key.
            f"{name}_orphan": f"""AFTER UPDATE OF status ON main.downloads
WHEN {linked} AND NEW.status = 'downloading' AND OLD.status IS NOT 'downloading' AND NOT EXISTS ({there})
BEGIN UPDATE downloads SET cancelled = 1 WHERE id = NEW.id; END""",
        }
        if mirror.written:
            differs = " OR ".join(
                f"CAST(NEW.{column} AS INTEGER) IS NOT CAST(OLD.{column} AS INTEGER)"
                if self._whole(column)
                else f"NEW.{column} IS NOT OLD.{column}"
                for column in mirror.written
            )
            values = ", ".join(self._written(source))
            found[f"{name}_values"] = f"""AFTER UPDATE OF {", ".join(mirror.written)} ON main.downloads
WHEN {linked} AND (NEW.status IS OLD.status OR NEW.status NOT IN ({mapped})) AND ({differs})
BEGIN UPDATE {quoted(mirror.table)} SET {values} WHERE {where}; END"""
        return {each: f"CREATE TEMP TRIGGER {quoted(each)} {text}" for each, text in found.items()}

    def written_words(self) -> dict[Status, str]:
        """The assignments of the status alone, for each that has a word."""
        return {
            status: ", ".join(
                f"{quoted(column)} = {self._literal(value, column)}"
                for column, value in zip(self._mirror.status, word, strict=True)
            )
            for status, word in self._mirror.told.items()
        }

    def _assigned(self, source: Source, prefix: str = "") -> str:
        """Status and values. A word that means the same already stays."""
        told, parts = self._mirror.told, []
        for place, column in enumerate(self._mirror.status):
            cases = " ".join(
                f"WHEN '{status}' THEN CASE WHEN {self._is(prefix, status)} THEN {prefix}{quoted(column)}"
                f" ELSE {self._literal(word[place], column)} END"
                for status, word in told.items()
            )
            parts.append(f"{quoted(column)} = CASE {source('status')} {cases} ELSE {prefix}{quoted(column)} END")
        return ", ".join([*parts, *self._written(source, prefix)])

    def _written(self, source: Source, prefix: str = "") -> Iterator[str]:
        for name, column in self._mirror.written.items():
            value = f"CAST({source(name)} AS INTEGER)" if self._whole(name) else source(name)
            there = self._theirs[column.lower()]
            if name in KEPT:
                value = f"COALESCE({value}, {prefix}{quoted(column)})"
            elif there.not_null:
                value = f"COALESCE({value}, {there.empty or prefix + quoted(column)})"
            yield f"{quoted(column)} = {value}"

    def _whole(self, name: str) -> bool:
        """True where the bot's column for the progress holds whole numbers."""
        column = self._mirror.written.get(name)
        return name == "progress" and column is not None and "INT" in self._theirs[column.lower()].type.upper()

    # Parts of statements

    def _row(self, which: str) -> str:
        """The row in `downloads` of a row of the bot's, in a trigger."""
        pairs = zip(self._mirror.links, self._mirror.keys, strict=True)
        return " AND ".join(f"downloads.{quoted(link)} = {which}.{quoted(key)}" for link, key in pairs)

    def _is_linked(self, prefix: str = "") -> str:
        """Whether a row in `downloads` stands for one of the bot's."""
        return f"{prefix}{quoted(self._mirror.links[0])} IS NOT NULL"

    def _join(self, downloads: str, table: str = "t") -> str:
        pairs = zip(self._mirror.links, self._mirror.keys, strict=True)
        return " AND ".join(f"{table}.{quoted(key)} = {downloads}.{quoted(link)}" for link, key in pairs)

    def _is(self, prefix: str, *statuses: Status) -> str:
        """Whether a row of the bot's has a word for one of these."""
        words = self._mirror.words_for(*statuses)
        return f"({' OR '.join(self._has(prefix, word) for word in words)})" if words else NEVER

    def _has(self, prefix: str, word: Word) -> str:
        pairs = zip(self._mirror.status, word, strict=True)
        return " AND ".join(
            f"{prefix}{quoted(column)} IS NULL"
            if value is None
            else f"COALESCE(CAST({prefix}{quoted(column)} AS TEXT) = {text_literal(value)}, 0)"
            for column, value in pairs
        )

    def _flag(self, prefix: str) -> str:
        """Whether the bot's own flag asks for a stop."""
        column = self._mirror.read.get("cancelled")
        if column is None:
            return NEVER
        value, words = f"{prefix}{quoted(column)}", ", ".join(text_literal(word) for word in TRUE_WORDS)
        return f"(COALESCE(CAST({value} AS INTEGER) <> 0, 0) OR COALESCE(lower({value}) IN ({words}), 0))"

    def _values(self, prefix: str) -> dict[str, str]:
        """What `downloads` has of the bot's row, while it waits."""
        read = {name: column for name, column in self._mirror.read.items() if name != "cancelled"}
        return {name: f"{prefix}{quoted(column)}" for name, column in {"url": self._mirror.url, **read}.items()}

    def _inserted(self, prefix: str) -> tuple[str, str]:
        links = zip(self._mirror.links, self._mirror.keys, strict=True)
        values = {
            **{name: str(value) or "''" for name, value in required(self._ours).items()},
            **self._values(prefix),
            "status": f"'{Status.PENDING}'",
            **{quoted(link): f"{prefix}{quoted(key)}" for link, key in links},
        }
        added = self._ours["added_date"]
        if added.default is None and not added.generated:
            values["added_date"] = "strftime('%Y-%m-%d %H:%M:%f', 'now')"
        return ", ".join(values), ", ".join(values.values())

    def _literal(self, value: str | None, column: str) -> str:
        """A value of a word as the bot's column has it."""
        if value is None:
            return "NULL"
        declared = self._theirs[column.lower()].type.upper()
        text = any(kind in declared for kind in TEXTS) and "INT" not in declared
        return value if not text and NUMBER.fullmatch(value) else text_literal(value)


def _changed(columns: Sequence[str]) -> str:
    return "(" + " OR ".join(f"NEW.{quoted(name)} IS NOT OLD.{quoted(name)}" for name in columns) + ")"


def _all(*conditions: str) -> str:
    """All of them, without those that always hold."""
    return " AND ".join(each for each in conditions if each != ALWAYS) or ALWAYS


def _any(*conditions: str) -> str:
    """Any of them, without those that never hold."""
    asked = [each for each in conditions if each != NEVER]
    return ALWAYS if ALWAYS in asked else f"({' OR '.join(asked)})" if asked else NEVER


def _not(condition: str) -> str:
    return ALWAYS if condition == NEVER else f"NOT {condition}"
