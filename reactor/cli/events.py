"""`reactor events`: print a recorded journal, or the journal's schema."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reactor.cli.options import counted
from reactor.errors import ReactorError

if TYPE_CHECKING:
    from reactor.journal.terminal import HumanLines


def events(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Journal written by `run --events`; -: stdin.")
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of a line.")] = False,
) -> None:
    """Print a recorded journal as text, or its JSON schema."""
    if schema == (file is not None):
        raise typer.BadParameter("takes a FILE or --schema.")
    if file is None:
        from reactor.journal.ndjson import line_schema

        typer.echo(json.dumps(line_schema(), indent=2))
        return
    _show(file)


def _show(file: Path) -> None:
    from reactor.journal.stream import STDOUT, Stream
    from reactor.journal.terminal import HumanLines

    try:
        with open(0, "rb", closefd=False) if str(file) == "-" else file.open("rb") as lines:
            shown, broken = _print_lines(lines, HumanLines(Stream(STDOUT), dated=True))
    except FileNotFoundError as error:
        raise ReactorError(f"{file} does not exist.") from error
    except (IsADirectoryError, PermissionError, ValueError) as error:
        raise ReactorError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if broken and not shown:
        raise ReactorError(f"{file} is not a journal: none of its {broken} lines is an event.")
    if broken:
        typer.echo(f"reactor: {counted(broken, 'line')} could not be read.", err=True)


def _print_lines(lines: Iterable[bytes], terminal: HumanLines) -> tuple[int, int]:
    """Print what can be read; how many lines were events, known to us or not, and how many were not."""
    from reactor.journal.ndjson import BrokenLine, from_line

    shown = broken = 0
    for line in lines:
        if not line.strip():
            continue
        try:
            entry = from_line(line)
        except BrokenLine:
            broken += 1
            continue
        shown += 1
        if entry is not None:
            terminal.show(entry)
    return shown, broken
