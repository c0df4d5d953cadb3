"""The way into a mirror on PostgreSQL: what a statement on the bot's table does to `downloads`.

Its function finds the table by its name, and reads of its row first, in a block by itself: where a column is gone, the
statement passes as if there were no mirror.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reactor.database.mirror import LIVE
from reactor.database.postgres.mirror_tables import TEXT, BothTables, link_type
from reactor.database.postgres.words import MOMENTS
from reactor.database.sql.connection import required
from reactor.database.sql.mirror_words import IS_LIVE, LIVE_WORDS, OUR_WORDS, WORD_MAX, text_literal
from reactor.database.sql.statements import quoted
from reactor.models import Status

NOW = "to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS')"


class WayIn(BothTables):
    """The statements that write to `downloads`."""

    def body(self) -> str:
        """The body of the function on the bot's table."""
        mirror, new = self.mirror, self.variables("n_")
        read = self.read("NEW.")
        pairs = [*zip(mirror.links, (f"key{n}" for n, _ in enumerate(mirror.keys)), strict=True)]
        row = {which: " AND ".join(f"{quoted(link)} = {which}_{key}" for link, key in pairs) for which in "no"}
        links = ", ".join(f"{quoted(link)} = n_{key}" for link, key in pairs)
        no_key = " OR ".join(f"n_{key} IS NULL" for _, key in pairs)
        names = [f"state{n}" for n, _ in enumerate(mirror.status)]
        keyed = [key for _, key in pairs]
        seen = {name: value for name, value in self.read("t.").items() if name in (*names, "url", "flag")}
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
    IF TG_RELID IS DISTINCT FROM CAST(to_regclass({text_literal(self.table)}) AS oid) THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM downloads WHERE {quoted(mirror.links[0])} IS NOT NULL;
        RETURN NULL;
    END IF;
    BEGIN
        IF TG_OP <> 'INSERT' THEN
{_lines(f"o_{name} := {value};" for name, value in self.read("OLD.").items())}
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
    PERFORM 1 FROM {self.table} AS t WHERE {as_it_is};
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    waits := {self.means(new, Status.PENDING)};
    known := {self.means(new, *LIVE, Status.CANCELLED)};
    stopped := {self.means(new, Status.CANCELLED)};
    taken := waits OR (TG_OP = 'INSERT' AND {self.means(new, Status.DOWNLOADING)});
    wanted := waits AND NOT n_flag AND n_url IS NOT NULL;
    SELECT id, CAST(status AS text) AS status, {self.words.cancelled()} IS TRUE AS stops, {", ".join(values)}
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
        UPDATE downloads SET {self.anew}, {assigned} WHERE id = d.id;
        d.status := 'pending';
        d.stops := FALSE;
    ELSIF d.status = 'pending' AND n_url IS NOT NULL AND ({differs}) THEN
        UPDATE downloads SET {assigned} WHERE id = d.id;
    END IF;
    IF d.status NOT IN ({LIVE_WORDS}) THEN
        RETURN NULL;
    END IF;
    IF of_status AND stopped AND d.status = 'pending' THEN
        UPDATE downloads SET {self.words.spoken("cancelled = 1")}, status = 'cancelled' WHERE id = d.id;
    ELSIF ((of_status AND stopped) OR (of_flag AND n_flag)) AND NOT d.stops THEN
        UPDATE downloads SET {self.words.spoken("cancelled = 1")} WHERE id = d.id;
    ELSIF of_flag AND NOT n_flag AND NOT stopped AND d.stops THEN
        UPDATE downloads SET {self.words.spoken("cancelled = 0")} WHERE id = d.id;
    END IF;
    RETURN NULL;
END"""

    def _asks(self) -> str:
        return "TRUE" if self.mirror.words_for(Status.CHOOSING) else "FALSE"

    def _afterwards(self) -> str:
        """A word of the bot's own for what has come (it was sent, say) stands in `downloads`, too: DELETE_STATUSES may
        name it."""
        (column, *more), text = self.mirror.status, self.words.is_text("status")
        if more or not text or self.kinds[column.lower()].category not in (TEXT, "E"):
            return ""
        new = self.variables("n_")
        came = f"(d.status = 'downloaded' OR d.status NOT IN ({OUR_WORDS}))"
        return f"""    IF TG_OP = 'UPDATE' AND of_status AND {came} THEN
        IF n_state0 NOT IN ({OUR_WORDS}) AND length(n_state0) <= {WORD_MAX} AND NOT {self.means(new, *Status)} THEN
            UPDATE downloads SET status = n_state0 WHERE id = d.id AND status IS DISTINCT FROM n_state0;
        ELSIF {self.means(new, Status.DOWNLOADED)} THEN
            UPDATE downloads SET status = 'downloaded' WHERE id = d.id AND status IS DISTINCT FROM 'downloaded';
            d.status := 'downloaded';
        END IF;
    END IF;
"""

    def _types(self, read: Mapping[str, str]) -> dict[str, str]:
        """Of the variables."""
        keys = {f"key{n}": link_type(self.kinds[key.lower()]) for n, key in enumerate(self.mirror.keys)}
        ours = {name: self.ours[name].type for name in read if name in self.mirror.read and name in self.ours}
        return {name: {"flag": "boolean", **ours, **keys}.get(name, "text") for name in read}

    def _insert(self, read: Mapping[str, str]) -> str:
        """A row that waits, of what was read."""
        names, expressions = self._inserted(read)
        return f"INSERT INTO downloads ({names}) VALUES ({expressions})"

    def _inserted(self, read: Mapping[str, str]) -> tuple[str, str]:
        mirror = self.mirror
        further = {name: read[name] for name in ("url", *mirror.read) if name in read}
        values = {
            **{name: text_literal(str(value)) for name, value in required(self.ours).items()},
            **further,
            "status": f"'{Status.PENDING}'",
            **{quoted(link): read[f"key{n}"] for n, link in enumerate(mirror.links)},
        }
        added = self.ours["added_date"]
        if added.default is None and not added.generated:
            values["added_date"] = "clock_timestamp()" if added.type.startswith(MOMENTS) else NOW
        return ", ".join(values), ", ".join(values.values())

    # Where no trigger has told

    def hear_later(self) -> Iterator[str]:
        """What the bot has said where no trigger told of it: what waits again, is stopped, or is the bot's own."""
        mirror, read = self.mirror, self.read("t.")
        states = [read[f"state{n}"] for n, _ in enumerate(mirror.status)]
        waiting = self.means(states, Status.PENDING)
        joined, flag = f"FROM {self.table} AS t WHERE {self.join('downloads')}", read["flag"]
        known, stopped = self.means(states, *LIVE, Status.CANCELLED), self.means(states, Status.CANCELLED)
        cancel, live = self.words.spoken("cancelled = 1"), f"downloads.{IS_LIVE}"
        yield f"""UPDATE downloads SET {self.anew} {joined} AND downloads.status IN ('failed', 'cancelled')
    AND {waiting} AND NOT {flag}"""
        yield f"UPDATE downloads SET {cancel} {joined} AND {live} AND ({stopped} OR {flag})"
        yield f"DELETE FROM downloads USING {joined.removeprefix('FROM ')} AND {live} AND NOT {known}"

    def take(self) -> str:
        """Adds rows for those that wait, or that an earlier downloader had under way, in the order of the key."""
        names, expressions = self._inserted(self.read("t."))
        order = ", ".join(f"t.{quoted(key)}" for key in self.mirror.keys)
        return f"""INSERT INTO downloads ({names}) SELECT {expressions} FROM {self.table} AS t
    WHERE {self.waiting()} AND NOT EXISTS (SELECT 1 FROM downloads WHERE {self.join("downloads")}) ORDER BY {order}"""

    def waiting(self) -> str:
        """Which rows `t` of the bot's are to be taken, if they are not yet."""
        read, mirror = self.read("t."), self.mirror
        states = [read[f"state{n}"] for n, _ in enumerate(mirror.status)]
        filled = " AND ".join(f"t.{quoted(name)} IS NOT NULL" for name in (*mirror.keys, mirror.url))
        return f"{self.means(states, Status.PENDING, Status.DOWNLOADING)} AND NOT {read['flag']} AND {filled}"

    def forget_orphans(self) -> str:
        """Stops what no row of the bot's stands for any more."""
        return f"""DELETE FROM downloads WHERE {quoted(self.mirror.links[0])} IS NOT NULL AND {IS_LIVE}
    AND NOT EXISTS (SELECT 1 FROM {self.table} AS t WHERE {self.join("downloads")})"""


def _changed(names: list[str]) -> str:
    return "(" + " OR ".join(f"CAST(n_{name} AS text) IS DISTINCT FROM CAST(o_{name} AS text)" for name in names) + ")"


def _lines(statements: Iterator[str]) -> str:
    return "\n".join(f"            {statement}" for statement in statements)
