"""Counts how often in succession the process crashed while it worked on a row; `core.crashes` says what follows.

A crash is counted when the next process finds the row under way, in a transaction of its own that is committed before
anything of the row is read. A process that ends as it was asked to notes that, and nothing is counted. A claim starts
the count at 0."""

from __future__ import annotations

import json
from collections.abc import Sequence

from reactor.core.crashes import CRASHES_MAX, HELD_FROM
from reactor.core.job import Attempt
from reactor.database.sql.connection import Connection, machine_name
from reactor.database.sql.statements import PUT_META

LEFT = "left"
"""In reactor_meta while no reactor serves, when the last one has left in order; each machine that has a name has its
own."""
KNOWN = "SELECT download_id, attempt, crashes, at_work FROM reactor_crashes"
FORGET_ALL = "DELETE FROM reactor_crashes"


def _left(connection: Connection) -> str:
    return f"{LEFT}{machine_name(connection)}"


def leave(connection: Connection) -> None:
    """This process ends because it was asked to: no row is to be blamed."""
    connection.execute(PUT_META, (_left(connection), "1"))


def count(connection: Connection, under_way: Sequence[Attempt]) -> None:
    """Another process begins: put the death of the one before, if it was one, down to those of the rows `under_way`
    that it worked on."""
    in_order = connection.execute("DELETE FROM reactor_meta WHERE key = ? RETURNING 1", (_left(connection),)).fetchall()
    before = {
        Attempt(id, number): (crashes, at_work) for id, number, crashes, at_work in connection.execute(KNOWN).fetchall()
    }
    known = {attempt: before.get(attempt, (0, 1)) for attempt in under_way}
    if not in_order:
        known = blamed(known)
    connection.execute(FORGET_ALL)
    connection.executemany(
        "INSERT INTO reactor_crashes (download_id, attempt, crashes, at_work) VALUES (?, ?, ?, ?)",
        [(each.download_id, each.number, *state) for each, state in known.items() if state[0]],
    )


def blamed(known: dict[Attempt, tuple[int, int]]) -> dict[Attempt, tuple[int, int]]:
    """After one death more. Those that are over already stay so until their rows say it."""
    worked_on = {each: crashes for each, (crashes, at_work) in known.items() if at_work}
    tried = [each for each, crashes in worked_on.items() if crashes >= HELD_FROM]
    explained = any(worked_on.values())
    after = {each: state for each, state in known.items() if state[1] or explained or state[0] >= CRASHES_MAX}
    for each in tried:
        after[each] = (worked_on[each], 0)  # it is tried again
    # Before the last one was taken up the process has lived with the others.
    for each in [max(tried, key=lambda each: known[each][1])] if tried else worked_on:
        after[each] = (worked_on[each] + 1, int(worked_on[each] + 1 < HELD_FROM))
    return after


def of_row(connection: Connection, attempt: Attempt) -> tuple[int, bool]:
    """How often the process has died with it, and whether it is held back."""
    found = connection.execute(
        "SELECT crashes, at_work = 0 FROM reactor_crashes WHERE download_id = ? AND attempt = ?",
        (attempt.download_id, attempt.number),
    ).fetchone()
    return (found[0], bool(found[1])) if found else (0, False)


def take_up(connection: Connection, attempt: Attempt) -> None:
    """It is worked on again."""
    connection.execute(
        """UPDATE reactor_crashes SET at_work = (SELECT max(at_work) + 1 FROM reactor_crashes)
        WHERE download_id = ? AND attempt = ?""",
        (attempt.download_id, attempt.number),
    )


def forget(connection: Connection, ids: Sequence[int]) -> None:
    """The process does not die of these."""
    connection.execute(
        "DELETE FROM reactor_crashes WHERE download_id IN (SELECT value FROM json_each(?))", (json.dumps(ids),)
    )
