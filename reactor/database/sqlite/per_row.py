"""Writing into rows of a bot's table that may not take it: constraints and triggers are the bot's.

All rows of a kind are written at once, as long as that works; then one by one, each with as much as its row takes.
One odd row never keeps the others from being served.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from reactor.database import contract as rows
from reactor.database.sqlite import errors
from reactor.database.sqlite.statements import fitted
from reactor.errors import Failure


class RowRejected(Exception):
    """A row was found that does not take what was tried: roll the transaction back, whatever the constraint has done
    to it (ON CONFLICT ROLLBACK), and begin anew with the same RowUpdater."""


class RowUpdater:
    """What has been found out about such rows. Make one for each task."""

    def __init__(self) -> None:
        self._one_by_one = False
        self._tried: Counter[int] = Counter()
        self.failures: dict[int, Failure] = {}
        """Why a row did not take what was tried last."""
        self.passed: set[int] = set()
        """Rows that take nothing at all."""

    def update(
        self,
        connection: sqlite3.Connection,
        ids: Sequence[int],
        ways: Sequence[str],
        asked: Mapping[str, Any],
        returning: str = "id",
    ) -> list[tuple[int, tuple[Any, ...]]]:
        """Set for each of `ids` the first of `ways` (assignments) that its row takes: for each row that took one,
        which it was, and `returning` of it. Raises RowRejected."""
        wanted = [id for id in ids if id not in self.passed]
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
            except errors.FORBIDDEN as error:
                if self._one_by_one:
                    self._note(group[0], error, len(ways))
                self._one_by_one = True
                raise RowRejected from error
            done += [(way, row) for row in found]
        return done

    def _note(self, id: int, error: sqlite3.Error, ways: int) -> None:
        self._tried[id] += 1
        self.failures.setdefault(id, errors.forbidden(error))
        if self._tried[id] == ways:
            self.passed.add(id)
