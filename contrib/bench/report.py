"""What the bench says: rows of one table, the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One number. `rival` is the poller's unless the note says otherwise; `met` is None where there is no target."""

    figure: str
    unit: str
    measured: float
    rival: float | None = None
    ratio: float | None = None
    """How many times better than the rival: sooner, faster, less."""
    target: str | None = None
    met: bool | None = None
    note: str = ""


def save_json(rows: Sequence[Row], file: Path) -> None:
    """Write the list of `{figure, unit, measured, rival, ratio, target, met}`."""
    listed = [{name: value for name, value in asdict(row).items() if name != "note"} for row in rows]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(listed, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def save_markdown(rows: Sequence[Row], title: str, file: Path) -> None:
    """Write the table as contrib/docs/benchmark.md has it, the notes below it."""
    lines = ["| figure | reactor | rival | ratio | to reach | |", "| --- | ---: | ---: | ---: | --- | --- |"]
    for row in rows:
        ratio = "" if row.ratio is None else f"{number(row.ratio)} ×"
        mark = {True: "met", False: "**missed**", None: ""}[row.met]
        rival = "" if row.rival is None else number(row.rival)
        cells = (row.figure.strip(), f"{number(row.measured)} {row.unit}", rival, ratio, row.target or "", mark)
        lines.append(f"| {' | '.join(cells)} |")
    notes = [f"- {note}" for note in dict.fromkeys(row.note for row in rows if row.note)]
    file.write_text("\n".join([f"{title}:", "", *lines, "", *notes]) + "\n", encoding="utf-8")


def show(rows: Sequence[Row], title: str, console: Console) -> None:
    """Print the table, the notes below it."""
    table = Table(title=title, title_justify="left")
    for heading in ("figure", "measured", "rival", "ratio", "to reach", ""):
        table.add_column(heading, justify="right" if heading in ("measured", "rival", "ratio") else "left")
    for row in rows:
        ratio = "" if row.ratio is None else f"{number(row.ratio)} ×"
        mark = {True: "✓", False: "[bold red]missed[/]", None: ""}[row.met]
        shown = f"{number(row.measured)} {row.unit}"
        table.add_row(row.figure, shown, number(row.rival), ratio, row.target or "", mark)
    console.print(table)
    for note in dict.fromkeys(row.note for row in rows if row.note):
        console.print(f"· {note}", highlight=False, markup=False)


def number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"
