"""Connection errors of aria2 in a few words, for error messages."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed, InvalidStatus


def shown(url: str) -> str:
    """The URL without user info and query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def why_closed(error: ConnectionClosed) -> str:
    """The close code and reason of a WebSocket."""
    told = error.rcvd or error.sent
    return f"closed with {told.code} {told.reason}".rstrip() if told else "closed without a close frame"


def why_unopened(error: Exception) -> str:
    """Why a connection could not be opened."""
    if isinstance(error, InvalidStatus):
        return f"HTTP {error.response.status_code}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)  # asyncio's own text is "Connect call failed ('127.0.0.1', 6800)"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error).rstrip(".") or type(error).__name__
