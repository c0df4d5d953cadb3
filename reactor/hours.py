"""When something holds, by the clock of this machine's time zone: `SPEED_WINDOWS` and `HOURS`. Pure; a moment is given.

A window is `[days] [hours]`: days `*`, `mon-fri`, `sat,sun`; hours `08-22`, `22:30-07`, over midnight too, where the
day is that of its beginning. Where the clock is set back the hour that comes twice is in a window both times; where it
is set forward an hour that is left out is in none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from reactor.patterns import pattern
from reactor.records import dataclass

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 24 * 60
HOUR_S = 3600
UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
SPEED_MIN, SPEED_MAX = 1024, 1024**4
WINDOWS_MAX = 50
_SPEED = pattern(r"(?i:(\d{1,12}(?:\.\d{1,6})?)([kmg]?))")
_HOURS = pattern(r"(\d{1,2})(?::(\d{2}))?-(\d{1,2})(?::(\d{2}))?")


@dataclass(frozen=True, slots=True)
class Window:
    """Some hours of some days."""

    days: frozenset[int]
    """0 is Monday."""
    begin: int
    """Minutes since midnight."""
    end: int
    """The same; up to a day more where it goes over midnight."""

    def holds(self, at: datetime) -> bool:
        """Whether a local moment is in it."""
        minute, day = at.hour * 60 + at.minute, at.weekday()
        today = day in self.days and self.begin <= minute < self.end
        return today or ((day - 1) % 7 in self.days and self.begin <= minute + DAY_MIN < self.end)


def speed(text: str) -> int:
    """Bytes/s of `2M`, `500K`, `0` (any speed). Raises ValueError with a sentence."""
    found = _SPEED.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"“{text.strip()}” is no speed; write 500K or 2M (per second), or 0 for any")
    value = float(found[1]) * UNITS[found[2].lower()]
    if value and not SPEED_MIN <= value <= SPEED_MAX:
        raise ValueError(f"“{text.strip()}” is no speed from 1K to 1024G")
    return int(value)


def windows(text: str) -> tuple[Window, ...]:
    """`HOURS`: windows, with `;` in between. Raises ValueError with a sentence."""
    return tuple(_window(each.split()) for each in _entries(text))


def speed_windows(text: str) -> tuple[tuple[Window, int], ...]:
    """`SPEED_WINDOWS`: the same, each with a speed behind it. Raises ValueError with a sentence."""
    found = list[tuple[Window, int]]()
    for each in _entries(text):
        *where, limit = each.split()
        found.append((_window(where), speed(limit)))
    return tuple(found)


def _entries(text: str) -> list[str]:
    found = [each for each in text.split(";") if each.strip()]
    if len(found) > WINDOWS_MAX:
        raise ValueError(f"more than {WINDOWS_MAX} windows")
    return found


def _window(words: list[str]) -> Window:
    days, hours = "*", "0-24"
    match words:
        case [one] if _HOURS.fullmatch(one):
            hours = one
        case [one]:
            days = one
        case [one, two]:
            days, hours = one, two
        case _:
            raise ValueError(f"“{' '.join(words)}” is no window; write mon-fri 08-22")
    begin, end = _minutes(hours)
    return Window(frozenset(_days(days)), begin, end)


def _minutes(text: str) -> tuple[int, int]:
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ValueError(f"“{text}” are no hours; write 08-22 or 22:30-07")
    begin, end = (int(found[n]) * 60 + int(found[n + 1] or 0) for n in (1, 3))
    if begin >= DAY_MIN or end > DAY_MIN or int(found[2] or 0) > 59 or int(found[4] or 0) > 59 or begin == end:
        raise ValueError(f"“{text}” are no hours from 00 to 24 that begin before they end")
    return begin, end if end > begin else end + DAY_MIN


def _days(text: str) -> Iterable[int]:
    if text == "*":
        yield from range(7)
        return
    for each in text.lower().split(","):
        first, _, last = each.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise ValueError(f"“{each}” is no day; write mon, mon-fri, sat,sun or *")
        at, end = DAYS.index(first), DAYS.index(last or first)
        while True:
            yield at
            if at == end:
                break
            at = (at + 1) % 7


def limit_at(limits: Iterable[tuple[Window, int]], otherwise: int, now: float) -> int:
    """The speed that holds at a moment (seconds since the epoch): that of the first window that it is in."""
    at = datetime.fromtimestamp(now)
    return next((limit for window, limit in limits if window.holds(at)), otherwise)


def is_open(hours: Iterable[Window], now: float) -> bool:
    """Whether a moment is in one of them; where there are none, always."""
    hours, at = tuple(hours), datetime.fromtimestamp(now)
    return not hours or any(window.holds(at) for window in hours)


def next_boundary(those: Iterable[Window], now: float) -> float | None:
    """The next moment (seconds since the epoch) at which a window may begin or end, or the clock of the time zone is
    set within one; None where there is none."""
    those = tuple(those)
    today = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
    marks = {mark % DAY_MIN for window in those for mark in (window.begin, window.end)}
    moments = [
        (today + timedelta(days=day, minutes=mark)).replace(fold=fold).timestamp()
        for day in range(3)
        for mark in marks
        for fold in (0, 1)
    ]
    return min((moment for moment in [*moments, *(_clock_set(now) if those else ())] if moment > now), default=None)


def _clock_set(now: float) -> Iterable[float]:
    """When the clock of the time zone is set, within two days."""
    for hour in range(48):
        first, last = int(now) + hour * HOUR_S, int(now) + (hour + 1) * HOUR_S
        if _offset(first) == _offset(last):
            continue
        while last - first > 1:
            middle = (first + last) // 2
            first, last = (first, middle) if _offset(first) != _offset(middle) else (middle, last)
        yield float(last)


def _offset(moment: float) -> float:
    return (datetime.fromtimestamp(moment) - datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)).total_seconds()


def next_opening(those: Sequence[Window], now: float) -> float | None:
    """When the next of them begins, as far as the next days say."""
    moment, end = next_boundary(those, now), now + 8 * DAY_MIN * 60
    while moment is not None and moment < end:
        if is_open(those, moment):
            return moment
        moment = next_boundary(those, moment)
    return None
