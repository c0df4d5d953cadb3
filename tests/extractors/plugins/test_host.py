"""Extractors from outside in their processes: what they find, and what broken ones cost."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reactor.egress.addresses import Exceptions
from reactor.egress.proxy import Guard
from reactor.errors import DownloadError
from reactor.extractors import EXTRACTORS
from reactor.extractors.base import Context, Reclassified, Several
from reactor.extractors.detect import by_text, detect
from reactor.extractors.plugins.host import Plugins, open_plugins
from reactor.extractors.plugins.process import Installed
from reactor.models import Kind
from reactor.options import Options
from reactor.plan import Extraction
from reactor.preset_options import Headers, PresetOptions
from reactor.settings import Settings
from tests.extractors.processes import runs
from tests.servers import FileServer

HERE = (str(Path(__file__).parent),)
GOOD = Kind("good")


def sample(name: str, attribute: str = "") -> Installed:
    return Installed(name, f"sample_extractors:{attribute or name}", places=HERE)


@asynccontextmanager
async def opened(*found: Installed, guard: Guard | None = None, **settings: Any) -> AsyncIterator[Plugins]:
    async with open_plugins(Settings(**settings), guard, found=lambda: found or (sample("good"),)) as plugins:
        assert plugins is not None
        yield plugins


async def extracted(path: str, server: FileServer, context: Context) -> Extraction:
    detection = await detect(server.url(path), context)
    assert detection.kind is GOOD
    found = await EXTRACTORS[GOOD].extract(detection, context)
    assert isinstance(found, Extraction)
    return found


async def test_what_it_finds_is_fetched_with_what_its_server_wants(server: FileServer, context: Context) -> None:
    told = json.dumps({"file": server.url("/x")}).encode()
    server.put("/good/file", redirect="/good/file2", headers=(("Set-Cookie", "pass=1; Path=/"),))
    server.put("/good/file2", told, content_type="application/json")
    server.put("/good/folder", b"http://h.example/a/1.jpg http://h.example/b/1.jpg http://h.example/x.php?a")
    async with opened() as plugins:
        context = replace(context, plugins=plugins, options=Options(name="wished"))
        extraction = await extracted("/good/file", server, context)
        (fetch,) = extraction.fetches
        assert (extraction.kind, fetch.urls, fetch.name) == (GOOD, (server.url("/x"),), "_a film.mkv")
        assert [each.value for each in extraction.headers_of(fetch)] == [server.url("/good/file2")]
        assert [(each.name, each.value) for each in extraction.cookies] == [("pass", "1")]
        assert (extraction.finish.options.name, server.log[0].headers["x-asked"]) == ("wished", "yes")
        folder = await extracted("/good/folder", server, context)
        assert (folder.finish.how, folder.finish.name, folder.title) == ("folder", "Holiday_ 2026", "Holiday: 2026")
        assert [each.name for each in folder.fetches] == ["1.jpg", "1 (1).jpg", "x.php"]


async def test_what_only_a_preset_says_is_not_told_to_it(server: FileServer, context: Context) -> None:
    server.put("/good/folder", b"http://h.example/a/1.jpg")
    async with opened() as plugins:
        asked = PresetOptions(name="wished", headers=Headers(hosts=("h.example",), values={"X-House": "1"}))
        found = await extracted("/good/folder", server, replace(context, plugins=plugins, options=asked))
    assert found.finish.options.name == "wished"


async def test_a_link_that_leads_on_or_is_not_for_it(server: FileServer, context: Context) -> None:
    server.put("/real.zip", b"x")
    server.put("/good/onward", server.url("/real.zip").encode())
    server.put("/good/other", b"x", content_type="video/mp4")
    server.put("/good/magnet", redirect=f"magnet:?xt=urn:btih:{'a' * 40}")
    server.put("/good/other.zip", b"x")
    async with opened() as plugins:
        context = replace(context, plugins=plugins)
        for path, kind, url in (
            ("/good/onward", Kind.DIRECT, server.url("/real.zip")),
            ("/good/other", Kind.DIRECT, server.url("/good/other")),
            ("/good/magnet", Kind.TORRENT, f"magnet:?xt=urn:btih:{'a' * 40}"),
        ):
            with pytest.raises(Reclassified) as caught:
                await extracted(path, server, context)
            assert (caught.value.detection.kind, caught.value.detection.url) == (kind, url)
        detection = await detect(server.url("/good/other"), context)
    with pytest.raises(Reclassified) as caught:
        await EXTRACTORS[GOOD].extract(detection, replace(context, plugins=None))  # it was uninstalled since
    assert caught.value.detection.kind is Kind.DIRECT


async def test_a_list_becomes_what_its_row_wants_of_it(context: Context) -> None:
    async with opened() as plugins:
        context = replace(context, plugins=plugins)
        detection = await detect("http://h.example/good/list", context)
        with pytest.raises(DownloadError, match="a list of more than 1 entries") as refused:
            await EXTRACTORS[GOOD].extract(detection, context)
        assert refused.value.code == "playlist"
        with pytest.raises(Several) as several:
            await EXTRACTORS[GOOD].extract(detection, replace(context, playlist_max=2))
    listing = several.value.listing
    assert (listing.kind, listing.title, listing.listed_only) == (GOOD, "A list", False)
    assert [(each.url, each.title, each.position) for each in listing.entries] == [
        ("http://h.example/0.zip", "No. 0", 1),
        ("http://h.example/1.zip", "No. 1", 2),
    ]
    assert listing.notes == ("Of more than 2 entries the first 2 were taken (PLAYLIST_MAX).",)


async def test_the_highest_priority_wins_and_a_negative_one_comes_last(context: Context, server: FileServer) -> None:
    server.put("/late/x", b"x")
    async with opened(sample("good"), sample("late")) as plugins:
        context = replace(context, plugins=plugins)
        for path, kind in (
            ("/both/a.zip", "good"),
            ("/late/a.zip", "direct"),
            ("/late/x", "late"),
            ("/x.zip", "direct"),
        ):
            assert (await detect(server.url(path), context)).kind == kind
        assert server.log == []
        told = [by_text(url, plugins) for url in ("http://h.example/good/a.zip", f"magnet:?xt=urn:btih:{'a' * 40}")]
        assert [each and each.kind for each in told] == ["good", "torrent"]


BROKEN = {
    "sentence": ("rate_limited", "Ask later."),
    "raises": ("extractor_failed", r"failed on this link \(KeyError, sample_extractors.py, line \d+\)"),
    "leaves": ("extractor_failed", r"\(SystemExit, "),
    "dies": ("worker_died", r"crashed on this link, and again at the second try \(exit code 3\)"),
    "grows": ("out_of_memory", "reached its memory limit"),
    "nonsense": ("bad_answer", "cannot be used: it is dict"),
    "local": ("bad_answer", "neither http, https nor ftp"),
    "outside": ("bad_answer", "not a clean one"),
    "badlist": ("unsupported", "file: links cannot be downloaded"),
    "twice": ("bad_answer", "the same name"),
    "unknown": ("extractor_failed", "AttributeError"),
    "told": ("unsupported", "True None secret wished"),
}


async def failure(what: str, context: Context) -> DownloadError:
    detection = await detect(f"http://h.example/good/{what}", context)
    with pytest.raises(DownloadError) as caught:
        await EXTRACTORS[GOOD].extract(detection, context)
    return caught.value


@pytest.mark.execs
async def test_a_broken_one_costs_a_sentence(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sees nothing of the bot's environment; the next link is served."""
    monkeypatch.setenv("BOT_TOKEN", "1234:abc")
    options = json.dumps({"good": {"key": "secret"}})
    async with opened(extractor_options=options) as plugins:
        context = replace(context, plugins=plugins, options=Options(name="wished"))
        for what, (code, message) in BROKEN.items():
            error = await failure(what, context)
            assert (what, error.code, error.retryable) == (what, code, what == "sentence")
            assert re.search(message, error.message)
        found = await EXTRACTORS[GOOD].extract(await detect("http://h.example/good/prints", context), context)
        assert isinstance(found, Extraction)
        pids = plugins.known[GOOD].pids
        assert len(pids) == 1
    assert not any(map(runs, pids))


@pytest.mark.parametrize("what", ["hangs", "waits"])
async def test_one_that_hangs_is_killed(what: str, context: Context) -> None:
    async with opened(extractor_timeout_s=0.3) as plugins:
        pids = plugins.known[GOOD].pids
        error = await failure(what, replace(context, plugins=plugins))
        assert (error.code, error.retryable, error.message) == (
            *("timeout", True),
            "The extractor good did not finish within 0.3 s.",
        )
        assert not any(map(runs, pids))


async def test_one_that_cannot_be_loaded_is_named_and_the_others_work() -> None:
    found = (
        *(sample("good"), sample("missing"), sample("renamed"), sample("unmatched"), sample("direct", "good")),
        *(Installed("absent", "no_such_module:x"), sample("off", "good"), Installed("Odd name", "x:y")),
    )
    async with opened(*found, extractors_off="off, other") as plugins:
        assert plugins.known.keys() == {GOOD}
        assert sorted(plugins.unusable) == ["Odd name", "absent", "direct", "missing", "renamed", "unmatched"]
        assert "No module named 'no_such_module'" in plugins.unusable["absent"]
        assert "another name" in plugins.unusable["renamed"]
    async with open_plugins(Settings(extractors_off="*"), found=lambda: found) as none:
        assert none is None


@pytest.mark.fault(36)
async def test_its_requests_go_through_the_guard(server: FileServer, context: Context) -> None:
    server.put("/good/file", b'{"file": "http://h.example/a.bin"}')
    async with Guard() as guard, opened(guard=guard) as plugins:
        with pytest.raises(DownloadError) as caught:
            await extracted("/good/file", server, replace(context, plugins=plugins))
        assert (caught.value.code, server.log) == ("refused_address", [])
    async with Guard(Exceptions.parse("127.0.0.1")) as guard, opened(guard=guard) as plugins:
        extraction = await extracted("/good/file", server, replace(context, plugins=plugins))
        assert extraction.fetches[0].urls == ("http://h.example/a.bin",)
        assert len(server.log) == 1
