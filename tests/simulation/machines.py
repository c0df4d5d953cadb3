"""Several reactors that serve one queue, drawn from one seed: each has its own aria2, disk and way to the database, and
is stopped, cut off, killed or asked to end; replies get lost, and its clock on the wall jumps.

The queue is SQLite in memory with the statements that PostgreSQL is asked, put into SQLite's words (`_spoken`). In the
end every row has one file, on one machine; meanwhile nobody begins or goes on with anything without a lease, and what a
lost machine had is taken over in time.

    python -m tests.simulation.machines FIRST COUNT
"""

from __future__ import annotations

import heapq
import json
import math
import random
import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any, cast

from reactor.core import commands, events
from reactor.core.commands import Timing
from reactor.core.context import Limits
from reactor.core.job import Attempt
from reactor.core.lease import HELD_S
from reactor.core.retry import RetryPolicy
from reactor.database.postgres import machines
from reactor.database.postgres.machines import DEAD_S, TAKEOVERS_MAX
from reactor.database.postgres.waking import NOTIFY
from reactor.database.postgres.words import MACHINE, RULES
from reactor.database.sql import crashes, downloads, plans, saving, statements
from reactor.database.sql.connection import machine_name
from reactor.database.sqlite.migration import migrate
from reactor.database.store import Unsaved
from tests.simulation.aria2 import Aria2
from tests.simulation.checks import FINAL, Checks
from tests.simulation.process import Process
from tests.simulation.rows import Sites
from tests.simulation.world import DRAIN_S, DRAINED_AT, DRAINED_EACH, EPOCH, JUMPS_S, World

NAMES = "abc"
STORM_S, CALM_S = 150.0, 600.0
ROWS, TROUBLES = 12, 7
POLL_S = 2.0
REPLY_LOST = 0.04
TROUBLE_S = (3.0, 25.0, 45.0, 110.0)
LONG_S = 45.0
"""A trouble of at least this length has the rows of its machine taken over."""
TAKEN_S = DEAD_S + 3.0
"""So long that takes, when others were there: the way to the database and back, and a reply that is lost."""
SETTLED_S = 10.0
"""So long after its last trouble a machine has renewed its lease again, and may take over DEAD_S later."""
STOPPED_S = 2.0
"""So long after the end of its lease a machine may need until aria2 has stopped."""
STEPS_MAX = 60_000

TABLES = """
ALTER TABLE reactor_plans ADD COLUMN machine text;
ALTER TABLE reactor_crashes ADD COLUMN machine text;
CREATE TABLE reactor_machines (name text PRIMARY KEY, session text NOT NULL, seen_at real NOT NULL,
    held_since real NOT NULL, draining integer NOT NULL DEFAULT 0, presence text);
CREATE TABLE reactor_takeovers (download_id integer PRIMARY KEY, times integer NOT NULL);
"""
COUNTED = """INSERT INTO reactor_takeovers AS t (download_id, times) SELECT value, 1 FROM json_each(:ids) WHERE TRUE
    ON CONFLICT (download_id) DO UPDATE SET times = t.times + 1 RETURNING download_id, times"""
WHOLE = {machines.TAKE: "SELECT 1", machines.COUNTED: COUNTED, NOTIFY: "SELECT 1"}
"""Statements that SQLite says otherwise as a whole."""


def _rules() -> Iterator[tuple[re.Pattern[str], str]]:
    for fragment, said in RULES:
        if isinstance(said, str) and "machine" in said:
            yield fragment, said.replace(MACHINE, "reactor_machine()")
    for table in ("reactor_plans", "reactor_crashes"):  # what a default of the column says on PostgreSQL
        yield (
            re.compile(rf"(INSERT INTO {table} \([^)]*)\) VALUES \(([^)]*)\)"),
            r"\1, machine) VALUES (\2, reactor_machine())",
        )
    yield re.compile(re.escape(statements.NOW)), "reactor_now()"
    yield re.compile(r"= ANY \((:\w+)\)"), r"IN (SELECT value FROM json_each(\1))"


class Connection(sqlite3.Connection):
    """Speaks for one machine at a time."""

    machine = ""
    rules: tuple[tuple[re.Pattern[str], str], ...] = ()
    made: dict[str, str]

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if isinstance(parameters, Mapping):
            parameters = {k: json.dumps(v) if isinstance(v, list) else v for k, v in parameters.items()}
        return super().execute(self._spoken(sql), parameters)

    def ask(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        return self.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        return super().executemany(self._spoken(sql), parameters)

    def _spoken(self, sql: str) -> str:
        if (said := self.made.get(sql)) is None:
            said = WHOLE.get(sql, sql)
            for fragment, instead in self.rules:
                said = fragment.sub(instead, said)
            self.made[sql] = said
        return said


@machine_name.register
def _machine_name(connection: Connection) -> str:
    return connection.machine


class Session:
    """The database as one machine has it; what a World calls its `database`."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._session = 0
        self.renewed_at = -DEAD_S
        """When it was renewed last."""
        self.instance = f"queue/{node.name}"

    @property
    def _connection(self) -> Any:
        connection = self._node.cluster.connection
        connection.machine = self._node.name
        return connection

    def locked(self) -> bool:
        """True while it cannot be reached."""
        return self._node.now < self._node.cut_until

    def register(self) -> None:
        self._session += 1
        machines.register(self._connection, self._node.name, str(self._session))

    def renew(self) -> events.LeaseRenewed:
        renewed = machines.renew(self._connection, self._node.name, str(self._session))
        self.renewed_at = self._node.now
        return renewed

    def take_over(self) -> events.TakenOver:
        cluster, before = self._node.cluster, self._node.cluster.rows()
        taken = machines.take_over(self._connection)
        after = {row[0]: row for row in cluster.rows()}
        early = [row for row in before if row[1] == "downloading" and after[row[0]] != row and row[3] in cluster.spared]
        assert not early or self._node.now > cluster.spared_until, (
            f"{early} are taken over, and their machines will be back"
        )
        return taken

    def look(self, command: commands.PollRows) -> events.RowsPolled:
        node = self._node
        if command.claim and not machines.may_claim(self._connection, node.name, str(self._session))():
            command = replace(command, claim=0)
        return downloads.poll(self._connection, command, node.name, node.wall, by_text=node.sites.by_text).rows

    def apply(self, saves: Sequence[commands.Save]) -> tuple[Unsaved, ...]:
        final = [row for row in self._node.cluster.rows() if row[1] in FINAL]
        unsaved = saving.apply(self._connection, saves, self._node.wall)
        changed = {*final} - {*self._node.cluster.rows()}
        assert not changed, f"{self._node.name} has written into what was over: {changed}"
        return unsaved

    def read_plan(self, command: commands.ReadPlan) -> events.PlanRead | None:
        return downloads.read_plan(self._connection, command)

    def count_crashes(self) -> None:
        downloads.count_crashes(self._connection)

    def leave(self) -> None:
        if not self.locked():
            crashes.leave(self._connection)
            machines.leave(self._connection, self._node.name, str(self._session))

    def recover(self, folders: frozenset[int]) -> events.Recovered:
        found, planned = downloads.recover(self._connection), plans.owners(self._connection)
        stray = sorted(folders - planned - {row.attempt.download_id for row in found.rows})
        named = dict(self._connection.execute("SELECT id, file_path FROM downloads").fetchall())
        left = [events.Leftover(Attempt(id, 0), 0, keep_result=self._keeps(id, named)) for id in stray]
        return replace(found, leftovers=(*found.leftovers, *left), instance=self.instance)

    def _keeps(self, id: int, named: Mapping[int, str | None]) -> bool:
        record = self._node.folders[(self.instance, id)].record
        return record is None or id not in named or named[id] == record


class MachineProcess(Process):
    """What begins is looked at."""

    def _start(self, command: commands.Command) -> None:
        if Timing.BEGINS in command.timing and not isinstance(command, commands.ReadPlan):
            node = cast("Node", self.world)
            since = node.now - node.session.renewed_at
            assert since < HELD_S, f"{node.name} begins {command}, and has no lease since {since - HELD_S:.1f} s"
        super()._start(command)


class Node(World):
    """One machine."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name
        self.dice, self.limits = cluster.dice, cluster.limits
        self.mute, self.embedded, self.replaced, self.again = False, True, False, None
        self.history, self.locked_until, self._full_until = cluster.history, 0.0, 0.0
        self.folders, self.published, self.hurts = {}, {}, Counter()
        self.lost, self.removed = set(), set()
        self._connections, self._paths, self._abandoning = count(1), cluster.paths, None
        self.jumped = 0.0
        """How far its clock on the wall is from the true time."""
        self.cut_until = 0.0
        self.paused = False
        self.clean_since = self.awake_since = cluster.now
        self._deferred: list[Callable[[], None]] = []
        self.session = Session(self)
        self.database = cast(Any, self.session)
        self.sites, self.aria2, self.checks = Sites(self), Aria2(self), Checks(self)
        self.begin()

    @property
    def now(self) -> float:  # type: ignore[override]
        return self.cluster.now

    @property
    def calm(self) -> bool:  # type: ignore[override]
        return self.cluster.calm

    @property
    def wall(self) -> float:
        return EPOCH + self.now + self.jumped

    def chance(self, probability: float) -> bool:
        """Nothing goes wrong but what happens to machines."""
        return False

    def reply_lost(self) -> bool:
        return not self.calm and self.dice.random() < REPLY_LOST

    def slow_reply(self) -> float:
        if self.calm or self.dice.random() > REPLY_LOST:
            return 0.0
        seconds = self.dice.choice(TROUBLE_S)
        self.cluster.in_trouble(self, seconds + 5)
        return seconds

    def change_of_mind(self, id: int) -> None:
        return

    def at(self, delay: float, action: Callable[[], None]) -> None:
        self.cluster.at(delay, lambda: self._deferred.append(action) if self.paused else action())

    def begin(self) -> None:
        """It is started, as soon as it reaches the database."""
        if self.session.locked():
            return self.cluster.at(1.0, self.begin)
        self.session.register()
        self.session.renewed_at = self.now
        self.process = MachineProcess(self)
        self._begin()
        return self._poll(self.process)

    def _poll(self, process: Process) -> None:
        if process.alive:
            if not self.session.locked():
                process.post(events.DatabaseChanged("poll"))
            self.at(POLL_S, lambda: self._poll(process))

    def exited(self) -> None:
        self.aria2.restart()
        self.cluster.at(self.dice.choice(TROUBLE_S), self.begin)

    # Troubles

    def pause(self, seconds: float) -> None:
        self.paused = True
        self.cluster.at(seconds, self.resume)

    def resume(self) -> None:
        self.paused, self.awake_since = False, self.now
        deferred, self._deferred = self._deferred, []
        for action in deferred:
            action()

    def cut(self, seconds: float) -> None:
        self.cut_until = self.now + seconds

    def kill(self, seconds: float) -> None:
        self.process.alive = False
        self.aria2.restart()
        self.cluster.at(seconds, self.begin)

    def end(self, seconds: float) -> None:
        """Somebody asks it to; it is killed where that takes too long."""
        process = self.process
        first_s = DRAIN_S if self.cluster.drains else 0.0
        if first_s:
            process.post(events.ShutdownRequested("SIGTERM", self.wall + first_s))
        self.cluster.at(first_s, lambda: process.post(events.ShutdownRequested("SIGTERM")))
        self.cluster.at(
            first_s + 5.0, lambda: self.kill(seconds) if self.process is process and process.alive else None
        )

    def jump(self, seconds: float) -> None:
        self.jumped += self.dice.choice(JUMPS_S)

    # What must be true

    def running(self) -> list[int]:
        """The rows whose bytes come here."""
        awake = not self.paused and self.now - self.awake_since > STOPPED_S
        if not awake or not self.process.alive:
            return []
        return [each.attempt.download_id for each in self.aria2.running()]

    def check(self) -> None:
        since = self.now - self.session.renewed_at
        if since > HELD_S + STOPPED_S:
            assert not self.running(), f"{self.name} has no lease since {since - HELD_S:.1f} s, and goes on"


class Cluster:
    """One run. `run` raises AssertionError when a promise was broken."""

    def __init__(self, seed: int, *, keep_log: bool = False) -> None:
        self.dice = random.Random(seed)
        self.drains = seed % DRAINED_EACH == DRAINED_AT
        self.limits = Limits(
            concurrent=2,
            leased=True,
            slice_s=100_000.0,  # so that what comes takes a minute, and goes on where it was
            retry=RetryPolicy(5, 1.0, 20.0),
            stall_timeout_s=0.0,
        )
        self.history: list[str] | None = [] if keep_log else None
        self.now, self.calm = 1000.0, False
        self.paths = count(1)
        self.spared, self.spared_until = frozenset[str](), 0.0
        """Machines that were well when the database failed for all, and until when the others wait for them."""
        self._heap = list[tuple[float, int, Callable[[], None]]]()
        self._order = count()
        self.connection = sqlite3.connect(":memory:", isolation_level=None, factory=Connection)
        self.connection.made = {}
        migrate(self.connection)
        self.connection.executescript(TABLES)
        self.connection.rules = tuple(_rules())
        self.connection.create_function("reactor_machine", 0, lambda: self.connection.machine)
        self.connection.create_function("reactor_now", 0, lambda: EPOCH + self.now)
        self.nodes = [Node(self, name) for name in NAMES]

    def at(self, delay: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self.now + delay, next(self._order), action))

    def rows(self) -> list[tuple[Any, ...]]:
        told = "SELECT id, status, attempt, claimed_by, error_code, file_path FROM downloads ORDER BY id"
        return self.connection.execute(told).fetchall()

    def run(self) -> None:
        """The storm, and the calm after it."""
        with closing(self.connection):
            for number in range(ROWS):
                self.at(self.dice.random() * STORM_S / 2, partial(self._insert, number))
            for _ in range(TROUBLES):
                self.at(10 + self.dice.random() * (STORM_S - 10), self._trouble)
            self._until(lambda: self.now > 1000.0 + STORM_S, math.inf)
            self.calm = True
            self._until(self._is_quiet, self.now + CALM_S)
            self._at_the_end()

    def _until(self, over: Callable[[], bool], end: float) -> None:
        steps = 0
        while not over():
            steps += 1
            assert self._heap[0][0] < end, f"it does not come to an end: {self.rows()}, {self._plans()}"
            assert steps < STEPS_MAX, "it goes round in circles"
            when, _, action = heapq.heappop(self._heap)
            self.now = max(self.now, when)
            action()
            self._check()

    def _insert(self, number: int) -> None:
        url = f"{('direct', 'parts', 'direct', 'unsized')[number % 4]}:{number}"
        self.connection.execute("INSERT INTO downloads (url, added_date) VALUES (?, ?)", (url, str(self.now)))

    def _trouble(self) -> None:
        seconds = self.dice.choice(TROUBLE_S)
        if self.dice.random() < 0.15:  # the database itself
            self._say(f"nobody reaches the database for {seconds} s and more")
            began, well = self.now, [node for node in self.nodes if self.now - node.clean_since > DEAD_S]
            for node in self.nodes:
                node.cut(seconds + self.dice.random() * 20)
                self.in_trouble(node, node.cut_until - began)
            self.spared = frozenset(node.name for node in well)
            self.spared_until = min(node.cut_until for node in self.nodes) + DEAD_S - 5
            return
        well = [node for node in self.nodes if node.clean_since <= self.now and node.process.alive and not node.paused]
        if len(well) < 2:
            return
        node = self.dice.choice(well)
        what = self.dice.choice((Node.pause, Node.pause, Node.cut, Node.cut, Node.kill, Node.end, Node.jump))
        self._say(f"{what.__name__} {node.name} for {seconds} s")
        had = [row for row in self.rows() if row[1] == "downloading" and row[3] == node.name]
        others = [each for each in well if each is not node and self.now - each.clean_since > SETTLED_S]
        self.spared -= {node.name}
        what(node, seconds)
        if what is not Node.jump:
            self.in_trouble(node, seconds + 5)
        if seconds >= LONG_S and what in (Node.pause, Node.cut, Node.kill) and others:
            began = self.now
            self.at(TAKEN_S, lambda: self._are_taken(had, others, began))

    def in_trouble(self, node: Node, seconds: float) -> None:
        node.clean_since = max(node.clean_since, self.now + seconds)

    def _are_taken(self, had: Iterable[tuple[Any, ...]], others: Iterable[Node], began: float) -> None:
        if any(node.clean_since < began for node in others):
            left = [row for row in self.rows() if row in [*had]]
            assert not left, f"nobody has taken over {left}"

    def _say(self, text: str) -> None:
        if self.history is not None:
            self.history.append(f"{self.now:9.3f} === {text}")

    def _check(self) -> None:
        for node in self.nodes:
            node.check()
        on = Counter(id for node in self.nodes for id in {*node.running()})
        assert all(times == 1 for times in on.values()), f"two machines fetch the same row: {on}"

    def _is_quiet(self) -> bool:
        idle = all(node.process.alive and not node.process.machine.jobs for node in self.nodes)
        settled = all(not node.process.machine.leftovers and not node.folders for node in self.nodes)
        return idle and settled and all(row[1] in FINAL for row in self.rows()) and not self._plans()

    def _plans(self) -> list[tuple[Any, ...]]:
        return self.connection.execute("SELECT download_id FROM reactor_plans").fetchall()

    def _at_the_end(self) -> None:
        rows = self.rows()
        assert len(rows) == ROWS, "rows were lost"
        deadly = dict(self.connection.execute("SELECT download_id, times FROM reactor_takeovers").fetchall())
        where = Counter(id for node in self.nodes for id in node.published.values())
        paths = {path for node in self.nodes for path in node.published}
        for id, status, attempt, _, code, path in rows:
            lost = code == "machine_lost" and attempt >= TAKEOVERS_MAX
            assert status == "downloaded" or lost, f"row {id} is {status}, {code}: {deadly}"
            assert where[id] == (status == "downloaded"), f"row {id} is there {where[id]} times"
            assert status != "downloaded" or path in paths, f"row {id} names {path}, which is not there"
        assert not any(node.running() for node in self.nodes)


def main() -> int:
    from tests.simulation.runs import broken

    first, seeds = map(int, sys.argv[1:])
    for seed in range(first, first + seeds):
        cluster = Cluster(seed, keep_log=seeds == 1)
        reason = broken(cluster)
        if reason or seeds == 1:
            sys.stdout.write("\n".join([*(cluster.history or ()), f"seed {seed}: {reason or 'all is well'}", ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
