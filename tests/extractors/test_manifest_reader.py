"""The query of a manifest goes on to what it names, where that is refused without."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.extractors.base import Context
from reactor.extractors.manifest_reader import Reader
from reactor.media.parts import Part
from reactor.net.credentials import HeaderSets
from reactor.net.jar import Jar
from reactor.plan import Header
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


# What it makes of many addresses

HOSTS = ("http://a.example", "https://a.example", "http://A.example", "http://u:p@a.example", "https://b.example:8443")
PATHS = (
    "/x.ts", "/x.ts", "/x%20y.ts?a=1&b=%2F", "/x y.ts", "/ö.ts?q=ü", "", "?a=1", "/x?", "//x", "/a/../b.ts", "/x.ts#t",
    "/x.ts?a?b", "/[1].ts", "/x\\y", "/" + "x" * 5000,
)  # fmt: skip


@given(urls=st.lists(st.builds(str.__add__, st.sampled_from(HOSTS), st.sampled_from(PATHS)), max_size=12))
@pytest.mark.parametrize("home", ["http://a.example/m.m3u8", "http://u:p@a.example/m.m3u8", "https://c.example/"])
def test_an_address_is_read_alike_whichever_came_before_it(home: str, urls: list[str]) -> None:
    """Of one host only the first is looked at in all of its parts."""
    headers = Header(name="X-Token", value="secret"), Header(name="Referer", value="https://b.example:8443/page?id=1")

    def reader() -> Reader:
        sets = HeaderSets()
        return Reader(cast("Context", None), home, headers, Jar(), sets, sets.given(headers, home))

    def told(one: Reader, url: str) -> tuple[object, ...]:
        fetch = one._fetch(Part(url, "x.ts"))
        return fetch.urls, None if fetch.headers is None else one.sets.all[fetch.headers]

    together = reader()
    assert [told(together, url) for url in urls] == [told(reader(), url) for url in urls]
