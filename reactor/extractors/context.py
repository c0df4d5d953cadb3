"""Opens the context that detection and extraction share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from reactor.extractors.base import Context
from reactor.extractors.parsing import Parsers
from reactor.net.session import HttpSession, open_session


@asynccontextmanager
async def open_context(session: AbstractAsyncContextManager[HttpSession] | None = None) -> AsyncIterator[Context]:
    """An HTTP session (`net.session.open_session()`, unless another one is to be opened) and the parsing processes,
    closed at the end; without yt-dlp and without a browser."""
    async with session or open_session() as http, Parsers() as parsers:
        yield Context(http=http, parsers=parsers)
