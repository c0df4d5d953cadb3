"""A URL that is the file itself, and one that only looked so."""

from __future__ import annotations

import base64
import hashlib

import pytest

from reactor.errors import DownloadError
from reactor.extractors import EXTRACTORS
from reactor.extractors.base import Context, Reclassified
from reactor.extractors.detect import detect, is_manifest
from reactor.models import Kind
from reactor.plan import Extraction
from tests.servers import FileServer

DATA = b"0123456789"


async def extracted(typed: str, context: Context) -> Extraction:
    return await EXTRACTORS[Kind.DIRECT].extract(await detect(typed, context), context)


async def test_a_file(server: FileServer, context: Context) -> None:
    url = server.put("/a%20b.mp4", DATA, etag='"1"')
    extraction = await extracted(url, context)
    (fetch,) = extraction.fetches
    assert (extraction.kind, extraction.title, extraction.size) == (Kind.DIRECT, "a b.mp4", len(DATA))
    assert (fetch.urls, fetch.name, fetch.validator) == ((url,), "a b.mp4", '"1"')
    assert (extraction.finish.how, extraction.finish.name) == ("file", "a b.mp4")
    assert len(server.log) == 1


async def test_the_digest_that_a_server_tells_is_compared(server: FileServer, context: Context) -> None:
    digest = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
    url = server.put("/a.bin", DATA, headers=(("Repr-Digest", f"sha-256=:{digest}:"),))
    assert (await extracted(url, context)).fetches[0].checksum == f"sha-256={hashlib.sha256(DATA).hexdigest()}"


async def test_it_does_not_look_twice(server: FileServer, context: Context) -> None:
    url = server.put("/get", DATA, disposition="attachment; filename=../../x.bin")
    extraction = await extracted(url, context)
    assert extraction.fetches[0].name == "x.bin"
    assert len(server.log) == 1


async def test_a_link_with_a_token_is_asked_once_and_the_answer_is_held(server: FileServer, context: Context) -> None:
    url = server.put("/a.zip", DATA) + "?token=x"
    extraction = await extracted(url, context)
    assert (extraction.finish.name, [request.method for request in server.log]) == ("a.zip", ["GET"])
    held = context.http.held.take(url)
    assert held is not None
    held.close()


async def test_it_keeps_credentials_only_where_they_belong(server: FileServer, context: Context) -> None:
    server.put("/a.bin", DATA, user=("u", "secret"))
    extraction = await extracted(server.url("/a.bin", user="u:secret"), context)
    assert extraction.fetches[0].urls == (server.url("/a.bin", user="u:secret"),)
    async with FileServer() as other:
        other.put("/b.bin", DATA)
        server.put("/a.bin", redirect=other.url("/b.bin"), user=("u", "secret"))
        extraction = await extracted(server.url("/a.bin", user="u:secret"), context)
        assert extraction.fetches[0].urls == (other.url("/b.bin"),)
        assert "secret" not in extraction.model_dump_json()


@pytest.mark.fault(34)
@pytest.mark.parametrize(
    ("content_type", "kind"),
    [("text/html", Kind.YTDLP), ("application/x-bittorrent", Kind.TORRENT), ("application/dash+xml", Kind.YTDLP)],
)
async def test_it_hands_over_what_is_no_file(
    server: FileServer, context: Context, content_type: str, kind: Kind
) -> None:
    url = server.put("/a.mp4", DATA, content_type=content_type)
    with pytest.raises(Reclassified) as caught:
        await extracted(url, context)
    assert (caught.value.detection.kind, caught.value.detection.url) == (kind, url)
    assert caught.value.detection.probe is not None


PAGE = b"<!DOCTYPE html><html><body>A report</body></html>"


async def test_the_bytes_decide_what_a_script_calls_a_page(server: FileServer, context: Context) -> None:
    for path, data in (("/film.zip", b"PK\x03\x04" + bytes(99)), ("/data.csv", b"a,b\n1,2\n"), ("/get", bytes(99))):
        extraction = await extracted(server.put(path, data, content_type="text/html"), context)
        assert (extraction.finish.name, extraction.size) == (path[1:], len(data))


async def test_a_page_is_the_file_where_nothing_plays_on_it_and_its_full_name_was_sent(
    server: FileServer, context: Context
) -> None:
    report = server.put("/report.html", PAGE, content_type="text/html")
    found = await detect(report, context)
    assert found.kind is Kind.YTDLP, "it may have a film on it"
    with pytest.raises(Reclassified) as caught:
        await EXTRACTORS[Kind.YTDLP].extract(found, context)
    assert caught.value.detection.kind is Kind.DIRECT
    extraction = await EXTRACTORS[Kind.DIRECT].extract(caught.value.detection, context)
    assert (extraction.finish.name, extraction.size) == ("report.html", len(PAGE))
    film = server.put("/film.zip", PAGE, content_type="text/html")
    with pytest.raises(Reclassified):
        await extracted(film, context)


async def test_a_manifest_and_a_torrent_that_are_called_pages(server: FileServer, context: Context) -> None:
    for data, kind in ((b"#EXTM3U\n#EXT-X-VERSION:3\n", Kind.YTDLP), (b"d8:announce3:a.b", Kind.TORRENT)):
        with pytest.raises(Reclassified) as caught:
            await extracted(server.put("/a.zip", data, content_type="text/html"), context)
        assert caught.value.detection.kind is kind
        assert is_manifest(caught.value.detection) is (kind is Kind.YTDLP)


async def test_the_fetch_gets_the_cookies_of_the_way_and_the_only_connection(
    server: FileServer, context: Context
) -> None:
    server.put("/file.zip", DATA)
    url = server.put("/go.zip", redirect="/file.zip", headers=(("Set-Cookie", "pass=1; Path=/"),))
    extraction = await extracted(url, context)
    assert extraction.fetches[0].urls == (server.url("/file.zip"),)
    assert [(cookie.name, cookie.value) for cookie in extraction.cookies] == [("pass", "1")]
    before = {request.peer for request in server.log}
    await extracted(url, context)
    assert not before & {request.peer for request in server.log[2:]}, "what was kept has been closed"


@pytest.mark.parametrize(("name", "packed"), [("/data.csv", True), ("/a.tar.gz", False), ("/a.svgz", False)])
async def test_what_comes_packed_unasked_is_to_be_unpacked(
    server: FileServer, context: Context, name: str, packed: bool
) -> None:
    """A name that says so is right."""
    url = server.put(name, DATA, headers=(("Content-Encoding", "gzip"),))
    extraction = await extracted(url, context)
    assert (extraction.finish.packed, extraction.size) == (packed, None)


async def test_what_the_server_wants_to_see_goes_with_the_fetch(server: FileServer, context: Context) -> None:
    page = b'<meta http-equiv="refresh" content="1; url=/real/film.zip">'
    server.put("/real/film.zip", DATA, content_type="application/zip")
    extraction = await extracted(server.put("/get/film.zip", page, content_type="text/html"), context)
    (fetch,) = extraction.fetches
    assert (fetch.urls, fetch.name) == ((server.url("/real/film.zip"),), "film.zip")
    assert [(each.name, each.value) for each in extraction.headers_of(fetch)] == [
        ("Referer", server.url("/get/film.zip"))
    ]


@pytest.mark.parametrize("scheme", ["ftp", "sftp"])
async def test_a_link_of_ftp_is_left_to_aria2(context: Context, scheme: str) -> None:
    extraction = await extracted(f"{scheme}://anna:secret@h.example/a/my%20film.mkv;type=i", context)
    (fetch,) = extraction.fetches
    assert (fetch.urls, fetch.name) == ((f"{scheme}://anna:secret@h.example/a/my%20film.mkv",), "my film.mkv")
    for folder in ("a/", "", "a;type=d"):
        with pytest.raises(DownloadError, match="leads to a folder"):
            await extracted(f"{scheme}://h.example/{folder}", context)
