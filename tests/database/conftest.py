"""A PostgreSQL server for all tests of one process that need it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.database.postgres.server import PROGRAM, Server, serving
from tests.tools import needed


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """It is started by the first test that wants it."""
    needed(PROGRAM)
    with serving() as running:
        yield running
