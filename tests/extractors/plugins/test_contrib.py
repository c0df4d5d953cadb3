"""The extractors to copy: contrib/extractors, in their processes, on sites of this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reactor.egress.addresses import Exceptions
from reactor.egress.proxy import Guard
from reactor.errors import DownloadError
from reactor.extractors.base import Several
from reactor.extractors.context import open_context
from reactor.extractors.plugins.api import Onward
from reactor.extractors.plugins.contract import ExtractorContract
from reactor.extractors.plugins.extractor import PluginExtractor, files_of
from reactor.extractors.plugins.host import Plugins, open_plugins
from reactor.extractors.plugins.process import Installed
from reactor.models import Kind
from reactor.options import NO_OPTIONS, Options, PlaylistOptions
from reactor.plan import Cookie, Detection, Extraction
from reactor.settings import Settings
from tests.servers import FileServer

CONTRIB = Path(__file__).parents[3] / "contrib" / "extractors"
THREAD = {"boardUri": "b", "threadId": 1, "subject": "Cats", "message": "", "files": [{"path": "/f/1.png"}]}
NAMED = {"originalName": "cat.png"}


class OfContrib(ExtractorContract):
    @pytest.fixture(autouse=True)
    def _importable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "path", [*map(str, CONTRIB.iterdir()), *sys.path])


class TestPixeldrain(OfContrib):
    entry = "reactor_pixeldrain:extractor"
    matching = ("https://pixeldrain.com/u/abc", "pixeldrain.com/l/abc#item=2", "https://pixeldrain.com/api/file/abc?x")
    others = ("https://pixeldrain.com/about", "https://example.com/u/abc")


class TestGallery(OfContrib):
    entry = "reactor_gallery:extractor"
    matching = ("https://imgbox.com/abcdefgh", "https://any.example/page")
    others = ("ftp://imgur.com/a",)


@asynccontextmanager
async def loaded(name: str, guard: Guard, **told: Any) -> AsyncIterator[Plugins]:
    what = Installed(name, f"reactor_{name}:extractor", places=(str(CONTRIB / name),))
    settings = Settings(extractor_options=json.dumps({name: told}))
    async with open_plugins(settings, guard, found=lambda: [what]) as plugins:
        assert plugins is not None
        assert plugins.unusable == {}
        yield plugins


async def found(plugins: Plugins, url: str) -> Any:
    (kind,) = plugins.known
    return await plugins.extract(kind, Detection(kind=kind, url=url, why="test"), NO_OPTIONS)


async def test_files_and_lists_of_a_hoster(server: FileServer) -> None:
    file = {"id": "abc", "name": "a film.mkv", "size": 5, "availability": ""}
    gone = {"id": "x", "name": "x", "availability": "gone", "availability_message": "Come back tomorrow."}
    server.put("/api/file/abc/info", json.dumps(file).encode(), content_type="application/json")
    server.put("/api/file/x/info", json.dumps(gone).encode())
    server.put("/api/list/l1", json.dumps({"title": "Holiday", "files": [file, gone, {**file, "id": "b"}]}).encode())
    async with (
        Guard(Exceptions.parse("127.0.0.1")) as guard,
        loaded("pixeldrain", guard, address=server.url("").rstrip("/"), key="k") as plugins,
    ):
        one = await found(plugins, "https://pixeldrain.com/u/abc")
        (fetch,) = one.fetches
        assert (one.kind, fetch.name, fetch.size) == (Kind("pixeldrain"), "a film.mkv", 5)
        assert fetch.urls == (server.url("/api/file/abc?download"),)
        assert [each.value for each in one.headers_of(fetch)] == ["Basic Oms="]
        several = await found(plugins, "https://pixeldrain.com/l/l1")
        assert (several.finish.how, several.title) == ("folder", "Holiday")
        assert several.finish.notes == ("1 files of the list are not there.",)
        with pytest.raises(DownloadError, match="Come back tomorrow") as caught:
            await found(plugins, "https://pixeldrain.com/u/x")
        assert (caught.value.code, caught.value.retryable) == ("rate_limited", True)
        assert await found(plugins, "https://pixeldrain.com/u/-") is None
    assert all(request.headers["authorization"] == "Basic Oms=" for request in server.log)


async def test_an_image_post_is_a_folder_of_its_images(server: FileServer) -> None:
    """By the real gallery-dl; the board's software is named by the operator, its address is the server's."""
    images = [{"path": f"/f/{n}.png", **NAMED} for n in (1, 2)]
    answers = {"/b/res/1.json": THREAD | {"files": images}, "/b/res/2.json": THREAD | {"files": images[:1]}}
    answers |= {"/b/res/4.json": THREAD | {"files": []}}
    answers["/b/catalog.json"] = [{"threadId": n} for n in (1, 2)]  # type: ignore[assignment]
    answers["/c/catalog.json"] = [{"threadId": 1}]  # type: ignore[assignment]
    for path, told in answers.items():
        server.put(path, json.dumps(told).encode(), content_type="application/json")
    sites = {server.url("").rstrip("/"): "lynxchan"}
    async with Guard(Exceptions.parse("127.0.0.1")) as guard, loaded("gallery", guard, sites=sites) as plugins:
        post = await found(plugins, server.url("/b/res/1.html"))
        assert isinstance(post, Extraction)
        assert (post.kind, post.finish.how, post.title) == ("gallery", "folder", "1 Cats")
        assert [fetch.name for fetch in post.fetches] == ["1 cat.png", "1-1 cat.png"]
        assert [fetch.urls for fetch in post.fetches] == [(server.url(f"/f/{n}.png"),) for n in (1, 2)]
        sent = {header.name: header.value for header in post.headers_of(post.fetches[0])}
        assert (sent["Referer"], "User-Agent" in sent) == (server.url("/"), True)
        assert (await found(plugins, server.url("/b/res/2.html"))).finish.how == "file"
        assert await found(plugins, server.url("/c/")) == Onward(server.url("/c/res/1.html"))
        assert await found(plugins, "https://nobody.example/knows/this") is None
        board = await found(plugins, server.url("/b/"))
        assert [entry.url for entry in board.entries] == [server.url(f"/b/res/{n}.html") for n in (1, 2)]
        for path, code in (("/b/res/3.html", "not_found"), ("/b/res/4.html", "unsupported")):
            with pytest.raises(DownloadError) as caught:
                await found(plugins, server.url(path))
            assert (path, caught.value.code) == (path, code)
    before = len(server.log)
    async with Guard() as guard, loaded("gallery", guard, sites=sites) as plugins:
        with pytest.raises(DownloadError) as caught:
            await found(plugins, server.url("/b/res/1.html"))
    assert (caught.value.code, len(server.log)) == ("refused_address", before)


async def test_the_images_of_a_post_are_rows_of_their_own_where_that_is_asked_for(server: FileServer) -> None:
    images = [{"path": f"/f/{n}.png", **NAMED} for n in (1, 2, 3)]
    answer = json.dumps(THREAD | {"files": images}).encode()
    server.put("/b/res/1.json", answer, content_type="application/json")
    sites, asked = {server.url("").rstrip("/"): "lynxchan"}, Options(playlist=PlaylistOptions(items="2-3"))
    async with (
        Guard(Exceptions.parse("127.0.0.1")) as guard,
        loaded("gallery", guard, sites=sites) as plugins,
        open_context() as bare,
    ):
        (kind,) = plugins.known
        what = Detection(kind=kind, url=server.url("/b/res/1.html"), why="test")
        context = replace(bare, plugins=plugins, playlist_max=50)
        together = await PluginExtractor(kind).extract(what, context)
        with pytest.raises(Several) as caught:
            await PluginExtractor(kind).extract(what, replace(context, options=asked))
    assert (together.finish.how, len(together.fetches)) == ("folder", 3)
    listing = caught.value.listing
    assert (listing.title, [entry.url for entry in listing.entries]) == (
        "1 Cats",
        [server.url(f"/f/{n}.png") for n in (2, 3)],
    )
    assert {entry.referer for entry in listing.entries} == {server.url("/")}
    with_cookies = together.model_copy(update={"cookies": (Cookie(name="a", value="b", domain="127.0.0.1"),)})
    assert files_of(with_cookies) == ()
