"""The bot's side: a process of its own that knows nothing but SQL, with Python's default durability."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from contrib.bench.servers import PATIENCE_S
from contrib.bench.validity import Invalid

LOOK_S = 0.0002
"""Between two looks at a row: what a latency is too long by at most."""
GLANCE_S = 0.005
"""Between two looks at many rows: a look takes time, which is not to be taken from those who are measured."""
FULL = 2


class Bot:
    """One connection, as a bot keeps it. Moments are nanoseconds of CLOCK_MONOTONIC."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=PATIENCE_S)
        self.commits_s: list[float] = []
        """What each of its own commits took."""
        if self._ask("PRAGMA synchronous") != FULL:
            raise Invalid("the bot's commits are not synchronous=FULL")

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    def add(self, urls: Sequence[str]) -> tuple[list[int], int]:
        """Insert rows in one transaction: their ids, and the moment the commit returned."""
        ids = [self._insert(url) for url in urls]
        return ids, self._commit()

    def cancel(self, download_id: int) -> int:
        """Ask for a stop; the moment the commit returned."""
        self._db.execute("UPDATE downloads SET cancelled = 1 WHERE id = ?", (download_id,))
        return self._commit()

    def until(self, download_id: int, status: str, patience_s: float = PATIENCE_S) -> int:
        """The moment at which the row was first read in this status. Raises Invalid when it does not come to that."""
        question = "SELECT status FROM downloads WHERE id = ?"
        ends = {"downloaded", "failed", "cancelled"} - {status}
        return self._until(
            lambda found: found == status,
            lambda found: found in ends,
            LOOK_S,
            question,
            download_id,
            patience_s=patience_s,
        )

    def until_downloaded(self, ids: Sequence[int], patience_s: float = PATIENCE_S) -> int:
        """The moment at which all of these, ids without a gap, were first read as downloaded."""
        question = """SELECT count(*) FILTER (WHERE status = 'downloaded')
            - 1000000000 * count(*) FILTER (WHERE status IN ('failed', 'cancelled'))
            FROM downloads WHERE id BETWEEN ? AND ?"""
        return self._until(
            lambda found: found == len(ids),
            lambda found: found < 0,
            GLANCE_S,
            question,
            ids[0],
            ids[-1],
            patience_s=patience_s,
        )

    def path(self, download_id: int) -> Path:
        """Where the row says that the file is."""
        return Path(self._ask("SELECT file_path FROM downloads WHERE id = ?", download_id) or "no file_path")

    def count_writes(self) -> None:
        """From now on count what is written to rows: with a trigger of the bot's own."""
        self._db.execute("CREATE TABLE bench_writes (n INTEGER)")
        self._db.execute("INSERT INTO bench_writes VALUES (0)")
        self._db.execute(
            "CREATE TRIGGER bench_count AFTER UPDATE ON downloads BEGIN UPDATE bench_writes SET n = n + 1; END"
        )
        self._db.commit()

    def writes(self) -> int:
        """How many there were."""
        return int(self._ask("SELECT sum(n) FROM bench_writes"))

    def fill(self, rows: int) -> None:
        """Put finished rows into the table."""
        self._db.execute(
            """WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
            INSERT INTO downloads (url, status, title, file_size, file_path, progress, finished_at)
            SELECT printf('https://example.com/%d/film.mkv', n), 'downloaded', printf('film %d.mkv', n), n * 1000,
                printf('downloads/film %d.mkv', n), 100, '2026-01-01 00:00:00.000' FROM numbers""",
            (rows,),
        )
        self._db.commit()

    def _insert(self, url: str) -> int:
        added = self._db.execute("INSERT INTO downloads (url) VALUES (?)", (url,)).lastrowid
        assert added is not None
        return added

    def _commit(self) -> int:
        began = time.monotonic_ns()
        self._db.commit()
        ended = time.monotonic_ns()
        self.commits_s.append((ended - began) / 1e9)
        return ended

    def _until(
        self,
        done: Callable[[Any], bool],
        lost: Callable[[Any], bool],
        pause_s: float,
        question: str,
        *values: int,
        patience_s: float = PATIENCE_S,
    ) -> int:
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            found = self._ask(question, *values)
            when = time.monotonic_ns()
            if done(found):
                return when
            if lost(found):
                break
            time.sleep(pause_s)
        raise Invalid(f"rows {values} did not come to their end: {found}")

    def _ask(self, question: str, *values: int) -> Any:
        (found,) = self._db.execute(question, values).fetchone()
        return found
