"""Magnet links and `.torrent` URLs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from reactor.errors import DownloadError
from reactor.extractors import EXTRACTORS
from reactor.extractors.base import Context
from reactor.extractors.detect import detect
from reactor.extractors.metainfo import parse_metainfo
from reactor.extractors.torrent import described
from reactor.models import Kind
from reactor.plan import Extraction
from tests.extractors.samples import folder, torrent
from tests.servers import FileServer

V1 = "0123456789abcdef0123456789abcdef01234567"
V2 = "f" * 64


async def extracted(typed: str, context: Context) -> Extraction:
    return await EXTRACTORS[Kind.TORRENT].extract(await detect(typed, context), context)


async def test_magnet(context: Context) -> None:
    url = f"magnet:?xt=urn:btih:{V1}&dn=AC%2FDC%20..%0A&tr=udp://t"
    extraction = await extracted(url, context)
    (fetch,) = extraction.fetches
    assert (extraction.kind, extraction.title, extraction.size) == (Kind.TORRENT, "AC_DC", None)
    assert fetch.urls == (f"magnet:?xt=urn:btih:{V1}&dn=AC/DC%20..&tr=udp://t",)
    assert fetch.name == "AC_DC"
    assert fetch.torrent
    assert (fetch.torrent.info_hash, fetch.torrent.metainfo) == (V1, None)
    assert (fetch.torrent.metadata_only, extraction.finish.how) == (True, "metadata")
    elsewhere = await extracted(url, replace(context, metadata_first=False))
    assert elsewhere.fetches[0].torrent
    assert (elsewhere.fetches[0].torrent.metadata_only, elsewhere.finish.how) == (False, "torrent")
    chosen = await extracted(f"{url}&so=1,4-6", replace(context, metadata_first=False))
    assert chosen.fetches[0].torrent
    assert chosen.fetches[0].torrent.select == "2-2,5-7"


ALBUM = folder(["a"], ["b"], ["c"])
OF_ALBUM = parse_metainfo(ALBUM).v1


async def test_what_a_magnet_link_stands_for(context: Context) -> None:
    url = f"magnet:?xt=urn:btih:{OF_ALBUM}&so=1&ws=http://h/&ws=x://h/&tr=udp://t"
    found = await described(url, ALBUM, context)
    (fetch,) = found.fetches
    assert (found.title, found.size, fetch.name, fetch.urls) == ("album", 10, "album", ("http://h/",))
    assert fetch.torrent
    assert (fetch.torrent.metainfo, fetch.torrent.select) == (ALBUM, "2")
    assert fetch.torrent.trackers == ("http://t/", "udp://t")
    assert Extraction.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize("more", ["&x.pe=203.0.113.7:6881&tr=udp://t", "&tr=http://a/&tr=http://b/"])
async def test_several_trackers_and_peers_are_asked_by_the_guard(context: Context, more: str) -> None:
    url = f"magnet:?xt=urn:btih:{V1}{more}"
    for inner in (False, True):
        found = await extracted(url, replace(context, inner=inner))
        first = found.fetches[0].urls[0].split("&tr=")[1]
        assert first.startswith("http://reactor.invalid/swarm/") is inner
        assert found.fetches[0].torrent
        assert not any("reactor.invalid" in tracker for tracker in found.fetches[0].torrent.trackers)


async def test_pad_files_are_filled_in_where_the_web_shares_the_torrent(context: Context) -> None:
    files = [{"length": 10, "path": ["a"]}, {"attr": "p", "length": 7, "path": ["x"]}]
    padded = torrent(name="album", length=None, files=files, pieces=b"h" * 20)
    url = f"magnet:?xt=urn:btih:{parse_metainfo(padded).v1}"
    for more, pads in (("", ()), ("&ws=http://h/", ((2, 7),))):
        found = (await described(url + more, padded, context)).fetches[0]
        assert found.torrent
        assert (found.size, found.torrent.select, found.torrent.pads) == (10, "1", pads)


async def test_what_is_shared_under_another_hash_is_refused(context: Context) -> None:
    with pytest.raises(DownloadError, match="does not match the hash") as caught:
        await described(f"magnet:?xt=urn:btih:{V1}", ALBUM, context)
    assert caught.value.code == "bad_torrent"


@pytest.mark.parametrize("key", ["xs", "as"])
async def test_the_web_has_it_before_peers_are_asked(server: FileServer, context: Context, key: str) -> None:
    source = quote(server.put("/x.torrent", ALBUM), safe="")
    found = await extracted(f"magnet:?xt=urn:btih:{OF_ALBUM}&{key}={source}", context)
    assert (found.finish.how, found.size) == ("torrent", 30)


@pytest.mark.parametrize("put", [{"status": 404}, {"data": torrent()}, {"redirect": f"magnet:?xt=urn:btih:{V1}"}])
async def test_where_the_web_does_not_have_it_peers_are_asked(
    server: FileServer, context: Context, put: dict[str, Any]
) -> None:
    source = quote(server.put("/x.torrent", **put), safe="")
    found = await extracted(f"magnet:?xt=urn:btih:{OF_ALBUM}&xs={source}", context)
    assert found.finish.how == "metadata"


async def test_bare_and_hybrid_hashes(context: Context) -> None:
    extraction = await extracted(V1.upper(), context)
    assert (extraction.title, extraction.fetches[0].name) == (None, V1)
    assert extraction.fetches[0].urls == (f"magnet:?xt=urn:btih:{V1}",)
    hybrid = await extracted(f"magnet:?xt=urn:btmh:1220{V2}&xt=urn:btih:{V1}", context)
    assert hybrid.fetches[0].torrent
    assert hybrid.fetches[0].torrent.info_hash == V1


@pytest.mark.parametrize("typed", [V2, f"magnet:?xt=urn:btmh:1220{V2}&dn=x"])
async def test_v2_alone_is_understood_and_refused(context: Context, typed: str) -> None:
    with pytest.raises(DownloadError, match="v2 only") as caught:
        await extracted(typed, context)
    assert caught.value.code == "unsupported"


async def test_a_torrent_url(server: FileServer, context: Context) -> None:
    raw = torrent()
    extraction = await extracted(server.put("/x.torrent", raw), context)
    (fetch,) = extraction.fetches
    assert (extraction.kind, extraction.title, extraction.size) == (Kind.TORRENT, "film.mp4", 20_000)
    assert (fetch.urls, fetch.name) == ((), "film.mp4")
    assert fetch.torrent
    assert fetch.torrent.metainfo == raw
    assert fetch.torrent.folder is False
    assert fetch.torrent.info_hash == parse_metainfo(raw).v1
    assert [r.method for r in server.log] == ["GET"]
    assert Extraction.model_validate_json(extraction.model_dump_json()) == extraction


async def test_a_torrent_answer(server: FileServer, context: Context) -> None:
    url = server.put("/dl?id=1", folder(["a", "b.mp3"], ["c.mp3"]), content_type="application/x-bittorrent")
    extraction = await extracted(url, context)
    assert extraction.fetches[0].torrent
    assert extraction.fetches[0].torrent.folder is True
    assert (extraction.title, extraction.size) == ("album", 20)


async def test_a_torrent_url_with_credentials_and_redirects(server: FileServer, context: Context) -> None:
    server.put("/x.torrent", redirect="/y", user=("u", "p"))
    server.put("/y", torrent(), user=("u", "p"))
    assert (await extracted(server.url("/x.torrent", user="u:p"), context)).title == "film.mp4"
    server.put("/x.torrent", redirect=f"magnet:?xt=urn:btih:{V1}")
    found = await extracted(server.url("/x.torrent"), context)
    assert (found.kind, found.fetches[0].urls) == (Kind.TORRENT, (f"magnet:?xt=urn:btih:{V1}",))


@pytest.mark.parametrize(
    ("how", "code", "retryable"),
    [
        ({"status": 404}, "not_found", False),
        ({"status": 503}, "server_error", True),
        ({"data": b"<html>login</html>", "content_type": "text/html"}, "bad_torrent", False),
        ({"data": b"d4:info"}, "bad_torrent", False),
        ({"data": b""}, "bad_torrent", False),
        ({"data": bytes(1000), "endless": True}, "bad_torrent", False),
        ({"data": torrent(), "cut_after": 10}, "connection_lost", True),
        ({"close": True}, "connection_lost", True),
        ({"raw": b"nonsense\r\n\r\n"}, "bad_answer", False),
    ],
)
async def test_bad_torrent_servers(
    server: FileServer, context: Context, how: dict[str, Any], code: str, retryable: bool
) -> None:
    with pytest.raises(DownloadError) as caught:
        await extracted(server.put("/x.torrent", **how), context)
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert caught.value.message.endswith(".")


async def test_a_torrent_that_stalls(server: FileServer, hasty: Context) -> None:
    with pytest.raises(DownloadError) as caught:
        await extracted(server.put("/x.torrent", torrent(), stall_after=10), hasty)
    assert (caught.value.code, caught.value.retryable) == ("timeout", True)


async def test_a_v2_torrent_is_understood_and_refused(server: FileServer, context: Context) -> None:
    tree = {"film.mp4": {"": {"length": 5}}}
    raw = torrent(pieces=None, length=None, **{"meta version": 2, "file tree": tree})
    with pytest.raises(DownloadError, match="v2 only"):
        await extracted(server.put("/x.torrent", raw), context)


async def test_without_udp(server: FileServer, context: Context) -> None:
    context = replace(context, torrent_udp=False)
    trackers = "tr=udp%3A%2F%2Ft.test%3A1&tr.1=UDP://t.test&TR=wss://t.test&tr=http%3A%2F%2Ft.test%2Fa&dn=a%26tr%3Db"
    extraction = await extracted(f"magnet:?xt=urn:btih:{V1}&{trackers}", context)
    assert extraction.fetches[0].urls == (f"magnet:?xt=urn:btih:{V1}&dn=a%26tr%3Db&tr=http://t.test/a",)
    raw = torrent()
    server.put("/a.torrent", raw)
    (fetch,) = (await extracted(server.url("/a.torrent"), context)).fetches
    assert fetch.torrent
    assert fetch.torrent.metainfo
    assert b"udp" not in fetch.torrent.metainfo
    assert fetch.torrent.info_hash == parse_metainfo(raw).v1


async def test_no_torrents_at_all(context: Context) -> None:
    with pytest.raises(DownloadError, match="TORRENTS") as caught:
        await extracted(V1, replace(context, torrents=False))
    assert caught.value.code == "unsupported"
