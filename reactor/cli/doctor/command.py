"""`reactor doctor`: check the installation and the settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reactor.cli.options import Aria2, Db

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from reactor.cli.doctor.findings import DoctorFinding

COLOURS = {"ok": "green", "note": "yellow", "missing": "red"}


def doctor(
    db: Db = None,
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="FOLDER", help="Folder for finished files. [DOWNLOAD_DIR=downloads]")
    ] = None,
    aria2: Aria2 = None,
    ping: Annotated[bool, typer.Option("--ping", help="Send a test message to WEBHOOK_URL and NOTIFY.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """Check the installation and the settings, and say what to do.

    Read-only; nothing is sent without --ping. Exits with 0 if direct downloads can run, else with 1.
    """
    from rich.console import Console

    from reactor.cli.doctor.examine import examine
    from reactor.settings import Settings

    findings = examine(Settings.load(download_db=db, download_dir=folder, aria2c_rpc_url=aria2), ping=ping)
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        console = Console(highlight=False, emoji=False)
        if console.is_terminal:
            console.print(_table(findings))
        else:
            for finding in findings:
                console.print(_line(finding), soft_wrap=True)
    raise typer.Exit(1 if any(finding.needed and finding.state == "missing" for finding in findings) else 0)


def _line(finding: DoctorFinding) -> Text:
    from rich.text import Text

    state, name, told = _cells(finding)
    state.pad_right(8 - len(state))
    name.pad_right(17 - len(name))
    return Text.assemble(state, name, Text(f"\n{'':25}").join(told))


def _table(findings: list[DoctorFinding]) -> Table:
    """The same so that no word is broken."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1))
    for _ in range(2):
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for finding in findings:
        state, name, told = _cells(finding)
        grid.add_row(state, name, Text("\n").join(told))
    return grid


def _cells(finding: DoctorFinding) -> tuple[Text, Text, list[Text]]:
    """Its state, its name, and what is to be said of it, line by line."""
    from rich.text import Text

    from reactor.journal.format import clean

    shown = ", ".join(clean(part, 500) for part in (finding.version, finding.where, finding.what) if part)
    advice = [Text(f"→ {clean(finding.advice, 500)}", "dim")] if finding.advice else []
    return Text(finding.state, COLOURS[finding.state]), Text(finding.name, "bold"), [Text(shown), *advice]
