"""What the contract says of values, whatever the engine: limits, codes of errors, the order of service, and what is
made of a value that a bot has stored.

A bot may have put anything into any column. A value that cannot be understood becomes None (or the column's default),
so that one odd row never keeps the others from being served.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from reactor.choices import read_choices
from reactor.errors import DatabaseError, Failure
from reactor.models import Download, ResultFile, whole_characters
from reactor.row_options import said_in

BUSY = "database_busy"
GONE = "database_gone"
REPLACED = "database_replaced"
FULL = "no_space"
UNREADY = "database_unready"
"""Codes of a DatabaseError: another program holds a lock; there is no such database, or its table was dropped; another
database stands under its name; its disk is full; it lacks what opening it for more than reading would add."""

LEASE_S = 60.0
"""How long a claim holds without a sign of life. Where only one process serves the database nobody waits for it."""
RETRY_MAX_S = 3600.0
"""The longest wait for a retry, unless the settings say otherwise."""
SLACK_S = 60.0
"""A row that would wait for this much longer than the settings allow is due: the clock was set back since."""
DUE_IN_MAX_S = 60.0
"""The next waiting row is looked at again after this long at most, for the clock may be set."""
RIPEN_MAX = 100
"""Rows whose time has come that one poll lets in, of each kind: a million for midnight must not hold the table."""
PASSED_MAX = 100
"""Rows that let themselves neither be claimed nor end that one poll passes over."""
INTEGER_MAX = 2**63 - 1
COUNT_MAX = 1_000_000_000
SPEED_MAX = 1e9
"""MiB/s. More is no measurement, and overflows what is computed with it."""
LAST_MOMENT = 253_402_214_400.0
"""The beginning of the last day of the year 9999: the latest date that every time zone can express."""
URL_MAX = 256 * 1024
"""Characters."""
OWNER_MAX = 200
"""Characters of an owner."""
WEIGHT_MIN, WEIGHT_MAX = 0.01, 100.0
TRUE_WORDS = ("true", "t", "yes", "y", "on")
"""Words for a set flag, in a column that holds text."""
PRIVATE = frozenset({"claimed_by", "lease_until"})
"""Columns of the contract that `Download` does not have."""


def text(value: object) -> str | None:
    """Text, whatever it was stored as."""
    if value is None or isinstance(value, str):
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def url(value: object) -> str:
    """A URL, cut off where it is far too long for one."""
    return (text(value) or "")[:URL_MAX]


def filled(value: object) -> str | None:
    """Text; None for '', which stands for NULL where a bot's column is NOT NULL."""
    return text(value) or None


def owner(value: object) -> str | None:
    """Whose a row is; None: nobody's. One that is too long is somebody nevertheless, who is nobody else."""
    found = filled(value)
    if found is None or len(found) <= OWNER_MAX:
        return found
    return f"sha256:{hashlib.sha256(found.encode('utf-8', 'surrogatepass')).hexdigest()}"


def account(value: object) -> str:
    """The key under which something is kept for an owner; '' for nobody."""
    return owner(value) or ""


def truth(value: object) -> bool:
    """A flag: a number other than 0, or one of TRUE_WORDS."""
    word = text(value) or ""
    return bool(whole(value)) or word.strip().lower() in TRUE_WORDS


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
    """A count, from 0 to COUNT_MAX; 0 for what is none."""
    return max(0, min(whole(value) or 0, COUNT_MAX))


def percent(value: object) -> float | None:
    """A progress, 0 to 100."""
    number = real(value)
    return number if number is not None and 0 <= number <= 100 else None


def priority(value: object) -> int:
    """A place among the rows of one owner, -2 to 2; 0 for what is none."""
    number = real(value)
    return int(number) if number in (-2, -1, 1, 2) else 0


def weight(value: object) -> float:
    """Of an owner, WEIGHT_MIN to WEIGHT_MAX. Raises DatabaseError."""
    number = real(value)
    if number is None or not WEIGHT_MIN <= number <= WEIGHT_MAX:
        raise DatabaseError(f"A weight is a number from {WEIGHT_MIN:g} to {WEIGHT_MAX:g}.")
    return number


def speed(value: object) -> float | None:
    """A speed in MiB/s, up to SPEED_MAX."""
    number = real(value)
    return number if number is not None and 0 <= number <= SPEED_MAX else None


def said(failure: Failure | None) -> dict[str, str | None]:
    """The values of the columns `error` and `error_code`."""
    return {"error": storable(failure.text) if failure else None, "code": failure.code if failure else None}


def amount(value: object) -> int | None:
    """A whole number of 64 bits, not below 0."""
    number = whole(value)
    return number if number is not None and 0 <= number <= INTEGER_MAX else None


def due(value: object) -> float | None:
    """Seconds since the epoch, up to LAST_MOMENT."""
    number = real(value)
    return None if number is None else max(0.0, min(number, LAST_MOMENT))


def storable(value: str | None) -> str | None:
    """Text that can be stored: a name from a disk may hold bytes that are not UTF-8."""
    return None if value is None else whole_characters(value)


def size(value: int | None) -> int | None:
    """A size in bytes that fits 64 bits; a server may promise more."""
    return None if value is None else max(0, min(value, INTEGER_MAX))


def moment(now: float) -> str:
    """A moment as `added_date` has it by default: UTC, with milliseconds."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def moment_of(value: object) -> float | None:
    """Seconds since the epoch, of a moment as `moment` writes it, as ISO 8601 has it, or as a number."""
    then = real(value)  # which a TEXT column keeps as text
    if then is None and isinstance(value, str | datetime):
        try:
            date = datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
            return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    return then


def waited(added: object, now: float) -> float | None:
    """Seconds since `added_date`; None when it says nothing sensible (no date, a date to come)."""
    then = moment_of(added)
    return None if then is None or then > now else now - then


def in_turn(dateless: Sequence[int], dated: Sequence[int]) -> list[int]:
    """The order in which rows are served: dated rows by date, undated ones by id, merged by the smaller id of the two
    that are first, so that neither kind starves."""
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


def stored_files(files: Sequence[ResultFile]) -> str:
    """The column `files`."""
    told = [{"path": whole_characters(each.path), "bytes": each.bytes, "mime": each.mime_type} for each in files]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def files_said(value: object) -> tuple[ResultFile, ...]:
    """What `stored_files` has written; nothing of what somebody else has."""
    try:
        told = json.loads(text(value) or "[]")
        return tuple(ResultFile(path=each["path"], bytes=each["bytes"], mime_type=each["mime"]) for each in told)
    except (ValueError, TypeError, KeyError, RecursionError):
        return ()


_COLUMNS: Mapping[str, Callable[[object], object]] = {
    "id": lambda value: whole(value) or 0,
    "url": lambda value: text(value) or "",
    "status": lambda value: text(value) or "",
    "cancelled": truth,
    "owner": owner,
    "options": lambda value: said_in(text(value)),
    "priority": priority,
    "not_before": due,
    "added_date": filled,
    "title": filled,
    "file_size": amount,
    "file_path": filled,
    "file_url": filled,
    "machine": filled,
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
    "media_key": filled,
    "mime_type": filled,
    "duration_s": real,
    "width": amount,
    "height": amount,
    "thumbnail_path": filled,
    "files": files_said,
    "notes": filled,
    "parent_id": whole,
    "position": amount,
    "item_key": filled,
    "items_total": amount,
    "items_done": amount,
    "items_failed": amount,
    "choices": lambda value: read_choices(text(value)),
}


COLUMNS = frozenset(_COLUMNS) | PRIVATE
"""Of the contract, all of them."""


def download(names: Sequence[str], values: Sequence[object]) -> Download:
    """A row of the table, whatever columns the bot has added. `download_speed` is in MiB/s."""
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in zip(names, values, strict=True):
        read = _COLUMNS.get(name.lower())
        if read is not None:
            known[name.lower()] = read(value)
        elif name.lower() not in PRIVATE:
            extra[name] = value
    return Download(**known, extra=extra)
