"""The SQL of a mirror on PostgreSQL: what a bot's statement does to `downloads`, and what a write there does to the
bot's table. Two functions in plpgsql, with triggers on both tables.

No migration of the bot's is held up, and none of its statements fails for us: no trigger on its table names a column,
and the functions find the table by its name. What they read of its row is read first, in a block by itself: where a
column is gone, the statement passes as if there were no mirror. The way back writes only while the columns are what
they were; `mirrors.mend` makes both anew.

No lock is waited for on the way back: it comes with `downloads` locked, as a statement of the bot's comes with its own
row locked, and then one of the two would be undone. A row that the bot has locked is noted in `reactor_untold`, and
told when it is free.

No loop: of what the way in writes (`reactor.mirror` is `in` meanwhile) the way back tells nothing, for the bot has said
so itself; what the way back writes is the word for the status that there is by then, of which the way in does nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping

from reactor.database.contract import TRUE_WORDS
from reactor.database.mirror import LIVE, Mirror, Word
from reactor.database.postgres.words import MOMENTS, Words
from reactor.database.sql.connection import Column, required
from reactor.database.sql.mirror_words import (
    IS_LIVE,
    KEPT,
    LIVE_WORDS,
    OUR_WORDS,
    WORD_MAX,
    index_name,
    index_statement,
    text_literal,
)
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
NOW = "to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS')"
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


class MirrorSql:
    """The statements of one mirror, between the bot's table as it is now and `downloads`."""

    def __init__(
        self,
        mirror: Mirror,
        columns: Mapping[str, Column],
        kinds: Mapping[str, Kind],
        ours: Mapping[str, Column],
        path: str,
        shape: str,
    ) -> None:
        """The columns of both tables and the types of the bot's, by their names in lower case; `path`: the schemas;
        `shape`: see SHAPE."""
        self._mirror, self._columns, self._kinds, self._ours = mirror, columns, kinds, ours
        self._path, self.shape = path, shape
        self._table, self._words = quoted(mirror.table), Words(ours)
        empties = {name: column.empty for name, column in ours.items() if column.not_null and column.empty}
        self._anew = self._words.spoken(fit(ANEW, empties))

    # What is made

    def links(self, missing: list[str]) -> Iterator[str]:
        """The columns in `downloads` that hold the bot's key, and the index of them. None of it holds anybody up, and
        none of it is in a transaction."""
        for link, key in zip(self._mirror.links, self._mirror.keys, strict=True):
            if link in missing:
                kind = link_type(self._kinds[key.lower()])
                yield f"ALTER TABLE downloads ADD COLUMN IF NOT EXISTS {quoted(link)} {kind}"
        if index_name(self._mirror) in missing:
            yield index_statement(self._mirror, "UNIQUE INDEX CONCURRENTLY")

    def made(self) -> list[str]:
        """Functions and triggers."""
        into, back = functions(self._mirror)
        there, told = self._bodies()
        how = "RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
        path = f"SET search_path = {self._path}"
        return [
            f"CREATE OR REPLACE FUNCTION {into}() {how} {path} SET reactor.mirror = 'in' AS {_dollar(there)}",
            f"CREATE OR REPLACE FUNCTION {back}() {how} {path} AS {_dollar(told)}",
            *self._triggers(),
        ]

    def sources(self) -> tuple[str, str]:
        """The functions, as the catalog has them."""
        return tuple(f"\n{body}\n" for body in self._bodies())  # type: ignore[return-value]

    def _bodies(self) -> tuple[str, str]:
        """Triggers that are others give another body, too."""
        mark = hashlib.sha256("".join(self._triggers()).encode()).hexdigest()[:16]
        return self.way_in(), f"-- {mark}\n{self.way_back()}"

    def _triggers(self) -> Iterator[str]:
        mirror, (into, back) = self._mirror, functions(self._mirror)
        rows, everything, status, *values = triggers(mirror)
        for name in (rows, everything):
            yield f"DROP TRIGGER IF EXISTS {name} ON {self._table}"
        yield f"""CREATE TRIGGER {rows} AFTER INSERT OR UPDATE OR DELETE ON {self._table}
    FOR EACH ROW EXECUTE FUNCTION {into}()"""
        yield f"""CREATE TRIGGER {everything} AFTER TRUNCATE ON {self._table}
    FOR EACH STATEMENT EXECUTE FUNCTION {into}()"""
        for name in (status, f"reactor_mirror_{mirror.name}_values"):
            yield f"DROP TRIGGER IF EXISTS {name} ON downloads"
        mapped = ", ".join(f"'{each}'" for each in mirror.told)
        told = f"CAST(NEW.status AS text) IN ({mapped})"
        ours = f"NEW.{quoted(mirror.links[0])} IS NOT NULL AND {NOT_IN}"
        yield f"""CREATE TRIGGER {status} AFTER UPDATE OF status ON downloads
    FOR EACH ROW WHEN ({ours} AND NEW.status IS DISTINCT FROM OLD.status AND {told})
    EXECUTE FUNCTION {back}('status')"""
        if values:
            differs = " OR ".join(self._rose(name) for name in mirror.written)
            yield f"""CREATE TRIGGER {values[0]} AFTER UPDATE OF {", ".join(mirror.written)} ON downloads
    FOR EACH ROW WHEN ({ours} AND (NEW.status IS NOT DISTINCT FROM OLD.status OR NOT {told}) AND ({differs}))
    EXECUTE FUNCTION {back}('values')"""

    def _rose(self, name: str) -> str:
        if self._whole(name):
            return f"floor(NEW.{name}) IS DISTINCT FROM floor(OLD.{name})"
        return f"NEW.{name} IS DISTINCT FROM OLD.{name}"

    # The way in

    def way_in(self) -> str:
        """The body of the function on the bot's table."""
        mirror, new = self._mirror, self._variables("n_")
        read = self._read("NEW.")
        pairs = [*zip(mirror.links, (f"key{n}" for n, _ in enumerate(mirror.keys)), strict=True)]
        row = {which: " AND ".join(f"{quoted(link)} = {which}_{key}" for link, key in pairs) for which in "no"}
        links = ", ".join(f"{quoted(link)} = n_{key}" for link, key in pairs)
        no_key = " OR ".join(f"n_{key} IS NULL" for _, key in pairs)
        names = [f"state{n}" for n, _ in enumerate(mirror.status)]
        keyed = [key for _, key in pairs]
        seen = {name: value for name, value in self._read("t.").items() if name in (*names, "url", "flag")}
        as_it_is = " AND ".join(
            [
                *(f"t.{quoted(key)} = n_key{n}" for n, key in enumerate(mirror.keys)),
                *(f"{value} IS NOT DISTINCT FROM n_{name}" for name, value in seen.items()),
            ]
        )
        others = [name for name in read if name not in (*names, *keyed, "flag", "url")]
        values = {"url": "n_url", **{name: f"n_{name}" for name in others}}
        assigned = ", ".join(f"{name} = {value}" for name, value in values.items())
        differs = " OR ".join(
            f"CAST(d.{name} AS text) IS DISTINCT FROM CAST({value} AS text)" for name, value in values.items()
        )
        declared = "\n".join(f"    n_{name} {kind}; o_{name} {kind};" for name, kind in self._types(read).items())
        return f"""#variable_conflict use_variable
DECLARE
{declared}
    d record; there boolean; moved boolean := FALSE;
    of_status boolean := TRUE; of_url boolean := TRUE; of_flag boolean := TRUE;
    waits boolean; known boolean; stopped boolean; taken boolean; wanted boolean;
BEGIN
    IF TG_RELID IS DISTINCT FROM CAST(to_regclass({text_literal(self._table)}) AS oid) THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM downloads WHERE {quoted(mirror.links[0])} IS NOT NULL;
        RETURN NULL;
    END IF;
    BEGIN
        IF TG_OP <> 'INSERT' THEN
{_lines(f"o_{name} := {value};" for name, value in self._read("OLD.").items())}
        END IF;
        IF TG_OP <> 'DELETE' THEN
{_lines(f"n_{name} := {value};" for name, value in read.items())}
        END IF;
    EXCEPTION WHEN OTHERS THEN
        RETURN NULL;
    END;
    IF TG_OP = 'DELETE' THEN
        DELETE FROM downloads WHERE {row["o"]};
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        moved := {_changed(keyed)};
        of_status := {_changed(names)};
        of_url := {_changed(["url"])};
        of_flag := {_changed(["flag"])};
        IF NOT (moved OR of_status OR of_url OR of_flag{"".join(f" OR {_changed([name])}" for name in others)}) THEN
            RETURN NULL;
        END IF;
    END IF;
    IF {no_key} THEN
        DELETE FROM downloads WHERE {row["o"]};
        RETURN NULL;
    END IF;
    IF moved THEN
        DELETE FROM downloads WHERE {row["n"]};
        UPDATE downloads SET {links} WHERE {row["o"]};
    END IF;
    -- Where a trigger of the bot's has changed the row since, that has been told already.
    PERFORM 1 FROM {self._table} AS t WHERE {as_it_is};
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    waits := {self._is(new, Status.PENDING)};
    known := {self._is(new, *LIVE, Status.CANCELLED)};
    stopped := {self._is(new, Status.CANCELLED)};
    taken := waits OR (TG_OP = 'INSERT' AND {self._is(new, Status.DOWNLOADING)});
    wanted := waits AND NOT n_flag AND n_url IS NOT NULL;
    SELECT id, CAST(status AS text) AS status, {self._words.cancelled()} IS TRUE AS stops, {", ".join(values)}
        INTO d FROM downloads WHERE {row["n"]} FOR UPDATE;
    there := FOUND;
    IF there THEN
        IF (d.status IN ('downloading', 'choosing') AND (of_status OR of_url) AND wanted
                AND (d.stops OR d.url IS DISTINCT FROM n_url))
            OR (d.status IN ({LIVE_WORDS}) AND of_status AND NOT known) THEN
            DELETE FROM downloads WHERE id = d.id;
            there := FALSE;
        END IF;
    END IF;
    IF NOT there THEN
        IF (of_status OR of_url OR of_flag) AND taken AND NOT n_flag AND n_url IS NOT NULL THEN
            {self._insert({**{name: f"n_{name}" for name in read}})};
        END IF;
        RETURN NULL;
    END IF;
{self._afterwards()}    IF d.status = 'choosing' AND of_status AND wanted AND {self._asks()} THEN
        UPDATE downloads SET status = 'pending', choices = NULL, next_attempt_at = NULL, {assigned} WHERE id = d.id;
        d.status := 'pending';
    ELSIF d.status NOT IN ({LIVE_WORDS}) AND (of_status OR of_url OR of_flag) AND wanted THEN
        UPDATE downloads SET {self._anew}, {assigned} WHERE id = d.id;
        d.status := 'pending';
        d.stops := FALSE;
    ELSIF d.status = 'pending' AND n_url IS NOT NULL AND ({differs}) THEN
        UPDATE downloads SET {assigned} WHERE id = d.id;
    END IF;
    IF d.status NOT IN ({LIVE_WORDS}) THEN
        RETURN NULL;
    END IF;
    IF of_status AND stopped AND d.status = 'pending' THEN
        UPDATE downloads SET {self._words.spoken("cancelled = 1")}, status = 'cancelled' WHERE id = d.id;
    ELSIF ((of_status AND stopped) OR (of_flag AND n_flag)) AND NOT d.stops THEN
        UPDATE downloads SET {self._words.spoken("cancelled = 1")} WHERE id = d.id;
    ELSIF of_flag AND NOT n_flag AND NOT stopped AND d.stops THEN
        UPDATE downloads SET {self._words.spoken("cancelled = 0")} WHERE id = d.id;
    END IF;
    RETURN NULL;
END"""

    def _asks(self) -> str:
        return "TRUE" if self._mirror.words_for(Status.CHOOSING) else "FALSE"

    def _afterwards(self) -> str:
        """A word of the bot's own for what has come (it was sent, say) stands in `downloads`, too: DELETE_STATUSES may
        name it."""
        (column, *more), text = self._mirror.status, self._words.is_text("status")
        if more or not text or self._kinds[column.lower()].category not in (TEXT, "E"):
            return ""
        new = self._variables("n_")
        came = f"(d.status = 'downloaded' OR d.status NOT IN ({OUR_WORDS}))"
        return f"""    IF TG_OP = 'UPDATE' AND of_status AND {came} THEN
        IF n_state0 NOT IN ({OUR_WORDS}) AND length(n_state0) <= {WORD_MAX} AND NOT {self._is(new, *Status)} THEN
            UPDATE downloads SET status = n_state0 WHERE id = d.id AND status IS DISTINCT FROM n_state0;
        ELSIF {self._is(new, Status.DOWNLOADED)} THEN
            UPDATE downloads SET status = 'downloaded' WHERE id = d.id AND status IS DISTINCT FROM 'downloaded';
            d.status := 'downloaded';
        END IF;
    END IF;
"""

    def _types(self, read: Mapping[str, str]) -> dict[str, str]:
        """Of the variables."""
        keys = {f"key{n}": link_type(self._kinds[key.lower()]) for n, key in enumerate(self._mirror.keys)}
        ours = {name: self._ours[name].type for name in read if name in self._mirror.read and name in self._ours}
        return {name: {"flag": "boolean", **ours, **keys}.get(name, "text") for name in read}

    def _read(self, prefix: str) -> dict[str, str]:
        """What is read of a row of the bot's, by the name of the variable."""
        mirror = self._mirror
        more = {name: self._value(name, prefix, column) for name, column in mirror.read.items() if name != "cancelled"}
        return {
            **{f"key{n}": f"{prefix}{quoted(key)}" for n, key in enumerate(mirror.keys)},
            "url": f"CAST({prefix}{quoted(mirror.url)} AS text)",
            **{f"state{n}": self._word(prefix, column) for n, column in enumerate(mirror.status)},
            "flag": self._flag(prefix),
            **more,
        }

    def _variables(self, prefix: str) -> list[str]:
        return [f"{prefix}state{n}" for n, _ in enumerate(self._mirror.status)]

    def _word(self, prefix: str, column: str) -> str:
        """A status, as `_canonical` has its word."""
        value, kind = f"{prefix}{quoted(column)}", self._kinds[column.lower()]
        if kind.category == BOOLEAN:
            return f"CASE WHEN {value} THEN '1' WHEN NOT {value} THEN '0' END"
        if kind.category == NUMBER and kind.name not in INTEGERS:
            return f"CAST(trim_scale(CAST({value} AS numeric)) AS text)"
        return f"CAST({value} AS text)"

    def _canonical(self, value: str, column: str) -> str:
        kind = self._kinds[column.lower()]
        if kind.category == BOOLEAN:
            return "1" if value.strip().lower() in (*TRUE_WORDS, "1", "true", "t") else "0"
        return str(int(value)) if kind.category == NUMBER and WHOLE.fullmatch(value) else value

    def _flag(self, prefix: str) -> str:
        """Whether the bot's own flag asks for a stop."""
        column = self._mirror.read.get("cancelled")
        if column is None:
            return "FALSE"
        value, category = f"{prefix}{quoted(column)}", self._kinds[column.lower()].category
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
        value, kind, ours = f"{prefix}{quoted(column)}", self._kinds[column.lower()], self._ours[name].type
        if name != "priority":
            return f"CAST({value} AS {ours})"
        if kind.category == NUMBER:
            return f"CASE WHEN {value} BETWEEN -2 AND 2 THEN CAST({value} AS {ours}) END"
        text = f"CAST({value} AS text)"
        return f"CASE WHEN {text} ~ '^[+-]?[0-2]$' THEN CAST({text} AS {ours}) END"

    def _insert(self, read: Mapping[str, str]) -> str:
        """A row that waits, of what was read."""
        names, expressions = self._inserted(read)
        return f"INSERT INTO downloads ({names}) VALUES ({expressions})"

    def _inserted(self, read: Mapping[str, str]) -> tuple[str, str]:
        mirror = self._mirror
        further = {name: read[name] for name in ("url", *mirror.read) if name in read}
        values = {
            **{name: text_literal(str(value)) for name, value in required(self._ours).items()},
            **further,
            "status": f"'{Status.PENDING}'",
            **{quoted(link): read[f"key{n}"] for n, link in enumerate(mirror.links)},
        }
        added = self._ours["added_date"]
        if added.default is None and not added.generated:
            values["added_date"] = "clock_timestamp()" if added.type.startswith(MOMENTS) else NOW
        return ", ".join(values), ", ".join(values.values())

    # The way back

    def way_back(self) -> str:
        """The body of the function on `downloads`."""
        table, where = self._table, self._join("NEW")
        source: Source = lambda column: f"NEW.{column}"  # noqa: E731
        seen = SHAPE.format(table=text_literal(table), columns=array(used(self._mirror)))
        values = [*self._written(source)]
        told = _update(table, [*self._status(source), *values], where)
        valued = f"\n        ELSE\n            {_update(table, values, where)};" if values else ""
        return f"""BEGIN
    IF {seen} IS DISTINCT FROM {text_literal(self.shape)} THEN
        RETURN NULL;
    END IF;
    PERFORM 1 FROM {table} AS t WHERE {where} FOR NO KEY UPDATE SKIP LOCKED;
    IF FOUND THEN
        IF TG_ARGV[0] = 'status' THEN
            {told};{valued}
        END IF;
    ELSIF EXISTS (SELECT 1 FROM {table} AS t WHERE {where}) THEN
        INSERT INTO reactor_untold (download_id) VALUES (NEW.id);
    ELSIF CAST(NEW.status AS text) = 'downloading' THEN
        UPDATE downloads SET {self._words.spoken("cancelled = 1")} WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END"""

    def _status(self, source: Source) -> Iterator[tuple[str, str]]:
        """A word that means the same already stays."""
        read, told = [self._word("t.", column) for column in self._mirror.status], self._mirror.told
        for place, column in enumerate(self._mirror.status):
            own = f"t.{quoted(column)}"
            cases = " ".join(
                f"WHEN '{status}' THEN CASE WHEN {self._is(read, status)} THEN {own}"
                f" ELSE {self.literal(word[place], column)} END"
                for status, word in told.items()
            )
            yield column, f"CASE CAST({source('status')} AS text) {cases} ELSE {own} END"

    def _written(self, source: Source) -> Iterator[tuple[str, str]]:
        for name, column in self._mirror.written.items():
            there, kind, own = self._columns[column.lower()], self._kinds[column.lower()], f"t.{quoted(column)}"
            # What is long is cut, but for a path, which would be another one.
            value = f"CAST({source(name)} AS {there.type if name == 'file_path' else kind.name})"
            if self._whole(name):
                value = f"CAST(floor({source(name)}) AS {kind.name})"
            if name in KEPT:
                value = f"coalesce({value}, {own})"
            elif there.not_null:
                value = f"coalesce({value}, {there.empty or own})"
            yield column, value

    def _whole(self, name: str) -> bool:
        column = self._mirror.written.get(name)
        return name == "progress" and column is not None and self._kinds[column.lower()].name in INTEGERS

    def literal(self, value: str | None, column: str) -> str:
        """A value of a word as the bot's column has it."""
        if value is None:
            return "NULL"
        return f"CAST({text_literal(self._canonical(value, column))} AS {self._columns[column.lower()].type})"

    # Both at once, where no trigger has told

    def catch_up(self) -> Iterator[str]:
        """Brings both together where triggers were missing: what has ended is told, what waits is taken."""
        mirror, read = self._mirror, self._read("t.")
        states = [read[f"state{n}"] for n, _ in enumerate(mirror.status)]
        waiting, begun = self._is(states, Status.PENDING), self._is(states, Status.DOWNLOADING)
        for which, statuses in (
            (f"({waiting} OR {begun})", (Status.DOWNLOADED,)),
            (begun, (Status.FAILED, Status.CANCELLED, Status.PENDING)),
            (waiting, (Status.DOWNLOADING,)),
        ):
            if mapped := ", ".join(f"'{status}'" for status in statuses if status in mirror.told):
                yield self._tell(f"{which} AND CAST(d.status AS text) IN ({mapped})")
        joined, flag = f"FROM {self._table} AS t WHERE {self._join('downloads')}", read["flag"]
        known, stopped = self._is(states, *LIVE, Status.CANCELLED), self._is(states, Status.CANCELLED)
        cancel, live = self._words.spoken("cancelled = 1"), f"downloads.{IS_LIVE}"
        yield f"""UPDATE downloads SET {self._anew} {joined} AND downloads.status IN ('failed', 'cancelled')
    AND {waiting} AND NOT {flag}"""
        yield f"UPDATE downloads SET {cancel} {joined} AND {live} AND ({stopped} OR {flag})"
        yield f"DELETE FROM downloads USING {joined.removeprefix('FROM ')} AND {live} AND NOT {known}"

    def _tell(self, which: str) -> str:
        source: Source = lambda column: f"d.{column}"  # noqa: E731
        assigned = [*self._status(source), *self._written(source)]
        listed = ", ".join(f"{quoted(column)} = {value}" for column, value in assigned)
        return f"UPDATE {self._table} AS t SET {listed} FROM downloads AS d WHERE {self._join('d')} AND {which}"

    def locked(self) -> str:
        """Of the rows `%s` of `downloads` those whose row of the bot's is free, which is locked now."""
        return f"""SELECT d.id FROM {self._table} AS t JOIN downloads AS d ON {self._join("d")} WHERE d.id = ANY (%s)
    FOR NO KEY UPDATE OF t SKIP LOCKED"""

    def there(self) -> str:
        """Of the rows `%s` of `downloads` those that have one of the bot's."""
        return f"SELECT d.id FROM {self._table} AS t JOIN downloads AS d ON {self._join('d')} WHERE d.id = ANY (%s)"

    def tell(self) -> str:
        """Tell what has become of the rows `%s`; a cancel of the bot's that came meanwhile stands."""
        stops = f"{self._words.cancelled('d.')} IS TRUE"
        mapped = ", ".join(f"'{status}'" for status in self._mirror.told)
        named = f"d.id = ANY (%s) AND CAST(d.status AS text) IN ({mapped})"
        return self._tell(f"{named} AND NOT (d.{IS_LIVE} AND {stops})")

    def take(self) -> str:
        """Adds rows for those that wait, or that an earlier downloader had under way, in the order of the key."""
        names, expressions = self._inserted(self._read("t."))
        order = ", ".join(f"t.{quoted(key)}" for key in self._mirror.keys)
        return f"""INSERT INTO downloads ({names}) SELECT {expressions} FROM {self._table} AS t
    WHERE {self.waiting()} AND NOT EXISTS (SELECT 1 FROM downloads WHERE {self._join("downloads")}) ORDER BY {order}"""

    def waiting(self) -> str:
        """Which rows `t` of the bot's are to be taken, if they are not yet."""
        read, mirror = self._read("t."), self._mirror
        states = [read[f"state{n}"] for n, _ in enumerate(mirror.status)]
        filled = " AND ".join(f"t.{quoted(name)} IS NOT NULL" for name in (*mirror.keys, mirror.url))
        return f"{self._is(states, Status.PENDING, Status.DOWNLOADING)} AND NOT {read['flag']} AND {filled}"

    def forget_orphans(self) -> str:
        """Stops what no row of the bot's stands for any more."""
        return f"""DELETE FROM downloads WHERE {quoted(self._mirror.links[0])} IS NOT NULL AND {IS_LIVE}
    AND NOT EXISTS (SELECT 1 FROM {self._table} AS t WHERE {self._join("downloads")})"""

    def strangers(self, limit: int) -> str:
        """Words that the map does not name, and how many rows have each."""
        states = [self._word("t.", column) for column in self._mirror.status]
        shown = " || '+' || ".join(f"coalesce({state}, 'NULL')" for state in states)
        return f"""SELECT {shown} AS word, count(*) FROM {self._table} AS t WHERE NOT {self._is(states, *Status)}
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {limit}"""

    # Parts of statements

    def _join(self, downloads: str) -> str:
        pairs = zip(self._mirror.links, self._mirror.keys, strict=True)
        return " AND ".join(f"t.{quoted(key)} = {downloads}.{quoted(link)}" for link, key in pairs)

    def _is(self, states: list[str], *statuses: Status) -> str:
        """Whether these have a word for one of the statuses."""
        words = self._mirror.words_for(*statuses)
        return f"({' OR '.join(self._has(states, word) for word in words)})" if words else "FALSE"

    def _has(self, states: list[str], word: Word) -> str:
        return " AND ".join(
            f"{state} IS NULL"
            if value is None
            else f"{state} IS NOT DISTINCT FROM {text_literal(self._canonical(value, column))}"
            for state, value, column in zip(states, word, self._mirror.status, strict=True)
        )


NOT_IN = "coalesce(current_setting('reactor.mirror', true), '') <> 'in'"


def _changed(names: list[str]) -> str:
    return "(" + " OR ".join(f"CAST(n_{name} AS text) IS DISTINCT FROM CAST(o_{name} AS text)" for name in names) + ")"


def _update(table: str, assigned: list[tuple[str, str]], where: str) -> str:
    """Nothing where all is so already: PostgreSQL would write the row once more."""
    listed = ",\n                ".join(f"{quoted(column)} = {value}" for column, value in assigned)
    differs = " OR ".join(f"t.{quoted(column)} IS DISTINCT FROM {value}" for column, value in assigned)
    return f"UPDATE {table} AS t SET {listed}\n                WHERE {where} AND ({differs})"


def _lines(statements: Iterator[str]) -> str:
    return "\n".join(f"            {statement}" for statement in statements)


def _dollar(body: str) -> str:
    tag = next(f"$reactor{n or ''}$" for n in range(100) if f"$reactor{n or ''}$" not in body)
    return f"{tag}\n{body}\n{tag}"
