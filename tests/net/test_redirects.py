"""The way along redirects: how far, where to, and with what."""

from __future__ import annotations

import pytest

from reactor.errors import DownloadError
from reactor.net.probe import probe
from reactor.net.redirects import REDIRECTS_MAX, MagnetRedirect
from reactor.net.session import HttpSession
from tests.servers import FileServer

DATA = b"0123456789" * 1000
MAGNET = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567"


async def fails(url: str, http: HttpSession) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        await probe(url, http)
    assert "secret" not in str(caught.value)
    assert caught.value.message.endswith(".")
    return caught.value


async def test_redirects_are_followed(server: FileServer, http: HttpSession) -> None:
    server.put("/a", redirect="/b?x=1", status=301)
    server.put("/b", redirect=f"//127.0.0.1:{server.port}/c d", status=307)
    server.put("/c%20d", redirect="../ä.bin", status=308)
    server.put("/%C3%A4.bin", DATA)
    seen = await probe(server.url("/a"), http)
    assert (seen.url, seen.name, seen.size) == (server.url("/%C3%A4.bin"), "ä.bin", len(DATA))
    assert [r.path for r in server.log] == ["/a", "/b?x=1", "/c%20d", "/%C3%A4.bin"]


async def test_as_many_redirects_as_browsers_follow(server: FileServer, http: HttpSession) -> None:
    for n in range(REDIRECTS_MAX):
        server.put(f"/{n}", redirect=f"/{n + 1}")
    server.put(f"/{REDIRECTS_MAX}", DATA)
    assert (await probe(server.url("/0"), http)).size == len(DATA)


async def test_a_redirect_loop_ends(server: FileServer, http: HttpSession) -> None:
    error = await fails(server.put("/a", redirect="/a"), http)
    assert (error.code, error.retryable) == ("redirect_loop", False)
    assert len(server.log) == REDIRECTS_MAX + 1


@pytest.mark.fault(37)
@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "javascript:alert(1)",
        "http://a b/",
        "data:,x",
        "http://[",
        "//@//]",
        "/" + "é" * 16_000,
        "http://a:0/",
        "/" + "x" * 20_000,
    ],
)
async def test_redirects_out_of_http_are_refused(server: FileServer, http: HttpSession, location: str) -> None:
    error = await fails(server.put("/a", redirect=location), http)
    assert (error.code, error.retryable) == ("bad_redirect", False)


async def test_a_redirect_to_a_magnet_link_is_told_apart(server: FileServer, http: HttpSession) -> None:
    with pytest.raises(MagnetRedirect) as caught:
        await probe(server.put("/a", redirect=MAGNET), http)
    assert caught.value.url == MAGNET


@pytest.mark.fault(38)
async def test_credentials_stay_at_home(server: FileServer, http: HttpSession) -> None:
    async with FileServer("127.0.0.2") as other:
        server.put("/a", redirect="/b", user=("user", "secret"))
        server.put("/b", redirect=other.url("/c"), user=("user", "secret"))
        other.put("/c", redirect=server.url("/d"))
        server.put("/d", DATA, user=("user", "secret"))
        seen = await probe(server.url("/a", user="user:secret"), http)
        assert seen.url == server.url("/d", user="user:secret")
        assert ["authorization" in r.headers for r in server.log] == [True] * 3
        assert "authorization" not in other.log[0].headers


@pytest.mark.fault(38)
async def test_a_login_in_a_redirect_is_for_the_host_that_it_leads_to(server: FileServer, http: HttpSession) -> None:
    async with FileServer("127.0.0.2") as other:
        server.put("/leave", redirect=other.url("/file", user="me:given"))
        other.put("/file", redirect="/moved", user=("me", "given"))
        other.put("/moved", redirect=server.url("/home"), user=("me", "given"))
        server.put("/home", DATA)
        seen = await probe(server.url("/leave", user="user:secret"), http)
        assert seen.url == server.url("/home")
        assert ["authorization" in r.headers for r in server.log] == [True, False]
        assert all(r.status == 302 for r in other.log)
        other.put("/end", DATA, user=("me", "given"))
        server.put("/stay", redirect=other.url("/end", user="me:given"))
        assert (await probe(server.url("/stay"), http)).url == other.url("/end", user="me:given")


async def test_credentials_do_not_go_to_another_port_or_name(server: FileServer, http: HttpSession) -> None:
    async with FileServer() as port:
        url = port.put("/b", DATA)
        server.put("/a", redirect=url)
        assert (await probe(server.url("/a", user="user:secret"), http)).url == url
        server.put("/n", redirect=server.url("/b", host="localhost"))
        server.put("/b", DATA)
        await probe(server.url("/n", user="user:secret"), http)
        assert "authorization" not in port.log[-1].headers
        assert "authorization" not in server.log[-1].headers


async def test_cookies_live_as_long_as_the_way(server: FileServer, http: HttpSession) -> None:
    server.put("/a", redirect="/b", headers=(("Set-Cookie", "way=secret; Path=/"),))
    server.put("/b", DATA, headers=(("Set-Cookie", "end=secret; Path=/"),))
    await probe(server.url("/a"), http)
    assert [r.headers.get("cookie") for r in server.log] == [None, "way=secret"]
    await probe(server.url("/b"), http)
    assert "cookie" not in server.log[-1].headers
