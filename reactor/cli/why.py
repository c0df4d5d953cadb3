"""`reactor why`: the history of one download, and what happens next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from reactor.cli.options import Db, fits, no_download
from reactor.core.crashes import CRASHES_MAX
from reactor.records import dataclass

if TYPE_CHECKING:
    from reactor.database.presence import Presence
    from reactor.database.table import Try
    from reactor.models import Download, Position
    from reactor.settings import Settings


@dataclass(frozen=True, slots=True)
class Around:
    """What a row's story depends on beside the row."""

    served: Presence | None
    """Who serves the database, or did last."""
    under_way: int
    """Rows that are being downloaded."""
    full: str = ""
    """Why the disk keeps new ones from beginning; empty when it does not."""
    crashes: int = 0
    """How often in a row reactor has died while it worked on it."""
    parent: Download | None = None
    """The list that it is an entry of."""
    position: Position | None = None
    failures: Mapping[str, int] = field(default_factory=dict)
    """Of a list: how many of its entries failed, by code."""

    @property
    def alive(self) -> bool:
        """True while somebody serves it."""
        return self.served is not None and self.served.alive


def why(number: Annotated[int, typer.Argument(metavar="ID", help="As `list` prints it.")], db: Db = None) -> None:
    """Explain the state of a download, and what you can do.

    Lists each attempt with its error, and says what happens next.
    """
    import time

    from reactor.cli.runtime import run_async
    from reactor.cli.table import fitted
    from reactor.settings import Settings

    if not fits(number):
        raise no_download(number)
    row, tries, around = run_async(partial(_read, Settings.load(download_db=db), number))
    if row is None:
        raise no_download(number)
    for line in story(row, tries, around, time.time()):
        typer.echo(fitted(line))


async def _read(settings: Settings, number: int) -> tuple[Download | None, list[Try], Around]:
    from reactor.database.engine import open_table

    async with open_table(settings.download_db, read_only=True) as table:
        told = await table.story(number)
        served, under_way = await table.presence(), (await table.counts()).downloading
    if told is None:
        return None, [], Around(served, under_way)
    full = " ".join(filter(None, (_closed(settings), _full(settings))))
    around = Around(served, under_way, full, told.crashes, told.parent, told.position, told.failures)
    return told.row, [*told.tries], around


def _closed(settings: Settings) -> str:
    """What is to be said outside the hours in which downloads begin."""
    import time

    from reactor.hours import is_open, next_opening, windows

    those, now = windows(settings.hours), time.time()
    if is_open(those, now):
        return ""
    opens = next_opening(those, now)
    when = "" if opens is None else f", the next time {datetime.fromtimestamp(opens):%A at %H:%M}"
    return f"Downloads start only within HOURS{when}."


def _full(settings: Settings) -> str:
    """What is to be said of a download folder that has less room than has to stay free."""
    import shutil

    from reactor.core.quotas import FREE_SPACE_MIN, MIB

    needed = max(settings.min_free_disk_mib * MIB, FREE_SPACE_MIN)
    try:
        free = shutil.disk_usage(settings.download_dir.expanduser()).free
    except OSError:
        return ""
    elsewhere = settings.aria2c_rpc_url is not None and settings.path_map is None
    if elsewhere or free >= needed:
        return ""
    has = f"The disk has {free // MIB} MiB free; {needed // MIB} MiB must stay free (MIN_FREE_DISK_MIB)"
    return f"{has}: no new download starts until some is freed."


def story(row: Download, tries: list[Try], around: Around, now: float) -> Iterator[str]:
    """The lines. `now` in seconds since the epoch."""
    from reactor.journal.format import clean
    from reactor.net.credentials import redact

    yield f"#{row.id} {clean(redact(row.url), 1000)}"
    if row.title:
        yield f"  It is: {clean(row.title)}" + (f" ({row.url_type})" if row.url_type else "")
    yield f"  Added {_day(row.added_date)}" + (f", started {_day(row.started_at)}" if row.started_at else "") + "."
    if (parent := around.parent) is not None:
        known = clean(parent.title or redact(parent.url))
        yield f"  It is entry {row.position or '?'} of the list #{parent.id}, {known}."
    for past in tries:
        if not _before(past.at, row.added_date):  # else it is of another row, which had this id before
            yield f"  Attempt {past.attempt}, {_moment(past.at)}: {clean(past.sentence, 500)}{_again(past, row, now)}"
    if around.crashes and row.status == "downloading":
        times = _times(around.crashes)
        yield f"  reactor died {times} in a row while working on this; after {CRASHES_MAX} it fails."
    yield from (f"  {line}" for line in (*_entries(row, around), *_now(row, around, now)) if line)


def _entries(row: Download, around: Around) -> Iterator[str]:
    """Of a list: what has become of its entries."""
    from reactor.journal.format import clean

    if not row.items_total:
        return
    did_not = row.items_failed or 0
    left = row.items_total - (row.items_done or 0) - did_not
    more = f", {left} waiting or running" if left > 0 else ""
    came = f"{row.items_done or 0} of {row.items_total} entries downloaded{more}"
    yield f"It is a list: {came}. `reactor list {row.id}` lists them."
    if did_not:
        codes = [f"{number} {clean(code, 40) or 'without a reason'}" for code, number in around.failures.items()]
        stopped = did_not - sum(around.failures.values())
        yield f"{did_not} not downloaded: {', '.join([*codes, *([f'{stopped} cancelled'] if stopped > 0 else [])])}."


def _again(past: Try, row: Download, now: float) -> str:
    from reactor.journal.format import span

    if past.again_s is None or (past.attempt >= row.attempt and row.status == "pending"):
        return ""  # what is still to come is said at the end
    return f" Retried after {span(past.again_s)}."


def _now(row: Download, around: Around, now: float) -> Iterator[str]:
    """How it stands, what happens next, what a person can do."""
    from reactor.cli.table import helpful
    from reactor.journal.format import clean, size, span

    match row.status:
        case "downloaded":
            if row.items_total is not None:
                again = f" `reactor retry {row.id}` tries the others again." if row.error_code == "partial" else ""
                yield f"It ended {_day(row.finished_at)}.{again}"
            else:
                yield f"Downloaded {_day(row.finished_at)}: {clean(row.file_path or '', 1000)} ({size(row.file_size)})."
        case "cancelled":
            yield f"Cancelled {_day(row.finished_at)}. `reactor retry {row.id}` queues it again."
        case "failed":
            yield f"Failed {_day(row.finished_at)}: {clean(row.error or 'no reason was recorded', 500)}"
            yield f"It is not retried automatically. `reactor retry {row.id}` queues it again."
            if helpful(row):
                yield f"`reactor choose {row.id}` lists what would help."
        case "downloading" if row.cancelled and around.alive:
            yield "It is being cancelled."
        case "downloading" if not around.alive:
            yield f"It was running ({row.stage or 'started'}{_far(row)}) when reactor stopped. {_unserved(around)}"
        case "downloading":
            yield f"Now: {row.stage or 'downloading'}{_far(row)}."
        case "pending" if row.next_attempt_at is not None and row.next_attempt_at > now:
            wait = span(row.next_attempt_at - now)
            yield f"It waits for its next retry, {_moment(row.next_attempt_at)}, in {wait}."
            yield around.full if around.alive else _unserved(around)
        case "pending" if not around.alive:
            yield f"It waits for a reactor. {_unserved(around)}"
        case "pending":
            if row.stage == "yielded":
                yield f"Its time slice was over (SLICE){_far(row)}. It keeps its partial files and resumes later."
            if (stands := around.position) is not None:
                ahead = f"{stands.of_owner} ahead of it{_with(stands.owners)}"
                yield f"It waits for its turn: {around.under_way} running, {ahead}." if stands.why == "turn" else ""
                yield stands.text if stands.why != "turn" or stands.owners else ""
            yield around.full
        case "choosing":
            yield f"It asks what to download. `reactor choose {row.id}` lists the choices."
            if row.next_attempt_at is not None and row.next_attempt_at > now:
                then = "it fails" if row.choices and row.choices.unanswered == "fail" else "the best is taken"
                yield f"Without an answer {then} in {span(row.next_attempt_at - now)}."
        case other:
            yield f"Its status is {clean(other)}: reactor does not change rows with this status."


def _with(others: int) -> str:
    if not others:
        return ""
    return f" of the same owner; {others} other {'owner takes' if others == 1 else 'owners take'} turns with it"


def _unserved(around: Around) -> str:
    ever = "No reactor has served this database yet" if around.served is None else "No reactor serves this database now"
    return f"{ever}. Start one with `reactor run`."


def _far(row: Download) -> str:
    from reactor.journal.format import span

    parts = [f"{row.progress:.0f} %" if row.progress is not None else ""]
    parts.append(f"{row.download_speed:.1f} MiB/s" if row.download_speed else "")
    parts.append(f"about {span(row.eta_seconds)} left" if row.eta_seconds else "")
    shown = ", ".join(part for part in parts if part)
    return f", {shown}" if shown else ""


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _day(stored: str | None) -> str:
    return f"{stored.partition('.')[0]} UTC" if stored else "at an unknown time"


def _before(at: float, stored: str | None) -> bool:
    try:
        added = datetime.fromisoformat(stored or "")
    except ValueError:
        return False
    return at < (added if added.tzinfo else added.replace(tzinfo=UTC)).timestamp()
