"""Numbers that a stranger wrote: matched against a short pattern, then held against a range, then computed with.

Python takes `1e20000000` for a number, and computes for hours with it while nobody else gets the interpreter. What
comes out of a document or a header is read by one of these, which take time in proportion to a few dozen characters.
"""

from __future__ import annotations

import math

from reactor.patterns import pattern

SIZE_MAX = 2**44
"""Bytes: no file that ext4 holds is larger. aria2c keeps a bit and more for each MiB it is promised, and dies of a
number that nobody has."""
FETCHES_MAX = 20_000
"""Most parts one download may have."""
LIST_MAX = 10_000
"""Entries of a list that may be asked for, where the operator allows as many."""
PLAN_BYTES_MAX = 8 * 1024 * 1024
"""Most bytes of a plan as it is stored: the addresses of all parts, headers, cookies, local playlists."""
COUNT_MAX = 2**63 - 1
"""What SQLite and aria2 can hold."""
SIZE_SAID_MAX = 10**18 - 1
"""What a length counts as that is longer: far too large is refused, not unknown."""
SPACE = " \t\r\n"

_WHOLE = pattern(r"[+-]?[0-9]{1,20}")
_DECIMAL = pattern(r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,2})?")
_SIZE = pattern(r"[0-9]+")


def whole(text: str | None, *, least: int = 0, most: int = COUNT_MAX) -> int | None:
    """The whole number that the text is, or None where it is none, or not between the two."""
    text = _short(text, 24)
    if text is None or not _WHOLE.fullmatch(text):
        return None
    number = int(text)
    return number if least <= number <= most else None


def decimal(text: str | None, *, least: float = 0.0, most: float = 1e15) -> float | None:
    """The number that the text is, or None where it is none, or not between the two. Never infinite."""
    text = _short(text, 64)
    if text is None or not _DECIMAL.fullmatch(text):
        return None
    number = float(text)
    return number if least <= number <= most else None


def ratio(text: str | None, *, most: float = 1e6) -> float | None:
    """`25`, `29.97` or `30000/1001`, or None where it is none of these, negative, or more than `most`."""
    above, slash, below = (_short(text, 64) or "").partition("/")
    number = decimal(above)
    divisor = decimal(below) if slash else 1.0
    if number is None or not divisor:
        return None
    found = number / divisor
    return found if found <= most else None


def size(text: str | None) -> int | None:
    """Bytes as HTTP has them: digits, however many; at most SIZE_SAID_MAX. None where it is something else."""
    if text is None or not text.isascii() or not _SIZE.fullmatch(text):
        return None
    digits = text.lstrip("0")
    return int(digits or "0") if len(digits) <= len(str(SIZE_SAID_MAX)) else SIZE_SAID_MAX


def bounded(number: object, *, least: float = 0.0, most: float = 1e15) -> float | None:
    """A number that somebody else has read already (JSON), or None where it is none, or not between the two."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    return float(number) if least <= number <= most and math.isfinite(number) else None


def _short(text: str | None, most: int) -> str | None:
    """Without the space around it; None for what is too long to be one number."""
    if text is None or len(text) > 4 * most:
        return None
    text = text.strip(SPACE)
    return text if len(text) <= most else None
