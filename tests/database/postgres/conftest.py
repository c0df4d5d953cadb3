"""A bot with a database of its own, and the daemon's side of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import pytest

from reactor.database.store import Store
from tests.database.postgres.bot import Bot
from tests.database.postgres.server import Server


@pytest.fixture
def bot(request: pytest.FixtureRequest, postgres: Server) -> Iterator[Bot]:
    """Of an empty database, but for what a store makes there."""
    with postgres.database(made="store" in request.fixturenames) as url, closing(Bot(url)) as there:
        yield there


@pytest.fixture
async def store(bot: Bot) -> AsyncIterator[Store]:
    async with bot.store() as opened:
        yield opened
