"""What a server may set, and where it goes."""

from __future__ import annotations

import pytest

from reactor.net.cookies import set_cookies
from reactor.net.redirects import follow
from reactor.net.session import HttpSession
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
    async with follow("GET", server.put("/x/y", b"1", headers=(("Set-Cookie", line),)), http) as (_, response):
        set_by = set_cookies(response)
    assert [(each.name, each.value, each.domain, each.path, each.host_only) for each in set_by] == found


async def test_an_answer_without_any(server: FileServer, http: HttpSession) -> None:
    async with follow("GET", server.put("/x", b"1"), http) as (_, response):
        assert set_cookies(response) == ()
