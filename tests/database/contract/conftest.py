"""An engine for each test, once for every engine there is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from reactor.database.store import Store
from tests.database.contract.engines import ENGINES, Engine, Postgres, Sqlite


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database."""
    if request.param == "sqlite":
        yield Sqlite(tmp_path)
    else:
        with request.getfixturevalue("postgres").database() as url:
            yield Postgres(url)


@pytest.fixture
async def store(engine: Engine) -> AsyncIterator[Store]:
    """The daemon's side of it."""
    async with engine.open_store() as opened:
        yield opened
