"""Rows of `downloads` for people: a table, or a line each."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from reactor.journal.format import clean, size, span
from reactor.models import Download
from reactor.net.credentials import redact

MIB = 1024 * 1024
NARROW = 100
"""Columns that a terminal needs for everything."""
STATUS_MAX, TOLD_MAX = 12, 120
"""Of a narrow one: columns for a status, characters of name and story."""
STYLES = {"downloaded": "green", "failed": "red", "cancelled": "magenta", "downloading": "cyan", "choosing": "yellow"}


def table(rows: Iterable[Download], width: int) -> Table:
    """One row for each download, as a terminal of `width` columns has room for: a narrow one gets neither stages nor
    speeds, and no more of a long story than some lines."""
    narrow = width < NARROW
    titles = [title for title in ("%", "size", "speed", "left") if not (narrow and title == "speed")]
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    drawn.add_column("id", justify="right", style="cyan", no_wrap=True)
    drawn.add_column("status", no_wrap=True, max_width=STATUS_MAX if narrow else None, overflow="ellipsis")
    for title in titles:
        drawn.add_column(title, justify="right", no_wrap=True)
    drawn.add_column("what", overflow="fold")
    for row in rows:
        share, whole, speed, left = measures(row)
        known = (share, whole, left) if narrow else (share, whole, speed, left)
        what = f"{name(row)}{end(row)}"
        drawn.add_row(
            str(row.id), state(row, stage=not narrow), *known, Text(clean(what, TOLD_MAX) if narrow else what)
        )
    return drawn


def fitted(text: str) -> str:
    """A line as the terminal shows it without breaking a word; where there is none, as it is."""
    if not sys.stdout or not sys.stdout.isatty():
        return text
    indent = " " * (len(text) - len(text.lstrip()) + 4)
    width = shutil.get_terminal_size().columns
    return textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def line(row: Download) -> str:
    """The same for one download, without columns."""
    known = ", ".join(measure for measure in measures(row) if measure)
    parts = (f"#{row.id}", state(row).plain, f"({known})" if known else "", f"{name(row)}{end(row)}")
    return "  ".join(part for part in parts if part)


def state(row: Download, *, stage: bool = True) -> Text:
    """Its status and stage, in colour."""
    asked = "cancelling" if row.cancelled and row.status in ("pending", "downloading", "choosing") else row.status
    shown = f"{asked}, {row.stage}" if stage and row.stage and asked == row.status != "choosing" else asked
    return Text(clean(shown), STYLES.get(asked, ""))


def measures(row: Download) -> tuple[str, str, str, str]:
    """Progress, size (of a list, how many of its entries have come), speed and time left; "" for what is not known or
    over."""
    moving = row.status == "downloading"
    return (
        "" if row.progress is None else f"{row.progress:.0f} %",
        entries(row) or ("" if row.file_size is None else size(row.file_size)),
        f"{size(round(row.download_speed * MIB))}/s" if moving and row.download_speed else "",
        span(row.eta_seconds) if moving and row.eta_seconds is not None else "",
    )


def entries(row: Download) -> str:
    """Of a list: how many of its entries have come; else ""."""
    return "" if row.items_total is None else f"{row.items_done or 0} of {row.items_total}"


def name(row: Download) -> str:
    """What a person would know it by."""
    return clean(row.title or redact(row.url))


def end(row: Download) -> str:
    """Where the file is, what went wrong, or what it asks; to be put behind the name."""
    if row.status == "downloaded" and row.file_path:
        return f" → {clean(row.file_path, 1000)}"
    if row.status == "choosing" and not row.cancelled:
        return f": asks what to download, `reactor choose {row.id}`"
    if row.items_failed and row.status == "downloading":
        return f" ({row.items_failed} failed)"
    # What an earlier try met is none of this one's.
    old = row.status == "downloading" or (row.status == "downloaded" and row.items_total is None)
    said = f": {clean(row.error, 500)}" if row.error and not old else ""
    return f"{said} `reactor choose {row.id}` lists what would help." if helpful(row) else said


def helpful(row: Download) -> bool:
    """True of a failed one that says what would help."""
    return row.status == "failed" and row.choices is not None and bool(row.choices.help)
