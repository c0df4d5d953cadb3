"""What was found out for rows that ask, until somebody answers: so that an answer costs no second look.

It is kept for a while and in memory only. Later, or after a restart, the row is looked into again: what was chosen is
named by what it is, never by its place, so that this changes nothing."""

from __future__ import annotations

from reactor.daemon import clock
from reactor.extractors.findings import Findings
from reactor.options import Options

KEPT_S = 600.0
ROWS_MAX = 64
BYTES_MAX = 64 * 1024 * 1024
"""Of all rows together."""


class FindingsCache:
    """Findings by the row and by what it is asked with. What they hold is named by its URLs: a row that has the id of
    another one finds nothing of it."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, str | None, str | None], tuple[float, Findings]] = {}

    def of(self, id: int, options: Options) -> Findings | None:
        """What is known of a row; of one that asks it begins now. None for any other."""
        if not self._rows and options.ask == "never":
            return None
        self._let_go()
        key = id, options.cookies, options.referer
        if options.ask != "never":
            return self._rows.setdefault(key, (clock.monotonic(), Findings()))[1]
        return self._rows[key][1] if key in self._rows else None

    def _let_go(self) -> None:
        """Of what is too old, and of the oldest where it is too much."""
        now, held = clock.monotonic(), sum(found.kept_bytes for _, found in self._rows.values())
        for key, (at, found) in list(self._rows.items()):
            if now - at >= KEPT_S or len(self._rows) >= ROWS_MAX or held > BYTES_MAX:
                del self._rows[key]
                held -= found.kept_bytes
