"""What a server may set, and where it goes."""

from __future__ import annotations

import pytest

from reactor.net.jar import Jar
from reactor.net.redirects import follow
from reactor.net.session import HttpSession
from reactor.plan import Cookie
from tests.servers import FileServer


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("a=1; Path=/", [("a", "1", "127.0.0.1", "/", True)]),
        ("b=2", [("b", "2", "127.0.0.1", "/x", True)]),
        ("c=3; Domain=elsewhere.example", []),
        ("d=4; Max-Age=0", []),
        ("e=5; Path=/; Secure=true", [("e", "5", "127.0.0.1", "/", True)]),
        ("f=6; Path=/; Domain=.", []),
        ("g=" + "7" * 70_000 + "; Path=/", []),
    ],
)
async def test_what_an_answer_sets(
    server: FileServer, http: HttpSession, line: str, found: list[tuple[str, str, str, str, bool]]
) -> None:
    jar = Jar()
    async with follow("GET", server.put("/x/y", b"1", headers=(("Set-Cookie", line),)), http, jar=jar):
        pass
    assert [(each.name, each.value, each.domain, each.path, each.host_only) for each in jar] == found


@pytest.mark.parametrize("line", ["a=; Path=/; Max-Age=0", "a=x; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_what_an_answer_ends(server: FileServer, http: HttpSession, line: str) -> None:
    """Of the same path only."""
    jar = Jar([_cookie("/"), _cookie("/x")])
    async with follow("GET", server.put("/x/y", b"1", headers=(("Set-Cookie", line),)), http, jar=jar):
        pass
    assert [each.path for each in jar] == ["/x"]


def _cookie(path: str) -> Cookie:
    return Cookie(name="a", value="1", domain="127.0.0.1", path=path, host_only=True)


async def test_an_answer_without_any(server: FileServer, http: HttpSession) -> None:
    jar = Jar()
    async with follow("GET", server.put("/x", b"1"), http, jar=jar):
        assert list(jar) == []
