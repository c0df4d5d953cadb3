"""Several reactors that serve one queue on PostgreSQL, beside one on SQLite: how soon, how fast, how many claims, and
what a lost one costs. Server, reactors and web server share this machine."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import psycopg

from contrib.bench.bench import Bench
from contrib.bench.bot import GLANCE_S, Bot
from contrib.bench.claims import NOW, beside_sqlite, claims, filled
from contrib.bench.latencies import POLL_S, download
from contrib.bench.report import Row
from contrib.bench.servers import PATIENCE_S
from contrib.bench.small import make_small
from contrib.bench.subjects import Reactor, Subject
from contrib.bench.validity import Invalid, Samples, check_folder
from reactor.core.commands import PollRows, ProgressOf, SaveProgress
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
FILES_MAX = 200
SMALL_S = 300.0
"""As long as these may take, on a machine with much else to do."""
PICKUP_MS, PICKUP_P99_MS = 15, 60
TAKEOVER_MAX_S = 35
HOT_MIN = 99.0
PROGRESSES, WRITES = 50, 200
"""Rows under way, and how often the progress of all is written."""
BYTES, RATE = 20_000_000, 100_000
"""Of a file that is under way for as long as it is needed."""
DATABASE = "bot"
SETTLE_S = 15.0
STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (.{0,80})")


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
        figures: tuple[Callable[[Bench, Server], list[Row]], ...] = (
            _pickups,
            _claims,
            _idle,
            _small,
            _progress,
            _takeover,
        )
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
        beside_sqlite(
            "pick-up, median", "ms", theirs.median, ours.median, f"≤ {PICKUP_MS} ms", theirs.median <= PICKUP_MS
        ),
        beside_sqlite("pick-up, p99", "ms", theirs.p99, ours.p99, f"≤ {PICKUP_P99_MS} ms", theirs.p99 <= PICKUP_P99_MS),
    ]


def _claims(bench: Bench, server: Server) -> list[Row]:
    return claims(bench, server, DATABASE)


def _idle(bench: Bench, server: Server) -> list[Row]:
    """What the server is asked by a machine that has nothing to do, and by the connection that hears of changes."""
    server.sql(f"ALTER DATABASE {DATABASE} SET log_statement = 'all'")
    with PostgresReactor(bench.place("idle"), server.url(DATABASE)).running():
        time.sleep(SETTLE_S)
        before = len(server.log)
        time.sleep(bench.scale.window_s)
        asked = STATEMENT.findall(server.log[before:])
    per_beat = len(asked) / bench.scale.window_s * BEAT_S
    figure = f"statements of an idle machine in {BEAT_S:g} s"
    return [beside_sqlite(figure, "", per_beat, None, "≤ 1", per_beat <= 1)]


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
        rows.append(
            beside_sqlite(f"{len(names)} files of 20 kB, {machines} reactor(s)", "rows/min", rate, alone, None, None)
        )
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
    return [beside_sqlite(note_rows, "%", share, None, f"≥ {HOT_MIN:g} %", share >= HOT_MIN)]


async def _written(url: str, server: Server) -> tuple[int, int]:
    def counted() -> tuple[int, int]:
        with psycopg.connect(url, autocommit=True) as asking:
            asking.execute("SELECT pg_stat_force_next_flush()")
            found = asking.execute(
                "SELECT n_tup_hot_upd, n_tup_upd FROM pg_stat_user_tables WHERE relname = 'downloads'"
            ).fetchone()
        assert found is not None
        return int(found[0]), int(found[1])

    await filled(url, PROGRESSES)
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
    return [beside_sqlite(figure, "s", took, None, f"≤ {TAKEOVER_MAX_S} s", took <= TAKEOVER_MAX_S)]
