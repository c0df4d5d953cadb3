"""One look at the headers, against servers that answer well and servers that do not."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from reactor.errors import DownloadError
from reactor.models import Content
from reactor.net.probe import probe
from reactor.net.redirects import MagnetRedirect
from reactor.net.session import HttpSession, open_session
from reactor.numbers import SIZE_MAX
from reactor.plan import Header, HttpProbe
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
    assert gets == (["bytes=0-0", "bytes=0-32767"] if ranges else ["bytes=0-0"])


async def test_a_page_that_says_nothing_is_a_page_by_its_type(server: FileServer, hasty: HttpSession) -> None:
    seen = await probe(server.put("/get", PAGE, content_type="text/html", ranges=False, stall_after=0), hasty)
    assert (seen.begins, seen.content_type) == (None, "text/html")


async def test_cookies_that_were_set_on_the_way_go_with_what_is_found(server: FileServer, http: HttpSession) -> None:
    """Not those of the last answer: a browser that asks once does not have them yet."""
    server.put("/file", DATA, headers=(("Set-Cookie", "last=1; Path=/"),))
    seen = await probe(server.put("/go", redirect="/file", headers=(("Set-Cookie", "pass=1; Path=/"),)), http)
    assert [(cookie.name, cookie.domain, cookie.host_only) for cookie in seen.cookies] == [("pass", "127.0.0.1", True)]
    seen = await probe(server.url("/file"), http)
    assert seen.cookies == ()


class Choosy:
    """A server that gives what stands at each path to whoever asks as `wanted` says: (status, headers and body)."""

    def __init__(self, wanted: Callable[[str, str, dict[str, str]], tuple[str, str, bytes]]) -> None:
        self.asked: list[tuple[str, str]] = []
        self._wanted = wanted

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.asked.append((method, target))
        status, more, body = self._wanted(method, target, headers)
        head = f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + (body if method == "GET" else b""))
        await writer.drain()
        writer.close()


@asynccontextmanager
async def choosy(
    wanted: Callable[[str, str, dict[str, str]], tuple[str, str, bytes]],
) -> AsyncIterator[tuple[str, Choosy]]:
    asked = Choosy(wanted)
    async with await asyncio.start_server(asked, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def test_what_is_forbidden_is_asked_for_once_more_as_from_a_page_of_the_site(http: HttpSession) -> None:
    """Also where the refusal is a page, as nginx has it."""

    def answer(method: str, target: str, headers: dict[str, str]) -> tuple[str, str, bytes]:
        if headers["host"] not in headers.get("referer", ""):
            return "403 Forbidden", "Content-Type: text/html\r\n", PAGE
        return "200 OK", "", b"hello"

    async with choosy(answer) as (url, _):
        seen = await probe(f"{url.replace('//', '//anna:secret@')}/a.zip?token=1", http)
        assert (seen.size, seen.headers) == (5, (Header(name="Referer", value=f"{url}/"),))


async def test_a_login_by_digest(http: HttpSession) -> None:
    """Each answer to the challenge is another one, and the one for the fetch is for GET."""

    def answer(method: str, target: str, headers: dict[str, str]) -> tuple[str, str, bytes]:
        if not headers.get("authorization", "").startswith("Digest"):
            return "401 Who", 'WWW-Authenticate: Digest realm="x", nonce="abc", qop="auth"\r\n', b""
        return "200 OK", "", b"hello"

    async with choosy(answer) as (url, asked):
        seen = await probe(f"{url.replace('//', '//me:secret@')}/a.zip?b=c", http)
        assert asked.asked == [("HEAD", "/a.zip?b=c")] * 2
    assert (seen.url, seen.by_head) == (f"{url}/a.zip?b=c", False)
    (login,) = seen.headers
    assert login.name == "Authorization"
    assert 'username="me"' in login.value
    assert 'uri="/a.zip?b=c"' in login.value
    assert "nc=00000002" in login.value


@pytest.mark.parametrize("how", ["meta", "header"])
async def test_a_page_that_leads_on_to_a_file(http: HttpSession, how: str) -> None:
    """With its cookies, and as its reader: from page to page."""
    pages = {"/get": "/next", "/next": "/film.zip?a=1"}

    def answer(method: str, target: str, headers: dict[str, str]) -> tuple[str, str, bytes]:
        if target in pages:
            html = "Content-Type: text/html\r\nSet-Cookie: seen=1; Path=/\r\n"
            to = f"1; url={pages[target]}"
            if how == "header":
                return "200 OK", f"{html}Refresh: {to}\r\n", PAGE
            return "200 OK", html, f'<meta http-equiv="refresh" content="{to}">'.encode()
        good = "seen=1" in headers.get("cookie", "") and headers.get("referer", "").endswith("/next")
        return ("200 OK" if good else "404 Not Found"), "Content-Type: application/zip\r\n", b"hello"

    async with choosy(answer) as (url, _):
        seen = await probe(f"{url}/get", http)
    assert (seen.url, seen.size, seen.name) == (f"{url}/film.zip?a=1", 5, "film.zip")
    assert [cookie.name for cookie in seen.cookies] == ["seen"]
    assert seen.headers == (Header(name="Referer", value=f"{url}/next"),)


@pytest.mark.parametrize("target", ["/get", "/other", "/nowhere", "javascript:void(0)", "http://"])
async def test_a_page_that_leads_to_no_file_is_the_page(server: FileServer, http: HttpSession, target: str) -> None:
    page = f'<html><meta http-equiv="refresh" content="0; url={target}">'.encode()
    server.put("/other", PAGE, content_type="text/html")
    url = server.put("/get", page, content_type="text/html")
    seen = await probe(url, http)
    assert (seen.url, seen.begins) == (url, Content.PAGE)


async def test_a_page_that_leads_to_a_magnet_link(server: FileServer, http: HttpSession) -> None:
    page = f'<meta http-equiv="refresh" content="0; url=magnet:?xt=urn:btih:{"a" * 40}">'.encode()
    with pytest.raises(MagnetRedirect):
        await probe(server.put("/get", page, content_type="text/html"), http)


async def test_what_is_packed_unasked(server: FileServer, http: HttpSession) -> None:
    url = server.put("/a.csv", gzip.compress(DATA), headers=(("Content-Encoding", "gzip"),), content_type="text/csv")
    seen = await probe(url, http)
    assert (seen.packed, seen.size) == (True, None)


async def test_what_is_held_was_asked_for_once(server: FileServer, http: HttpSession) -> None:
    """By a plain GET, after its redirects."""
    url = server.put("/get", redirect="/file")
    server.put("/file", DATA, disposition="attachment; filename=a.bin")
    seen = await probe(url, http, head=False, hold=True)
    assert (seen.url, seen.name, seen.size, seen.by_head) == (server.url("/file"), "a.bin", len(DATA), False)
    assert [(request.method, request.path, request.range) for request in server.log] == [
        ("GET", "/get", None),
        ("GET", "/file", None),
    ]
    response = http.held.take(seen.url)
    assert response is not None
    assert b"".join([piece async for piece in response.as_sent(5.0)]) == DATA


@pytest.mark.parametrize(
    ("served", "held"),
    [
        ({"data": PAGE, "content_type": "text/html"}, False),
        ({"data": PAGE, "content_type": "text/html", "disposition": "attachment; filename=a.html"}, True),
        ({"data": bytes(9 * 1024 * 1024)}, False),
        ({"data": bytes(9 * 1024 * 1024), "ranges": False}, True),
        ({"data": DATA, "chunked": True}, True),
    ],
)
async def test_what_is_held(server: FileServer, http: HttpSession, served: dict[str, Any], held: bool) -> None:
    """No page, and nothing that several connections fetch: that it is given once more is tried."""
    seen = await probe(server.put("/get", **served), http, head=False, hold=True)
    response = http.held.take(seen.url)
    assert (response is not None) is held
    if response is not None:
        response.close()
    tried = [(request.method, request.range is not None) for request in server.log[1:]]
    assert tried == ([("GET", True)] if seen.resumable and (seen.size or 0) > len(DATA) * 100 else [])


@pytest.mark.parametrize("second", ["410 Gone", "503 Service Unavailable", "200 OK"])
async def test_what_is_given_once_is_held_however_large_it_is(http: HttpSession, second: str) -> None:
    """A link that is used up, one connection for each address, and another file each time."""
    data, count = bytes(9 * 1024 * 1024), 0

    def answer(method: str, target: str, headers: dict[str, str]) -> tuple[str, str, bytes]:
        nonlocal count
        count += 1
        return ("200 OK", "Accept-Ranges: bytes\r\n", data) if count == 1 else (second, "", b"other")

    async with choosy(answer) as (url, asked):
        seen = await probe(f"{url}/get", http, head=False, hold=True)
        response = http.held.take(seen.url)
        assert (response is not None, len(asked.asked), seen.size) == (True, 2, len(data))
        assert response is not None
        assert len(b"".join([piece async for piece in response.as_sent(5.0)])) == len(data)


async def test_what_is_held_may_have_been_forbidden_first(http: HttpSession) -> None:
    def answer(method: str, target: str, headers: dict[str, str]) -> tuple[str, str, bytes]:
        return ("200 OK", "", b"hello") if headers.get("referer") else ("403 Forbidden", "", b"")

    async with choosy(answer) as (url, asked):
        seen = await probe(f"{url}/get", http, head=False, hold=True)
        assert asked.asked == [("GET", "/get")] * 2
        http.held.drop(seen.url)
    async with choosy(lambda *_: ("403 Forbidden", "", b"")) as (url, asked):
        with pytest.raises(DownloadError, match="403"):
            await probe(f"{url}/get", http, head=False, hold=True)
        assert len(asked.asked) == 2


@pytest.mark.parametrize("head", [405, "close"])
async def test_what_head_does_not_tell_is_asked_for_once(server: FileServer, http: HttpSession, head: Any) -> None:
    seen = await probe(server.put("/a.zip", DATA, head=head), http, hold=True)
    assert [(request.method, request.range) for request in server.log] == [("HEAD", None), ("GET", None)]
    response = http.held.take(seen.url)
    assert response is not None
    response.close()
