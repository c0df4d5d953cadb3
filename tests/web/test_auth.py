"""Who may come in, case by case."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from reactor.web.auth import (
    FROM_ELSEWHERE,
    LOGIN,
    NAME_UNKNOWN,
    SESSION_S,
    TOKEN_WANTED,
    TOKEN_WRONG,
    Door,
    Refusal,
    names_in,
)

TOKEN = "a token of our own"
API = "/api/downloads"
OWN = {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-origin"}


@pytest.fixture
def door() -> Door:
    return Door(TOKEN, names_in(" NAS.lan., get.example "))


def session(door: Door) -> dict[str, str]:
    return {"cookie": f"other=1; {door.key(secure=False).partition(';')[0]}"}


def asked(door: Door, method: str, path: str, **headers: str) -> Refusal | None:
    return door.refusal(method, path, Headers({name.replace("_", "-"): value for name, value in headers.items()}))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8080",
        "127.0.0.1",
        "localhost:1",
        "LOCALHOST",
        "[::1]:8080",
        "192.168.7.3:80",
        "nas.lan",
        "get.example.",
    ],
)
def test_the_names_it_answers_to(door: Door, host: str) -> None:
    assert asked(door, "GET", "/", host=host) is None


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", "a@localhost", "0x7f.1", "::1/x"],
)
def test_a_name_that_is_not_ours_is_not_answered(door: Door, host: str) -> None:
    assert asked(door, "GET", "/", host=host) is NAME_UNKNOWN
    assert asked(door, "POST", API, host=host, authorization=f"Bearer {TOKEN}") is NAME_UNKNOWN


def test_the_page_itself_is_for_everybody_and_holds_nothing(door: Door) -> None:
    assert asked(door, "GET", "/", host="localhost", sec_fetch_site="cross-site") is None


def test_without_a_session_nothing_is_told_or_done(door: Door) -> None:
    for method, path in (("GET", "/api/events"), ("POST", API), ("DELETE", LOGIN)):
        assert door.refusal(method, path, Headers(OWN)) is TOKEN_WANTED
        assert door.refusal(method, path, Headers(OWN | {"authorization": "Bearer guessed"})) is TOKEN_WRONG
        assert door.refusal(method, path, Headers(OWN | {"cookie": "reactor-0=1"})) is TOKEN_WANTED
        assert door.refusal(method, path, Headers(OWN | session(door))) is None
    assert door.refusal("POST", LOGIN, Headers(OWN)) is None


@pytest.mark.parametrize(
    "more",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:8081"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8080.evil.example", "sec-fetch-site": ""},
    ],
    ids=str,
)
def test_what_another_site_asks_is_not_done(door: Door, more: dict[str, str]) -> None:
    headers = Headers(OWN | session(door) | more)
    assert door.refusal("POST", API, headers) is FROM_ELSEWHERE
    assert door.refusal("POST", LOGIN, headers) is FROM_ELSEWHERE


def test_behind_something_that_changes_the_host_the_browser_is_believed(door: Door) -> None:
    behind = {"host": "127.0.0.1:8080", "origin": "https://get.example", "sec-fetch-site": "same-origin"}
    assert door.refusal("POST", LOGIN, Headers(behind)) is None
    for more in (
        {"origin": "https://evil.example"},  # a name of somebody's that leads here
        {"origin": "https://get.example.evil.example"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": ""},
    ):
        assert door.refusal("POST", LOGIN, Headers(behind | more)) is FROM_ELSEWHERE, more
    del behind["sec-fetch-site"]
    assert door.refusal("POST", LOGIN, Headers(behind)) is FROM_ELSEWHERE


def test_a_cookie_alone_is_not_enough_to_change_anything(door: Door) -> None:
    alone = {"host": "localhost"} | session(door)
    assert door.refusal("POST", API, Headers(alone)) is FROM_ELSEWHERE
    assert door.refusal("GET", "/api/events", Headers(alone)) is None
    assert door.refusal("GET", "/api/events", Headers(alone | {"sec-fetch-site": "same-site"})) is FROM_ELSEWHERE


def test_a_program_brings_the_token_in_a_header(door: Door) -> None:
    assert asked(door, "POST", API, host="localhost", authorization=f"Bearer {TOKEN}") is None
    assert asked(door, "POST", API, host="localhost", authorization="Bearer \u00e9") is FROM_ELSEWHERE


def test_the_cookie_tells_nothing_and_stays_where_it_is(door: Door) -> None:
    cookie = door.key(secure=True)
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=Strict", "Secure", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in door.key(secure=False)
    assert "Max-Age=0" in door.lock(secure=False)
    assert Door("another token of ours").key(secure=True).partition("=")[0] != cookie.partition("=")[0]
    assert door.key(secure=True) != cookie, "each session is one of its own"


def test_a_session_outlives_a_restart_but_not_its_time_and_not_its_end() -> None:
    now = 1000.0
    door, other = Door(TOKEN, now=lambda: now), Door("another token of ours", now=lambda: now)
    first, second = (Headers(OWN | session(door)) for _ in range(2))
    again = Door(TOKEN, now=lambda: now)
    for each in (first, second):
        assert again.refusal("POST", API, each) is None
    assert other.session(Headers(OWN | session(door))) is None
    ended = door.session(first)
    assert ended is not None
    door.end(*ended)
    assert door.refusal("POST", API, first) is TOKEN_WANTED
    assert door.refusal("POST", API, second) is None
    again.ended = door.ended
    assert again.refusal("POST", API, first) is TOKEN_WANTED
    now += SESSION_S
    assert door.refusal("POST", API, second) is TOKEN_WANTED


@pytest.mark.parametrize("forged", ["x.99999999999.00", "..", "a.b.c", "x.99999999999.", "é.1.é", ""])
def test_a_session_that_was_not_given_is_none(door: Door, forged: str) -> None:
    name = door.key(secure=False).partition("=")[0]
    assert door.session(Headers({"cookie": f"{name}={forged}"})) is None


def test_a_token_that_is_made_cannot_be_guessed() -> None:
    assert len({Door(None).token for _ in range(50)}) == 50
    assert len(Door(None).token) >= 32
