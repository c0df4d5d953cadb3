"""The SQL of a mirror on PostgreSQL: functions in plpgsql, the way in and the way back, and triggers on both tables.

No migration of the bot's is held up, and none of its statements fails for us: no trigger on its table names a column,
and `mirrors.keep` makes both functions anew when a column has changed.

No loop: of what the way in writes (`reactor.mirror` is `in` meanwhile) the way back tells nothing, for the bot has said
so itself; what the way back writes is the word for the status that there is by then, of which the way in does nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from reactor.database.mirror import Mirror
from reactor.database.postgres.mirror_back import WayBack
from reactor.database.postgres.mirror_in import WayIn
from reactor.database.postgres.mirror_tables import BothTables, Kind, functions, link_type, theirs
from reactor.database.sql.connection import Column
from reactor.database.sql.mirror_words import index_name, index_statement
from reactor.database.sql.statements import quoted


class MirrorSql(BothTables):
    """The statements of one mirror, between the bot's table as it is now and `downloads`."""

    def __init__(
        self,
        mirror: Mirror,
        theirs: Mapping[str, Column],
        kinds: Mapping[str, Kind],
        ours: Mapping[str, Column],
        path: str,
        shape: str,
    ) -> None:
        """As `BothTables`; `path`: the schemas; `shape`: see SHAPE."""
        super().__init__(mirror, theirs, kinds, ours)
        self.into, self.back = WayIn(mirror, theirs, kinds, ours), WayBack(mirror, theirs, kinds, ours)
        self._path, self.shape = path, shape

    def links(self, missing: list[str]) -> Iterator[str]:
        """The columns in `downloads` that hold the bot's key, and the index of them. None of it holds anybody up, and
        none of it is in a transaction."""
        for link, key in zip(self.mirror.links, self.mirror.keys, strict=True):
            if link in missing:
                kind = link_type(self.kinds[key.lower()])
                yield f"ALTER TABLE downloads ADD COLUMN IF NOT EXISTS {quoted(link)} {kind}"
        if index_name(self.mirror) in missing:
            yield index_statement(self.mirror, "UNIQUE INDEX CONCURRENTLY")

    def made(self) -> list[str]:
        """Functions and triggers."""
        into, back = functions(self.mirror)
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
        return self.into.body(), f"-- {mark}\n{self.back.body(self.shape)}"

    def _triggers(self) -> Iterator[str]:
        table, (into, back) = self.table, functions(self.mirror)
        rows, everything = theirs(self.mirror)
        for name in (rows, everything):
            yield f"DROP TRIGGER IF EXISTS {name} ON {table}"
        yield f"""CREATE TRIGGER {rows} AFTER INSERT OR UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION {into}()"""
        yield f"""CREATE TRIGGER {everything} AFTER TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION {into}()"""
        yield from self.back.triggers(back)

    def catch_up(self) -> Iterator[str]:
        """Brings both together where triggers were missing: what has ended is told, what waits is taken."""
        yield from self.back.tell_later()
        yield from self.into.hear_later()


def _dollar(body: str) -> str:
    tag = next(f"$reactor{n or ''}$" for n in range(100) if f"$reactor{n or ''}$" not in body)
    return f"{tag}\n{body}\n{tag}"
