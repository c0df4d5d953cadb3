"""The bot of a storm, as a process of its own that may be killed at any moment.

    python -m tests.chaos.bot DB SEED < wishes

`wishes` is a JSON list of URLs. It keeps a few rows waiting until every URL has one, and now and then cancels one.
Started again it goes on with those that have none yet; so it does when a server has lost its connection.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol

import psycopg

from reactor.server_address import server_address

AHEAD = 4
"""How many rows that are not final it keeps in the table for each machine."""
MACHINES = 4
"""How many serve a queue on a server."""
OWNERS = 5
"""Whose rows stand there, in three of four storms: with them a claim takes other ways than with rows of nobody."""
PAUSE_S = 0.05
CANCELS = 0.01
"""How often, of the times it looks, it cancels the row that came last."""


class Connection(Protocol):
    """What SQLite's and psycopg's have in common."""

    def execute(self, query: Any, parameters: Any = ..., /) -> Any: ...


def main() -> None:
    place, seed = sys.argv[1:]
    wishes, dice = json.load(sys.stdin), random.Random(seed)
    if server_address(place) is None:
        serve(sqlite3.connect(place, timeout=60, isolation_level=None), "?", wishes, dice, AHEAD)
        return
    while True:
        try:
            with psycopg.connect(place, autocommit=True) as db:
                return serve(db, "%s", wishes, dice, AHEAD * MACHINES)
        except psycopg.OperationalError:
            time.sleep(PAUSE_S)


def serve(db: Connection, mark: str, wishes: Sequence[str], dice: random.Random, ahead: int) -> None:
    """Until every wish has its row. `mark` stands for a value in a statement."""
    owners = OWNERS if mark != "?" and dice.random() < 0.75 else 0
    while True:
        known = {url for (url,) in db.execute("SELECT url FROM downloads")}
        left = [url for url in wishes if url not in known]
        (waiting,) = db.execute("SELECT count(*) FROM downloads WHERE status IN ('pending', 'downloading')").fetchone()
        if not left:
            return
        if waiting < ahead:
            with_more = left[: dice.randint(1, ahead - waiting)]
            db.execute("BEGIN IMMEDIATE" if mark == "?" else "BEGIN")
            for url in with_more:
                if owners:
                    whose = str(dice.randrange(owners))
                    db.execute(f"INSERT INTO downloads (url, owner) VALUES ({mark}, {mark})", (url, whose))
                else:
                    db.execute(f"INSERT INTO downloads (url) VALUES ({mark})", (url,))
            time.sleep(dice.random() * 0.02)  # a transaction takes its time, and may be killed in its midst
            db.execute("COMMIT")
        if dice.random() < CANCELS:
            db.execute(
                "UPDATE downloads SET cancelled = 1 WHERE id ="
                " (SELECT max(id) FROM downloads WHERE status IN ('pending', 'downloading'))"
            )
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
