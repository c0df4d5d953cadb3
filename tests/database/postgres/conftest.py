"""A bot with a database of its own, and the daemon's side of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from reactor.database.store import Store
from tests.database.postgres.bot import Bot
from tests.database.postgres.server import Server


@pytest.fixture
def bot(postgres: Server) -> Iterator[Bot]:
    with postgres.database() as url:
        yield Bot(url)


@pytest.fixture
async def store(bot: Bot) -> AsyncIterator[Store]:
    async with bot.store() as opened:
        yield opened
