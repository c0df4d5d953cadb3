"""What several verbs take and say: flags, each with the name of the setting it overrides, and small words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Db = Annotated[
    Path | None, typer.Option("--db", metavar="FILE", help="The SQLite database. [DOWNLOAD_DB=downloads.db]")
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", metavar="N", help="How many downloads at once. [MAX_CONCURRENT_DOWNLOADS]"),
]
Aria2 = Annotated[
    str | None,
    typer.Option("--aria2", metavar="URL", help="An aria2c elsewhere, instead of one of our own. [ARIA2C_RPC_URL]"),
]


def counted(count: int, what: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
