"""What must be true after every step, and what in the end."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reactor.core import commands
from reactor.core.crashes import CRASHES_MAX
from reactor.core.job import Attempt, State
from reactor.core.turns import Caps
from reactor.core.widths import FEW
from reactor.plan import Extraction, Fetch
from tests.simulation.aria2 import Folder, Transfer, source

if TYPE_CHECKING:
    from tests.simulation.world import World

FREE = ("no_space", "duplicate", "interrupted")
WIDENED_MAX = 20
"""So often at most an attempt changes its connections: twice each time that aria2 was started."""
MANY_DELAYS, NO_DELAY_S = 3, 0.002
"""So many draws that are all so small are no chance any more."""
STOPPING_S = 40.0
"""How long it may take in a storm until a row says that its time was up."""
OPEN_ENTRIES = """SELECT c.id, c.status, p.id, p.status FROM downloads AS c JOIN downloads AS p ON p.id = c.parent_id
    WHERE c.status IN ('pending', 'downloading', 'choosing') AND p.status IN ('downloaded', 'failed')"""
OF_CANCELLED = """SELECT c.id FROM downloads AS c JOIN downloads AS p ON p.id = c.parent_id
    WHERE c.status = 'downloading' AND p.cancelled AND p.status = 'downloading'"""
FINAL = ("downloaded", "failed", "cancelled")
COLUMNS = "id, status, COALESCE(attempt, 0), COALESCE(retry_count, 0), progress, stage, error_code, file_path, url"


@dataclass(frozen=True)
class Had:
    """What the owners of rows have had before a look."""

    tags: Mapping[str, float]
    turn: float
    under_way: Counter[str]
    begun_today: Counter[str]
    """Rows that were begun for the first time."""
    got_today: Counter[str]
    """Bytes."""
    sites: Counter[str]
    """Rows under way."""
    site_of: Mapping[int, str]
    new: frozenset[int]
    """Those that never were."""


class Checks:
    """Each check is a method that raises AssertionError."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.cancelled: set[int] = set()
        """Rows whose cancel was committed before they were final, and not taken back."""
        self._answered: set[int] = set()
        """Rows that were answered: they ask nothing any more."""
        self._final: dict[int, str] = {}
        self._retried: set[int] = set()
        """Rows that the bot has sent back, each by itself."""
        self._progress: dict[tuple[int, int], float] = {}
        self._spent: Counter[int] = Counter()
        """How often a row was sent back for another try that is not free, since bytes came of it last."""
        self._retries: Counter[int] = Counter()
        """The retries that its row says."""
        self._rewarded: Counter[int] = Counter()
        """The last attempt of a row that gave it its retries back: what came in one that was killed counts later."""
        self._widened: Counter[Attempt] = Counter()
        self._delays: list[float] = []
        self._begun: dict[tuple[int, int], float] = {}
        self._deaths: Counter[int] = Counter()
        """How often the process died while a row was under way."""
        self._causes: defaultdict[int, set[int | None]] = defaultdict(set)
        """Of what: of these rows, or of none (None)."""
        self._killed: Counter[int] = Counter()
        """How often a row killed it in the calm."""
        self.full = False
        """True when the reactor has last heard that there is no room."""
        self._checked: object = None
        """What the rows and the transfers were when all was checked last."""
        self._read_at: object = None
        self._rows = list[tuple[Any, ...]]()
        """The rows, as they were then."""
        self._charged = 0.0
        """Seconds, to all owners together."""
        self.yields = 0
        self._orphaned: set[str] = set()
        """Files of rows that the bot deleted, or replaced, after they were done: they stay."""

    def rows(self) -> list[tuple[Any, ...]]:
        """All of the table that matters."""
        database = self._world.database
        state = (database.instance, database.changes())
        if state != self._read_at:
            self._rows = database.execute(f"SELECT {COLUMNS} FROM downloads ORDER BY id")
            self._read_at = state
        return self._rows

    def forget(self, id: int) -> None:
        """The bot has deleted, replaced or sent back a row: what is in its place is new."""
        self.cancelled.discard(id)
        self._answered.discard(id)
        self._final.pop(id, None)
        for count in (self._spent, self._retries, self._rewarded, self._deaths, self._causes, self._killed):
            count.pop(id, None)
        self._progress = {key: value for key, value in self._progress.items() if key[0] != id}
        self._orphaned |= {path for path, owner in self._world.published.items() if owner == id}
        self._world.hurts[id] += 1  # what it left behind may be in the way of the new one

    def retried(self, id: int) -> None:
        """The bot has sent a row back."""
        self.forget(id)
        self._retried.add(id)

    def sent_back(self, ids: Iterable[int]) -> None:
        """Entries that did not come are tried again, with the list that they are in."""
        for id in ids:
            self.forget(id)

    def forget_rows(self) -> None:
        """Another database."""
        self.forget_files()
        self.cancelled, self._answered, self._final, self._progress = set(), set(), {}, {}
        for count in (self._spent, self._retries, self._rewarded, self._deaths, self._causes, self._killed):
            count.clear()
        self._begun.clear()
        for id in range(1, 100):
            self._world.hurts[id] += 1

    def forget_files(self) -> None:
        """What has been published until now may stay: its rows are not there any more."""
        self._orphaned |= set(self._world.published)

    def _live(self) -> list[Transfer]:
        """What runs for rows of the database that is there now: of those of another nobody can know after a crash."""
        instance = self._world.database.instance
        return [transfer for transfer in self._world.aria2.running() if transfer.folder[0] == instance]

    # What is asked for and done

    def _may_begin(self, row: int, owner: str, begun: int, had: Had, caps: Caps) -> bool:
        if caps.site_max and had.sites[had.site_of[row]] >= caps.site_max:
            return False
        if not owner:
            return True
        if caps.owner_max and had.under_way[owner] + begun >= caps.owner_max:
            return False
        if caps.owner_bytes_day and row in had.new and had.got_today[owner] >= caps.owner_bytes_day:
            return False
        return not caps.owner_rows_day or row not in had.new or had.begun_today[owner] + begun < caps.owner_rows_day

    def charged(
        self,
        saves: Sequence[commands.Save],
        before: Mapping[str, float],
        turn: float,
        weights: Mapping[str, float],
        after: Mapping[str, float],
    ) -> None:
        """These were written, when owners had these tags, and the turn was there."""
        expected = dict(before)
        for save in saves:
            owner = save.owner or "" if isinstance(save, commands.ChargeOwner) else None
            if isinstance(save, commands.ChargeOwner) and owner in expected:
                expected[owner] = max(expected[owner], turn) + save.seconds / weights[owner]
        for owner, tag in expected.items():
            assert math.isclose(tag, after[owner]), f"{owner} has {after[owner]}, and should have {tag}"

    def claimed(self, attempts: list[Attempt], due: Mapping[int, str], had: Had, caps: Caps) -> None:
        """A look with these caps has claimed these, when those were `due`: their owners in turn, of each owner the
        oldest first."""
        ids, tag, begun = [attempt.download_id for attempt in attempts], had.turn, Counter[str]()
        for id in ids:
            left = {row: owner for row, owner in due.items() if row not in ids[: ids.index(id)]}
            left = {row: owner for row, owner in left.items() if self._may_begin(row, owner, begun[owner], had, caps)}
            first = {owner: row for row, owner in reversed([*left.items()])}
            tags = {owner: max(tag, had.tags.get(owner, 0.0)) for owner in first}
            assert first, f"{ids} were claimed of {due}"
            owner = min(first, key=lambda each: (begun[each], tags[each], first[each]))
            mine = due[id]
            if caps.site_max and (begun[mine], tags.get(mine)) == (begun[owner], tags[owner]):
                owner = mine  # of those whose turn it is, who had the first row until its site was full
            assert id == first[owner], f"{ids} were claimed of {due}, and it was the turn of {first[owner]}: {had}"
            tag, begun[owner] = tags[owner], begun[owner] + 1
            had.sites[had.site_of[id]] += 1
        stopped = {id for (id,) in self._world.database.execute(OF_CANCELLED)}
        assert not stopped.intersection(ids), f"entries of a cancelled list are begun: {stopped.intersection(ids)}"
        self.begun(attempts)

    def begun(self, attempts: Iterable[Attempt]) -> None:
        """The reactor has these under way from now on."""
        self._begun |= {(attempt.download_id, attempt.number): self._world.now for attempt in attempts}

    def answered(self, id: int) -> None:
        """The bot has said what is to be fetched, with all its retries."""
        self._answered.add(id)
        for count in (self._spent, self._retries):
            count.pop(id, None)
        self._final.pop(id, None)

    def died(self, of: int | None) -> None:
        """The process died, of a row or of something else."""
        if self._world.replaced:
            return
        under_way = [row[0] for row in self.rows() if row[1] == "downloading" and row[5] != "items"]
        self._deaths.update(under_way)
        for id in under_way:
            self._causes[id].add(of)
        if of is not None and self._world.calm:
            self._killed[of] += 1
            # One that kills for the first time makes those before seem harmless, once; and each attempt is a new one.
            rows = self.rows()
            deadly, attempts = (sum(row[8].startswith("deadly") for row in rows), {row[0]: row[2] for row in rows}[of])
            most = CRASHES_MAX * (deadly + attempts)
            assert self._killed[of] <= most, f"row {of} kills the process again and again"

    def looked(self, command: commands.PollRows) -> None:
        """A look was asked for."""
        assert not command.claim or not self.full, "it begins what there is no room for"
        assert not command.claim or not self._world.process.draining, "it is about to end, and begins something"

    def added(self, fetch: Fetch) -> None:
        """Something was handed to aria2."""
        assert "/huge:" not in source(fetch), "there never was room for it, or more is written of it than may be"

    def saved(self, save: commands.Save) -> None:
        """A save was committed."""
        limits = self._world.limits
        if isinstance(save, commands.SavePlan) and limits.quotas.max_parts:
            assert len(save.extraction.fetches) <= limits.quotas.max_parts, "too many parts"
        if isinstance(save, commands.SavePlan) and not save.continues:  # its URLs were renewed, and it begins anew
            self._progress.pop((save.attempt.download_id, save.attempt.number), None)
        if isinstance(save, commands.ChargeOwner):
            self._charged += save.seconds
        if isinstance(save, commands.SaveListed):
            self._every_entry_has_its_row(save)
        if isinstance(save, commands.SaveWaiting) and save.yielded:
            self._yields(save)
        if not isinstance(save, commands.SaveWaiting) or save.failure is None:
            return
        id, free = save.attempt.download_id, save.failure.code in FREE
        if save.retry_count < self._retries[id] + (not free):
            came = [each.number for each in self._world.aria2.moved if each.download_id == id]
            assert max(came, default=0) > self._rewarded[id], f"row {id} has its retries back, and no byte came"
            self._spent[id], self._rewarded[id] = 0, save.attempt.number
        self._retries[id] = save.retry_count
        if free:
            return
        self._spent[id] += 1
        assert self._spent[id] <= limits.retry.retries_max, f"row {id} is tried too often"
        self._delays.append(save.delay_s)

    def _yields(self, save: commands.SaveWaiting) -> None:
        """A row gives its slot to another owner: what there is of it stays, and it costs nothing."""
        world, id = self._world, save.attempt.download_id
        self.yields += 1
        folder = world.folders.get((world.database.instance, id))
        assert folder is not None, f"row {id} yields, and nothing is left of it"
        assert folder.parts or folder.metadata, f"row {id} yields, and nothing is left of it"
        assert save.retry_count <= self._retries[id], f"row {id} yields, and that costs a retry"
        self._retries[id] = save.retry_count
        had = world.now - self._begun[(id, save.attempt.number)]
        assert had >= world.limits.slice_s > 0, f"row {id} yields after {had} s"

    def widened(self, command: commands.Widen) -> None:
        """A file is fetched by more connections, or fewer."""
        limits = self._world.limits
        assert command.connections in (FEW, limits.connections), f"nobody allows that: {command}"
        transfer = self._world.aria2.transfers.get(command.gid)
        assert transfer is None or transfer.info_hash is None, f"of a torrent: {command}"
        self._widened[command.attempt] += 1
        assert self._widened[command.attempt] <= WIDENED_MAX, f"again and again: {command}"

    def published(self, folder: Folder, extraction: Extraction) -> None:
        """The parts of a result were put together."""
        for n, fetch in enumerate(extraction.fetches):
            if extraction.finish.recording is not None and n not in folder.sources:
                continue  # of a broadcast what is not there is passed by
            assert folder.sources[n] == {source(fetch)}, f"part {n} is made of {folder.sources[n]}"

    # After every step

    def after_a_step(self) -> None:
        """Everything that must never be otherwise."""
        if self._world.replaced:
            return self.forget_files()
        process = self._world.process
        if process.draining and process.machine._leaving is None:
            under_way = [job for job in process.machine.jobs.values() if job.state is not State.SEEDING]
            assert under_way, "all is over, and it does not end"
        state = (self._world.database.instance, self._world.database.changes(), self._world.aria2.changes)
        if state == self._checked:
            return None
        self._checked = state
        rows = self.rows()
        self._no_more_than_allowed(rows)
        self._every_live_gid_is_owned()
        self._one_transfer_for_a_part()
        self._a_list_is_over_with_its_entries()
        for row in rows:
            self._a_cancel_wins(row)
            self._an_answer_holds(row)
            self._final_is_final(row)
            self._retries_have_a_limit(row)
            self._attempts_have_a_limit(row)
            self._progress_goes_on(row)
            self._blamed_for_what_it_does(row)
        return None

    def _no_more_than_allowed(self, rows: list[tuple[Any, ...]]) -> None:
        under_way = [row[0] for row in rows if row[1] == "downloading" and row[5] != "items"]
        limits = self._world.limits
        assert len(under_way) <= limits.concurrent + limits.slow_max, f"too many are under way: {under_way}"

    def _every_live_gid_is_owned(self) -> None:
        plans = self._world.database.plans()
        for transfer in self._live():
            attempt = transfer.attempt
            owned = plans.get(attempt.download_id) == attempt.number
            assert owned, f"nobody would remove {transfer} after a crash: {plans}"

    def _one_transfer_for_a_part(self) -> None:
        live = self._live()
        attempts = defaultdict(set)
        for transfer in live:
            attempts[transfer.attempt.download_id].add(transfer.attempt.number)
        assert all(len(numbers) == 1 for numbers in attempts.values()), f"two attempts at once: {live}"
        parts = Counter((transfer.attempt, transfer.n) for transfer in live)
        assert all(number == 1 for number in parts.values()), f"two transfers of one part: {live}"

    def _every_entry_has_its_row(self, save: commands.SaveListed) -> None:
        world, id = self._world, save.attempt.download_id
        wanted = [entry for entry in world.sites.listings[save.attempt].entries if entry.key != "itself"]
        found = world.database.execute("SELECT item_key, url FROM downloads WHERE parent_id = ?", id)
        lost = {each.key for each in wanted} - {key for key, _ in found} - {k for at, k in world.removed if at == id}
        full = len(self._family(id)) >= world.limits.playlist_max
        assert not lost or full, f"entries of list {id} were lost: {lost}"
        assert len({url for _, url in found}) == len(found), f"an entry of list {id} is there twice: {found}"

    def _family(self, id: int) -> list[int]:
        """All rows that come of one list."""
        above = [up for (up,) in self._world.database.execute("SELECT parent_id FROM downloads WHERE id = ?", id) if up]
        family = self._below(above[0] if above else id)
        return family + [each for child in family for each in self._below(child)]

    def _below(self, id: int) -> list[int]:
        return [child for (child,) in self._world.database.execute("SELECT id FROM downloads WHERE parent_id = ?", id)]

    def _a_list_is_over_with_its_entries(self) -> None:
        opened = self._world.database.execute(OPEN_ENTRIES)
        early = [entry for entry in opened if entry[0] not in self._retried]
        assert not early, f"a list is over, and these entries of it are not: {early}"

    def _a_cancel_wins(self, row: tuple[Any, ...]) -> None:
        id, status = row[:2]
        assert id not in self.cancelled or status not in ("downloaded", "failed"), f"a cancel was overtaken: {row}"

    def _an_answer_holds(self, row: tuple[Any, ...]) -> None:
        id, status = row[:2]
        assert status != "choosing" or id not in self._answered, f"it asks again: {row}"

    def _final_is_final(self, row: tuple[Any, ...]) -> None:
        id, status = row[:2]
        before = self._final.get(id)
        assert before in (None, status), f"{row} was {before}"
        if status in FINAL:
            self._final[id] = status

    def _retries_have_a_limit(self, row: tuple[Any, ...]) -> None:
        assert row[3] <= self._world.limits.retry.retries_max, f"too many retries: {row}"

    def _attempts_have_a_limit(self, row: tuple[Any, ...]) -> None:
        limit = self._world.limits.quotas.download_timeout_s
        begun = self._begun.get((row[0], row[2]))
        if limit and begun is not None and row[1] == "downloading" and row[5] != "items" and self._world.process.alive:
            assert self._world.now - begun <= limit + STOPPING_S, f"it takes too long: {row}"

    def _progress_goes_on(self, row: tuple[Any, ...]) -> None:
        id, _, attempt, _, progress, stage = row[:6]
        if stage != "fetching" or progress is None:
            return
        before = self._progress.get((id, attempt), 0.0)
        assert progress >= before, f"progress went back from {before}: {row}"
        self._progress[(id, attempt)] = progress

    def _blamed_for_what_it_does(self, row: tuple[Any, ...]) -> None:
        id, status, code, url = row[0], row[1], row[6], row[8]
        if (status, code) == ("failed", "crashed") and not url.startswith("list"):  # or it is that of its entries
            assert self._deaths[id] >= CRASHES_MAX, f"it was there {self._deaths[id]} times only: {row}"
            fair = url.startswith("deadly") or None in self._causes[id] or len(self._causes[id]) > 1
            assert fair, f"another row has killed the process each time: {row}"

    # The end

    def is_quiet(self) -> bool:
        """True when every row is final, and the core has nothing left to do."""
        machine = self._world.process.machine
        return (
            self._world.process.alive
            and not self._world.replaced
            and all(row[1] in FINAL for row in self.rows())
            and all(job.state is State.SEEDING for job in machine.jobs.values())
            and not machine.leftovers
        )

    def at_the_end(self) -> None:
        """Nothing is left of anything, and every row has what it says."""
        world, rows = self._world, self.rows()
        assert self.is_quiet()
        seeding = set(world.process.machine.jobs)
        live = [each for each in self._live() if not each.seeder or each.attempt.download_id not in seeding]
        assert not live, f"still running: {live}"
        known = {*world.lost, world.database.instance}
        foreign = [each for each in world.aria2.running() if each.folder[0] not in known]
        assert not foreign, f"still running for a database that was replaced: {foreign}"
        plans = set(world.database.plans()) - seeding
        assert not plans, f"plans were left: {plans}"
        kept = {(world.database.instance, id) for id in seeding}
        folders = [place for place in world.folders if place[0] not in world.lost and place not in kept]
        assert not folders, f"folders were left: {folders}"
        owned = world.database.execute("SELECT 1 FROM downloads WHERE owner <> '' AND status = 'downloaded'")
        assert not owned or self._charged, "what rows have had is charged to nobody"
        assert len(self._delays) < MANY_DELAYS or max(self._delays) > NO_DELAY_S, "nobody waits for the next try"
        for id, status, *_, code, path, url in rows:
            assert status != "downloaded" or not url.startswith("deadly"), f"row {id} has killed nobody"
            assert status != "downloaded" or not url.startswith("refused"), f"row {id} was refused"
            if url.startswith("list"):
                continue
            assert (status == "downloaded") == (world.published.get(path) == id), f"row {id} is {status}: {path}"
            quotas = world.limits.quotas
            fault = url.startswith(("unknown", "huge", "refused")) or quotas.max_parts or quotas.download_timeout_s
            fault = fault or world.hurts[id] or code in ("crashed", "unanswered")
            assert status != "failed" or fault, f"row {id} failed, and nothing had gone wrong"
        theirs = {row[7] for row in rows if row[1] == "downloaded"}
        extra = set(world.published) - theirs - self._orphaned
        assert not extra, f"files of no row: {extra}"
