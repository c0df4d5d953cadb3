"""Opens the context that detection and extraction share."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from reactor.extractors.base import Context
from reactor.extractors.parsing import Parsers
from reactor.net.client import Dial
from reactor.net.session import open_session


@asynccontextmanager
async def open_context(
    *,
    user_agent: str = "",
    http_timeout_s: float = 20.0,
    patience_s: float = 0.0,
    tls: ssl.SSLContext | None = None,
    dial: Dial | None = None,
) -> AsyncIterator[Context]:
    """An HTTP session and the parsing processes, closed at the end; without yt-dlp and without a browser. The
    arguments are those of `net.session.open_session`."""
    async with (
        open_session(
            user_agent=user_agent, timeout_s=http_timeout_s, patience_s=patience_s, tls=tls, dial=dial
        ) as http,
        Parsers() as parsers,
    ):
        yield Context(http=http, parsers=parsers)
