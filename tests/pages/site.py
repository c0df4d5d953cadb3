"""A site with films on it: the real players' pages, and the media that they play.

The address of the media stands in no page as plain text. What is under `/guarded/` is given only to who has come
from a page of the site and holds the cookie that the page has set.
"""

from __future__ import annotations

import asyncio
import base64
import re
from pathlib import Path
from typing import Any

from tests.media.samples import Samples
from tests.pages import players
from tests.servers import FileServer, Request, Resource

FOLDER = Path(__file__).parent
TYPES = {
    "css": "text/css",
    "js": "text/javascript",
    "m3u8": "application/vnd.apple.mpegurl",
    "mp4": "video/mp4",
    "mpd": "application/dash+xml",
    "ts": "video/mp2t",
}


class Site(FileServer):
    """A FileServer that knows the pages and the players."""

    def page(self, name: str, address: str, *, path: str | None = None, hidden: bool = True, **how: Any) -> str:
        """Serve the page `name`, which plays (or frames) `address`; its URL."""
        text = (FOLDER / f"{name}.html").read_text(encoding="utf-8")
        for file in re.findall(r"/players/([\w.-]+)", text):
            self.put(f"/players/{file}", players.files()[file], content_type=TYPES[file.rpartition(".")[2]])
        shown = base64.b64encode(address.encode()).decode() if hidden else address
        return self.html(text.replace("ADDRESS", shown), path=path or f"/{name}", **how)

    def html(self, text: str, *, path: str = "/page", **how: Any) -> str:
        """Serve a page; its URL."""
        return self.put(path, text.encode(), content_type="text/html; charset=utf-8", **how)

    def media(self, folder: str, files: dict[str, bytes]) -> None:
        """Serve the files of a sample under `folder`."""
        for name, data in files.items():
            self.put(f"{folder}/{name}", data, content_type=TYPES.get(name.rpartition(".")[2]))

    async def _answer(
        self, request: Request, resource: Resource, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        asked = request.headers
        known = asked.get("referer", "").startswith(self.url()) and "pass=given" in asked.get("cookie", "")
        if request.path.startswith("/guarded/") and not known:
            resource = Resource(b"not for you", status=403, content_type="text/plain")
        return await super()._answer(request, resource, reader, writer)


def clip(samples: Samples) -> Path:
    """An advertisement: two seconds."""
    path = samples.root / "clip.mp4"
    if not path.exists():
        samples.run("-i", samples.film(), "-t", "2", "-c", "copy", path)
    return path


def master(files: dict[str, bytes]) -> dict[str, bytes]:
    """An HLS with a list of its one quality."""
    listed = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=200000,RESOLUTION=96x64,CODECS="avc1.42c00a,mp4a.40.2"\nindex.m3u8\n'
    return files | {"main.m3u8": listed.encode()}
