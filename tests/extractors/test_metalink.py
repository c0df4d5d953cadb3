"""Metalinks: which mirror is the file."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from reactor.errors import DownloadError
from reactor.extractors import EXTRACTORS
from reactor.extractors.base import Context, Reclassified
from reactor.extractors.detect import detect
from reactor.models import Kind
from reactor.plan import Extraction
from tests.servers import FileServer

DATA = bytes(range(256)) * 20
SHA = hashlib.sha256(DATA).hexdigest()
DEAD = "http://127.0.0.1:1/a.iso"


@pytest.fixture
async def mirror() -> AsyncIterator[FileServer]:
    async with FileServer() as mirror:
        mirror.put("/a.iso", DATA, etag='"m"')
        yield mirror


def metalink(*urls: str, name: str = "b/a.iso", size: int | None = len(DATA), more: str = "") -> bytes:
    listed = "".join(f'<url priority="{n}">{url}</url>' for n, url in enumerate(urls, 1))
    told = f"<size>{size}</size>" if size is not None else ""
    file = f'<file name="{name}">{told}{more}{listed}</file>'
    return f'<metalink xmlns="urn:ietf:params:xml:ns:metalink">{file}</metalink>'.encode()


def checked(sha: str = SHA) -> str:
    return f'<hash type="sha-256">{sha}</hash>'


async def extracted(url: str, context: Context) -> Extraction:
    detection = await detect(url, context)
    assert detection.kind is Kind.METALINK
    return await EXTRACTORS[Kind.METALINK].extract(detection, context)


async def test_further_attempts_take_one_mirror_each(server: FileServer, mirror: FileServer, context: Context) -> None:
    """Not the first one first: its bytes may have been the wrong ones."""
    server.put("/a.iso", DATA)
    first, second = server.url("/a.iso"), mirror.url("/a.iso")
    url = server.put("/x.meta4", metalink(first, second, more=checked()))
    taken = [(await extracted(url, replace(context, attempt=n))).fetches[0].urls for n in (1, 2, 3)]
    assert taken == [(first, second), (second,), (first,)]


async def test_a_dead_mirror_does_not_matter(server: FileServer, mirror: FileServer, context: Context) -> None:
    server.put("/a.iso", DATA, etag='"s"')
    server.put("/page", b"<html>", content_type="text/html")
    server.put("/longer.iso", DATA + b"x")
    urls = (DEAD, server.url("/page"), server.url("/longer.iso"), mirror.url("/a.iso"), server.url("/a.iso"))
    extraction = await extracted(server.put("/x.meta4", metalink(*urls, more=checked())), context)
    (fetch,) = extraction.fetches
    assert (extraction.kind, extraction.title, extraction.finish.how) == (Kind.METALINK, "a.iso", "file")
    assert fetch.urls == (mirror.url("/a.iso"), server.url("/a.iso")), "four are asked, the next is believed"
    assert (fetch.size, fetch.checksum, fetch.validator) == (len(DATA), f"sha-256={SHA}", None)
    alone = await extracted(server.put("/x.metalink", metalink(*urls)), context)
    (fetch,) = alone.fetches
    assert (fetch.urls, fetch.checksum, fetch.validator) == ((mirror.url("/a.iso"),), None, '"m"')


async def test_by_type_and_by_content(server: FileServer, mirror: FileServer, context: Context) -> None:
    document = metalink(mirror.url("/a.iso"))
    for path, how in (
        ("/typed", {"content_type": "application/metalink4+xml"}),
        ("/page", {"content_type": "text/html"}),
        ("/named", {"disposition": "attachment; filename=a.meta4"}),
    ):
        assert (await extracted(server.put(path, document, **how), context)).fetches[0].name == "a.iso"


async def test_a_size_that_is_mistaken_is_the_servers(server: FileServer, mirror: FileServer, context: Context) -> None:
    url = server.put("/x.meta4", metalink(mirror.url("/a.iso"), size=7, more=checked()))
    assert (await extracted(url, context)).size == len(DATA)


async def test_of_several_files_the_largest(server: FileServer, mirror: FileServer, context: Context) -> None:
    files = "".join(f'<file name="{n}.iso"><size>{n}</size><url>{mirror.url("/a.iso")}</url></file>' for n in (3, 9, 5))
    extraction = await extracted(server.put("/x.meta4", f"<metalink>{files}</metalink>".encode()), context)
    assert extraction.title == "9.iso"
    assert extraction.finish.notes == ("The metalink names 3 files; this is the largest one.",)


async def test_a_torrent_where_there_is_nothing_else(server: FileServer, context: Context) -> None:
    torrent = '<metaurl mediatype="torrent">http://h.example/a.torrent</metaurl>'
    for url in ((), (DEAD,)):
        with pytest.raises(Reclassified) as caught:
            await extracted(server.put("/x.meta4", metalink(*url, more=torrent)), context)
        found = caught.value.detection
        assert (found.kind, found.url) == (Kind.TORRENT, "http://h.example/a.torrent")


async def test_by_ftp_where_there_is_nothing_else(server: FileServer, mirror: FileServer, context: Context) -> None:
    urls = ("ftp://h.example/a.iso", "ftp://i.example/a.iso")
    (fetch,) = (await extracted(server.put("/x.meta4", metalink(*urls, more=checked())), context)).fetches
    assert (fetch.urls, fetch.size) == (urls, len(DATA))
    (fetch,) = (await extracted(server.put("/y.meta4", metalink(*urls, mirror.url("/a.iso"))), context)).fetches
    assert fetch.urls == (mirror.url("/a.iso"),)


@pytest.mark.fault(40)
async def test_where_no_mirror_has_it_a_sentence_says_so(server: FileServer, context: Context) -> None:
    gone = server.url("/gone.iso")
    for urls, message, code in (
        ((gone,), "The only mirror does not have the file: ", "not_found"),
        ((gone, DEAD), "None of the 2 mirrors that were asked has the file. The first one: ", "not_found"),
        ((DEAD,) * 3 + tuple(f"{gone}?{n}" for n in range(30)), "None of the 20 mirrors", "unreachable"),
        (("http://[bad/a",), "names no address that can be fetched", "bad_metalink"),
    ):
        with pytest.raises(DownloadError, match=message) as caught:
            await extracted(server.put("/x.meta4", metalink(*urls)), context)
        assert caught.value.code == code
    server.put("/x.meta4", b"<html>Please log in</html>")
    with pytest.raises(DownloadError, match="it is a web page"):
        await extracted(server.url("/x.meta4"), context)
