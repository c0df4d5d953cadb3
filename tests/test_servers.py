"""The test servers do what the tests rely on."""

from __future__ import annotations

import http.client
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.servers import FileServer, ThreadedFileServer

DATA = bytes(range(256)) * 4000


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


async def test_whole_files_and_ranges(server: FileServer, client: httpx.AsyncClient) -> None:
    url = server.put("/a.bin", DATA, etag='"1"', content_type="video/mp4")
    whole = await client.get(url + "?q=1")
    assert (whole.status_code, whole.content, whole.headers["etag"]) == (200, DATA, '"1"')
    part = await client.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, DATA[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(DATA)}"
    stale = await client.get(url, headers={"Range": "bytes=10-19", "If-Range": '"0"'})
    assert stale.status_code == 200
    assert (await client.get(url, headers={"Range": f"bytes={len(DATA)}-"})).status_code == 416
    head = await client.head(url)
    assert (head.headers["content-length"], head.content) == (str(len(DATA)), b"")
    assert (await client.get(server.url("/none"))).status_code == 404
    assert [r.status for r in server.requests("/a.bin")] == [200, 206, 200, 416, 200]
    assert [r.sent for r in server.requests(method="GET")] == [len(DATA), 10, len(DATA), 0, 9]
    await server.until(lambda: all(r.ended == "complete" for r in server.log))


async def test_lies(server: FileServer, client: httpx.AsyncClient) -> None:
    url = server.put("/a", DATA, head=405, ranges=False, user=("u", "p"), failures=1)
    assert (await client.get(url)).status_code == 503
    assert (await client.get(url)).status_code == 401
    assert (await client.get(url, auth=("u", "p"), headers={"Range": "bytes=0-0"})).content == DATA
    assert (await client.head(url, auth=("u", "p"))).status_code == 405
    lying = await client.head(server.put("/l", DATA, head_headers=(("content-length", "7"), ("content-type", ""))))
    assert lying.headers["content-length"] == "7"
    assert "content-type" not in lying.headers
    assert (await client.get(server.put("/r", redirect="/a", status=308))).headers["location"] == "/a"
    chunked = await client.get(server.put("/c", DATA, chunked=True))
    assert "content-length" not in chunked.headers
    assert chunked.content == DATA


async def test_broken_connections(server: FileServer, client: httpx.AsyncClient) -> None:
    for how in ({"close": True}, {"raw": b"SSH-2.0\r\n"}, {"cut_after": 7, "data": DATA}):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(server.put("/x", **how))
    await server.until(lambda: [r.ended for r in server.log] == ["cut"] * 3)
    assert server.log[-1].sent == 7


async def test_a_stalled_answer_sees_its_client_go_or_is_released(
    server: FileServer, client: httpx.AsyncClient
) -> None:
    url = server.put("/s", DATA, stall_after=1000)
    async with client.stream("GET", url) as response:
        await server.until(lambda: server.log[0].sent == 1000)
        assert response.headers["content-length"] == str(len(DATA))
    await server.until(lambda: server.log[0].ended == "closed by client")
    server.release()
    assert (await client.get(url)).content == DATA


async def test_endless_and_slow_answers_end_with_their_client(server: FileServer, client: httpx.AsyncClient) -> None:
    for how in ({"endless": True}, {"rate": 100_000}):
        url = server.put("/e", DATA, **how)
        async with client.stream("GET", url) as response:
            async for _ in response.aiter_raw():
                break
        await server.until(lambda: server.log[-1].ended == "closed by client")


async def test_200_files(server: FileServer, client: httpx.AsyncClient) -> None:
    urls = [server.put(f"/{n}", str(n).encode()) for n in range(200)]
    assert [(await client.get(url)).text for url in urls] == [str(n) for n in range(200)]


async def test_it_can_go_away_and_come_back(client: httpx.AsyncClient) -> None:
    server = FileServer()
    async with server:
        url = server.put("/a", b"here")
        assert (await client.get(url)).text == "here"
    with pytest.raises((httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError)):
        await client.get(url)
    async with server:
        assert (await client.get(url)).text == "here"


def test_in_a_thread() -> None:
    with ThreadedFileServer() as server:
        server.put("/a", b"here")
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", "/a")
        assert connection.getresponse().read() == b"here"
        connection.close()
    with pytest.raises(OSError, match=r".*"), socket.create_connection(("127.0.0.1", server.port), timeout=1):
        pass
