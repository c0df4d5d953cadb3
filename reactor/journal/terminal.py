"""The journal as lines for people: the time, the row, what happened."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console
from rich.text import Text

from reactor.journal.format import clean, describe
from reactor.journal.stream import Stream
from reactor.notices import Entry

STYLES = {
    "reactor_started": "bold",
    "reactor_draining": "bold",
    "reactor_stopped": "bold",
    "entries_lost": "red",
    "aria2_lost": "red",
    "database_troubled": "red",
    "lease_lost": "red",
    "status_unserved": "yellow",
    "table_unserved": "yellow",
    "mirror_broken": "red",
    "download_stuck": "yellow",
    "download_progressed": "dim",
    "download_completed": "green",
    "download_retry_scheduled": "yellow",
    "download_failed": "red",
    "download_cancelled": "magenta",
}


class HumanLines:
    """Writes each entry as one line for a person, in colour on a terminal."""

    def __init__(self, stream: Stream, *, dated: bool = False) -> None:
        self._stream = stream
        self._dated = dated
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)  # type: ignore[arg-type]

    @property
    def lasting(self) -> bool:
        """As the stream's."""
        return self._stream.lasting

    def show(self, entry: Entry) -> None:
        """Write one line."""
        self._console.print(to_text(entry, dated=self._dated), soft_wrap=True)

    def close(self) -> None:
        """Let go of the stream."""
        self._stream.close()


def to_text(entry: Entry, *, dated: bool = False) -> Text:
    """One line in the local time, with its date when it is from a file."""
    number: int | None = getattr(entry.notice, "download_id", None)
    return Text.assemble(
        (_local(entry.at, dated), "dim"),
        ("  " if number is None else f"  #{number:<4} ", "cyan"),
        (describe(entry.notice), STYLES.get(entry.notice.event, "")),
        no_wrap=True,
    )


def _local(at: str, dated: bool) -> str:
    try:
        moment = datetime.fromisoformat(at).astimezone()
    except (ValueError, OverflowError, OSError):
        return clean(at, 24)
    return moment.strftime("%Y-%m-%d %H:%M:%S" if dated else "%H:%M:%S")
