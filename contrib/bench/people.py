"""How long people wait for each other: a greedy one, one whose server is slow, and three with a small file at times.

    python -m contrib.bench.people

Two reactors serve the same load at once, for half an hour, with one slot each: one in turns, as the settings have it,
and one first come, first served, where rows are nobody's and keep their slot. The table is printed as
`contrib/docs/benchmark.md` has it. Needs nginx, and 4 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from contrib.bench.servers import PACED, nginx
from contrib.bench.subjects import Reactor
from contrib.bench.validity import Invalid, percentile

MIB = 1024 * 1024
MINUTES = 30.0
RATE, SLOW_RATE = MIB, 20 * 1024
"""Bytes/s that one connection gets."""
GREEDY, SLOW = "greedy", "slow"
NORMAL = ("normal 1", "normal 2", "normal 3")
FILES = 8
"""Of each normal person."""
FILE_MIB, LONG_MIB, MORE_MIB, SLOW_MIB = 10, 900, 60, 400
LONG, MORE = 3, 60
"""Files that the greedy one adds at once."""
SLICE_S = 300.0
GLANCE_S = 0.2
RULES: Mapping[str, Mapping[str, str]] = {"turns": {}, "first come": {"SLICE": "0", "SLOW_MAX": "0"}}
ENDS = ("failed", "cancelled")


@dataclass(frozen=True)
class Wish:
    """A row that will be added, so many seconds after the begin."""

    at: float
    person: str
    mib: int
    rate: int = RATE


@dataclass
class Row:
    """What became of one, in seconds after the begin."""

    person: str
    added_at: float
    begun_at: float | None = None
    done_at: float | None = None


@dataclass
class Outcome:
    """What became of all of them under one rule, when it ended."""

    ended_at: float
    rows: list[Row] = field(default_factory=list)

    def waits(self, person: str) -> list[float]:
        """Seconds until each row of one person was begun; of one that was not, until the end."""
        return [(self.ended_at if row.begun_at is None else row.begun_at) - row.added_at for row in self.of(person)]

    def of(self, person: str) -> list[Row]:
        """The rows of one."""
        return [row for row in self.rows if row.person == person]


def load(minutes: float, seed: int = 3) -> list[Wish]:
    """What is added when, the earliest first. In less than half an hour all is smaller and comes sooner."""
    dice, part = random.Random(seed), minutes / MINUTES
    wishes = [Wish(0.0, GREEDY, _mib(LONG_MIB, part))] * LONG + [Wish(0.0, GREEDY, _mib(MORE_MIB, part))] * MORE
    wishes += [Wish(60 * at * part, SLOW, _mib(SLOW_MIB, part), SLOW_RATE) for at in (1.0, MINUTES / 2)]
    spread_s = 60 * minutes * 0.9 / FILES
    for person in NORMAL:
        wishes += [Wish((n + dice.random()) * spread_s, person, _mib(FILE_MIB, part)) for n in range(FILES)]
    return sorted(wishes, key=lambda wish: wish.at)


def _mib(size: int, part: float) -> int:
    return max(1, round(size * part))


def measure(folder: Path, minutes: float) -> dict[str, Outcome]:
    """By rule. Raises Invalid when a row fails, or a reactor ends."""
    wishes = load(minutes)
    with ExitStack() as stack:
        files, url = stack.enter_context(nginx(folder / "nginx"))
        for size in {wish.mib for wish in wishes}:
            with (files / f"{size}.bin").open("wb") as file:
                file.truncate(size * MIB)
        queues = {}
        for rule, settings in RULES.items():
            (folder / rule).mkdir()
            slice_s = {"SLICE": f"{SLICE_S * minutes / MINUTES:g}"} if rule == "turns" else {}
            subject = Reactor(folder / rule, {"CONNECTIONS_PER_SERVER": "1", **slice_s, **settings})
            stack.enter_context(subject.running())
            queues[rule] = stack.enter_context(closing(People(subject.db, f"{url}/{PACED}", owned=rule == "turns")))
        began = time.monotonic()
        for wish in _when_due(wishes, began, 60 * minutes, queues.values()):
            for queue in queues.values():
                queue.add(wish, time.monotonic() - began)
        return {rule: queue.outcome(time.monotonic() - began) for rule, queue in queues.items()}


def _when_due(wishes: Sequence[Wish], began: float, seconds: float, queues: Collection[People]) -> Iterator[Wish]:
    """Each when it is to be added; meanwhile, and until the end, the queues are looked at."""
    left = [*wishes]
    while (now := time.monotonic() - began) < seconds:
        while left and left[0].at <= now:
            yield left.pop(0)
        for queue in queues:
            queue.look(time.monotonic() - began)
        time.sleep(GLANCE_S)


class People:
    """The bot of one reactor."""

    def __init__(self, path: Path, url: str, *, owned: bool) -> None:
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._url, self._owned = url, owned
        self._rows: dict[int, Row] = {}

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    def add(self, wish: Wish, now: float) -> None:
        """A row of one person's: in its name where rows have owners."""
        url = f"{self._url}/{wish.mib}.bin?rate={wish.rate}&n={len(self._rows)}"
        owner = wish.person if self._owned else None
        id = self._db.execute("INSERT INTO downloads (url, owner) VALUES (?, ?)", (url, owner)).lastrowid
        assert id is not None
        self._rows[id] = Row(wish.person, now)

    def look(self, now: float) -> None:
        """See what has begun and what is over. Raises Invalid when one has failed."""
        for id, status, path, code in self._db.execute("SELECT id, status, file_path, error_code FROM downloads"):
            row = self._rows[id]
            if status in ENDS:
                raise Invalid(f"a row of {row.person}'s ended as {status}: {code}")
            if status != "pending" and row.begun_at is None:
                row.begun_at = now
            if status == "downloaded" and row.done_at is None:
                row.done_at = now
                Path(path).unlink()  # the room is needed

    def outcome(self, now: float) -> Outcome:
        """What has become of them by now."""
        return Outcome(now, [*self._rows.values()])


def markdown(outcomes: Mapping[str, Outcome]) -> str:
    """The table. A wait that had no end is counted until the end of the run, and marked."""
    lines = ["| person | files | rule | begun | done | wait: p50 | p95 | longest |"]
    lines.append("| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    for person in (*NORMAL, SLOW, GREEDY):
        for rule, outcome in outcomes.items():
            rows, waits = outcome.of(person), outcome.waits(person)
            begun = sum(row.begun_at is not None for row in rows)
            done = sum(row.done_at is not None for row in rows)
            shown = [percentile(waits, 50), percentile(waits, 95), max(waits)]
            endless = sorted(wait for wait, row in zip(waits, rows, strict=True) if row.begun_at is None)
            cells = [f"{'≥ ' if endless and value >= endless[0] else ''}{value:.0f} s" for value in shown]
            lines.append(f"| {person} | {len(rows)} | {rule} | {begun} | {done} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """0: measured; 1: the run is invalid."""
    parser = argparse.ArgumentParser(prog="python -m contrib.bench.people", description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="default: %(default)g; all is scaled with it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="each row with its moments")
    parser.add_argument("--folder", type=Path, help="where the files go meanwhile")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reactor-people-", dir=wanted.folder) as folder:
        try:
            outcomes = measure(Path(folder), wanted.minutes)
        except Invalid as error:
            print(f"people: the run is invalid: {error}", file=sys.stderr)
            return 1
    print(markdown(outcomes), end="")
    if wanted.json:
        rows = {rule: asdict(outcome) for rule, outcome in outcomes.items()}
        wanted.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
