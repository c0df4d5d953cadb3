"""A server and the context every extractor gets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from reactor.extractors.base import Context
from reactor.net.redirects import open_context
from tests.servers import FileServer


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with FileServer() as server:
        yield server


@pytest.fixture
async def context() -> AsyncIterator[Context]:
    async with open_context(http_timeout_s=20.0) as context:
        yield context


@pytest.fixture
async def hasty() -> AsyncIterator[Context]:
    """For servers that never answer."""
    async with open_context(http_timeout_s=1.5) as context:
        yield context
