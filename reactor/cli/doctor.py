"""`reactor doctor`: what is there, what is missing, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reactor.cli.options import Aria2, Db

if TYPE_CHECKING:
    from rich.text import Text

    from reactor.cli.checks import Finding

COLOURS = {"ok": "green", "note": "yellow", "missing": "red"}


def doctor(
    db: Db = None,
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="FOLDER", help="Where files go. [DOWNLOAD_DIR=downloads]")
    ] = None,
    aria2: Aria2 = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """Say what is there, and what to do about what is missing.

    Exits with 0 when direct downloads can run, else with 1. Changes nothing.
    """
    from rich.console import Console

    from reactor.cli.checks import examine
    from reactor.settings import Settings

    findings = examine(Settings.load(download_db=db, download_dir=folder, aria2c_rpc_url=aria2))
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        console = Console(highlight=False, emoji=False)
        for finding in findings:
            console.print(_line(finding), soft_wrap=True)
    raise typer.Exit(1 if any(finding.needed and finding.state == "missing" for finding in findings) else 0)


def _line(finding: Finding) -> Text:
    from rich.text import Text

    from reactor.journal.words import clean

    parts = [finding.version, finding.where, finding.what]
    shown = ", ".join(clean(part, 500) for part in parts if part)
    line = Text.assemble((f"{finding.state:8}", COLOURS[finding.state]), (f"{finding.name:17}", "bold"), shown)
    if finding.advice:
        line.append(f"\n{'':25}→ {clean(finding.advice, 500)}", "dim")
    return line
