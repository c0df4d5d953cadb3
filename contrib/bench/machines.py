"""Several reactors that serve one queue on PostgreSQL, beside one on SQLite: how soon, how fast, how many claims, and
what a lost one costs. Server, reactors and web server share this machine."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import anyio
import psycopg

from contrib.bench.bench import Bench
from contrib.bench.bot import GLANCE_S, Bot
from contrib.bench.latencies import POLL_S, download
from contrib.bench.report import Row
from contrib.bench.servers import PATIENCE_S, ROOT
from contrib.bench.small import make_small
from contrib.bench.subjects import Reactor, Subject
from contrib.bench.validity import Invalid, Samples, check_folder
from reactor.core.commands import ChargeOwner, PollRows, ProgressOf, Save, SaveDownloaded, SaveProgress
from reactor.core.lease import BEAT_S
from reactor.database.engine import open_store
from tests.database.postgres.server import Server, serving

DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "shared_buffers": "128MB",
    "max_connections": "100",
}
MACHINES = (1, 2, 4, 8)
CLAIMERS = 8
FILES_MAX = 200
SMALL_S = 300.0
"""As long as these may take, on a machine with much else to do."""
OWNERS = 10_000
GREEDY = "greedy"
PICKUP_MS, PICKUP_P99_MS = 15, 60
CLAIMS_MIN = 600
TAKEOVER_MAX_S = 35
HOT_MIN = 99.0
PROGRESSES, WRITES = 50, 200
"""Rows under way, and how often the progress of all is written."""
BYTES, RATE = 20_000_000, 100_000
"""Of a file that is under way for as long as it is needed."""
NOW = 1_800_000_000.0
DATABASE = "bot"


class PostgresBot(Bot):
    """The same bot on a server. It says in its transaction that there is something, as `Queue` does."""

    def __init__(self, url: str) -> None:
        self._db: Any = psycopg.connect(url)
        self.commits_s = []

    def _insert(self, url: str) -> int:
        self._db.execute("NOTIFY reactor")
        (id,) = self._db.execute("INSERT INTO downloads (url) VALUES (%s) RETURNING id", (url,)).fetchone()
        return int(id)

    def until_served_by(self, machine: str, download_id: int, patience_s: float) -> None:
        """Return when the row is under way there. Raises Invalid when it does not come to that."""
        question = f"SELECT claimed_by = '{machine}' AND stage = 'fetching' FROM downloads WHERE id = ?"
        self._until(
            lambda found: found is True, lambda _: False, GLANCE_S, question, download_id, patience_s=patience_s
        )

    def cancel(self, download_id: int) -> int:
        self._db.execute("UPDATE downloads SET cancelled = 1 WHERE id = %s", (download_id,))
        return self._commit()

    def _ask(self, question: str, *values: int) -> Any:
        (found,) = self._db.execute(question.replace("?", "%s"), values).fetchone()
        self._db.commit()  # the next look sees what was committed since
        return found


class PostgresReactor(Reactor):
    """One of the machines."""

    def __init__(self, folder: Path, url: str, name: str = "m") -> None:
        settings = {"DOWNLOAD_DB": url, "MACHINE_NAME": name, "XDG_DATA_HOME": str(folder / "data")}
        super().__init__(folder, settings)
        self._url = url

    bot: PostgresBot

    def _bot(self) -> Bot:
        return PostgresBot(self._url)


def postgres(bench: Bench) -> list[Row]:
    """All figures of a queue on a server."""
    with serving(**DURABLE) as server:
        figures: tuple[Callable[[Bench, Server], list[Row]], ...] = (_pickups, _claims, _small, _progress, _takeover)
        rows: list[Row] = []
        for figure in figures:
            bench.say(f"postgres: {figure.__name__.strip('_')}")
            server.sql(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
            server.sql(f"CREATE DATABASE {DATABASE} TEMPLATE template0")
            rows += figure(bench, server)
        return rows


def _pickups(bench: Bench, server: Server) -> list[Row]:
    """From the commit to the request."""
    wanted = bench.scale.samples
    theirs, ours = Samples("pick-up, PostgreSQL", wanted), Samples("pick-up, SQLite", wanted)
    with (
        PostgresReactor(bench.place("postgres"), server.url(DATABASE)).running() as there,
        Reactor(bench.place("sqlite")).running() as here,
    ):
        for pause in bench.spread(wanted, POLL_S):
            subjects: tuple[tuple[Subject, Samples], ...] = ((there, theirs), (here, ours))
            for subject, samples in subjects:
                time.sleep(pause)
                samples.add(download(bench, subject, 0)[0])
    return [
        _row("pick-up, median", "ms", theirs.median, ours.median, f"≤ {PICKUP_MS} ms", theirs.median <= PICKUP_MS),
        _row("pick-up, p99", "ms", theirs.p99, ours.p99, f"≤ {PICKUP_P99_MS} ms", theirs.p99 <= PICKUP_P99_MS),
    ]


def _row(figure: str, unit: str, measured: float, sqlite: float | None, target: str | None, met: bool | None) -> Row:
    ratio = None if sqlite is None else (measured / sqlite if unit.endswith(("/s", "/min")) else sqlite / measured)
    note = "PostgreSQL: the rival is one reactor on SQLite; fsync is on. All share this machine."
    return Row(f"PostgreSQL: {figure}", unit, measured, sqlite, ratio, target, met, note)


# Claims


def _claims(bench: Bench, server: Server) -> list[Row]:
    """Rows of many owners, one of them greedy: claimed, ended and charged, in commits of their own."""
    each = bench.scale.claims
    url = server.url(DATABASE)
    path = bench.place("sqlite") / "bot.db"
    for place in (url, str(path)):
        anyio.run(_filled, place, each * CLAIMERS * 2)
    ours = _claimed(str(path), 1, each)
    rows = []
    for machines in (1, CLAIMERS):
        theirs = _claimed(url, machines, each)
        whole = machines == CLAIMERS
        rows.append(
            _row(
                f"fair claims with their ends, {machines} machine{'s' if whole else ''}, beside SQLite's one",
                "claims/s",
                theirs,
                ours,
                f"≥ {CLAIMS_MIN}/s" if whole else None,
                theirs >= CLAIMS_MIN if whole else None,
            )
        )
    return rows


async def _filled(place: str, rows: int) -> None:
    async with open_store(place, owner="fill"):
        pass
    values = [(f"http://host.example/{n}", str(n % OWNERS) if n % 2 else GREEDY) for n in range(rows)]
    insert = "INSERT INTO downloads (url, owner) VALUES "
    if place.startswith("postgresql:"):
        with psycopg.connect(place) as there, there.cursor() as cursor:
            cursor.executemany(f"{insert} (%s, %s)", values)
            there.execute("DELETE FROM reactor_machines")
        return
    with closing(sqlite3.connect(place)) as here, here:
        here.executemany(f"{insert} (?, ?)", values)


def _claimed(place: str, machines: int, each: int) -> float:
    """Claims a second of so many processes."""
    with ExitStack() as stack:
        started: list[Any] = []
        for number in range(machines):
            command = [sys.executable, "-m", "contrib.bench.machines", place, f"m{number}", str(each)]
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


async def claim(place: str, name: str, each: int) -> None:
    """One process of `_claimed`."""
    done = 0
    async with open_store(place, owner=name) as store:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        renewed = 0.0
        for _ in range(each * 10):
            if store.leased and time.monotonic() - renewed > BEAT_S:
                await store.renew_lease()
                renewed = time.monotonic()
            seen = (await store.poll(PollRows((), 1), NOW, 60.0)).rows
            for row in seen.claimed:
                ended: list[Save] = [SaveDownloaded(row.attempt, "/downloads/a", 1, None)]
                await store.save([*ended, ChargeOwner(row.attempt, row.owner, 10.0)], NOW)
                done += 1
            if done == each:
                break
    sys.stdout.write(f"{done}\n")
    sys.stdout.flush()


# Files


def _small(bench: Bench, server: Server) -> list[Row]:
    """Rows a minute of 20 kB files, as the machines become more; each has one slot, as by default."""
    files, url = bench.nginx
    names = make_small(files, min(FILES_MAX, bench.scale.small_files))
    with Reactor(bench.place("sqlite")).running() as reactor:
        alone = _rate([reactor], url, files, names)
    rows = []
    for machines in MACHINES:
        with ExitStack() as stack:
            there: list[Subject] = []
            for number in range(machines):
                place = bench.place(f"machine-{number}")
                made = PostgresReactor(place, server.url(DATABASE), f"machine-{number}")
                there.append(stack.enter_context(made.running()))
            rate = _rate(there, url, files, names)
        rows.append(_row(f"{len(names)} files of 20 kB, {machines} reactor(s)", "rows/min", rate, alone, None, None))
    return rows


def _rate(there: Sequence[Subject], url: str, files: Path, names: list[str]) -> float:
    """Rows a minute; nothing of the files is left."""
    rows, committed = there[0].bot.add([f"{url}/{name}" for name in names])
    took = (there[0].bot.until_downloaded(rows, SMALL_S) - committed) / 1e9
    for subject in there:
        mine = [name for name in names if (subject.downloads / name).exists()]
        check_folder(subject.downloads, files, mine)
        for name in mine:
            (subject.downloads / name).unlink()
    return len(names) / took * 60


# Progress


def _progress(bench: Bench, server: Server) -> list[Row]:
    """How many of the writes of progress stay within their page."""
    url = server.url(DATABASE)
    hot, all_of_them = anyio.run(_written, url, server)
    share = 100 * hot / all_of_them
    note_rows = f"of {all_of_them:,} progress writes, those that are HOT"
    return [_row(note_rows, "%", share, None, f"≥ {HOT_MIN:g} %", share >= HOT_MIN)]


async def _written(url: str, server: Server) -> tuple[int, int]:
    def counted() -> tuple[int, int]:
        with psycopg.connect(url, autocommit=True) as asking:
            asking.execute("SELECT pg_stat_force_next_flush()")
            found = asking.execute(
                "SELECT n_tup_hot_upd, n_tup_upd FROM pg_stat_user_tables WHERE relname = 'downloads'"
            ).fetchone()
        assert found is not None
        return int(found[0]), int(found[1])

    await _filled(url, PROGRESSES)
    async with open_store(url, owner="progress") as store:
        await store.renew_lease()
        claimed = (await store.poll(PollRows((), PROGRESSES), NOW, 60.0)).rows.claimed
    before = counted()
    async with open_store(url, owner="progress") as store:
        for write in range(WRITES):
            moved = tuple(ProgressOf(row.attempt, float(write), 1000 + write, 60 - write, 10_000) for row in claimed)
            await store.save([SaveProgress(moved)], NOW)
    after = counted()
    if (writes := after[1] - before[1]) != len(claimed) * WRITES or len(claimed) != PROGRESSES:
        raise Invalid(f"progress: {writes} writes of {len(claimed)} rows")
    return after[0] - before[0], writes


# A lost machine


def _takeover(bench: Bench, server: Server) -> list[Row]:
    """From the moment one is stopped until what it had is under way on another."""
    url, name = server.url(DATABASE), "takeover.bin"
    with PostgresReactor(bench.place("lost"), url, "lost").running() as lost:
        (row,), _ = lost.bot.add([bench.server.url(name, BYTES, rate=RATE)])
        bench.server.when("get", name)
        with PostgresReactor(bench.place("other"), url, "other").running() as other:
            lost.process.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            try:
                other.bot.until_served_by("other", row, TAKEOVER_MAX_S + PATIENCE_S)
                took = time.monotonic() - began
            finally:
                lost.process.send_signal(signal.SIGCONT)
            other.bot.cancel(row)
            other.bot.until(row, "cancelled")
    figure = "a machine is stopped → what it had is under way elsewhere"
    return [_row(figure, "s", took, None, f"≤ {TAKEOVER_MAX_S} s", took <= TAKEOVER_MAX_S)]


if __name__ == "__main__":
    anyio.run(claim, sys.argv[1], sys.argv[2], int(sys.argv[3]))
