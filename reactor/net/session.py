"""What all HTTP requests of one reactor share."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from reactor import __version__
from reactor.net.client import Client, Dial

USER_AGENT = f"reactor/{__version__}"


@dataclass(frozen=True, slots=True)
class HttpSession:
    """A client and its timeout. `open_session` makes it."""

    client: Client
    """Follows no redirects, keeps no cookies, reads no proxy settings or netrc."""
    timeout_s: float = 20.0
    """How long a server may take to answer one request, redirects included."""


@asynccontextmanager
async def open_session(
    *, user_agent: str = "", timeout_s: float = 20.0, tls: ssl.SSLContext | None = None, dial: Dial | None = None
) -> AsyncIterator[HttpSession]:
    """One client, closed at the end. Without `tls` it trusts certifi's CAs; `dial` opens its connections."""
    async with Client(user_agent=user_agent or USER_AGENT, timeout_s=timeout_s, tls=tls, dial=dial) as client:
        yield HttpSession(client, timeout_s)
