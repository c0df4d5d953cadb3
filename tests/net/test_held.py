"""Answers that wait for the fetch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reactor.net import held
from reactor.net.client import Response
from reactor.net.redirects import follow
from reactor.net.session import HttpSession
from reactor.plan import Cookie
from tests.servers import FileServer

DATA = b"0123456789" * 100


async def asked(url: str, http: HttpSession) -> Response:
    return await http.client.ask("GET", url, {})


async def test_what_is_held_can_be_read_once(server: FileServer, http: HttpSession) -> None:
    url = server.put("/a", DATA)
    http.held.keep(url, await asked(url, http))
    response = http.held.take(url)
    assert response is not None
    assert b"".join([piece async for piece in response.as_sent(5.0)]) == DATA
    response.close()
    assert http.held.take(url) is None
    assert len(server.log) == 1


async def test_what_somebody_was_answered_is_not_for_who_asks_with_other_cookies(
    server: FileServer, http: HttpSession
) -> None:
    url = server.put("/a", DATA)
    session = replace(http, cookies=(Cookie(name="sid", value="ANN", domain=server.host),))
    async with follow("GET", url, session) as (_, response):
        response.held = True
        session.held.keep(url, response)
    assert response.cookies == (), "they are not repeated"
    assert session.held.take(url) is None
    assert session.held.take(url, "sid=BOB") is None
    assert session.held.take(url, "sid=ANN") is response
    response.close()


@pytest.mark.parametrize("how", ["dropped", "replaced", "crowded out", "expired", "at the end"])
async def test_what_nobody_takes_is_closed(
    server: FileServer, http: HttpSession, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(held, "HELD_MAX", 1)
    monkeypatch.setattr(held, "HELD_S", 0.01 if how == "expired" else 60.0)
    url, other = server.put("/a", DATA, stall_after=10), server.put("/b", DATA)
    http.held.keep(url, await asked(url, http))
    if how == "dropped":
        http.held.drop(url)
    elif how == "replaced":
        http.held.keep(url, await asked(other, http))
    elif how == "crowded out":
        http.held.keep(other, await asked(other, http))
    elif how == "at the end":
        http.held.close()
    await server.until(lambda: server.log[0].ended == "closed by client")
    http.held.close()
