"""What `reactor top` shows: who serves, how fast it went, what is under way, queued and over, as much as fits."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from reactor.cli.table import MIB, end, measures, name, state
from reactor.database.presence import Presence
from reactor.database.table import Overview
from reactor.journal.format import clean, size, span
from reactor.models import Download

BLOCKS = "▁▂▃▄▅▆▇█"
STEP_S = 1.0
"""What one sign of the speed's history stands for."""
STEPS_MAX = 500
BAR_WIDTH = 20
FIXED_LINES = 9
"""Lines that are there however little there is to show: two at the top, three titles, an empty line before each, and
one that stays free."""


class Speeds:
    """How fast it went: what a change told holds until the next one."""

    def __init__(self) -> None:
        self._told: deque[tuple[float, float]] = deque()

    def tell(self, at: float, speed: float) -> None:
        """From `at` (s, of a clock that only goes forward) it is `speed` bytes/s."""
        if not self._told or self._told[-1][1] != speed:
            self._told.append((at, speed))
        while len(self._told) > 1 and self._told[1][0] < at - STEPS_MAX * STEP_S:
            self._told.popleft()

    def steps(self, now: float, count: int) -> list[float]:
        """The last `count` steps of STEP_S, the oldest first; 0 before the first one that was told."""
        steps = []
        told = list(self._told)
        at = now
        for _ in range(count):
            while told and told[-1][0] > at:
                told.pop()
            steps.append(told[-1][1] if told else 0.0)
            at -= STEP_S
        return steps[::-1]


def speed_of(seen: Overview) -> float:
    """Bytes/s of all that is under way; 0 when nobody is there who could fetch it."""
    if seen.served is not None and not seen.served.alive:
        return 0.0
    return sum(row.download_speed or 0.0 for row in seen.under_way) * MIB


def sparkline(steps: Iterable[float]) -> str:
    """A sign for each, the highest for the highest of them; blank where nothing moved."""
    steps = list(steps)
    top = max(steps, default=0.0)
    return "".join(BLOCKS[min(7, int(8 * step / top))] if step > 0 else " " for step in steps)


def frame(
    seen: Overview, speeds: Speeds, now: float, wall: float, width: int, height: int, trouble: str = ""
) -> RenderableType:
    """One picture, of `height` lines at most. `now` is of the clock of `speeds`; `wall` is seconds since the epoch."""
    rows = (seen.under_way, (*seen.choosing, *seen.queued), seen.over)
    shown = [
        rows[kind][:count] for kind, count in enumerate(_shares(height - FIXED_LINES, [len(kind) for kind in rows]))
    ]
    counts = seen.counts
    waiting = f", {counts.waiting} of them for a retry" if counts.waiting else ""
    asking = f"; {counts.choosing} ask what to fetch" if counts.choosing else ""
    return Group(
        _served(seen.served, wall, trouble),
        _speed(speeds, now, width),
        *_section(f"Under way: {counts.downloading}", _under_way(shown[0])),
        *_section(f"Queued: {counts.pending + counts.waiting}{waiting}{asking}", _queued(shown[1], wall)),
        *_section("Over" if seen.over else "Nothing is over yet", _over(shown[2])),
    )


def _shares(room: int, wanted: list[int]) -> list[int]:
    """How many rows each gets: one after the other in turn, until there is no room or nothing more is wanted."""
    given = [0] * len(wanted)
    while room > 0 and given != wanted:
        for kind, want in enumerate(wanted):
            if given[kind] < want and room > 0:
                given[kind] += 1
                room -= 1
    return given


def _served(served: Presence | None, wall: float, trouble: str) -> Text:
    if trouble:
        return _line(trouble, "red")
    if served is None:
        return _line("No reactor has served this database yet.", "yellow")
    since = span(round(max(0.0, wall - served.since)))
    if not served.alive:
        return _line(f"No reactor serves this database: the last one {_left(served, since)}.", "red")
    aria2 = f", aria2 {clean(served.aria2, 20)}" if served.aria2 else ""
    return _line(f"reactor {clean(served.version, 20)}{aria2}, process {served.pid}, for {since}", "bold")


def _left(served: Presence, since: str) -> str:
    return f"left {since} ago" if served.stopped else "died"


def _speed(speeds: Speeds, now: float, width: int) -> Text:
    label = f"{size(round(speeds.steps(now, 1)[0]))}/s"
    steps = speeds.steps(now, max(0, min(STEPS_MAX, width - 42)))
    peak = f"at most {size(round(max(steps, default=0)))}/s"
    return Text.assemble((f"{label:>14}  ", "cyan"), (sparkline(steps), "cyan"), (f"  {peak}", "dim"), no_wrap=True)


def _section(title: str, rows: RenderableType) -> tuple[RenderableType, ...]:
    return Text(), _line(title, "bold"), rows


def _under_way(rows: Iterable[Download]) -> Table:
    grid = _grid("right", "left", "right", "right", "right", "right")
    for row in rows:
        share, whole, speed, left = measures(row)
        bar = ProgressBar(100, row.progress, width=BAR_WIDTH) if row.progress is not None else state(row)
        grid.add_row(str(row.id), bar, share, whole, speed, left, Text(f"{name(row)}{end(row)}"))
    return grid


def _queued(rows: Iterable[Download], wall: float) -> Table:
    grid = _grid("right", "left")
    for row in rows:
        retries = row.next_attempt_at is not None and row.status == "pending"
        wait = max(0.0, (row.next_attempt_at or 0.0) - wall) if retries else 0.0
        why = end(row) if row.status == "choosing" else f": {clean(row.error)}" if row.error else ""
        grid.add_row(str(row.id), f"again in {span(round(wait))}" if wait else state(row), Text(f"{name(row)}{why}"))
    return grid


def _over(rows: Iterable[Download]) -> Table:
    grid = _grid("right", "left", "right")
    for row in rows:
        grid.add_row(str(row.id), state(row), measures(row)[1], Text(f"{name(row)}{end(row)}"))
    return grid


def _grid(*sides: str) -> Table:
    """Columns that take what they need, and one more for the name, which takes the rest."""
    grid = Table.grid(padding=(0, 2), expand=True)
    for number, side in enumerate(sides):
        style = "cyan" if number == 0 else ""
        grid.add_column(justify=side, no_wrap=True, style=style)  # type: ignore[arg-type]
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    return grid


def _line(text: str, style: str) -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")
