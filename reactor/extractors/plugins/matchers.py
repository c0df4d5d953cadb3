"""Which URLs an extractor is for: match patterns, as browser extensions have them. Pure.

    *://*.example.com/d/*      http and https, example.com and all hosts below it, what stands below /d/

A path goes on behind `?`; `*` stands for any number of characters. The port does not matter. No regular expressions: a
stranger chooses the URL, and matching is to take time in proportion to its length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from reactor.patterns import pattern
from reactor.records import dataclass

PATTERN_MAX = 1000
"""Characters."""
PRIORITY_MAX = 1000
_PATTERN = pattern(r"(\*|https?)://(\*|(?:\*\.)?[a-z0-9_.-]+|\[[0-9a-f:.]+\])(/.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Matcher:
    """A pattern, and how much it counts: of several that match the highest priority wins.

    Negative: only where nothing else is known for the URL (no suffix of a file, no site of yt-dlp's)."""

    pattern: str
    priority: int = 0

    def __post_init__(self) -> None:
        parsed(self.pattern)
        if type(self.priority) is not int or abs(self.priority) > PRIORITY_MAX:
            raise ValueError(f"a priority is a whole number from -{PRIORITY_MAX} to {PRIORITY_MAX}")

    def matches(self, url: str) -> bool:
        """True for a normalised http or https URL that it is for."""
        scheme, host, pieces = parsed(self.pattern)
        parts = urlsplit(url)
        if parts.scheme not in (("http", "https") if scheme == "*" else (scheme,)):
            return False
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return _is_host(host, (parts.hostname or "").rstrip(".")) and _is_path(pieces, path)


def parsed(pattern: str) -> tuple[str, str, Sequence[str]]:
    """Scheme, host, and what stands between the `*` of the path. Raises ValueError."""
    found = _PATTERN.fullmatch(pattern) if isinstance(pattern, str) and len(pattern) <= PATTERN_MAX else None
    if found is None:
        raise ValueError(f"{str(pattern)[:100]!r} is no pattern such as '*://*.example.com/d/*'")
    return found[1].lower(), found[2].lower().strip("[]"), found[3].split("*")


def _is_host(pattern: str, host: str) -> bool:
    if pattern == "*":
        return True
    bare = pattern.removeprefix("*.")
    return host == bare or (bare != pattern and host.endswith(f".{bare}"))


def _is_path(pieces: Sequence[str], path: str) -> bool:
    """Each piece is looked for once, behind the one before."""
    first, *others = pieces
    if not others:
        return path == first
    *between, last = others
    if not path.startswith(first):
        return False
    at = len(first)
    for piece in between:
        at = path.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return len(path) - at >= len(last) and path.endswith(last)
