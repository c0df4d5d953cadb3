"""What a constraint or a trigger of the bot's table says, whatever the engine."""

from __future__ import annotations

import sqlite3

from reactor.errors import Failure


class Refused(Exception):
    """A constraint, a trigger or a limit does not let a value in."""


REJECTED = sqlite3.IntegrityError, sqlite3.DataError, Refused
"""What is raised then: the same again is no use."""


def passed_over() -> Refused:
    """For a write that found its row and left no trace: ON CONFLICT IGNORE, or RAISE(IGNORE)."""
    return Refused("a constraint or a trigger passes over it without a word")


def constraint_failure(error: Exception) -> Failure:
    """Why the bot's table does not take what was to be written into a row."""
    what = f"The bot's database does not take what was to be written for this download: {error}."
    return Failure("constraint", what, "Change that constraint or trigger of the bot's table.")
