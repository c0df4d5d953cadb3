"""HTTP sessions for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from reactor.net.session import HttpSession, open_session


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    async with open_session() as session:
        yield session


@pytest.fixture
async def hasty() -> AsyncIterator[HttpSession]:
    """For servers that never answer."""
    async with open_session(timeout_s=1.5) as session:
        yield session
