"""What an attempt is made of, kept beside its row for as long as it may have left something in aria2 or on the disk.

A plan is JSON. One of many parts is stored in pieces, each of some hundred parts: it is made, read and checked piece by
piece, and never written again when a part is done. What was stored is bounded when it is read, too: a plan from before
there was a limit, or of another version, is none, and its row is extracted anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, singledispatch

from pydantic import TypeAdapter, ValidationError

from reactor.core import commands
from reactor.core.events import Leftover
from reactor.core.job import Attempt
from reactor.database import contract as rows
from reactor.database.sql.connection import Connection
from reactor.numbers import PLAN_BYTES_MAX
from reactor.plan import Extraction, Fetch

ATTEMPT = "max(0, CAST(COALESCE(downloads.attempt, 0) AS INTEGER)) % 1000000000"
"""The attempt of a row as a small whole number, whatever a bot has put there."""


PIECE_FETCHES = 500
"""Parts of one piece: encoding it holds up nobody for longer than a few milliseconds."""
SHORT_BYTES_MAX = 64 * 1024
"""A plan that is no longer stands in its row."""
STORED_BYTES_MAX = PLAN_BYTES_MAX + 16 * 1024 * 1024
"""What is read: a `.torrent`, which has a limit of its own, stands in a plan beside the rest."""


class PlanTooLarge(Exception):
    """A plan of more than PLAN_BYTES_MAX, not counting a `.torrent`."""


def encode(extraction: Extraction) -> tuple[bytes, ...]:
    """A plan as it is stored: the first piece is an Extraction, each other one a list of further fetches. To be called
    before a transaction is begun. Raises PlanTooLarge."""
    fetches, pieces = extraction.fetches, list[bytes]()
    torrents = [fetch.torrent.metainfo or b"" for fetch in fetches if fetch.torrent]
    left = PLAN_BYTES_MAX + sum(4 * (len(metainfo) + 2) // 3 for metainfo in torrents)
    for first in range(0, len(fetches), PIECE_FETCHES):
        some = fetches[first : first + PIECE_FETCHES]
        if first:
            piece = _fetches().dump_json(some, exclude_defaults=True)
        else:
            head = extraction.model_copy(update={"fetches": some})
            piece = head.model_dump_json(exclude_defaults=True).encode()
        left -= len(piece)
        if left < 0:
            raise PlanTooLarge
        pieces.append(piece)
    return tuple(pieces)


def _decode(pieces: Iterable[bytes]) -> Extraction | None:
    head: Extraction | None = None
    fetches: list[Fetch] = []
    try:
        for piece in pieces:
            if head is None:
                head = Extraction.model_validate_json(piece)
            fetches += _fetches().validate_json(piece) if fetches else head.fetches
        if head is None or len(fetches) == len(head.fetches):
            return head
        return Extraction(**{**dict(head), "fetches": tuple(fetches)})
    except ValidationError:
        return None


@cache
def _fetches() -> TypeAdapter[tuple[Fetch, ...]]:
    return TypeAdapter(tuple[Fetch, ...])


FOREIGN = f"p.attempt > {ATTEMPT}"
"""Of a plan, in the place of what its row may be begun with: it is that of another row that had this id."""
OWNERS = "SELECT download_id FROM reactor_plans AS p WHERE TRUE"
LEFT_BY = "p.download_id NOT IN (SELECT value FROM json_each(:held))"
KEEPS = "done = excluded.done, published = 0"
PUT = f"""INSERT INTO reactor_plans (download_id, attempt, parts, plan, done) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (download_id) DO UPDATE SET attempt = excluded.attempt, parts = excluded.parts, plan = excluded.plan,
    {KEEPS}"""


def store(connection: Connection, save: commands.SavePlan, pieces: Sequence[bytes]) -> None:
    """In place of that of the attempt before; `pieces`: what `encode` made of it."""
    id, parts = save.attempt.download_id, len(save.extraction.fetches)
    short = len(pieces) == 1 and len(pieces[0]) <= SHORT_BYTES_MAX
    connection.execute("DELETE FROM reactor_plan_pieces WHERE download_id = ?", (id,))
    connection.execute(
        PUT,
        (id, save.attempt.number, parts, pieces[0] if short else b"", rows.ranges(save.done)),
    )
    if not short:
        connection.executemany(
            "INSERT INTO reactor_plan_pieces (download_id, n, piece) VALUES (?, ?, ?)",
            ((id, n, piece) for n, piece in enumerate(pieces)),
        )


def store_done(connection: Connection, attempt: Attempt, done: frozenset[int]) -> None:
    """These parts are whole."""
    connection.execute(
        "UPDATE reactor_plans SET done = ? WHERE download_id = ? AND attempt = ?",
        (rows.ranges(done), attempt.download_id, attempt.number),
    )


def store_published(connection: Connection, attempt: Attempt) -> None:
    """Its result is the person's, whatever becomes of the rest."""
    connection.execute(
        "UPDATE reactor_plans SET published = 1 WHERE download_id = ? AND attempt = ?",
        (attempt.download_id, attempt.number),
    )


FORGET = "DELETE FROM reactor_plans WHERE download_id = ? AND attempt <= ? RETURNING length(plan)"


@singledispatch
def forget(connection: Connection, attempt: Attempt) -> None:
    """Nothing of the attempt is left. What a later one plans stays."""
    gone = connection.execute(FORGET, (attempt.download_id, attempt.number)).fetchall()
    if gone == [(0,)]:
        connection.execute("DELETE FROM reactor_plan_pieces WHERE download_id = ?", (attempt.download_id,))


def of_row(connection: Connection, id: int) -> tuple[Extraction | None, int, frozenset[int]]:
    """What was planned for a row last, by which attempt, and which parts of it are whole. Not to be called within a
    transaction that writes: reading a long plan takes a while."""
    found = connection.execute(
        f"SELECT {_BOUNDED.format('plan', SHORT_BYTES_MAX)}, attempt, done FROM reactor_plans WHERE download_id = ?",
        (id,),
    ).fetchone()
    if found is None:
        return None, 0, frozenset()
    plan, attempt, done = found
    return _decode(_pieces(connection, id) if plan == b"" else [plan] if plan else []), attempt, rows.numbers(done)


_BOUNDED = "CASE WHEN typeof({0}) = 'blob' AND length({0}) <= {1} THEN {0} END"
"""Of a blob SQLite tells the length without reading it."""


def _pieces(connection: Connection, id: int) -> Iterator[bytes]:
    (size,) = connection.execute(
        "SELECT COALESCE(sum(length(piece)), 0) FROM reactor_plan_pieces WHERE download_id = ?", (id,)
    ).fetchone()
    if size <= STORED_BYTES_MAX:
        found = connection.execute("SELECT piece FROM reactor_plan_pieces WHERE download_id = ? ORDER BY n", (id,))
        yield from (piece for (piece,) in found)


def extent(connection: Connection, attempt: Attempt) -> tuple[int, int]:
    """By which attempt something was planned for a row last (0: by none), and how many transfers that are when it was
    this one. The plan itself is not read."""
    found = connection.execute(
        "SELECT attempt, CASE WHEN attempt = ? THEN parts ELSE 0 END FROM reactor_plans WHERE download_id = ?",
        (attempt.number, attempt.download_id),
    ).fetchone()
    return (int(found[0]), int(found[1])) if found else (0, 0)


def owners(connection: Connection) -> frozenset[int]:
    """The rows that have a plan: their staging folders are somebody's."""
    return frozenset(id for (id,) in connection.execute(OWNERS))


LEFT = f"""reactor_plans AS p LEFT JOIN downloads ON downloads.id = p.download_id
    WHERE ({ATTEMPT} >= p.attempt AND (downloads.status = 'downloading'
        OR (downloads.status = 'pending' AND downloads.stage IN ('waiting', 'yielded')))) IS NOT TRUE
        AND {LEFT_BY}"""
LEFTOVERS = f"SELECT p.download_id, p.attempt, p.parts, p.published FROM {LEFT} ORDER BY p.download_id"


def leftovers(connection: Connection, held: Sequence[int] = ()) -> tuple[Leftover, ...]:
    """The plans, apart from those of `held`, whose rows do not count on the files any more: neither under way nor
    waiting for their next attempt. A row with a smaller attempt is another one: it was replaced."""
    found = connection.execute(LEFTOVERS, {"held": json.dumps(held)})
    return tuple(
        Leftover(Attempt(id, attempt), parts, bool(published)) for id, attempt, parts, published in found.fetchall()
    )
