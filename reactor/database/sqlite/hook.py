"""A TEMP trigger that calls a function of ours before each commit in which a connection did what a bot does."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from reactor.database.sqlite.statements import script


def install(connection: sqlite3.Connection, note: Callable[[], None]) -> None:
    """Call `note` from now on, in the thread that writes."""
    connection.create_function("reactor_hook", 0, note)
    for statement in script("hook.sql"):
        connection.execute(statement)


def remove(connection: sqlite3.Connection) -> None:
    """Call it no more."""
    theirs = r"SELECT name FROM temp.sqlite_master WHERE type = 'trigger' AND name LIKE 'reactor\_hook\_%' ESCAPE '\'"
    for (name,) in connection.execute(theirs).fetchall():
        connection.execute(f"DROP TRIGGER temp.{name}")
    connection.create_function("reactor_hook", 0, None)
