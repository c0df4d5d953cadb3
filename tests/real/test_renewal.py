"""Links that expire while a film is fetched: the row keeps its attempt, and every byte is fetched once."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.media.samples import Samples, playlist_of
from tests.real.harness import running
from tests.servers import FileServer, Request, Resource

PARTS = 40
EACH = 5
"""So many parts a link is good for."""
PART = "#EXT-X-DISCONTINUITY\n#EXTINF:2.0,\n"
"""They are all the same bytes, so each begins at 0 again."""


class Signed(FileServer):
    """A film in parts behind signed links: the playlist has those of the moment, and they expire when some parts have
    been fetched. After `last` renewals of the playlist every link is refused from the beginning."""

    segment = b""
    token = 1
    last: int | None = None

    async def _answer(self, request: Request, resource: Resource, *streams: Any) -> bool:
        path = urlsplit(request.path).path
        if path == "/film/index.m3u8":
            lines = (f"{PART}part{n}.ts?token={self.token}\n" for n in range(PARTS))
            resource = Resource(playlist_of("".join(lines)))
        elif parse_qs(urlsplit(request.path).query).get("token") != [str(self.token)] or self.token == self.last:
            resource = Resource(b"expired", status=403)
        elif (
            len([each for each in self.log if each.status in (200, 206) and "/part" in each.path]) >= EACH * self.token
        ):
            self.token += 1
            resource = Resource(b"expired", status=403)
        return await super()._answer(request, resource, *streams)

    def show(self, segment: bytes) -> str:
        """Serve the film, all parts of which are the same bytes."""
        for n in range(PARTS):
            self.put(f"/film/part{n}.ts", segment)
        return self.put("/film/index.m3u8", b"#EXTM3U\n")


@pytest.mark.fault(47)
async def test_a_film_of_many_parts_behind_short_links_costs_no_retry(tmp_path: Path, samples: Samples) -> None:
    async with Signed() as server, running(tmp_path, MAX_DOWNLOAD_RETRIES="2") as reactor:
        (one,) = reactor.add(server.show(samples.hls("ts")["part0.ts"]))
        await reactor.until_final()
        row = reactor.row(one)
        fetched = [each.path for each in server.log if each.status in (200, 206) and "/part" in each.path]
        renewed = len(reactor.events("download_extracted", one)) - 1
    assert (row["status"], row["retry_count"], row["attempt"]) == ("downloaded", 0, 1), row["error"]
    assert renewed >= 6, "more often than it may be tried"
    assert len({urlsplit(path).path for path in fetched}) == PARTS
    assert len(reactor.events("download_claimed", one)) == 1


async def test_links_that_bring_nothing_end_it(tmp_path: Path, samples: Samples) -> None:
    async with Signed() as server, running(tmp_path, MAX_DOWNLOAD_RETRIES="2") as reactor:
        server.last = 2
        (one,) = reactor.add(server.show(samples.hls("ts")["part0.ts"]))
        await reactor.until_final()
        row = reactor.row(one)
        asked = len(server.requests("/film/index.m3u8", "GET"))
    assert (row["status"], row["error_code"], row["retry_count"]) == ("failed", "forbidden", 0)
    assert asked < 12
