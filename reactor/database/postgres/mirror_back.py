"""The way back of a mirror on PostgreSQL: what a write to `downloads` does to the bot's table.

It writes only while the columns are what they were. No lock is waited for: it comes with `downloads` locked, as a
statement of the bot's comes with its own row locked, and then one of the two would be undone. A row that the bot has
locked is noted in `reactor_untold`, and told when it is free.
"""

from __future__ import annotations

from collections.abc import Iterator

from reactor.database.postgres.mirror_tables import SHAPE, BothTables, Source, array, theirs, triggers, used
from reactor.database.sql.mirror_words import IS_LIVE, KEPT, text_literal
from reactor.database.sql.statements import quoted
from reactor.models import Status

NOT_IN = "coalesce(current_setting('reactor.mirror', true), '') <> 'in'"


class WayBack(BothTables):
    """The statements that write to the bot's table."""

    def triggers(self, function: str) -> Iterator[str]:
        """Those on `downloads`, which call the function of `body`."""
        mirror = self.mirror
        status, *values = triggers(mirror)[len(theirs(mirror)) :]
        for name in (status, f"reactor_mirror_{mirror.name}_values"):
            yield f"DROP TRIGGER IF EXISTS {name} ON downloads"
        mapped = ", ".join(f"'{each}'" for each in mirror.told)
        told = f"CAST(NEW.status AS text) IN ({mapped})"
        ours = f"NEW.{quoted(mirror.links[0])} IS NOT NULL AND {NOT_IN}"
        yield f"""CREATE TRIGGER {status} AFTER UPDATE OF status ON downloads
    FOR EACH ROW WHEN ({ours} AND NEW.status IS DISTINCT FROM OLD.status AND {told})
    EXECUTE FUNCTION {function}('status')"""
        if values:
            differs = " OR ".join(self._rose(name) for name in mirror.written)
            yield f"""CREATE TRIGGER {values[0]} AFTER UPDATE OF {", ".join(mirror.written)} ON downloads
    FOR EACH ROW WHEN ({ours} AND (NEW.status IS NOT DISTINCT FROM OLD.status OR NOT {told}) AND ({differs}))
    EXECUTE FUNCTION {function}('values')"""

    def _rose(self, name: str) -> str:
        if self.whole(name):
            return f"floor(NEW.{name}) IS DISTINCT FROM floor(OLD.{name})"
        return f"NEW.{name} IS DISTINCT FROM OLD.{name}"

    def body(self, shape: str) -> str:
        """The body of the function on `downloads`; `shape`: see SHAPE."""
        table, where = self.table, self.join("NEW")
        source: Source = lambda column: f"NEW.{column}"  # noqa: E731
        seen = SHAPE.format(table=text_literal(table), columns=array(used(self.mirror)))
        values = [*self._written(source)]
        told = _update(table, [*self._status(source), *values], where)
        valued = f"\n        ELSE\n            {_update(table, values, where)};" if values else ""
        return f"""BEGIN
    IF {seen} IS DISTINCT FROM {text_literal(shape)} THEN
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
        UPDATE downloads SET {self.words.spoken("cancelled = 1")} WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END"""

    def _status(self, source: Source) -> Iterator[tuple[str, str]]:
        """A word that means the same already stays."""
        read, told = [self.word("t.", column) for column in self.mirror.status], self.mirror.told
        for place, column in enumerate(self.mirror.status):
            own = f"t.{quoted(column)}"
            cases = " ".join(
                f"WHEN '{status}' THEN CASE WHEN {self.means(read, status)} THEN {own}"
                f" ELSE {self.literal(word[place], column)} END"
                for status, word in told.items()
            )
            yield column, f"CASE CAST({source('status')} AS text) {cases} ELSE {own} END"

    def _written(self, source: Source) -> Iterator[tuple[str, str]]:
        for name, column in self.mirror.written.items():
            there, kind, own = self.theirs[column.lower()], self.kinds[column.lower()], f"t.{quoted(column)}"
            # What is long is cut, but for a path, which would be another one.
            value = f"CAST({source(name)} AS {there.type if name == 'file_path' else kind.name})"
            if self.whole(name):
                value = f"CAST(floor({source(name)}) AS {kind.name})"
            if name in KEPT:
                value = f"coalesce({value}, {own})"
            elif there.not_null:
                value = f"coalesce({value}, {there.empty or own})"
            yield column, value

    # Where no trigger has told

    def tell_later(self) -> Iterator[str]:
        """What has ended where no trigger told of it."""
        mirror, read = self.mirror, self.read("t.")
        states = [read[f"state{n}"] for n, _ in enumerate(mirror.status)]
        waiting, begun = self.means(states, Status.PENDING), self.means(states, Status.DOWNLOADING)
        for which, statuses in (
            (f"({waiting} OR {begun})", (Status.DOWNLOADED,)),
            (begun, (Status.FAILED, Status.CANCELLED, Status.PENDING)),
            (waiting, (Status.DOWNLOADING,)),
        ):
            if mapped := ", ".join(f"'{status}'" for status in statuses if status in mirror.told):
                yield self._tell(f"{which} AND CAST(d.status AS text) IN ({mapped})")

    def _tell(self, which: str) -> str:
        source: Source = lambda column: f"d.{column}"  # noqa: E731
        assigned = [*self._status(source), *self._written(source)]
        listed = ", ".join(f"{quoted(column)} = {value}" for column, value in assigned)
        return f"UPDATE {self.table} AS t SET {listed} FROM downloads AS d WHERE {self.join('d')} AND {which}"

    def locked(self) -> str:
        """Of the rows `%s` of `downloads` those whose row of the bot's is free, which is locked now."""
        return f"""SELECT d.id FROM {self.table} AS t JOIN downloads AS d ON {self.join("d")} WHERE d.id = ANY (%s)
    FOR NO KEY UPDATE OF t SKIP LOCKED"""

    def there(self) -> str:
        """Of the rows `%s` of `downloads` those that have one of the bot's."""
        return f"SELECT d.id FROM {self.table} AS t JOIN downloads AS d ON {self.join('d')} WHERE d.id = ANY (%s)"

    def tell(self) -> str:
        """Tell what has become of the rows `%s`; a cancel of the bot's that came meanwhile stands."""
        stops = f"{self.words.cancelled('d.')} IS TRUE"
        mapped = ", ".join(f"'{status}'" for status in self.mirror.told)
        named = f"d.id = ANY (%s) AND CAST(d.status AS text) IN ({mapped})"
        return self._tell(f"{named} AND NOT (d.{IS_LIVE} AND {stops})")


def _update(table: str, assigned: list[tuple[str, str]], where: str) -> str:
    """Nothing where all is so already: PostgreSQL would write the row once more."""
    listed = ",\n                ".join(f"{quoted(column)} = {value}" for column, value in assigned)
    differs = " OR ".join(f"t.{quoted(column)} IS DISTINCT FROM {value}" for column, value in assigned)
    return f"UPDATE {table} AS t SET {listed}\n                WHERE {where} AND ({differs})"
