"""Writes rows of a bot's table, whose constraints and triggers are the bot's, one by one once a batch was rejected.

All rows of a kind are written in one statement. When a constraint rejects that, the transaction is rolled back, and the
rows are written singly, each with as many of its columns as the table accepts. A rejected row never keeps the others
from being served.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from reactor.database import contract as rows
from reactor.database.sql import errors
from reactor.database.sql.connection import Connection, still
from reactor.database.sql.statements import fitted
from reactor.errors import Failure

Result = TypeVar("Result")


class RowRejected(Exception):
    """A constraint or trigger rejected a write: roll the transaction back (ON CONFLICT ROLLBACK may have done so), and
    repeat it with the same RowUpdater."""


class RowUpdater:
    """Remembers which rows rejected what. Make one for each transaction that may be repeated."""

    def __init__(self) -> None:
        self._one_by_one = False
        self._tried: Counter[int] = Counter()
        self.failures: dict[int, Failure] = {}
        """Why a row was rejected first, by id."""
        self.passed: set[int] = set()
        """Rows that reject every variant."""

    def update(
        self,
        connection: Connection,
        ids: Sequence[int],
        ways: Sequence[str],
        asked: Mapping[str, Any],
        returning: str = "id",
        which: str | None = "TRUE",
    ) -> list[tuple[int, tuple[Any, ...]]]:
        """Set for each of `ids` the first of `ways` (assignments) that its row takes: for each row that took one,
        which it was, and `returning` of it. Those that do not meet the condition `which` any more are left out;
        None: they are known to meet it (`read_still`). Raises RowRejected."""
        wanted: Sequence[int] = [id for id in ids if id not in self.passed]
        if which is not None:
            wanted = still(connection, wanted, which, asked)
        groups = [[id] for id in wanted] if self._one_by_one else [wanted] if wanted else []
        done = []
        for group in groups:
            way = self._tried[group[0]] if self._one_by_one else 0
            values = {**asked, "ids": json.dumps(group), **rows.said(self.failures.get(group[0]))}
            try:
                found = connection.execute(
                    f"""UPDATE downloads SET {fitted(connection, ways[way])}
                    WHERE id IN (SELECT value FROM json_each(:ids)) RETURNING {returning}""",
                    values,
                ).fetchall()
                if len(found) < len(group):
                    raise errors.passed_over()
            except errors.REJECTED as error:
                if self._one_by_one:
                    self._note(group[0], error, len(ways))
                self._one_by_one = True
                raise RowRejected from error
            done += [(way, row) for row in found]
        return done

    def _note(self, id: int, error: Exception, ways: int) -> None:
        self._tried[id] += 1
        self.failures.setdefault(id, errors.constraint_failure(error))
        if self._tried[id] == ways:
            self.passed.add(id)


def until_taken(write: Callable[[RowUpdater], Result]) -> Result:
    """What `write` returns: a transaction, that is repeated for as long as one of its rows rejects what it writes."""
    updater = RowUpdater()
    while True:
        with suppress(RowRejected):
            return write(updater)
