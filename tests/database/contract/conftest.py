"""An engine for each test, once for every engine there is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reactor.database.store import Store
from tests.database.contract.engines import ENGINES, Engine, Postgres, Sqlite


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database, but for what a store makes there."""
    if request.param == "sqlite":
        yield Sqlite(tmp_path)
    else:
        made = "store" in request.fixturenames
        with request.getfixturevalue("postgres").database(made=made) as url, closing(Postgres(url)) as there:
            yield there


@pytest.fixture
async def store(engine: Engine) -> AsyncIterator[Store]:
    """The daemon's side of it."""
    async with engine.open_store() as opened:
        yield opened
