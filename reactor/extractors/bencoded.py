"""Bencode (BEP 3) as it is found in `.torrent` files: taken apart without being taken for canonical.

Only the info dictionary is hashed and has to be as the standard has it; what lies around it often is not: keys in any
order, bytes behind the end. Linear, without recursion. Pure.
"""

from __future__ import annotations

DIGITS_MAX = 20


def end_of(raw: bytes, at: int) -> int:
    """Where the value that begins at `at` ends. Raises ValueError when there is none."""
    depth = 0
    while True:
        sign = raw[at : at + 1]
        if sign in (b"d", b"l"):
            depth, at = depth + 1, at + 1
        elif sign == b"e" and depth:
            depth, at = depth - 1, at + 1
        elif sign == b"i":
            at = raw.index(b"e", at, at + DIGITS_MAX + 2) + 1
        else:
            at = _string(raw, at)[1]
        if not depth:
            return at


def dictionary(raw: bytes) -> dict[bytes, bytes]:
    """The dictionary that `raw` begins with: its keys, in any order, and the bytes of their values. Of a key that comes
    twice the first counts; what is behind the end is left out. Raises ValueError."""
    if raw[:1] != b"d":
        raise ValueError("it does not begin with a dictionary")
    found: dict[bytes, bytes] = {}
    at = 1
    while raw[at : at + 1] != b"e":
        begin, at = _string(raw, at)
        key, value = raw[begin:at], at
        at = end_of(raw, at)
        found.setdefault(key, raw[value:at])
    return found


def _string(raw: bytes, at: int) -> tuple[int, int]:
    """Where the bytes of the string at `at` begin and end."""
    colon = raw.index(b":", at, at + DIGITS_MAX)
    digits = raw[at:colon]
    end = colon + 1 + (int(digits) if digits.isdigit() else len(raw))
    if end > len(raw):
        raise ValueError("it ends in the midst of a value")
    return colon + 1, end
