"""Everything that bots do to the table, in any order, between everything that the reactor does; beside it a plain
model of what must then stand there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reactor.core import commands
from reactor.core.events import Leftover, WatchedRow
from reactor.core.job import Attempt
from reactor.database import contract
from reactor.database.sql import downloads, plans, saving
from reactor.database.sql import table as wishes
from reactor.database.sqlite.migration import migrate
from reactor.errors import Failure
from reactor.models import Kind, Stage
from reactor.plan import Extraction, Fetch, Finish
from tests.database.sqlite.bot import opened

TIMEOUT = Failure("timeout", "It took too long.", None, True)
PLAN = Extraction(
    kind=Kind.DIRECT,
    title="A title",
    fetches=(Fetch(urls=("http://host.example/a",), name="a.bin", size=7), Fetch(name="b.bin", size=3)),
    finish=Finish(how="media", name="a"),
)
RETRY_MAX_S = 100.0
BOTS = "CREATE TABLE {} (id INTEGER PRIMARY KEY, url TEXT NOT NULL, own TEXT, status TEXT)"
"""Its `status` has no default, and it has no `added_date`."""
BOT_DOES = ("cancel", "cancel", "cancel anyhow", "take back", "status", "delete", "replace", "retry")
ENDS = ("downloaded", "kept", "failed", "waiting", "cancelled", "cancelled")
OFF = st.sampled_from((0, 0, 0, 0, 0, -1, 1))
"""How far off the attempt of a save is: mostly not at all."""


@dataclass(frozen=True)
class Row:
    """What the model knows of a row."""

    url: str
    own: str
    status: str | None = None
    cancelled: int | None = 0
    added: str | None = None
    attempt: int = 0
    stage: str | None = None
    retries: int = 0
    due: float | None = None

    @property
    def is_ours(self) -> bool:
        """Whether a save may be written into it."""
        return self.status == "downloading" and not self.cancelled


@dataclass
class Model:
    """The table and the plans beside it."""

    now: float = 1_800_000_000.0
    rows: dict[int, Row] = field(default_factory=dict)
    plans: dict[int, int] = field(default_factory=dict)
    published: set[Attempt] = field(default_factory=set)
    """Those whose result is the person's, though their plan is kept."""
    jobs: dict[int, int] = field(default_factory=dict)
    """What the reactor believes to have under way: the attempts, by their row."""

    def change(self, id: int, **changes: Any) -> None:
        self.rows[id] = replace(self.rows[id], **changes)

    def is_due(self, id: int, row: Row) -> bool:
        latest = self.now + RETRY_MAX_S + contract.SLACK_S
        waits = row.due is not None and self.now < row.due <= latest
        return row.status == "pending" and not row.cancelled and not waits and self.plans.get(id, 0) <= row.attempt

    def sweep(self) -> list[int]:
        """Those that were cancelled."""
        swept = []
        for id, row in sorted(self.rows.items()):
            if row.status is None:
                self.change(id, status="pending")
            if row.status == "downloading" and row.attempt == 0 and id not in self.jobs:
                self.change(id, status="pending", stage=None, due=None)
            row = self.rows[id]
            withdrawn = row.status == "pending" and row.cancelled
            if withdrawn or (row.status == "cancelled" and row.stage is not None and id not in self.jobs):
                self.change(id, status="cancelled", stage=None, due=None)
                swept.append(id)
        return swept

    def next(self) -> list[int]:
        """Those that are due, in their order: of the two kinds' first ones that with the smaller id."""
        due = [id for id, row in sorted(self.rows.items()) if self.is_due(id, row) and id not in self.jobs]
        dateless = [id for id in due if self.rows[id].added is None]
        dated = sorted((id for id in due if self.rows[id].added is not None), key=lambda id: self.rows[id].added or "")
        order = []
        while dateless or dated:
            order.append(min((each for each in (dateless, dated) if each), key=lambda each: each[0]).pop(0))
        return order

    def leftovers(self) -> list[Attempt]:
        """Plans on whose files no row counts any more."""
        found = []
        for id, attempt in sorted(self.plans.items()):
            row = self.rows.get(id)
            counts = row is not None and (
                row.status == "downloading" or (row.status == "pending" and row.stage == "waiting")
            )
            if not (row is not None and row.attempt >= attempt and counts) and id not in self.jobs:
                found.append(Attempt(id, attempt))
        return found


class Storm(RuleBasedStateMachine):
    """A bot and a reactor at one table."""

    @initialize()
    def begin(self) -> None:
        self.model = Model()
        self.opened = opened(Path(":memory:"))
        self.table = self.opened.__enter__()
        self.table.execute(BOTS.format("downloads"))
        migrate(self.table)
        self.listen()

    def listen(self) -> None:
        """Note what each write of the reactor's does, whatever the model thinks of it."""
        self.table.execute("CREATE TEMP TABLE IF NOT EXISTS written (old, new, cancelled, before, after, same)")
        self.table.execute(
            """CREATE TEMP TRIGGER IF NOT EXISTS listen AFTER UPDATE ON main.downloads BEGIN
            INSERT INTO written VALUES (OLD.status, NEW.status, OLD.cancelled, OLD.attempt, NEW.attempt,
                NEW.url IS OLD.url AND NEW.own IS OLD.own AND NEW.cancelled IS OLD.cancelled AND NEW.id = OLD.id
                AND NEW.added_date IS OLD.added_date); END"""
        )

    def teardown(self) -> None:
        if hasattr(self, "opened"):
            self.opened.__exit__(None, None, None)

    # What bots do

    @rule(dates=st.lists(st.booleans(), min_size=1, max_size=3), status=st.sampled_from((None, "pending")))
    def insert(self, dates: Sequence[bool], status: str | None) -> None:
        for dated in dates:
            row = Row(f"http://host.example/{self.model.now}", "mine", status)
            row = replace(row, added=contract.moment(self.model.now)) if dated else row
            (id,) = self.bot(
                "INSERT INTO downloads (url, own, status, added_date) VALUES (?, ?, ?, ?) RETURNING id",
                *(row.url, row.own, row.status, row.added),
            )
            self.model.rows[id] = row

    @precondition(lambda self: self.model.rows)
    @rule(what=st.sampled_from(BOT_DOES), data=st.data())
    def change_a_row(self, what: str, data: st.DataObject) -> None:
        under_way = sorted(self.model.rows.keys() & self.model.jobs.keys())
        id = data.draw(st.sampled_from([*under_way, *under_way, *sorted(self.model.rows)]))
        row = self.model.rows[id]
        match what:
            case "cancel":
                asked = row.status in (None, "pending", "downloading")
                assert wishes.mark_cancelled(self.table, id) == asked
                if asked:
                    self.model.change(id, cancelled=1)
            case "cancel anyhow":
                self.set(id, cancelled=1)
            case "take back":
                self.set(id, cancelled=data.draw(st.sampled_from((0, None))))
            case "status":
                statuses = ("cancelled", "uploading", "downloading", "pending", "failed", None)
                self.set(id, status=data.draw(st.sampled_from(statuses)))
            case "delete":
                self.bot("DELETE FROM downloads WHERE id = ?", id)
                del self.model.rows[id]
            case "replace":
                anew = Row("http://host.example/new", "new")
                self.bot("INSERT OR REPLACE INTO downloads (id, url, own) VALUES (?, ?, ?)", id, anew.url, anew.own)
                self.model.rows[id] = anew
            case "retry":
                over = row.status in ("failed", "cancelled")
                assert wishes.retry(self.table, id) == over
                if over:
                    self.model.change(id, status="pending", cancelled=0, stage=None, retries=0, due=None)

    @precondition(lambda self: len(self.model.rows) > 3)
    @rule(ours=st.booleans())
    def rebuild(self, ours: bool) -> None:
        """As a migration does it, with our columns or without."""
        names = [name for (name,) in self.table.execute("SELECT name FROM pragma_table_info('downloads')")]
        listed = ", ".join(name for name in names if ours or name in ("id", "url", "own", "status"))
        (as_it_is,) = self.bot("SELECT sql FROM sqlite_master WHERE name = 'downloads'")
        self.table.execute(as_it_is.replace("downloads", "anew", 1) if ours else BOTS.format("anew"))
        self.table.execute(f"INSERT INTO anew ({listed}) SELECT {listed} FROM downloads")
        self.table.execute("DROP TRIGGER listen")
        self.table.execute("DROP TABLE downloads")
        self.table.execute("ALTER TABLE anew RENAME TO downloads")
        migrate(self.table)
        self.listen()
        if not ours:
            left = self.model.rows.items()
            self.model.rows = {id: Row(row.url, row.own, row.status) for id, row in left}

    def bot(self, statement: str, *values: object) -> tuple[Any, ...]:
        found = self.table.execute(statement, values).fetchall()
        return tuple(found[0]) if found else ()

    def set(self, id: int, **values: object) -> None:
        for name, value in values.items():
            self.bot(f"UPDATE downloads SET {name} = ? WHERE id = ?", value, id)
        self.model.change(id, **values)

    # What the reactor does

    @contextmanager
    def reacting(self) -> Iterator[None]:
        """The contract, whatever the model thinks of it: what each write in here may do."""
        self.table.execute("DELETE FROM written")
        yield
        for old, new, cancelled, before, after, same in self.table.execute("SELECT * FROM written").fetchall():
            assert same, "the bot's columns are the bot's"
            assert after == before + ((old, new) == ("pending", "downloading"))
            assert old not in ("downloaded", "failed", "uploading"), "what is over is over"
            if old == "cancelled" or (cancelled and old == "pending"):
                assert new == "cancelled"
            elif cancelled:
                assert new in ("cancelled", "pending"), "one that nobody serves begins anew, to be cancelled"

    @rule(room=st.sampled_from((0, 1, 2, 3)))
    def look_and_claim(self, room: int) -> None:
        """More often than the rest: without it nothing gets on."""
        self.look(room)

    @rule(room=st.sampled_from((1, 2, 3)))
    def look(self, room: int) -> None:
        model = self.model
        jobs = tuple(sorted(model.jobs))
        look = commands.PollRows(jobs, room, jobs)
        with self.reacting():
            seen = downloads.poll(self.table, look, "me", model.now, retry_max_s=RETRY_MAX_S).rows
        assert list(seen.swept) == model.sweep()
        order = model.next()
        for id in order[:room]:
            model.change(id, status="downloading", stage="detecting", attempt=model.rows[id].attempt + 1, due=None)
        claimed = [row.attempt for row in seen.claimed]
        assert claimed == [Attempt(id, model.rows[id].attempt) for id in order[:room]]
        assert (seen.next_url is not None) == (len(order) > room > 0)
        assert list(seen.leftovers) == [
            Leftover(attempt, 2, keep_result=attempt in model.published) for attempt in model.leftovers()
        ]
        watched = ((id, row) for id, row in sorted(model.rows.items()) if id in jobs)
        assert list(seen.watched) == [
            WatchedRow(id, row.attempt, row.status or "", bool(row.cancelled)) for id, row in watched
        ]
        waits = [row.due for row in model.rows.values() if row.status == "pending" and row.due is not None]
        latest = model.now + RETRY_MAX_S + contract.SLACK_S
        due_in = min((due - model.now for due in waits if model.now < due <= latest), default=None)
        assert seen.due_in_s == (None if due_in is None else min(due_in, contract.DUE_IN_MAX_S))
        self.judge()
        for leftover in seen.leftovers:
            self.forget(leftover.attempt)
        model.jobs |= {attempt.download_id: attempt.number for attempt in claimed}

    def judge(self) -> None:
        """Let go of what is not ours any more, as the core does after a look."""
        for id, number in list(self.model.jobs.items()):
            row = self.model.rows.get(id)
            if row is None or row.attempt != number or row.status not in ("downloading", "cancelled"):
                del self.model.jobs[id]
                self.forget(Attempt(id, number))

    def forget(self, attempt: Attempt) -> None:
        assert saving.apply(self.table, [commands.ForgetPlan(attempt)], self.model.now) == ()
        if self.model.plans.get(attempt.download_id, attempt.number + 1) <= attempt.number:
            del self.model.plans[attempt.download_id]

    @rule()
    def recover(self) -> None:
        """A new run: it believes what the table says."""
        found = downloads.recover(self.table)
        under_way = [(id, row.attempt) for id, row in sorted(self.model.rows.items()) if row.status == "downloading"]
        assert [(row.attempt.download_id, row.attempt.number) for row in found.rows] == [
            (id, number) for id, number in under_way if number > 0
        ]
        self.model.jobs = {}
        assert [leftover.attempt for leftover in found.leftovers] == self.model.leftovers()
        self.model.jobs = {row.attempt.download_id: row.attempt.number for row in found.rows}

    @precondition(lambda self: self.model.jobs)
    @rule(kind=st.sampled_from(("stage", "plan", "plan", "progress", "waiting")), off=OFF, data=st.data())
    def save_on_the_way(self, kind: str, off: int, data: st.DataObject) -> None:
        self.save(kind, off, data)

    @precondition(lambda self: self.model.jobs)
    @rule(kind=st.sampled_from(ENDS), off=OFF, data=st.data())
    def save_the_end(self, kind: str, off: int, data: st.DataObject) -> None:
        self.save(kind, off, data)

    def save(self, kind: str, off: int, data: st.DataObject) -> None:
        """For an attempt that is believed to be under way, or one that is `off`."""
        model = self.model
        id = data.draw(st.sampled_from(sorted(model.jobs)))
        attempt, row = Attempt(id, model.jobs[id] + off), model.rows.get(id)
        save, changes = self.made(kind, attempt)
        may = row is not None and row.is_ours and row.attempt == attempt.number
        if kind == "cancelled":
            asked = row and (row.status == "cancelled" or (row.cancelled and row.status in ("downloading", "pending")))
            may = row is None or (row.attempt == attempt.number and bool(asked))
        with self.reacting():
            unsaved = saving.apply(self.table, [save], model.now)
        assert [each.attempt for each in unsaved] == ([] if may or kind == "progress" else [attempt])
        if not may:
            return
        if row is not None:
            model.change(id, **changes)
        if kind == "plan":
            model.plans[id] = attempt.number
            model.published.discard(attempt)
        if kind not in ("stage", "plan", "progress"):
            del model.jobs[id]
        if kind == "kept" and model.plans.get(id) == attempt.number:
            model.published.add(attempt)
        if kind in ("downloaded", "failed", "cancelled") and model.plans.get(id, attempt.number + 1) <= attempt.number:
            del model.plans[id]

    def made(self, kind: str, attempt: Attempt) -> tuple[commands.Save, dict[str, Any]]:
        """A save, and what it changes in its row."""
        over = {"stage": None, "due": None}
        match kind:
            case "stage":
                return commands.SaveStage(attempt, Stage.EXTRACTING), {"stage": "extracting"}
            case "plan":
                return commands.SavePlan(attempt, PLAN), {"stage": "fetching"}
            case "progress":
                row = commands.ProgressOf(attempt, 50.0, 1, 1, 10, done=frozenset({0}))
                return commands.SaveProgress((row,)), {}
            case "waiting":
                delay = self.model.now % 3 * RETRY_MAX_S / 2
                due = {"due": self.model.now + delay}
                changes = {"status": "pending", "stage": "waiting", "retries": 2} | due
                return commands.SaveWaiting(attempt, TIMEOUT, 2, delay), changes
            case "failed":
                return commands.SaveFailed(attempt, TIMEOUT), {"status": "failed"} | over
            case "cancelled":
                return commands.SaveCancelled(attempt), {"status": "cancelled"} | over
            case _:
                done = commands.SaveDownloaded(attempt, "/a", 10, "A title", keep_plan=kind == "kept")
                return done, {"status": "downloaded"} | over

    @rule(seconds=st.sampled_from((1.0, 15.0, 200.0, -50.0, -3600.0)))
    def time_passes(self, seconds: float) -> None:
        """Also backwards: somebody sets the clock."""
        self.model.now += seconds

    # What must be true after each

    @invariant()
    def the_table_is_as_the_model_has_it(self) -> None:
        if not hasattr(self, "table"):
            return
        found = self.table.execute(
            """SELECT id, url, own, status, cancelled, added_date, attempt, stage, retry_count, next_attempt_at
            FROM downloads ORDER BY id"""
        ).fetchall()
        assert {id: Row(*values) for id, *values in found} == self.model.rows
        stored = dict(self.table.execute("SELECT download_id, attempt FROM reactor_plans").fetchall())
        assert stored == self.model.plans
        assert plans.owners(self.table) == stored.keys()


TestStorm = Storm.TestCase
TestStorm.settings = settings(
    max_examples=80,
    stateful_step_count=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
