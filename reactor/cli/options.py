"""Flags that several commands share, each with the setting it overrides, and small helpers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from reactor.errors import ReactorError

Db = Annotated[
    str | None,
    typer.Option("--db", metavar="FILE", help="SQLite file, or postgresql://… [DOWNLOAD_DB=downloads.db]"),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", metavar="N", help="Downloads at the same time. [MAX_CONCURRENT_DOWNLOADS]"),
]
Aria2 = Annotated[
    str | None,
    typer.Option("--aria2", metavar="URL", help="Use a running aria2c instead of starting one. [ARIA2C_RPC_URL]"),
]


ID_MAX = 2**63 - 1
"""SQLite's largest number."""
WORDS_MAX = 5


def fits(number: int) -> bool:
    """True for what may be the id of a row."""
    return -ID_MAX <= number <= ID_MAX


def no_download(number: int) -> ReactorError:
    """What to raise where there is no such row."""
    return ReactorError(f"There is no download {number}.")


def readable(urls: list[str]) -> list[str]:
    """The URLs, if each is one line of text. Raises ReactorError."""
    for url in urls:
        if not url.strip():
            raise ReactorError("A URL is empty.", hint="Quote it, and check that its variable is set.")
        try:
            url.encode()
        except UnicodeEncodeError as error:
            shown = url.encode("utf-8", "backslashreplace").decode()
            raise ReactorError(f"This URL is not UTF-8: {shown}", hint="Percent-encode such bytes.") from error
    return urls


def words_shown(found: Sequence[tuple[str, int]]) -> str:
    """`“queued” (3), “done” (1)`: the first words, each with how many rows have it."""
    return ", ".join(f"“{word}” ({count})" for word, count in found[:WORDS_MAX])


def counted(count: int, what: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
