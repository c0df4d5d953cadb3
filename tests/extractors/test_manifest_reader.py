"""The query of a manifest goes on to what it names, where that is refused without."""

from __future__ import annotations

from reactor.extractors.base import Context
from tests.extractors.test_manifest import MASTER, MEDIA, extracted
from tests.servers import FileServer

# A query that is not named


async def test_the_query_is_inherited_where_the_host_refuses_without(server: FileServer, context: Context) -> None:
    for path, data in (("index.m3u8", MEDIA.replace(b"two.ts", b"two.ts?v=1")), ("one.ts", b"x")):
        server.put(f"/v/{path}", status=403)
        server.put(f"/v/{path}?sig=z", data)
    server.put("/m.m3u8", MASTER.replace(b"?a=1", b""))
    extraction = await extracted(server.url("/m.m3u8?sig=z"), context)
    urls = [fetch.urls[0].rpartition("/")[2] for fetch in extraction.fetches]
    assert urls == ["one.ts?sig=z", "two.ts?v=1&sig=z"]


async def test_the_query_is_not_inherited_without_need(server: FileServer, context: Context) -> None:
    server.put("/list.m3u8", MEDIA)
    server.put("/one.ts", b"x")
    extraction = await extracted(server.url("/list.m3u8?sig=z"), context)
    assert [fetch.urls[0].rpartition("/")[2] for fetch in extraction.fetches] == ["one.ts", "two.ts"]


async def test_the_query_goes_to_no_other_host(server: FileServer, context: Context) -> None:
    async with FileServer() as other:
        other.put("/one.ts", b"x", status=403)
        server.put("/list.m3u8", MEDIA.replace(b"one.ts", other.url("/one.ts").encode()))
        await extracted(server.url("/list.m3u8?sig=z"), context)
        assert all("sig" not in request.path for request in other.log)
