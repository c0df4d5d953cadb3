"""Feeds: each entry a download of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reactor.errors import DownloadError
from reactor.extractors import EXTRACTORS
from reactor.extractors.base import Context, Reclassified, Several
from reactor.extractors.detect import detect
from reactor.lists import Listing
from reactor.models import Kind
from reactor.options import Options, parse_options
from tests.servers import FileServer

ITEM = '<item><title>Film {0}</title><guid>g{0}</guid><enclosure url="/{0}.mp4" type="video/mp4"/></item>'


def feed(*numbers: int) -> bytes:
    items = "".join(map(ITEM.format, numbers))
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>Pod</title>{items}</channel></rss>'.encode()


async def listed(server: FileServer, context: Context, numbers: range, **options: Any) -> Listing:
    url = server.put("/feed", feed(*numbers), content_type="application/rss+xml")
    asking = replace(context, playlist_max=3, options=parse_options(options, Options))
    detection = await detect(url, asking)
    with pytest.raises(Several) as caught:
        await EXTRACTORS[Kind.YTDLP].extract(detection, asking)
    return caught.value.listing


async def test_each_entry_is_one(server: FileServer, context: Context) -> None:
    found = await listed(server, context, range(1, 4))
    assert (found.kind, found.title, found.notes, found.listed_only) == (Kind.YTDLP, "Pod", (), False)
    assert [(entry.key, entry.url, entry.title, entry.position) for entry in found.entries] == [
        (f"g{n}", server.url(f"/{n}.mp4"), f"Film {n}", n) for n in range(1, 4)
    ]


async def test_as_many_as_may_be_and_as_are_asked_for(server: FileServer, context: Context) -> None:
    found = await listed(server, context, range(1, 9))
    assert [entry.position for entry in found.entries] == [1, 2, 3]
    assert found.notes == ("Of 8 entries the first 3 were taken (PLAYLIST_MAX).",)
    found = await listed(server, context, range(1, 9), playlist={"items": "-2--1,1", "order": "reverse"}, want="info")
    assert ([entry.position for entry in found.entries], found.notes) == ([1, 8, 7], ())
    assert found.listed_only


@pytest.mark.parametrize(("most", "mode"), [(0, "auto"), (0, "all"), (50, "one")])
async def test_where_one_is_wanted_a_list_is_none(server: FileServer, context: Context, most: int, mode: str) -> None:
    url = server.put("/feed", feed(1, 2), content_type="application/rss+xml")
    asking = replace(context, playlist_max=most, options=parse_options({"playlist": {"mode": mode}}, Options))
    with pytest.raises(DownloadError, match="list of 2 videos") as caught:
        await EXTRACTORS[Kind.YTDLP].extract(await detect(url, asking), asking)
    assert caught.value.code == "playlist"


async def test_a_feed_of_one_is_that_one(server: FileServer, context: Context) -> None:
    url = server.put("/feed", feed(7), content_type="application/rss+xml")
    with pytest.raises(Reclassified) as caught:
        await EXTRACTORS[Kind.YTDLP].extract(await detect(url, context), context)
    assert (caught.value.detection.kind, caught.value.detection.url) == (Kind.DIRECT, server.url("/7.mp4"))


async def test_a_list_of_links_is_a_feed(server: FileServer, context: Context) -> None:
    text, asking = b"#EXTM3U\n#EXTINF:9,One\n1.mp3\n#EXTINF:9,Two\n2.mp3\n", replace(context, playlist_max=3)
    detection = await detect(server.put("/album.m3u", text, content_type="text/plain"), asking)
    before = len(server.requests("/album.m3u", "GET"))
    with pytest.raises(Several) as caught:
        await EXTRACTORS[detection.kind].extract(detection, asking)
    assert [entry.url for entry in caught.value.listing.entries] == [server.url("/1.mp3"), server.url("/2.mp3")]
    assert len(server.requests("/album.m3u", "GET")) <= before + 1, "what was read is not fetched once more"


async def test_a_feed_without_an_entry(server: FileServer, context: Context) -> None:
    url, asking = server.put("/feed", feed(), content_type="application/rss+xml"), replace(context, playlist_max=3)
    with pytest.raises(DownloadError, match="without an entry"):
        await EXTRACTORS[Kind.YTDLP].extract(await detect(url, asking), asking)
