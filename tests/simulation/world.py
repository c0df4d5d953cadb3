"""Everything around the core, drawn from one seed: a bot, an aria2, a disk, a database, the clock, and crashes.

A run is a storm, in which all of it goes wrong, and a calm, in which nothing new does: in the end every row has to be
final, and nothing may be left of any of them."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count

from reactor.core import commands, events
from reactor.core.commands import Command
from reactor.core.context import Limits
from reactor.core.events import Event
from reactor.core.quotas import MIB, Quotas
from reactor.core.retry import RetryPolicy
from reactor.core.turns import Caps, next_day
from reactor.notices import Notice
from reactor.plan import Brought
from tests.simulation.aria2 import SIZE, Aria2, Folder, Place
from tests.simulation.checks import Checks
from tests.simulation.process import Process
from tests.simulation.rows import FEW, LARGEST, NATURES, Rows, Sites

STORM_S = 40.0
BEFORE_MIDNIGHT_S = 4 * 3600.0
"""When a run begins in which owners have quotas for a day."""
TROUBLES = 22
"""How much happens to the reactor from outside in a storm."""
SLOW_AFTER_S = 15.0
SEVERAL = ("ann", "bob", None)
OWNERS = ("greedy", None, "greedy", "other", "greedy")
PRIORITIES = (None, 2, None, -1, "high", 0, 1, -2)
LATER_EACH, LATER_S = 7, 12.0
SLICE_S, SLICED_EACH, SLICED_AT, CROWD = 3.0, 16, 10, 9
"""In every sixteenth run, which has owners, a slot is given up after so long, and much comes slowly."""
CAPPED_EACH, CAPPED_AT = 32, 15
CAPS = Caps(owner_bytes_day=3 * SIZE, owner_waiting_max=2, site_max=1)
"""In every 32nd run, which has owners, as a column of the bot's says them."""
CONNECTIONS = 16
"""In these runs a file may have so many."""
AGAIN_EACH, AGAIN_AT, AGAINS = 8, 3, 15
"""In every eighth run the bot asks so often for what it has already, and wants that."""
DRAIN_S, DRAINED_EACH, DRAINED_AT = 8.0, 16, 4
"""In every sixteenth run what is under way has so long to end when the reactor is asked to."""
GONE = "/downloads/gone"
PATIENCE_S = 8 * 3600.0
"""By then every row is final, also when the clock was set back by an hour."""
SETTLE_S = 120.0
STEPS_MAX = 10_000
"""Many times more than any run takes."""
POLL_S = 5.0
GRACE_S = 5.0
"""How long a shutdown may take before it is a crash."""
JUMPS_S = (-3600.0, -60.0, 60.0, 3600.0)
EPOCH = 1_750_000_000.0


class Stuck(AssertionError):
    """A row that nothing will ever happen to."""


STATUS = "SELECT status FROM downloads WHERE id = ?"
OPEN = "status IN ('pending', 'downloading', 'choosing')"


class World:
    """One run. `run` returns when all is well, and raises AssertionError when a promise was broken."""

    def __init__(self, seed: int, *, keep_log: bool = False) -> None:
        self.dice = random.Random(seed)
        self.again = random.Random(seed) if seed % AGAIN_EACH == AGAIN_AT else None
        """Dice of their own for what is asked for again, in some runs: the others are as they were."""
        self.capped = seed % CAPPED_EACH == CAPPED_AT
        self.drains = seed % DRAINED_EACH == DRAINED_AT
        self.limits = Limits(
            concurrent=3
            if self.capped
            else min(self.dice.choice((1, 1, 2, 3)), 1 if seed % SLICED_EACH == SLICED_AT else 3),
            slow_max=(0, 0, 1)[seed % 3],
            slow_speed=0.6,
            slow_after_s=SLOW_AFTER_S,
            progress_interval_s=self.dice.choice((2.0, 5.0)),
            slice_s=SLICE_S if seed % SLICED_EACH == SLICED_AT else 0.0,
            connections=CONNECTIONS if seed % SLICED_EACH == SLICED_AT else 0,
            wide_bytes=1,
            seeding=self.dice.random() < 0.5,
            stall_timeout_s=30.0,
            torrent_stall_timeout_s=30.0,
            partial_torrents=seed % 2 == 1,
            min_speed=0.4,
            playlist_max=6,
            caps=CAPS
            if self.capped
            else Caps(owner_max=(0, 0, 1, 2)[seed // 4 % 4], owner_rows_day=(0, 4)[seed // 16 % 2]),
            list_page=2,
            choosing_max_s=15.0,
            retry=RetryPolicy(self.dice.choice((0, 1, 3)), 1.0, 20.0),
            quotas=Quotas(
                max_file_size=LARGEST,
                min_free_disk=100 * MIB,
                max_parts=self.dice.choice((0, 0, FEW)),
                download_timeout_s=self.dice.choice((0.0, 0.0, 60.0)),
            ),
        )
        self.owners = SEVERAL if self.limits.slice_s else OWNERS if seed % 4 > 1 else (None,)
        """Of rows, in turn."""
        self.priorities = PRIORITIES if seed % 8 in (1, 2, 6) else (None,)
        """The same; and in these runs some rows are not to begin before LATER_S have passed."""
        self.mute = self.dice.random() < 0.2
        """True when aria2 tells nothing at all, and the database neither: nothing may wait for that alone."""
        self.embedded = self.dice.random() < 0.5
        """True when aria2 dies with the reactor."""
        self.now = 1000.0
        self._probe_cache = next_day(EPOCH) - EPOCH - BEFORE_MIDNIGHT_S if self.limits.caps.daily else 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self.calm = False
        self.locked_until, self.replaced = 0.0, False
        self._full_until = 0.0
        self.instances = count(1)
        self.database = Rows(self, f"instance-{next(self.instances)}")
        self.sites, self.aria2 = Sites(self), Aria2(self)
        self.folders: dict[Place, Folder] = {}
        self.lost: set[str] = set()
        """Instances whose database was replaced before this reactor had read it, or that was killed before it had
        cleared up behind them."""
        self.published: dict[str, int] = {}
        self.removed: set[tuple[int, str]] = set()
        """Entries of lists whose rows the bot has deleted: the list, and their keys."""
        self.hurts: Counter[int] = Counter()
        """What went wrong for a row: without any of it, it must not fail."""
        self.checks = Checks(self)
        self.history: list[str] | None = [] if keep_log else None
        self._paths, self._urls, self._connections, self._steps = count(1), count(1), count(1), 0
        self.process = Process(self)
        self._abandoning: Process | None = None
        """One whose database was replaced, and which has to clear up behind it yet."""
        self._begin()

    @property
    def wall(self) -> float:
        """What the clock on the wall shows."""
        return EPOCH + self.now + self._probe_cache

    @property
    def monotonic(self) -> float:
        """What the core is told."""
        return self.now

    def reply_lost(self) -> bool:
        """Whether what the database answers does not arrive, though it was done."""
        return False

    def slow_reply(self) -> float:
        """Seconds more until the answer to a renewal arrives."""
        return 0.0

    # Chance and time

    def chance(self, probability: float) -> bool:
        """Whether something goes wrong now; never in the calm."""
        return not self.calm and self.dice.random() < probability

    def soon(self) -> float:
        """How long anything takes."""
        return self.dice.random() * self.dice.choice((0.001, 0.02, 0.3))

    def at(self, delay: float, action: Callable[[], None]) -> None:
        """Let something happen in `delay` seconds."""
        heapq.heappush(self._heap, (self.now + delay, next(self._order), action))

    def run(self) -> None:
        """The whole storm, and the calm after it."""
        for _ in range(TROUBLES):
            self.at(self.dice.random() * STORM_S, self._trouble)
        for number in range(CROWD if self.limits.slice_s else 0):
            self.at(number / 2, self._insert_one_of_a_crowd)
        for _ in range(AGAINS if self.again else 0):
            self.at(self.again.random() * STORM_S if self.again else 0, self._insert_again)
        self._until(self.now + STORM_S)
        self._calm_down()
        end = self.now + PATIENCE_S + BEFORE_MIDNIGHT_S
        while not self.checks.is_quiet():
            if not self._heap or self._heap[0][0] > end:
                raise Stuck(f"nothing happens any more: {self.checks.rows()}, {self.process.machine.jobs}")
            self._step()
        self._until(self.now + SETTLE_S)
        self.checks.at_the_end()
        self.database.close()

    def _until(self, moment: float) -> None:
        while self._heap and self._heap[0][0] <= moment:
            self._step()
        self.now = moment

    def _step(self) -> None:
        self._steps += 1
        if self._steps > STEPS_MAX:
            raise Stuck("it goes round in circles")
        when, _, action = heapq.heappop(self._heap)
        self.now = max(self.now, when)
        action()
        self.checks.after_a_step()

    def _calm_down(self) -> None:
        self.calm, self.locked_until = True, 0.0
        # Or it would take many days until all are served.
        self.limits = replace(self.limits, caps=replace(self.limits.caps, owner_rows_day=0, owner_bytes_day=0))
        self.process.machine._context.limits = self.limits
        if not self.process.alive:
            self._begin_again()
        self._stir()

    # The reactor's life

    def _begin(self) -> None:
        self._connect_soon(self.process)
        self.process.post(events.DatabaseChanged("start"))

    def _begin_again(self) -> None:
        if not self.process.alive and self._abandoning is None:
            self._open(None)

    def _open(self, before: Process | None) -> None:
        """It opens what is there."""
        self.replaced = self.checks.full = False
        self.process = Process(self, before)
        self._begin()

    def _connect_soon(self, process: Process) -> None:
        self.at(self.soon(), lambda: self._connect(process))

    def _connect(self, process: Process) -> None:
        if process.alive and not process.connection:
            process.connection = next(self._connections)
            process.post(events.Aria2Connected(str(self.aria2.session), "1.37.0", "ws://127.0.0.1/jsonrpc"))

    def deliver(self, event: Event) -> None:
        """Something that aria2 tells over the socket that stands now."""
        process, connection = self.process, self.process.connection
        self.at(self.soon(), lambda: process.post(event) if connection and process.connection == connection else None)

    def told(self, notice: Notice) -> None:
        """A line of the journal."""
        if self.history is not None:
            self.history.append(f"{self.now:9.3f}   {notice}")

    def log(self, event: Event, decided: Sequence[Command]) -> None:
        """What the core was told, and what it made of it."""
        if self.history is not None:
            shown = ", ".join(str(command) for command in decided if not isinstance(command, commands.Tell))
            self.history.append(f"{self.now:9.3f} {event} → {shown or '-'}")

    def _say(self, text: str) -> None:
        if self.history is not None:
            self.history.append(f"{self.now:9.3f} === {text}")

    # Troubles

    def _trouble(self) -> None:
        troubles = (
            [self._insert] * 5
            + [self._insert_question, self._insert_question, self._answer, self._answer, self._answer]
            + [self._cancel] * 3
            + [self._take_back, self._end_by_status, self._delete, self._replace_row, self._retry]
            + [self._insert_list, self._insert_list, self._cancel_list, self._retry_list]
            + [self._crash, self._crash, self._shut_down, self._restart_aria2, self._cut, self._lock, self._jump]
            + [self._replace_database] * (self.dice.random() < 0.2)
        )
        trouble = self.dice.choice(troubles)
        self._say(trouble.__name__)
        trouble()

    def _crash(self) -> None:
        self._die(None)

    def die_of(self, download_id: int) -> None:
        """The process dies of a row."""
        self._say(f"the process dies of row {download_id}")
        self._die(download_id)

    def _die(self, of: int | None) -> None:
        self.checks.died(of)
        self.process.alive = False
        self.exited()

    def exited(self) -> None:
        """The reactor has ended, by itself or not; somebody starts it again."""
        self._abandoning = None
        if self.process.instance != self.database.instance:
            self.lost.add(self.process.instance)
            self.checks.forget_files()
        if self.embedded:
            self._hurt_all()
            self.aria2.restart()
        self.at(self.soon(), self._begin_again)

    def _shut_down(self) -> None:
        process = self.process
        if self._abandoning is not None:
            return self.exited()
        first_s = DRAIN_S if self.drains and not process.draining else 0.0
        if first_s:
            process.post(events.ShutdownRequested("SIGTERM", EPOCH + self.now + first_s))
            process.draining = True
        self.at(first_s, lambda: process.post(events.ShutdownRequested("SIGTERM")))
        return self.at(first_s + GRACE_S, lambda: self._crash() if process.alive else None)

    def _restart_aria2(self) -> None:
        self._hurt_all()
        self.aria2.restart()
        self._cut()

    def _cut(self) -> None:
        process = self.process
        if process.alive and process.connection:
            process.connection = 0
            process.post(events.Aria2Lost("It was cut."))
            self._connect_soon(process)

    def _lock(self) -> None:
        self.locked_until = self.now + self.dice.random() * 10

    def _jump(self) -> None:
        self._probe_cache += self.dice.choice(JUMPS_S)

    def _replace_database(self) -> None:
        if self.replaced or not self.process.alive:
            return
        process, self.replaced = self.process, True
        if process.instance != self.database.instance:
            self.lost.add(self.database.instance)
        self.database.close()
        self.database = Rows(self, f"instance-{next(self.instances)}")
        self.checks.forget_rows()
        self.at(self.soon(), lambda: self._reopen(process))

    def _reopen(self, process: Process) -> None:
        if self.process is process and process.alive:
            process.alive, self._abandoning = False, process
            self._abandon(process)

    def _abandon(self, process: Process) -> None:
        """What belonged to the old database goes as soon as aria2 answers; then the other one is served."""
        if self._abandoning is not process:
            return
        if self.chance(0.5):
            return self.at(self.soon(), lambda: self._abandon(process))
        process.take_in()
        left, results = process.machine.abandon()
        for command in left:
            self.aria2.remove(command.gids)
            self.discard((process.instance, command.attempt.download_id), keep_result=command.keep_result)
        self.aria2.remove(results.gids)
        if self.embedded:
            self.aria2.restart()
        self._abandoning = None
        return self._open(process)

    def hurt(self, download_id: int) -> None:
        """Something went wrong for this row."""
        self.hurts[download_id] += 1

    def _hurt_all(self) -> None:
        for transfer in self.aria2.transfers.values():
            self.hurt(transfer.attempt.download_id)

    # The bot

    def _stir(self) -> None:
        process = self.process
        self.at(POLL_S if self.mute else self.soon(), lambda: process.post(events.DatabaseChanged("file")))

    def change_of_mind(self, id: int) -> None:
        """A cancel that is committed just before a write of the reactor's, and mostly taken back at once."""
        self._cancel(id)
        if self.dice.random() < 0.8:
            self.at(self.soon(), lambda: self._take_back(id))

    def _write(self, sql: str, *values: object) -> list[tuple[int]]:
        if self.now < self.locked_until:
            return []
        written = self.database.execute(sql, *values)
        self._stir()
        return written

    def _some_row(self) -> int:
        ids = [id for (id,) in self.database.execute("SELECT id FROM downloads ORDER BY id")]
        return self.dice.choice(ids) if ids else 0

    def _new_url(self) -> str:
        nature, number = self.dice.choice(NATURES), next(self._urls)
        return f"live:{number}" if nature == "parts" and number % 4 == 2 else f"{nature}:{number}"

    def _insert(self) -> None:
        for _ in range(self.dice.choice((1, 1, 3))):
            self._add(self._new_url())

    def _insert_one_of_a_crowd(self) -> None:
        number = next(self._urls)
        self._add(f"{('direct', 'parts')[number % 4 == 3]}:{number}")

    def _add(self, url: str, options: str | None = None) -> None:
        added = f"""INSERT INTO downloads (url, options, {self.database.owner_column}, priority, not_before, added_date)
            VALUES (?, ?, ?, ?, ?, datetime(?, 'unixepoch'))"""
        number = int(url.partition(":")[2])
        later = self.wall + LATER_S if len(self.priorities) > 1 and number % LATER_EACH == 0 else None
        owner, priority = (each[number % len(each)] for each in (self.owners, self.priorities))
        self._write(added, url, options, owner, priority, later, self.wall)

    def _insert_again(self) -> None:
        """The same as a row that is done, which may be there still."""
        done = "SELECT url FROM downloads WHERE status = 'downloaded' AND url GLOB '[dup]*:*' AND url NOT GLOB 'page*'"
        urls = [url for (url,) in self.database.execute(f"{done} AND url NOT GLOB 'deadly*' ORDER BY id")]
        if urls and self.again:
            self._add(self.again.choice(urls), '{"again": "reuse"}')

    def brought(self, url: str) -> Brought | None:
        """What a row with this URL has brought, if one has; now and then it goes before it is taken."""
        done = "SELECT id, file_path FROM downloads WHERE status = 'downloaded' AND url = ? ORDER BY id DESC"
        for id, path in self.database.execute(done, url):
            gone = self.again is not None and self.again.random() < 0.3
            return Brought(download_id=id, path=GONE if gone else path, bytes=SIZE)
        return None

    def _insert_list(self) -> None:
        self._add(f"list:{next(self._urls)}")

    def _some_list(self) -> int:
        ids = [id for (id,) in self.database.execute("SELECT id FROM downloads WHERE url LIKE 'list:%' ORDER BY id")]
        return self.dice.choice(ids) if ids else -1

    def _cancel_list(self) -> None:
        self._cancel(self._some_list())

    def _retry_list(self) -> None:
        self._retry(self._some_list())

    def _insert_question(self) -> None:
        options = '{"ask": "all", "unanswered": "fail"}' if self.dice.random() < 0.3 else '{"ask": "formats"}'
        self._add(self._new_url(), options)

    def _answer(self) -> None:
        """Mostly one that asks."""
        asking = [
            id for (id,) in self.database.execute("SELECT id FROM downloads WHERE status = 'choosing' ORDER BY id")
        ]
        id = self.dice.choice(asking) if asking else self._some_row()
        if self.now >= self.locked_until:
            failed = any(status == "failed" for (status,) in self.database.execute(STATUS, id))
            if self.database.choose(id, self.dice.choice((["f1"], ["f2", "s1"], []))):
                if failed:
                    self.checks.retried(id)
                self.checks.answered(id)
            self._stir()

    def _cancel(self, id: int | None = None) -> None:
        asked = f"UPDATE downloads SET cancelled = 1 WHERE id = ? AND {OPEN} RETURNING id"
        for (cancelled,) in self._write(asked, id or self._some_row()):
            self.checks.cancelled.add(cancelled)

    def _take_back(self, id: int | None = None) -> None:
        back = "UPDATE downloads SET cancelled = 0 WHERE id = ? RETURNING id"
        for (taken_back,) in self._write(back, id or self._some_row()):
            self.checks.cancelled.discard(taken_back)

    def _end_by_status(self) -> None:
        ended = f"UPDATE downloads SET status = 'cancelled' WHERE id = ? AND {OPEN}"
        for (id,) in self._write(f"{ended} RETURNING id", self._some_row()):
            self.checks.cancelled.add(id)

    def _delete(self) -> None:
        gone = self._some_row()
        self._note_removed(gone)
        for (id,) in self._write("DELETE FROM downloads WHERE id = ? RETURNING id", gone):
            self.checks.forget(id)

    def _note_removed(self, id: int) -> None:
        entry = "SELECT parent_id, item_key FROM downloads WHERE id = ? AND parent_id IS NOT NULL"
        self.removed |= {(parent, key) for parent, key in self.database.execute(entry, id)}

    def _replace_row(self) -> None:
        id = self._some_row()
        self._note_removed(id)
        if id and self._write(
            """INSERT OR REPLACE INTO downloads (id, url, added_date) VALUES (?, ?, datetime(?, 'unixepoch'))
            RETURNING id""",
            *(id, self._new_url(), self.wall),
        ):
            self.checks.forget(id)

    def _retry(self, id: int | None = None) -> None:
        again = """UPDATE downloads SET status = 'pending', cancelled = 0, stage = NULL, progress = 0, retry_count = 0,
            next_attempt_at = NULL, error_code = NULL WHERE id = ?
            AND (status IN ('failed', 'cancelled') OR error_code = 'partial') RETURNING id"""
        for (sent,) in self._write(again, id or self._some_row()):
            self.checks.retried(sent)

    # The disk

    def free(self) -> int:
        """Bytes that are free; now and then there are too few for a while."""
        if self.chance(0.1):
            self._full_until = self.now + self.dice.random() * 30
        return 0 if self.now < self._full_until and not self.calm else 1000 * MIB

    def held(self, place: Place) -> int:
        """What a staging folder takes of it."""
        return SIZE * len(self.folders[place].parts) if place in self.folders else 0

    def folder(self, place: Place) -> Folder:
        """A staging folder, made if missing."""
        return self.folders.setdefault(place, Folder())

    def publish(self, command: commands.Finish, place: Place) -> str | None:
        """The path of the result; None when its bytes are not there."""
        folder, extraction = self.folders.get(place), command.extraction
        reused = extraction.finish.reused
        if reused is not None and (reused.path in self.published or folder is not None):
            folder = self.folder(place)
        if folder is None:
            return None
        if folder.record in self.published:
            if not command.keep:
                folder.parts.clear()
            return folder.record
        if reused is not None:
            return self._reuse(command, folder, reused)
        certain = extraction.finish.how == "file" and command.said_whole
        there = [folder.parts.get(n, False) for n in range(len(extraction.fetches))]
        whole = any(there) if extraction.finish.recording is not None else all(there)
        if not whole or (command.resumed and not certain):
            return None
        if command.presumed and command.attempt.download_id % 4 == 0:
            return None  # made anew for whoever asks: it is not as long as was promised
        self.checks.published(folder, extraction)
        folder.record = f"/downloads/{next(self._paths)}"
        self.published[folder.record] = command.attempt.download_id
        self._say(f"{command.attempt} is published as {folder.record}")
        if not command.keep:
            folder.parts.clear()
        return folder.record

    def _reuse(self, command: commands.Finish, folder: Folder, reused: Brought) -> str | None:
        """As `Staging.reuse`."""
        if reused.path not in self.published:
            return None
        folder.record = f"/downloads/{next(self._paths)}"
        self.published[folder.record] = command.attempt.download_id
        self._say(f"{command.attempt} has what is {reused.path} as {folder.record}")
        folder.parts.clear()
        return folder.record

    def prepare(self, place: Place, *, fresh: bool) -> None:
        """As `Staging.prepare`."""
        folder = self.folders.get(place)
        if folder is not None and folder.record is not None:
            self.published.pop(folder.record, None)
            folder.record = None
        if fresh:
            self.folders.pop(place, None)

    def discard(self, place: Place, *, keep_result: bool) -> None:
        """As `Staging.discard`."""
        folder = self.folders.pop(place, None)
        if folder is not None and folder.record is not None and not keep_result:
            self.published.pop(folder.record, None)

    def clear(self, instance: str) -> None:
        """As `Staging.adopt` does with the folders of the database before."""
        for place in [place for place in self.folders if place[0] == instance]:
            del self.folders[place]

    def tidy(self, places: Iterable[Place]) -> None:
        """As `Staging.tidy`."""
        for place in places:
            if place in self.folders and not self.folders[place].parts:
                del self.folders[place]
