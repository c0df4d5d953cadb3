"""How many rows machines claim and end in a second on PostgreSQL, and what bounds it: the same claims with nothing
around them, by plain clients of psycopg. The database, the machines and the clients share this machine."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from typing import Any

import anyio
import psycopg

from contrib.bench.bench import Bench
from contrib.bench.report import Row
from contrib.bench.servers import ROOT
from contrib.bench.validity import Invalid
from reactor.core.commands import ChargeOwner, PollRows, Save, SaveDownloaded
from reactor.core.lease import BEAT_S
from reactor.database.engine import open_store
from reactor.database.postgres.connection import FLUSH, PLANS, PostgresConnection
from reactor.database.sql.order import PLACE
from reactor.database.sql.statements import READY
from reactor.database.store import Store
from tests.database.postgres.server import Server

CLAIMERS = 8
CLAIMS_MIN = 600
WARM_UP = 20
"""Claims of each machine that are not counted: its statements are prepared, and it has met the others."""
ROOM = 4
"""So many times as many rows as are claimed."""
OWNERS = 10_000
GREEDY = "greedy"
"""Whose every second row is."""
NOW = 1_800_000_000.0
TRIES = 10
"""Looks for each row that is claimed."""


def claims(bench: Bench, server: Server, database: str) -> list[Row]:
    """Rows of many owners, one of them greedy: claimed, ended and charged, in commits of their own."""
    each = bench.scale.claims
    url, path = server.url(database), str(bench.place("sqlite") / "bot.db")
    rows = (each + WARM_UP) * CLAIMERS * ROOM
    anyio.run(filled, path, rows)
    ours = _rate(path, "machine", 1, each)
    found = []
    for number, kind in ((1, "machine"), (CLAIMERS, "machine"), *((CLAIMERS, bound) for bound in BOUNDS)):
        anyio.run(filled, url, rows)
        if kind in BOUNDS:
            server.sql(ACCOUNTS, database)
        theirs = _rate(url, kind, number, each)
        whole = kind == "machine" and number == CLAIMERS
        what = f"bound: {kind}" if kind in BOUNDS else "fair claims with their ends"
        found.append(
            beside_sqlite(
                f"{what}, {number} machine{'s' if number > 1 else ''}",
                "claims/s",
                theirs,
                ours,
                f"≥ {CLAIMS_MIN}/s" if whole else None,
                theirs >= CLAIMS_MIN if whole else None,
            )
        )
    return found


def beside_sqlite(
    figure: str, unit: str, measured: float, sqlite: float | None, target: str | None, met: bool | None
) -> Row:
    """A figure of PostgreSQL."""
    ratio = None if sqlite is None else (measured / sqlite if unit.endswith(("/s", "/min")) else sqlite / measured)
    note = "PostgreSQL: the rival is one reactor on SQLite; fsync is on. All share this machine."
    return Row(f"PostgreSQL: {figure}", unit, measured, sqlite, ratio, target, met, note)


async def filled(place: str, rows: int) -> None:
    """A queue of so many rows, and nothing else in it."""
    async with open_store(place, owner="fill"):
        pass
    values = [(f"http://host.example/{n}", str(n % OWNERS) if n % 2 else GREEDY) for n in range(rows)]
    insert = "INSERT INTO downloads (url, owner) VALUES "
    if place.startswith("postgresql:"):
        with psycopg.connect(place) as there, there.cursor() as cursor:
            cursor.execute("TRUNCATE downloads, reactor_owners")
            cursor.execute("DELETE FROM reactor_meta WHERE key IN ('turn', 'bound')")
            cursor.executemany(f"{insert} (%s, %s)", values)
            there.execute("DELETE FROM reactor_machines")
        return
    with closing(sqlite3.connect(place)) as here, here:
        here.executemany(f"{insert} (?, ?)", values)


def _rate(place: str, kind: str, machines: int, each: int) -> float:
    """Claims a second of so many processes."""
    with ExitStack() as stack:
        started: list[Any] = []
        for number in range(machines):
            command = [sys.executable, "-m", "contrib.bench.claims", place, kind, str(number), str(each)]
            pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "cwd": ROOT, "text": True}
            started.append(stack.enter_context(subprocess.Popen(command, **pipes)))
        for process in started:
            process.stdout.readline()
        began = time.monotonic()
        for process in started:
            process.stdin.write("go\n")
            process.stdin.flush()
        done = [int(process.stdout.readline() or "0") for process in started]
        took = time.monotonic() - began
    if done != [each] * machines:
        raise Invalid(f"claims: {done} instead of {each} each")
    return sum(done) / took


# One process of `_rate`


def _say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def _machine(place: str, name: str, each: int) -> None:
    """A reactor's own claims and ends."""
    async with open_store(place, owner=name) as store:
        await _claim(store, WARM_UP)
        _say("ready")
        sys.stdin.readline()
        _say(await _claim(store, each))


async def _claim(store: Store, wanted: int) -> int:
    done, renewed = 0, 0.0
    for _ in range(wanted * TRIES):
        if store.leased and time.monotonic() - renewed > BEAT_S:
            await store.renew_lease()
            renewed = time.monotonic()
        seen = (await store.poll(PollRows((), 1), NOW, 60.0)).rows
        for row in seen.claimed:
            ended: list[Save] = [SaveDownloaded(row.attempt, "/downloads/a", 1, None)]
            await store.save([*ended, ChargeOwner(row.attempt, row.owner, 10.0)], NOW)
            done += 1
        if done == wanted:
            break
    return done


# Bounds

CLAIM = """WITH mine AS MATERIALIZED (
        SELECT owner FROM reactor_owners WHERE owner > {after} ORDER BY owner LIMIT 1 {how}),
    took AS (UPDATE downloads SET status = 'downloading', attempt = 1, stage = 'detecting', claimed_by = %(name)s,
        lease_until = 0, started_at = '2027-01-15 08:00:00.000' WHERE id = (SELECT id FROM downloads
        WHERE {ready} AND owner = (SELECT owner FROM mine) ORDER BY owner, {place} LIMIT 1) RETURNING id),
    noted AS (UPDATE {noted})
    SELECT owner, (SELECT id FROM took) FROM mine"""
END = """WITH ended AS (UPDATE downloads SET status = 'downloaded', stage = NULL, claimed_by = NULL, lease_until = NULL,
    file_path = '/downloads/a', file_size = 1, machine = %(name)s, finished_at = '2027-01-15 08:00:00.000',
    progress = 100 WHERE id = %(id)s AND attempt = 1 AND status = 'downloading' RETURNING owner)
    UPDATE reactor_owners SET tag = tag + 10 WHERE owner = (SELECT owner FROM ended)"""
OWNERS_ROW = {
    "after": "%(after)s",
    "how": "FOR UPDATE SKIP LOCKED",
    "noted": "reactor_owners SET tag = tag WHERE owner = (SELECT owner FROM mine)",
}
ONE_FOR_ALL = {
    "after": "(SELECT value FROM reactor_meta WHERE key = 'bound')",
    "how": "",
    "noted": "reactor_meta SET value = (SELECT owner FROM mine) WHERE key = 'bound'",
}
BOUNDS = {"the owner's row is the lock": OWNERS_ROW, "one lock for all": ONE_FOR_ALL}
LOCKING = "BEGIN", "SELECT set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock(1)"
ACCOUNTS = """INSERT INTO reactor_owners (owner) SELECT DISTINCT owner FROM downloads;
    INSERT INTO reactor_meta (key, value) VALUES ('bound', '')"""


class _Client:
    """The least that a claim takes whose lock is of this kind, and the end of its row."""

    def __init__(self, place: str, number: int, kind: str) -> None:
        self._raw = psycopg.connect(place, autocommit=True, prepare_threshold=0)
        for statement in PLANS.split("; "):
            self._raw.execute(statement.encode())
        owners = self._raw.execute("SELECT owner FROM reactor_owners ORDER BY owner").fetchall()
        ((self._after,),) = owners[number * len(owners) // CLAIMERS :][:1]  # each goes through owners of its own
        self._name, self._alone = f"m{number}", BOUNDS[kind] is ONE_FOR_ALL
        there = PostgresConnection(self._raw)
        there.learn()
        ready, place = (there.words.spoken(each) for each in (READY, PLACE))
        self._statement = CLAIM.format(ready=ready, place=place, **BOUNDS[kind]).encode()

    def claim(self, wanted: int) -> int:
        """So many, or as many as there are."""
        done = 0
        for _ in range(wanted * TRIES):
            found = self._claimed_alone() if self._alone else self._claimed()
            self._after, id = found or ("", None)
            if id is not None:
                self._raw.execute(END, {"name": self._name, "id": id})
                done += 1
            if done == wanted:
                break
        return done

    def _claimed(self) -> Any:
        return self._ask().fetchone()

    def _ask(self) -> Any:
        return self._raw.execute(self._statement, {"name": self._name, "after": self._after})

    def _claimed_alone(self) -> Any:
        with self._raw.pipeline():
            for statement in LOCKING:
                self._raw.execute(statement.encode())
            answer = self._ask()
            for statement in ("COMMIT", *FLUSH):
                self._raw.execute(statement.encode())
        return answer.fetchone()


def _bound(place: str, number: int, kind: str, each: int) -> None:
    client = _Client(place, number, kind)
    client.claim(WARM_UP)
    _say("ready")
    sys.stdin.readline()
    _say(client.claim(each))


if __name__ == "__main__":
    where, what, which, how_many = sys.argv[1:]
    if what in BOUNDS:
        _bound(where, int(which), what, int(how_many))
    else:
        anyio.run(_machine, where, f"m{which}", int(how_many))
