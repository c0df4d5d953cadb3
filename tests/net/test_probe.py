"""One look at the headers, against servers that answer well and servers that do not."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from reactor.models import Content, HttpProbe
from reactor.net.probe import probe
from reactor.net.session import HttpSession, open_session
from reactor.numbers import SIZE_MAX
from tests.servers import FileServer

DATA = b"0123456789" * 1000


async def test_a_good_server_is_asked_once(server: FileServer, http: HttpSession) -> None:
    url = server.put(
        "/x/a%20b.bin", DATA, etag='"e1"', last_modified="Sat, 01 Nov 2025 00:00:00 GMT", content_type="Video/MP4; a=b"
    )
    assert await probe(f"{url}?q=/z.zip#part", http) == HttpProbe(
        url=f"{url}?q=/z.zip",
        content_type="video/mp4",
        size=len(DATA),
        name="a b.bin",
        validator='"e1"',
        strong=True,
        resumable=True,
        by_head=True,
    )
    assert [(r.method, r.path) for r in server.log] == [("HEAD", "/x/a%20b.bin?q=/z.zip")]
    headers = server.log[0].headers
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"].startswith("Mozilla/5.0 ")
    assert "authorization" not in headers


@pytest.mark.parametrize("status", [400, 403, 405, 501])
async def test_where_a_range_is_refused_a_plain_request_decides(http: HttpSession, status: int) -> None:
    head = b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        asked.append(request.partition(b" ")[0] + (b" range" if b"\r\nRange:" in request else b""))
        writer.write(good if asked[-1] == b"GET" else head)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert (await probe(f"http://127.0.0.1:{port}/a.zip", http)).size == 5
    assert asked == [b"HEAD", b"GET range", b"GET"]


async def test_a_file_that_is_made_first_may_take_as_long_as_patience_says() -> None:
    """The server answers a GET when its HEAD was given up, and the GET had waited for longer than that."""
    asked: list[float] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method = (await reader.readuntil(b"\r\n\r\n")).partition(b" ")[0]
        asked.append(anyio.current_time())
        if method == b"GET":
            with anyio.move_on_after(2 * (asked[1] - asked[0])):
                await reader.read()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
            await writer.drain()
        else:
            await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with open_session(timeout_s=0.5, patience_s=60.0) as session:
            assert (await probe(f"http://127.0.0.1:{port}/a.zip", session)).size == 5


async def test_the_user_agent_can_be_reactors_own(server: FileServer) -> None:
    for setting, sent in (("reactor", "reactor/"), ("curl/8", "curl/8")):
        async with open_session(user_agent=setting) as session:
            await probe(server.put("/a.zip", DATA), session)
        assert server.log[-1].headers["user-agent"].startswith(sent)


@pytest.mark.parametrize(
    "how",
    [
        {"head": 405},
        {"head": 501},
        {"head": 403},
        {"head": 404},
        {"head": 500},
        {"head": 204},
        {"head": "close"},
        {"head_headers": (("Content-Length", "0"),)},
        {"head_headers": (("Content-Length", ""),)},
        {"head_headers": (("Content-Type", "text/html"), ("Content-Length", "77"))},
        {"head_headers": (("Content-Encoding", "gzip"), ("Content-Length", "77"))},
        {"head": 405, "ranges": False},
    ],
)
async def test_a_head_that_is_no_use_is_followed_by_one_byte(
    server: FileServer, http: HttpSession, how: dict[str, Any]
) -> None:
    seen = await probe(server.put("/a.bin", DATA, **how), http)
    assert seen.size == len(DATA)
    assert seen.resumable is how.get("ranges", True)
    assert [(r.method, r.range) for r in server.log] == [("HEAD", None), ("GET", "bytes=0-0")]


async def test_no_body_is_read(server: FileServer, http: HttpSession) -> None:
    url = server.put("/a.bin", bytes(50_000_000), head=405, ranges=False)
    assert (await probe(url, http)).size == 50_000_000
    await server.until(lambda: server.log[-1].ended == "closed by client")
    assert server.log[-1].sent < 50_000_000
    endless = await probe(server.put("/e", DATA, endless=True, ranges=False), http)
    assert endless.size is None


async def test_a_head_without_answer_is_followed_by_one_byte(server: FileServer, hasty: HttpSession) -> None:
    assert (await probe(server.put("/a.bin", DATA, head="hang"), hasty)).size == len(DATA)


async def test_sizes(server: FileServer, http: HttpSession) -> None:
    empty = await probe(server.put("/empty", b""), http)
    assert (empty.size, empty.content_type) == (0, None)
    assert (await probe(server.put("/chunked", DATA, chunked=True, ranges=False), http)).size is None
    packed = server.put("/gz", DATA, ranges=False, headers=(("Content-Encoding", "gzip"),))
    assert (await probe(packed, http)).size is None
    odd = server.put("/odd", DATA, head=405, headers=(("Content-Range", "bytes 0-0/*"),))
    assert (await probe(odd, http)).size is None


@pytest.mark.parametrize("digits", ["999999999999999999", "9" * 20, "9" * 5000])
async def test_a_size_that_nobody_has_is_known_as_such(server: FileServer, http: HttpSession, digits: str) -> None:
    """By GET too, where HEAD is no use."""
    by_range = server.put("/a.bin", DATA, head=405, headers=(("Content-Range", f"bytes 0-0/{digits}"),))
    assert ((await probe(by_range, http)).size or 0) > SIZE_MAX
    if len(digits) <= 20:  # longer ones are no HTTP
        lie = (("Content-Length", digits),)
        for url in (
            server.put("/b.bin", DATA, head_headers=lie),
            server.put("/c.bin", DATA, head=405, ranges=False, headers=lie),
        ):
            assert ((await probe(url, http)).size or 0) > SIZE_MAX


async def test_names_types_and_validators(server: FileServer, http: HttpSession) -> None:
    url = server.put(
        "/get",
        DATA,
        disposition="attachment; filename=\"x.txt\"; filename*=UTF-8''%e2%82%ac%2F..%2Fb.txt",
        etag='W/"weak"',
        last_modified="Sat, 01 Nov 2025 00:00:00 GMT",
        content_type=None,
    )
    seen = await probe(url, http)
    assert (seen.name, seen.attachment, seen.content_type) == ("b.txt", True, None)
    assert seen.validator == "Sat, 01 Nov 2025 00:00:00 GMT"
    assert (await probe(server.put("/plain", DATA), http)).validator is None
    raw = await probe(server.put("/raw", DATA, disposition="attachment; filename=наïve.txt"), http)
    assert raw.name == "наïve.txt"


PAGE = b"<!DOCTYPE html><html><title>Film</title>" + b"x" * 9000


@pytest.mark.fault(34)
@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize(
    ("data", "begins", "content_type", "name"),
    [
        (PAGE, Content.PAGE, "text/html", "get.html"),
        (b"PK\x03\x04" + bytes(9000), Content.BINARY, None, "get"),
        (b"#EXTM3U\n#EXT-X-VERSION:3\n", Content.HLS, "text/html", "get.html"),
        (b"a,b,c\n1,2,3\n", Content.TEXT, "text/html", "get.html"),
    ],
)
async def test_of_what_is_said_to_be_a_page_the_first_bytes_are_read(
    server: FileServer,
    http: HttpSession,
    ranges: bool,
    data: bytes,
    begins: Content,
    content_type: str | None,
    name: str,
) -> None:
    seen = await probe(server.put("/get", data, content_type="text/html; charset=utf-8", ranges=ranges), http)
    assert (seen.begins, seen.content_type, seen.name) == (begins, content_type, name)
    gets = [request.range for request in server.requests("/get", "GET")]
    assert gets == (["bytes=0-0", "bytes=0-4095"] if ranges else ["bytes=0-0"])


async def test_a_page_that_says_nothing_is_a_page_by_its_type(server: FileServer, hasty: HttpSession) -> None:
    seen = await probe(server.put("/get", PAGE, content_type="text/html", ranges=False, stall_after=0), hasty)
    assert (seen.begins, seen.content_type) == (None, "text/html")
