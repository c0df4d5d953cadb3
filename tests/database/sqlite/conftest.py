"""What the tests of the database share: a path, and a bot that is another process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from reactor.database.sqlite.migration import migrate
from reactor.database.sqlite.statements import decode
from tests.database.sqlite.bot import opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database will be."""
    return tmp_path / "bot.db"


@pytest.fixture
def table(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a database that fits the contract."""
    with opened(path) as connection:
        connection.text_factory = decode
        migrate(connection)
        yield connection
