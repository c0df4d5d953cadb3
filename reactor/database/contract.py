"""From what a row holds to what the rest may rely on.

SQLite's types are advice: a bot may have put anything anywhere. What cannot be understood becomes None (or the
default), so that one odd row never keeps the others from being served.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from reactor.errors import Failure
from reactor.models import Download, whole_characters

INTEGER_MAX = 2**63 - 1
COUNT_MAX = 1_000_000_000
SPEED_MAX = 1e9
"""MiB/s that anybody may believe."""
LAST_MOMENT = 253_402_214_400.0
"""The beginning of the last day of the year 9999, whose time every zone can tell."""
URL_MAX = 256 * 1024
"""Characters."""
TRUE_WORDS = "'true', 't', 'yes', 'y', 'on'"
"""As the index reactor_cancel_words has it."""
PRIVATE = frozenset({"claimed_by", "lease_until"})
"""Columns of ours that nobody outside needs."""


def text(value: object) -> str | None:
    """Text, whatever it was stored as."""
    if value is None or isinstance(value, str):
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def url(value: object) -> str:
    """What is to be fetched: of what is far too long for a URL no more than it takes to say so."""
    return (text(value) or "")[:URL_MAX]


def filled(value: object) -> str | None:
    """Text that says something: where a bot's column is NOT NULL, '' stands for nothing."""
    return text(value) or None


def truth(value: object) -> bool:
    """A flag: a number, or a word that a bot wrote into a column without a type."""
    word = text(value) or ""
    return bool(whole(value)) or f"'{word.strip().lower()}'" in TRUE_WORDS


def real(value: object) -> float | None:
    """A finite number."""
    if not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def whole(value: object) -> int | None:
    """A whole number."""
    if isinstance(value, int):
        return value
    number = real(value)
    return None if number is None else int(number)


def count(value: object) -> int:
    """How often something happened: 0 where it does not say, and never more than anything could."""
    return max(0, min(whole(value) or 0, COUNT_MAX))


def percent(value: object) -> float | None:
    """A progress."""
    number = real(value)
    return number if number is not None and 0 <= number <= 100 else None


def speed(value: object) -> float | None:
    """MiB/s. What nobody could reach is of no use to anybody, and breaks whoever reckons with it."""
    number = real(value)
    return number if number is not None and 0 <= number <= SPEED_MAX else None


def said(failure: Failure | None) -> dict[str, str | None]:
    """What the columns `error` and `error_code` say of a failure."""
    return {"error": storable(failure.text) if failure else None, "code": failure.code if failure else None}


def amount(value: object) -> int | None:
    """A whole number from 0 to the largest that SQLite has."""
    number = whole(value)
    return number if number is not None and 0 <= number <= INTEGER_MAX else None


def due(value: object) -> float | None:
    """Seconds since the epoch; what lies after the last year that has a date is never, which that is as well."""
    number = real(value)
    return None if number is None else max(0.0, min(number, LAST_MOMENT))


def storable(value: str | None) -> str | None:
    """Text that SQLite takes: a name from a disk may hold bytes that are no UTF-8."""
    return None if value is None else whole_characters(value)


def size(value: int | None) -> int | None:
    """Bytes that fit an INTEGER: a server may promise more than there is."""
    return None if value is None else max(0, min(value, INTEGER_MAX))


def moment(now: float) -> str:
    """A moment as `added_date` has it by default: UTC, with milliseconds."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def waited(added: object, now: float) -> float | None:
    """Seconds since `added_date`; None when it says nothing sensible (no date, a date to come)."""
    then = real(added)  # seconds since the epoch, which a TEXT column keeps as text
    if then is None and isinstance(added, str):
        try:
            date = datetime.fromisoformat(added.strip())
            then = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    return None if then is None or then > now else now - then


DATELESS = "added_date IS NULL ORDER BY id"
DATED = "added_date IS NOT NULL ORDER BY added_date, id"


def in_turn(dateless: Sequence[int], dated: Sequence[int]) -> list[int]:
    """The order in which rows are served: the oldest first, and of those without a date the one that came first. Of
    the two that are first the one with the smaller id goes: neither kind can keep the other waiting for ever."""
    order: list[int] = []
    undated, others = deque(dateless), deque(dated)
    while undated and others:
        order.append((undated if undated[0] < others[0] else others).popleft())
    return [*order, *undated, *others]


def ranges(wanted: Collection[int]) -> str:
    """Numbers as JSON: the first and the last of each run."""
    runs: list[list[int]] = []
    for number in sorted(wanted):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return json.dumps(runs)


def numbers(stored: str) -> frozenset[int]:
    """What `ranges` has written."""
    return frozenset(number for first, last in json.loads(stored) for number in range(first, last + 1))


_COLUMNS: Mapping[str, Callable[[object], object]] = {
    "id": lambda value: whole(value) or 0,
    "url": lambda value: text(value) or "",
    "status": lambda value: text(value) or "",
    "cancelled": truth,
    "added_date": filled,
    "title": filled,
    "file_size": amount,
    "file_path": filled,
    "progress": percent,
    "download_speed": speed,
    "eta_seconds": amount,
    "stage": filled,
    "url_type": filled,
    "retry_count": count,
    "attempt": count,
    "next_attempt_at": due,
    "started_at": filled,
    "finished_at": filled,
    "error": filled,
    "error_code": filled,
}


def download(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> Download:
    """A row of `SELECT *`. Has the form of a row factory."""
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for (name, *_), value in zip(cursor.description, row, strict=True):
        read = _COLUMNS.get(name.lower())
        if read is not None:
            known[name.lower()] = read(value)
        elif name.lower() not in PRIVATE:
            extra[name] = value
    return Download(**known, extra=extra)
