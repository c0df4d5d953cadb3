"""Prepared statements of one connection, sent together: what is asked within a transaction is sent as soon as an answer
is read, with all that was asked before it. So what only writes, BEGIN and COMMIT have no round trip of their own, and
the server is not woken for each of them.

libpq's pipeline mode without psycopg's cursors, whose upkeep takes longer than most of these statements.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import count
from typing import Any

import psycopg
from psycopg import waiting
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from reactor.database.postgres.errors import REFUSED, refused
from reactor.records import dataclass

UNSENT_MAX = 64
"""So many statements are sent at once at most: the server must not wait for one to read its answers."""
PREPARED_MAX = 500
"""Statements that are kept prepared: more than there are."""


class Answer:
    """What a statement has found. `reactor.database.sql.connection.Cursor`."""

    __slots__ = ("_result", "_rows", "_together")

    def __init__(self, together: Together) -> None:
        self._together = together
        self._result: PGresult | None = None
        self._rows: list[tuple[Any, ...]] = []

    def arrived(self, result: PGresult, rows: list[tuple[Any, ...]]) -> None:
        """The server has answered."""
        self._result, self._rows = result, rows[::-1]

    def read(self) -> PGresult:
        """Have it sent, if it was not. Raises what the server said against it, or against one before it."""
        if self._result is None:
            self._together.send()
        if self._result is None:
            raise psycopg.InterfaceError("the statement was not carried out")
        return self._result

    @property
    def description(self) -> list[tuple[str]]:
        result = self.read()
        return [((result.fname(place) or b"").decode(),) for place in range(result.nfields)]

    @property
    def rowcount(self) -> int:
        return self.read().command_tuples or 0

    def fetchone(self) -> tuple[Any, ...] | None:
        self.read()
        return self._rows.pop() if self._rows else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        self.read()
        rows, self._rows = self._rows[::-1], []
        return rows

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.fetchall())


@dataclass(frozen=True, slots=True)
class _Asked:
    """A statement that was not sent yet."""

    answer: Answer
    sql: str
    values: Sequence[Any]
    types: tuple[int, ...]
    formats: Sequence[Any]


class Together:
    """What was asked of one connection, and what it has prepared."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self._raw = raw
        self._values = Transformer(raw)
        self._names: dict[tuple[str, tuple[int, ...]], bytes] = {}
        self._numbers = count()
        self._unsent: list[_Asked] = []

    def __len__(self) -> int:
        """How many were not sent yet."""
        return len(self._unsent)

    def forget_prepared(self) -> None:
        """Nothing is prepared any more."""
        self._names.clear()

    def drop(self) -> None:
        """What was not sent is not asked."""
        self._unsent.clear()

    def ask(self, sql: str, values: Sequence[Any] = ()) -> Answer:
        """To be sent with the next answer that is read. `$1` stands for the first value."""
        dumped = self._values.dump_sequence(values, [PyFormat.AUTO] * len(values))
        types, formats = self._values.types or (), self._values.formats or ()
        answer = Answer(self)
        self._unsent.append(_Asked(answer, sql, dumped, tuple(types), formats))
        if len(self._unsent) >= UNSENT_MAX:
            self.send()
        return answer

    def send(self) -> None:
        """All that was asked, and read the answers. Raises Refused or psycopg's errors for the first that fails; those
        behind it are not carried out."""
        asked, self._unsent = self._unsent, []
        if not asked:
            return
        try:
            self._exchange(asked)
        except REFUSED as error:
            raise refused(error) from error

    def _exchange(self, asked: Sequence[_Asked]) -> None:
        conn = self._raw.pgconn
        conn.enter_pipeline_mode()
        try:
            sent = [each for statement in asked for each in self._sent(conn, statement)]
            conn.pipeline_sync()
            results = self._raw.wait(_results(conn))
        finally:
            if conn.transaction_status != psycopg.pq.TransactionStatus.UNKNOWN:
                conn.exit_pipeline_mode()
        for place, (statement, result) in enumerate(zip(sent, results, strict=True)):
            if result.status == ExecStatus.FATAL_ERROR:
                self._unprepare(sent[place:])
                raise _error(result, self._raw.info.encoding)
            if isinstance(statement, _Asked):
                statement.answer.arrived(result, self._rows(result))

    def _sent(self, conn: PGconn, asked: _Asked) -> list[_Asked | tuple[str, tuple[int, ...]]]:
        """What answers come for: of one that is not prepared yet two."""
        key = asked.sql, asked.types
        out: list[_Asked | tuple[str, tuple[int, ...]]] = [asked]
        if (name := self._names.get(key)) is None:
            if len(self._names) >= PREPARED_MAX:
                conn.send_query_params(asked.sql.encode(), asked.values, asked.types, asked.formats)
                return out
            name = self._names[key] = b"reactor_%d" % next(self._numbers)
            conn.send_prepare(name, asked.sql.encode(), asked.types)
            out = [key, asked]
        conn.send_query_prepared(name, asked.values, asked.formats)
        return out

    def _unprepare(self, failed: Sequence[_Asked | tuple[str, tuple[int, ...]]]) -> None:
        """Those were not prepared, as it seems: others get other names."""
        for key in failed:
            if not isinstance(key, _Asked):
                del self._names[key]

    def _rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        if result.status != ExecStatus.TUPLES_OK:
            return []
        self._values.set_pgresult(result)
        return self._values.load_rows(0, result.ntuples, tuple)


def _results(conn: PGconn) -> Generator[waiting.Wait, waiting.Ready | int, list[PGresult]]:
    """Generator for psycopg's `wait`: all up to the end of the pipeline, one for each that was sent."""
    found: list[PGresult] = []
    unsent = conn.flush()
    while True:
        ready = yield waiting.Wait.RW if unsent else waiting.Wait.R
        if ready & waiting.Ready.W:
            unsent = conn.flush()
        if not ready & waiting.Ready.R:
            continue
        conn.consume_input()
        while not conn.is_busy():
            result = conn.get_result()
            if result is None:
                if conn.status == psycopg.pq.ConnStatus.BAD:
                    raise psycopg.OperationalError(conn.get_error_message())
                continue
            if result.status == ExecStatus.PIPELINE_SYNC:
                return found
            found.append(result)


def _error(result: PGresult, encoding: str) -> psycopg.Error:
    if result.error_field(DiagnosticField.SQLSTATE) is None:  # libpq's own word: the server is gone
        return psycopg.OperationalError(result.get_error_message(encoding))
    return error_from_result(result, encoding)
