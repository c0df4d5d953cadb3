"""Stage 1: rules that need no request, and rules that need a look."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.extractors.browser.browser import Browser
from reactor.extractors.detect import detect, detect_by_text
from reactor.models import Kind
from tests.servers import FileServer

V1 = "0123456789abcdef0123456789abcdef01234567"
DATA = b"0123456789"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        (f"magnet:?xt=urn:btih:{V1}", Kind.TORRENT),
        ("https://h/a.torrent", Kind.TORRENT),
        ("https://h/a.TORRENT?x=y", Kind.TORRENT),
        ("https://h/a%2Etorrent", Kind.TORRENT),
        ("https://h/live/index.m3u8?token=1", Kind.YTDLP),
        ("https://h/a.mpd", Kind.YTDLP),
        ("https://h/a.mp4", Kind.DIRECT),
        ("https://h/a.tar.gz#x", Kind.DIRECT),
        ("https://h/a.PDF", Kind.DIRECT),
        ("https://h/", None),
        ("https://h.zip/", None),
        ("https://h/watch?v=a.mp4", None),
        ("https://h/a.html", None),
        ("https://h/get.php", None),
        ("https://h/.mp4", None),
        ("https://h/a.mp4/", None),
    ],
)
def test_rules_that_need_no_request(url: str, kind: Kind | None) -> None:
    found = detect_by_text(url)
    assert (found.kind if found else None) == kind
    if found:
        assert found.url == url
        assert found.probe is None
        assert found.why


async def test_a_file_by_its_suffix_is_not_asked_for(server: FileServer, context: Context) -> None:
    found = await detect(f" {server.url('/a.zip')} ", context)
    assert (found.kind, found.url, found.probe) == (Kind.DIRECT, server.url("/a.zip"), None)
    assert server.log == []


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ({"content_type": "text/html; charset=utf-8"}, Kind.YTDLP),
        ({"content_type": "application/xhtml+xml"}, Kind.YTDLP),
        ({"content_type": "application/x-bittorrent"}, Kind.TORRENT),
        ({"disposition": 'attachment; filename="a.torrent"'}, Kind.TORRENT),
        ({"content_type": "application/vnd.apple.mpegurl"}, Kind.YTDLP),
        ({"content_type": "audio/x-mpegURL"}, Kind.YTDLP),
        ({"content_type": "application/dash+xml"}, Kind.YTDLP),
        ({"content_type": "application/rss+xml; charset=utf-8"}, Kind.YTDLP),
        ({"content_type": "application/atom+xml"}, Kind.YTDLP),
        ({"content_type": "text/html", "disposition": "attachment; filename=a.zip"}, Kind.DIRECT),
        ({"content_type": "video/mp4"}, Kind.DIRECT),
        ({"content_type": None}, Kind.DIRECT),
        ({"content_type": "nonsense"}, Kind.DIRECT),
    ],
)
async def test_rules_that_need_a_look(server: FileServer, context: Context, how: dict[str, Any], kind: Kind) -> None:
    url = server.put("/get", DATA, **how)
    found = await detect(url, context)
    assert (found.kind, found.url) == (kind, url)
    assert found.probe is not None
    assert found.probe.size == len(DATA)


async def test_a_redirect_to_a_magnet_link(server: FileServer, context: Context) -> None:
    url = server.put("/get", redirect=f"magnet:?xt=urn:btih:{V1.upper()}&dn=x")
    found = await detect(url, context)
    assert (found.kind, found.url) == (Kind.TORRENT, f"magnet:?xt=urn:btih:{V1}&dn=x")


@pytest.mark.parametrize(
    ("how", "handed_on"),
    [
        ({"status": 403, "content_type": "text/html"}, True),
        ({"status": 503, "content_type": "text/html"}, True),
        ({"status": 503, "content_type": "text/html", "headers": (("Retry-After", "60"),)}, False),
        ({"status": 403, "content_type": "application/json"}, False),
        ({"status": 404, "content_type": "text/html"}, False),
    ],
)
async def test_a_page_that_is_for_browsers_only(
    server: FileServer, context: Context, how: dict[str, Any], handed_on: bool
) -> None:
    url = server.put("/film", DATA, **how)
    async with Browser() as browser:
        if handed_on:
            found = await detect(url, replace(context, browser=browser))
            assert (found.kind, found.url) == (Kind.PLAYWRIGHT, url)
        else:
            with pytest.raises(DownloadError, match=str(how["status"])):
                await detect(url, replace(context, browser=browser))
    with pytest.raises(DownloadError, match=str(how["status"])):
        await detect(url, context)


async def test_bad_input_and_bad_servers(server: FileServer, context: Context) -> None:
    with pytest.raises(DownloadError, match="empty"):
        await detect("", context)
    with pytest.raises(DownloadError, match="404"):
        await detect(server.url("/nothing"), context)


async def test_only_what_is_a_file_stays_held(server: FileServer, context: Context) -> None:
    """A torrent is fetched by its extractor, a page by whoever finds a film on it."""
    for kind, name, more in (
        (Kind.DIRECT, "/get", {}),
        (Kind.TORRENT, "/torrent", {"content_type": "application/x-bittorrent"}),
        (Kind.YTDLP, "/page", {"content_type": "text/html"}),
    ):
        url = server.put(name, DATA, **more)
        found = await detect(url, context)
        assert found.kind is kind
        response = context.http.held.take(url)
        assert (response is not None) is (kind is Kind.DIRECT)
        if response is not None:
            response.close()
    assert [request.method for request in server.log] == ["GET"] * 3
