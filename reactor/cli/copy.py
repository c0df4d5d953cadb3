"""`reactor copy`: copy a queue from SQLite to PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reactor.cli.options import counted

if TYPE_CHECKING:
    from reactor.database.copied import Copied


def copy(
    source: Annotated[str, typer.Argument(metavar="FILE", help="SQLite database.")],
    target: Annotated[str, typer.Argument(metavar="URL", help="postgresql://user@host/name")],
) -> None:
    """Copy a queue from SQLite into a PostgreSQL database.

    Every row with its id, or none. The file stays as it is. Stop the reactor and the bot first.
    """
    from reactor.database import engine

    done = engine.copy(source, target)
    typer.echo(f"{counted(done.downloads, 'row')} copied, counted and compared.")
    for sentence in _told(done):
        typer.echo(f"reactor: {sentence}", err=True)


def _told(done: Copied) -> list[str]:
    """What is not as it was."""
    found = []
    if done.begun:
        found.append(f"{counted(done.begun, 'download')} had begun, and will begin anew.")
    if done.columns:
        found.append(f"The table got the bot's own columns: {', '.join(done.columns)}.")
    if done.left_out:
        found.append(f"The other table lacks columns, which were left out: {', '.join(done.left_out)}.")
    return found
