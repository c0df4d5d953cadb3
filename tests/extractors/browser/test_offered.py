"""From what a page offers to what there is to fetch: asked of a server as the browser has asked, without a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from reactor.errors import DownloadError
from reactor.extractors.base import Context, Reclassified, Several
from reactor.extractors.browser.offered import extract_offered, saved
from reactor.extractors.browser.offers import Offer, Offers
from reactor.extractors.context import open_context
from reactor.models import Kind
from reactor.net.jar import Jar
from reactor.options import Options, parse_options
from reactor.plan import Cookie, Extraction
from tests.servers import FileServer

ATTACHED = {"disposition": 'attachment; filename="served.zip"', "content_type": "application/zip"}


@pytest.fixture
async def context() -> AsyncIterator[Context]:
    async with open_context() as context:
        yield context


async def extracted(context: Context, server: FileServer, *offers: Offer) -> Extraction:
    page = Offers(page=server.url("/page?secret=1"), agent="A browser")
    jar = Jar([Cookie(name="a", value="1", domain="127.0.0.1"), Cookie(name="b", value="2", domain="elsewhere.test")])
    return await extract_offered(offers, page, jar, context)


async def refusal(context: Context, server: FileServer, *offers: Offer) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        await extracted(context, server, *offers)
    return caught.value


async def test_a_download_is_asked_for_as_the_browser_did(context: Context, server: FileServer) -> None:
    sent = {"referer": server.url("/page"), "user-agent": "U", "cookie": "old=1", "range": "bytes=0-", "x-token": "t"}
    url = server.put("/get", b"file", etag='"1"', **ATTACHED)
    found = await extracted(context, server, Offer(url=url, name="Given name.zip", sent=sent))
    (fetch,) = found.fetches
    assert (found.kind, found.title, found.finish.how, found.finish.name) == (
        *(Kind.PLAYWRIGHT, "Given name.zip"),
        *("file", "Given name.zip"),
    )
    assert (fetch.urls, fetch.size, fetch.validator, fetch.strong) == ((url,), 4, '"1"', True)
    assert {each.name: each.value for each in found.headers_of(fetch)} == {
        **{"referer": server.url("/page"), "user-agent": "U", "x-token": "t"}
    }
    assert [each.name for each in found.cookies] == ["a"]
    (request,) = server.requests("/get")
    assert (request.method, request.headers["cookie"], request.headers["user-agent"]) == ("GET", "a=1", "U")


@pytest.mark.parametrize(("count", "mode", "listed"), [(9, "auto", 9), (2, "auto", 0), (2, "all", 2), (9, "one", 0)])
async def test_several_files_are_a_list(
    context: Context, server: FileServer, count: int, mode: Any, listed: int
) -> None:
    """More than a few, or all of them where that is asked for; each with the page that it was found on."""
    offers = [Offer(url=server.put(f"/f/{n}%20.zip", b"file" * n)) for n in range(1, count + 1)]
    options = parse_options({"playlist": {"mode": mode}}, Options)
    context = replace(context, playlist_max=50, options=options)
    if listed:
        with pytest.raises(Several) as several:
            await extracted(context, server, *offers)
        entries = several.value.listing.entries
        assert [(each.url, each.position) for each in entries] == [(offer.url, n) for n, offer in enumerate(offers, 1)]
        assert {each.referer for each in entries} == {server.url("/page")}
        assert (entries[0].title, entries[0].key) == ("1 .zip", "/f/1%20.zip")
    elif count > 8:
        assert (await refusal(context, server, *offers)).code == "playlist"
    else:
        assert (await extracted(context, server, *offers)).size == 8


async def test_a_link_is_asked_for_as_a_click_would(context: Context, server: FileServer) -> None:
    url = server.put("/a.zip", b"file")
    found = await extracted(context, server, Offer(url=url))
    assert {each.name: each.value for each in found.headers_of(found.fetches[0])} == {
        "referer": server.url("/page"),
        "user-agent": "A browser",
    }
    assert found.finish.name == "a.zip"


async def test_a_secret_stays_with_its_host(context: Context, server: FileServer) -> None:
    """aria2 is given the end of the redirects, with what may go there."""
    end = server.put("/end.zip", b"file", **ATTACHED).replace("127.0.0.1", "localhost")
    url = server.put("/get", redirect=end)
    found = await extracted(context, server, Offer(url=url, sent={"x-token": "t", "user-agent": "U"}))
    assert found.fetches[0].urls == (end,)
    assert [each.name for each in found.headers_of(found.fetches[0])] == ["user-agent"]
    assert "x-token" not in server.requests("/end.zip")[0].headers
    assert found.finish.name == "served.zip"


async def test_of_several_links_the_largest(context: Context, server: FileServer) -> None:
    sizes = {"/small.zip": 5, "/large.zip": 50, "/gone.zip": 500}
    urls = [server.put(path, b"x" * size, status=404 if size > 99 else 200) for path, size in sizes.items()]
    found = await extracted(context, server, *(Offer(url=url) for url in urls))
    assert found.fetches[0].urls == (server.url("/large.zip"),)
    assert found.finish.notes == ("The page links to 3 files; this is the largest of them.",)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"status": 404}, "not_found"),
        ({"status": 403}, "forbidden"),
        ({"data": b"<html>", "content_type": "text/html"}, "wrong_content"),
    ],
)
async def test_a_download_that_is_none_for_others(
    context: Context, server: FileServer, how: dict[str, Any], code: str
) -> None:
    assert (await refusal(context, server, Offer(url=server.put("/get", **how)))).code == code


async def test_a_page_that_is_to_be_saved_is_a_file(context: Context, server: FileServer) -> None:
    url = server.put("/a.html", b"<html>", content_type="text/html", disposition="attachment; filename=a.html")
    assert (await extracted(context, server, Offer(url=url))).finish.name == "a.html"


def test_what_the_browser_has_saved_is_fetched_from_where_it_is_handed_out() -> None:
    found = saved([Offer(url="blob:http://h/1", name="a/b.txt", saved="http://files/x", size=4)])
    assert found
    (fetch,) = found.fetches
    assert (fetch.urls, fetch.name, fetch.size, fetch.strong, found.headers) == (
        ("http://files/x",),
        "a_b.txt",
        4,
        True,
        (),
    )
    assert saved([]) is saved([Offer(url="http://h/1")]) is None
    with pytest.raises(DownloadError, match="larger") as caught:
        saved([Offer(url="blob:http://h/1", too_large=True)])
    assert caught.value.code == "too_large"


async def test_what_is_made_by_the_page_is_not_asked_for(context: Context, server: FileServer) -> None:
    for offer in (Offer(url="blob:http://h/1"), Offer(url=server.url("/x"), method="POST")):
        assert (await refusal(context, server, offer)).code == "unsupported"
    assert server.log == []


async def test_a_list_of_files_is_no_file(context: Context, server: FileServer) -> None:
    error = await refusal(context, server, *(Offer(url=server.url(f"/{n}.zip")) for n in range(9)))
    assert (error.code, "9 files" in error.message, server.log) == ("playlist", True, [])


async def test_a_torrent_goes_to_who_knows_torrents(context: Context, server: FileServer) -> None:
    url = server.put("/get", b"d4:infode", content_type="application/x-bittorrent")
    with pytest.raises(Reclassified) as caught:
        await extracted(context, server, Offer(url=url))
    assert (caught.value.detection.kind, caught.value.detection.url) == (Kind.TORRENT, url)


async def test_a_magnet_link_behind_a_button(context: Context, server: FileServer) -> None:
    url = server.put("/get", redirect=f"magnet:?xt=urn:btih:{'a' * 40}")
    with pytest.raises(Reclassified) as caught:
        await extracted(context, server, Offer(url=url))
    assert caught.value.detection.kind is Kind.TORRENT
