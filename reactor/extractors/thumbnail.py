"""Fetches the picture that a page shows for its film: small, by the guarded session, and never at the film's cost."""

from __future__ import annotations

from pathlib import Path

import anyio

from reactor.errors import DownloadError
from reactor.net.redirects import MagnetRedirect, follow, read_body
from reactor.net.session import HttpSession

PICTURE_BYTES_MAX = 8 * 1024 * 1024
PICTURE_S = 20.0


async def fetch_picture(http: HttpSession, url: str, path: Path) -> bool:
    """Write what is at `url` to `path`; False where it is not to be had, or too large, or too slow."""
    too_large = DownloadError("The picture is too large.", code="too_large")
    try:
        with anyio.fail_after(PICTURE_S):
            async with follow("GET", url, http) as (_, response):
                if response.status != 200:
                    return False
                data = await read_body(response, http, PICTURE_BYTES_MAX, too_large)
    except (DownloadError, MagnetRedirect, TimeoutError):
        return False
    await anyio.Path(path).write_bytes(data)
    return True
