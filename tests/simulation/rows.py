"""The database of a simulation: SQLite in memory, the reactor's own statements, and what stands behind its URLs."""

from __future__ import annotations

import hashlib
import math
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from reactor.choices import Choices, FormatChoice, SubtitleChoice
from reactor.core import commands, events
from reactor.core.job import Attempt
from reactor.core.quotas import MIB
from reactor.database import contract
from reactor.database.sql import admission, crashes, downloads, plans, saving, statements, table, turns
from reactor.database.sqlite.migration import migrate
from reactor.database.store import Unsaved
from reactor.errors import DownloadError
from reactor.lists import Entry, Listing
from reactor.models import Kind
from reactor.plan import Detection, Extraction, Fetch, Finish, Recording, Source, Torrent, Track
from tests.simulation.aria2 import REFUSED, SIZE
from tests.simulation.checks import Had

if TYPE_CHECKING:
    from tests.simulation.world import World

NATURES = (
    "direct",
    "direct",
    "unsized",
    "parts",
    "parts",
    "magnet",
    "magnet",
    "page",
    "refused",
    "huge",
    "unknown",
    "deadly",
)
TELLING = ("direct", "unsized", "parts", "magnet", "huge")
"""Of which the text may tell what they are."""
DEADLY = (commands.Detect, commands.Extract, commands.AddTransfers, commands.Finish)
"""At which of these the process dies with a `deadly` row, by its number."""
HUGE = 10_000 * MIB
"""Bytes of a file for which there is never room."""
LARGEST = HUGE + MIB
"""Bytes that one download may have: no more may be written of it. Of the `huge` ones every second is small, and
putting it together would write more."""
ENTRIES = (1, 3, 5)
ENTRY_NATURES = ("direct", "direct", "parts", "unsized", "unknown", "direct", "deadly")
BROADCAST = 6
"""Segments of a broadcast until it is over."""
FEW, MANY = 3, 9
"""Parts: few are asked about one by one, many as a whole."""


@cache
def _template() -> bytes:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        return connection.serialize()


OVER_ENTRIES = """SELECT id, parent_id FROM downloads WHERE status IN ('failed', 'cancelled')
    AND parent_id IS NOT NULL"""
WEIGHTS = "SELECT owner, weight FROM reactor_owners"
WAITING_ENTRIES = "SELECT id FROM downloads WHERE status = 'pending' AND parent_id IS NOT NULL"


def site_of(url: str) -> str:
    """Which of two sites a row is from."""
    return f"site{int(url.partition(':')[2]) % 2}.example"


@contextmanager
def _sites_of_the_simulation() -> Iterator[None]:
    """Its URLs have no host."""
    real, turns.site_of = turns.site_of, site_of  # type: ignore[attr-defined]
    try:
        yield
    finally:
        turns.site_of = real  # type: ignore[attr-defined]


class Rows:
    """One database file, as long as it is the one under its name."""

    def __init__(self, world: World, instance: str) -> None:
        self._world = world
        self.instance = instance
        self.begun = defaultdict[int, Counter[str]](Counter)
        """Rows that were begun for the first time, by the day and their owners."""
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.deserialize(_template())
        self.execute("UPDATE reactor_meta SET value = ? WHERE key = 'instance'", instance)
        self.execute("INSERT INTO reactor_owners (owner, weight) VALUES ('other', 3)")
        self.got = defaultdict[int, Counter[str]](Counter)
        """Bytes that came, by the day and the owners of the rows."""
        self._looked_at: int | None = None
        """The highest id that a look has seen."""
        self.owner_column, self._whose = "owner", "coalesce(owner, '')"
        if world.capped:
            self.owner_column, self._whose = "chat", "coalesce(owner, chat, '')"
            self.execute("ALTER TABLE downloads ADD COLUMN chat")

    def close(self) -> None:
        """Give its memory back."""
        self._connection.close()

    def locked(self) -> bool:
        """True while somebody else writes, or it is not the one that the reactor has open."""
        return self._world.now < self._world.locked_until or self._world.replaced

    def changes(self) -> int:
        """How many rows were written so far."""
        return self._connection.total_changes

    def execute(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """A bot's statement."""
        return self._connection.execute(sql, values).fetchall()

    def look(self, command: commands.PollRows) -> events.RowsPolled:
        """As the daemon does it."""
        due = self._due(command) if command.claim else {}
        world, had = self._world, self._had()
        over = dict(self.execute(OVER_ENTRIES))
        with _sites_of_the_simulation():
            column = self.owner_column if self.owner_column != "owner" else None
            telling = world.sites.by_text
            seen = downloads.poll(
                self._connection, command, "here", world.wall, by_text=telling, owner_column=column
            ).rows
        due = self._without_refused(due, seen) if world.capped else due
        ids = {row.attempt.download_id for row in seen.claimed}
        world.checks.sent_back(id for (id,) in self.execute(WAITING_ENTRIES) if over.get(id) in ids)
        due = {id: owner for id, owner in due.items() if id not in seen.swept}  # entries of a list that was cancelled
        world.checks.claimed([row.attempt for row in seen.claimed], due, had, command.caps)
        for row in seen.claimed:
            if row.attempt.number == 1:
                self.begun[int(world.wall // 86_400)][row.owner or ""] += 1
        return seen

    def _without_refused(self, due: dict[int, str], seen: events.RowsPolled) -> dict[int, str]:
        world, most, before = self._world, self._world.limits.caps.owner_waiting_max, self._looked_at
        refused = {each.attempt.download_id for each in seen.rejected if each.failure.code == admission.REFUSED.code}
        found = self.execute(f"SELECT id, {self._whose}, status FROM downloads WHERE {statements.IN_NO_LIST}")
        self._looked_at = max([before or 0, *(id for id, *_ in self.execute("SELECT id FROM downloads"))])
        claimed = {row.attempt.download_id for row in seen.claimed}
        waiting = Counter(owner for id, owner, status in found if status == "pending" or id in claimed)
        for id in refused:
            world.hurt(id)
            (owner,) = [whose for row, whose, _ in found if row == id]
            assert waiting[owner] >= most, f"row {id} of {owner} is refused, of whom {waiting[owner]} wait"
        taken = Counter(
            owner for id, owner, status in found if id > (before or 0) and status in ("pending", "downloading")
        )
        for owner, number in taken.items() if before is not None else ():
            assert not owner or number <= most, f"{number} new rows of {owner} are taken"
        return {id: owner for id, owner in due.items() if id not in refused}

    def choose(self, id: int, codes: list[str]) -> bool:
        """A bot's answer. False too for what a row does not ask: one that failed says something else."""
        try:
            return table.choose(self._connection, id, codes)
        except DownloadError:
            return False

    def _had(self) -> Had:
        """What owners have had."""
        under_way = self.execute(
            f"SELECT {self._whose}, url FROM downloads WHERE status = 'downloading' AND stage IS NOT 'items'"
        )
        return Had(
            self._tags(),
            self._turn(),
            Counter(owner for owner, _ in under_way),
            self.begun[int(self._world.wall // 86_400)],
            self.got[int(self._world.wall // 86_400)],
            Counter(site_of(url) for _, url in under_way),
            {
                id: site_of(url)
                for id, url in self.execute("SELECT id, url FROM downloads WHERE status <> 'downloaded'")
            },
            frozenset(id for (id,) in self.execute("SELECT id FROM downloads WHERE coalesce(attempt, 0) = 0")),
        )

    def _tags(self) -> dict[str, float]:
        return dict(self.execute("SELECT owner, tag FROM reactor_owners"))

    def _turn(self) -> float:
        turn = self.execute("SELECT json_extract(value, '$.tag') FROM reactor_meta WHERE key = 'turn'")
        return turn[0][0] if turn else 0.0

    def _due(self, command: commands.PollRows) -> dict[int, str]:
        """The rows that are due and their owners, the oldest first."""
        waiting = self.execute(
            f"""SELECT id, {self._whose} FROM downloads AS d WHERE cancelled IS NOT TRUE AND (status = 'pending'
            AND COALESCE(next_attempt_at, 0) NOT BETWEEN ? AND ? OR status = 'choosing' AND next_attempt_at <= ?
            AND json_extract(choices, '$.unanswered') = 'default') AND NOT EXISTS
            (SELECT 1 FROM reactor_plans AS p WHERE p.download_id = d.id AND p.attempt > COALESCE(d.attempt, 0))
            AND COALESCE(not_before, 0) <= ?
            ORDER BY stage IS NOT 'yielded',
            CASE WHEN priority IN (-2, -1, 1, 2) THEN -priority ELSE 0 END, added_date, id""",
            *(math.nextafter(self._world.wall, math.inf), self._world.wall + contract.RETRY_MAX_S + contract.SLACK_S),
            *(self._world.wall, self._world.wall),
        )
        return {id: owner for id, owner in waiting if id not in command.held}

    def apply(self, saves: Sequence[commands.Save]) -> tuple[Unsaved, ...]:
        """As the daemon does it."""
        before, turn, weights = self._tags(), self._turn(), dict(self.execute(WEIGHTS))
        unsaved = saving.apply(self._connection, saves, self._world.wall)
        self._world.checks.charged(saves, before, turn, weights, self._tags())
        for save in saves:
            if isinstance(save, commands.ChargeOwner) and (owner := save.owner or "") in before:
                self.got[int(self._world.wall // 86_400)][owner] += save.bytes
        refused = {event.attempt for event in unsaved}
        for save in saves:
            if isinstance(save, commands.SaveProgress) or save.attempt not in refused:
                self._world.checks.saved(save)
        return unsaved

    def count_crashes(self) -> None:
        """As the daemon does it, once in each of its lives."""
        downloads.count_crashes(self._connection)

    def read_plan(self, command: commands.ReadPlan) -> events.PlanRead | None:
        """As the daemon does it."""
        return downloads.read_plan(self._connection, command)

    def leave(self) -> None:
        """As the daemon does it when it was asked to end."""
        if not self.locked():
            crashes.leave(self._connection)

    def recover(self, folders: frozenset[int]) -> events.Recovered:
        """As the daemon does it; `folders` are those of the staging that are there."""
        found, planned = downloads.recover(self._connection), plans.owners(self._connection)
        stray = sorted(folders - planned - {row.attempt.download_id for row in found.rows})
        leftovers = (*found.leftovers, *(events.Leftover(Attempt(id, 0), 0, keep_result=True) for id in stray))
        return events.Recovered(found.rows, leftovers, found.instance)

    def plans(self) -> dict[int, int]:
        """The attempts that have a plan, by their row."""
        return dict(self.execute("SELECT download_id, attempt FROM reactor_plans"))


class Sites:
    """Stage 1 and 2: a URL such as `parts:7` says what it is."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._versions: dict[str, int] = {}
        self.listings: dict[Attempt, Listing] = {}
        """What an attempt was told last of a list."""

    def detect(self, command: commands.Detect) -> events.Detected:
        """What a URL is when it was looked at."""
        return events.Detected(command.attempt, _detection(command.url))

    def by_text(self, url: str) -> Detection | None:
        """What it is where its text tells: every second one of some kinds."""
        nature, _, number = url.partition(":")
        return _detection(url) if nature in TELLING and int(number) % 2 else None

    def extract(self, command: commands.Extract) -> events.Event:
        """What is to be fetched, and for a row that asks what there is to choose from."""
        found = self._extract(command)
        if isinstance(found, events.Extracted) and command.options.again == "reuse":
            brought, finish = self._world.brought(command.detection.url), found.extraction.finish
            reused = finish.model_copy(update={"reused": brought})
            return replace(found, extraction=found.extraction.model_copy(update={"finish": reused}))
        if isinstance(found, events.Extracted) and command.options.ask != "never":
            return replace(found, choices=_choices(command.options.unanswered))
        return found

    def _extract(self, command: commands.Extract) -> events.Event:
        """What is to be fetched; now and then the file on the server has changed."""
        url, attempt = command.detection.url, command.attempt
        nature, _, number = url.partition(":")
        if nature == "page" and command.detection.kind is Kind.DIRECT:
            return events.Reclassified(attempt, Detection(kind=Kind.YTDLP, url=url, why="a page"))
        if self._world.chance(0.1):
            self._versions[url] = self._versions.get(url, 0) + 1
        if nature == "list":
            self.listings[attempt] = _list(url, int(number), self._versions.get(url, 0))
            return events.Listed(attempt, self.listings[attempt])
        if nature == "magnet":
            what = f"{self._world.database.instance}/{int(number) % 2}"
            return events.Extracted(attempt, _magnet(url, what, looked_into=int(number) % 3 > 0))
        if nature == "live":
            return events.Extracted(attempt, _broadcast(url, int(number), command.so_far))
        if nature == "refused":
            return events.Extracted(attempt, _parts(url, FEW, 0, host=REFUSED))
        if nature in ("parts", "page"):
            return events.Extracted(attempt, _parts(url, MANY if int(number) % 2 else FEW, self._versions.get(url, 0)))
        if nature == "huge" and int(number) % 2:
            return events.Extracted(attempt, _file(url, size=SIZE, version=0), joined=2 * LARGEST)
        size = {"direct": SIZE, "deadly": SIZE, "huge": HUGE}.get(nature)
        return events.Extracted(attempt, _file(url, size=size, version=self._versions.get(url, 0)))

    def kills(self, command: commands.Command, url: str) -> bool:
        """True when the process dies of carrying this out for a row of this `url`."""
        nature, _, number = url.partition(":")
        return nature == "deadly" and isinstance(command, DEADLY[int(number) % len(DEADLY)])


def _choices(unanswered: Literal["default", "fail"]) -> Choices:
    formats = tuple(FormatChoice(c=f"f{n}", label=str(n), pick={"quality": 1000 // n}) for n in (1, 2))
    subtitles = (SubtitleChoice(c="s1", language="de", pick={"subtitles": {"languages": ["de"]}}),)
    return Choices(formats=formats, subtitles=subtitles, unanswered=unanswered)


def _broadcast(url: str, number: int, so_far: Extraction | None) -> Extraction:
    """One more segment than there was, until it is over. Of some every third one is refused."""
    before = so_far.finish.recording if so_far is not None else None
    if so_far is not None and before is not None and before.over:
        return so_far
    count = 1 + (len(so_far.fetches) if so_far is not None else number % 2)
    hosts = [REFUSED if number % 3 == 0 and n % 3 == 2 else "host.example" for n in range(count)]
    fetches = tuple(Fetch(urls=(f"http://{host}/{n}.ts",), name=f"{n}.ts") for n, host in enumerate(hosts))
    tracks = tuple(Track(form="hls", first=n, count=1, playlist="#EXTM3U\n") for n in range(count))
    source = Source(url=url, after=count)
    recording = Recording(url=url, sources=(source,), most_s=60, recorded_s=count, over=count >= BROADCAST)
    finish = Finish(how="media", name="film.mp4", tracks=tracks, recording=recording)
    return Extraction(kind=Kind.YTDLP, title=url, fetches=fetches, finish=finish)


def _detection(url: str) -> Detection:
    kinds = {
        "parts": Kind.YTDLP,
        "refused": Kind.YTDLP,
        "live": Kind.YTDLP,
        "magnet": Kind.TORRENT,
        "unknown": Kind.UNKNOWN,
    }
    return Detection(kind=kinds.get(url.partition(":")[0], Kind.DIRECT), url=url, why="its name")


def _list(url: str, number: int, version: int) -> Listing:
    """It moves on with each version: its first entry goes, and another one comes. Some have a list in them, or
    themselves."""
    places = range(version, version + ENTRIES[number % len(ENTRIES)])
    urls = {f"entry {n}": f"{ENTRY_NATURES[(number + n) % len(ENTRY_NATURES)]}:{1000 * number + n}" for n in places}
    if number % 4 == 0:
        urls["itself"] = url
    if number % 3 == 0:
        urls["a list"] = f"list:{1000 * number + 999}"
    entries = (Entry(key=key, url=url, position=n) for n, (key, url) in enumerate(urls.items(), 1))
    return Listing(kind=Kind.YTDLP, title=url, entries=tuple(entries))


def _file(url: str, *, size: int | None, version: int) -> Extraction:
    validator = None if size is None else f'"{version}"'
    urls = (f"http://host.example/{version}/{url}",)
    fetch = Fetch(urls=urls, name="a.bin", size=size, validator=validator, ranges=validator is not None)
    return Extraction(kind=Kind.DIRECT, title=url, fetches=(fetch,), finish=Finish(how="file", name="a.bin"))


def _magnet(url: str, what: str, *, looked_into: bool) -> Extraction:
    """There are few torrents, so that the same one is often wanted twice."""
    info_hash = hashlib.sha1(what.encode()).hexdigest()
    torrent = Torrent(info_hash=info_hash, metadata_only=looked_into)
    fetch = Fetch(urls=(f"magnet:?xt=urn:btih:{info_hash}",), name="magnet", torrent=torrent)
    finish = Finish(how="metadata" if looked_into else "torrent", name="magnet")
    return Extraction(kind=Kind.TORRENT, title=url, fetches=(fetch,), finish=finish)


def described(magnet: Extraction) -> Extraction:
    """What a magnet link stands for."""
    found = magnet.fetches[0].torrent
    assert found is not None
    torrent = Torrent(metainfo=b"d", info_hash=found.info_hash)
    fetch = Fetch(name=f"{found.info_hash}", size=SIZE, torrent=torrent)
    finish = Finish(how="torrent", name="magnet")
    return Extraction(kind=Kind.TORRENT, title=magnet.title, fetches=(fetch,), finish=finish)


def _parts(url: str, count: int, version: int, host: str = "host.example") -> Extraction:
    fetches = tuple(Fetch(urls=(f"http://{host}/{version}/{n}.ts",), name=f"{n}.ts") for n in range(count))
    track = Track(form="hls", first=0, count=count, playlist="#EXTM3U\n")
    finish = Finish(how="media", name="film.mp4", tracks=(track,))
    return Extraction(kind=Kind.YTDLP, title=url, fetches=fetches, finish=finish)
