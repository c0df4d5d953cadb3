"""What the servers say of the formats that yt-dlp chose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from reactor.extractors.base import Context
from reactor.extractors.context import open_context
from reactor.extractors.ytdlp.chosen import FormatsGone, choose
from reactor.extractors.ytdlp.formats import Info
from reactor.extractors.ytdlp.info import parse_info
from tests.servers import FileServer


@pytest.fixture
async def context() -> AsyncIterator[Context]:
    async with open_context() as context:
        yield context


def info(*choices: str, **more: Any) -> Info:
    """Of one format each."""
    formats = [[{"url": url, "protocol": "https", "ext": "mp4", "filesize": 1000, **more}] for url in choices]
    return parse_info({"formats": formats[0], "others": formats[1:]})


async def test_a_size_is_what_the_server_says(server: FileServer, context: Context) -> None:
    url = server.put("/film.mp4", b"film", etag='"1"')
    (one,) = (await choose(info(url, http_headers={"X-Pass": "p", "Referer": "https://site.test/"}), context)).formats
    assert (one.filesize, one.validator, one.strong) == (4, '"1"', True)
    (request,) = server.log
    assert (request.headers["x-pass"], request.headers["referer"]) == ("p", "https://site.test/")


@pytest.mark.parametrize("how", [{"chunked": True}, {"status": 503}, {"close": True}])
async def test_where_it_says_nothing_nothing_is_promised(
    server: FileServer, context: Context, how: dict[str, Any]
) -> None:
    (one,) = (await choose(info(server.put("/film.mp4", b"film", **how)), context)).formats
    assert (one.filesize, one.validator) == (None, None)


async def test_a_list_of_parts_is_not_asked_for(server: FileServer, context: Context) -> None:
    (one,) = (await choose(info(server.url("/x.m3u8"), protocol="m3u8_native"), context)).formats
    assert (one.filesize, server.log) == (None, [])


@pytest.mark.parametrize("how", [{"status": 404}, {"status": 410}, {"status": 403}, {"content_type": "text/html"}])
async def test_what_is_gone_gives_way_to_the_next(server: FileServer, context: Context, how: dict[str, Any]) -> None:
    urls = server.put("/best.mp4", b"gone", **how), server.put("/next.mp4", b"film")
    assert [each.url for each in (await choose(info(*urls), context)).formats] == [urls[1]]


async def test_where_all_are_gone_the_first_one_is_told(server: FileServer, context: Context) -> None:
    urls = server.put("/best.mp4", b"gone", status=403), server.url("/nothing.mp4")
    with pytest.raises(FormatsGone) as caught:
        await choose(info(*urls), context)
    assert caught.value.code == "forbidden"
