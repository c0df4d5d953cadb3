"""The bot of a storm, as a process of its own that may be killed at any moment.

    python -m tests.chaos.bot DB SEED < wishes

`wishes` is a JSON list of URLs. It keeps a few rows waiting until every URL has one, and now and then cancels one.
Started again it goes on with those that have none yet.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import time

AHEAD = 4
"""How many rows that are not final it keeps in the table."""
PAUSE_S = 0.05
CANCELS = 0.01
"""How often, of the times it looks, it cancels the row that came last."""


def main() -> None:
    path, seed = sys.argv[1:]
    wishes, dice = json.load(sys.stdin), random.Random(seed)
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    while True:
        known = {url for (url,) in db.execute("SELECT url FROM downloads")}
        left = [url for url in wishes if url not in known]
        (waiting,) = db.execute("SELECT count(*) FROM downloads WHERE status IN ('pending', 'downloading')").fetchone()
        if not left:
            return
        if waiting < AHEAD:
            with_more = left[: dice.randint(1, AHEAD - waiting)]
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO downloads (url) VALUES (?)", [(url,) for url in with_more])
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
