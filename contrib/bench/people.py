"""How long people wait for each other: a greedy one, one whose server is slow, and three with a small file at times.

    python -m contrib.bench.people

All of them send links to the Telegram bot of `contrib/telegram`. Two such bots serve the same load at once, for half an
hour, with one slot each: one in turns, as the settings have it, and one first come, first served, where rows are
nobody's and keep their slot. The table is printed as `contrib/docs/benchmark.md` has it. Needs nginx, the extra `bots`,
and 8 GB of disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

from contrib.bench.chats import Chats, chats
from contrib.bench.servers import PACED, nginx
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
TURNS, FIRST_COME = "turns", "first come"
RULES: Mapping[str, Mapping[str, str]] = {TURNS: {}, FIRST_COME: {"SLICE": "0", "SLOW_MAX": "0"}}
SETTINGS = {"CONNECTIONS_PER_SERVER": "1", "MAX_WAITING": "100"}
"""Of both bots. By default a bot takes no more than 20 links of the greedy one at a time."""
NOBODYS = """CREATE TRIGGER bench_nobodys AFTER INSERT ON downloads
    BEGIN UPDATE downloads SET owner = NULL WHERE id = NEW.id; END"""
LINKS_MAX = 21
"""Of one message."""
USERS = {person: number for number, person in enumerate((*NORMAL, SLOW, GREEDY), 1)}
CAME = ("downloaded", "uploading", "uploaded")
ENDS = ("failed", "cancelled")


@dataclass(frozen=True)
class Wish:
    """A file that will be asked for, so many seconds after the begin."""

    at: float
    person: str
    mib: int
    rate: int = RATE
    number: int = 0
    """Its name."""


@dataclass
class Row:
    """What became of one, in seconds after the begin."""

    person: str
    added_at: float
    """When the message was sent."""
    begun_at: float | None = None
    done_at: float | None = None
    arrived_at: float | None = None
    """When the last of its bytes was in the chat."""


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
    """What is asked for when, the earliest first. In less than half an hour all is smaller and comes sooner."""
    dice, part = random.Random(seed), minutes / MINUTES
    wishes = [Wish(0.0, GREEDY, _mib(LONG_MIB, part))] * LONG + [Wish(0.0, GREEDY, _mib(MORE_MIB, part))] * MORE
    wishes += [Wish(60 * at * part, SLOW, _mib(SLOW_MIB, part), SLOW_RATE) for at in (1.0, MINUTES / 2)]
    spread_s = 60 * minutes * 0.9 / FILES
    for person in NORMAL:
        wishes += [Wish((n + dice.random()) * spread_s, person, _mib(FILE_MIB, part)) for n in range(FILES)]
    return [replace(wish, number=n) for n, wish in enumerate(sorted(wishes, key=lambda wish: wish.at))]


def _mib(size: int, part: float) -> int:
    return max(1, round(size * part))


def messages(wishes: Sequence[Wish]) -> Iterator[list[Wish]]:
    """What is said at once: several links of one person at a time."""
    for _, together in groupby(wishes, key=lambda wish: (wish.at, wish.person)):
        left = [*together]
        yield from (left[n : n + LINKS_MAX] for n in range(0, len(left), LINKS_MAX))


async def measure(folder: Path, minutes: float) -> dict[str, Outcome]:
    """By rule. Raises Invalid when a row fails, a file does not arrive whole, or a process ends."""
    wishes = load(minutes)
    async with AsyncExitStack() as stack:
        files, url = stack.enter_context(nginx(folder / "nginx"))
        for wish in wishes:
            with (files / f"{wish.number}.bin").open("wb") as file:
                file.truncate(wish.mib * MIB)
        queues = {}
        for rule, settings in RULES.items():
            (folder / rule).mkdir()
            told = {**SETTINGS, "SLICE": f"{SLICE_S * minutes / MINUTES:g}", **settings}
            bot = await stack.enter_async_context(chats(folder / rule, USERS.values(), told))
            queues[rule] = stack.enter_context(closing(People(bot, f"{url}/{PACED}", owned=rule != FIRST_COME)))
        began, left = time.monotonic(), [*messages(wishes)]
        while (now := time.monotonic() - began) < 60 * minutes:
            while left and left[0][0].at <= now:
                said = left.pop(0)
                for queue in queues.values():
                    queue.say(said, time.monotonic() - began)
            for queue in queues.values():
                queue.look(time.monotonic() - began)
            await asyncio.sleep(GLANCE_S)
        return {rule: queue.outcome(time.monotonic() - began) for rule, queue in queues.items()}


class People:
    """Those who talk to one bot, and what the table of its reactor says of their rows."""

    def __init__(self, chats: Chats, url: str, *, owned: bool) -> None:
        self._chats, self._url = chats, url
        self._db = sqlite3.connect(chats.database, timeout=30, isolation_level=None)
        if not owned:
            self._db.execute(NOBODYS)
        self._wishes: dict[int, Wish] = {}
        self._rows: dict[int, Row] = {}

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    def say(self, wishes: Sequence[Wish], now: float) -> None:
        """Somebody sends a message."""
        links = (f"{self._url}/{wish.number}.bin?rate={wish.rate}" for wish in wishes)
        self._chats.telegram.say("\n".join(links), by=USERS[wishes[0].person])
        self._wishes |= {wish.number: wish for wish in wishes}
        self._rows |= {wish.number: Row(wish.person, now) for wish in wishes}

    def look(self, now: float) -> None:
        """See what has begun, what is over, and what has arrived. Raises Invalid."""
        self._chats.check()
        columns = "url, status, file_path, coalesce(error_code, upload_error)"
        for url, status, path, why in self._db.execute(f"SELECT {columns} FROM downloads").fetchall():
            number = int(Path(urlsplit(url).path).stem)
            row = self._rows[number]
            if status in ENDS or (status in CAME and why):
                raise Invalid(f"a row of {row.person}'s is {status}: {why}")
            if status != "pending" and row.begun_at is None:
                row.begun_at = now
            if status in CAME and row.done_at is None:
                row.done_at = now
            if status == "uploaded" and row.arrived_at is None:
                self._check_arrived(self._wishes[number])
                row.arrived_at = now
                _delete(self._chats.database.parent / path)  # the room is needed

    def _check_arrived(self, wish: Wish) -> None:
        arrived = self._chats.telegram.arrived[USERS[wish.person], str(wish.number)]
        if arrived != wish.mib * MIB:
            raise Invalid(f"{arrived} bytes of {wish.mib} MiB have arrived of a file of {wish.person}'s")

    def outcome(self, now: float) -> Outcome:
        """What has become of them by now."""
        return Outcome(now, [*self._rows.values()])


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def markdown(outcomes: Mapping[str, Outcome]) -> str:
    """The table. A wait that had no end is counted until the end of the run, and marked."""
    lines = ["| person | files | rule | begun | done | arrived | wait: p50 | p95 | longest |"]
    lines.append("| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for person in (*NORMAL, SLOW, GREEDY):
        for rule, outcome in outcomes.items():
            rows, waits = outcome.of(person), outcome.waits(person)
            begun = sum(row.begun_at is not None for row in rows)
            done = sum(row.done_at is not None for row in rows)
            arrived = sum(row.arrived_at is not None for row in rows)
            shown = [percentile(waits, 50), percentile(waits, 95), max(waits)]
            endless = sorted(wait for wait, row in zip(waits, rows, strict=True) if row.begun_at is None)
            cells = [f"{'≥ ' if endless and value >= endless[0] else ''}{value:.0f} s" for value in shown]
            counts = (len(rows), rule, begun, done, arrived)
            lines.append(f"| {person} | {' | '.join([*map(str, counts), *cells])} |")
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
            outcomes = asyncio.run(measure(Path(folder), wanted.minutes))
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
