"""An engine for each test, once for every engine there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from reactor.database.store import Store
from tests.database.contract.engines import ENGINES, Engine


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """An empty database."""
    made: Engine = ENGINES[request.param](tmp_path)
    return made


@pytest.fixture
async def store(engine: Engine) -> AsyncIterator[Store]:
    """The daemon's side of it."""
    async with engine.open_store() as opened:
        yield opened
