"""Who may come in, case by case."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from reactor.web.auth import (
    CROSS_SITE,
    LOGIN,
    SESSION_S,
    TOKEN_MISSING,
    TOKEN_WRONG,
    UNKNOWN_HOST,
    Auth,
    Refusal,
    parse_hosts,
)

TOKEN = "a token of our own"
API = "/api/downloads"
OWN = {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-origin"}


@pytest.fixture
def auth() -> Auth:
    return Auth(TOKEN, parse_hosts(" NAS.lan., get.example "))


def session(auth: Auth) -> dict[str, str]:
    return {"cookie": f"other=1; {auth.session_cookie(secure=False).partition(';')[0]}"}


def asked(auth: Auth, method: str, path: str, **headers: str) -> Refusal | None:
    return auth.refusal(method, path, Headers({name.replace("_", "-"): value for name, value in headers.items()}))


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
def test_the_names_it_answers_to(auth: Auth, host: str) -> None:
    assert asked(auth, "GET", "/", host=host) is None


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", "a@localhost", "0x7f.1", "::1/x"],
)
def test_a_name_that_is_not_ours_is_not_answered(auth: Auth, host: str) -> None:
    assert asked(auth, "GET", "/", host=host) is UNKNOWN_HOST
    assert asked(auth, "POST", API, host=host, authorization=f"Bearer {TOKEN}") is UNKNOWN_HOST


def test_the_page_itself_is_for_everybody_and_holds_nothing(auth: Auth) -> None:
    assert asked(auth, "GET", "/", host="localhost", sec_fetch_site="cross-site") is None


def test_without_a_session_nothing_is_told_or_done(auth: Auth) -> None:
    for method, path in (("GET", "/api/events"), ("POST", API), ("DELETE", LOGIN)):
        assert auth.refusal(method, path, Headers(OWN)) is TOKEN_MISSING
        assert auth.refusal(method, path, Headers(OWN | {"authorization": "Bearer guessed"})) is TOKEN_WRONG
        assert auth.refusal(method, path, Headers(OWN | {"cookie": "reactor-0=1"})) is TOKEN_MISSING
        assert auth.refusal(method, path, Headers(OWN | session(auth))) is None
    assert auth.refusal("POST", LOGIN, Headers(OWN)) is None


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
def test_what_another_site_asks_is_not_done(auth: Auth, more: dict[str, str]) -> None:
    headers = Headers(OWN | session(auth) | more)
    assert auth.refusal("POST", API, headers) is CROSS_SITE
    assert auth.refusal("POST", LOGIN, headers) is CROSS_SITE


def test_behind_something_that_changes_the_host_the_browser_is_believed(auth: Auth) -> None:
    behind = {"host": "127.0.0.1:8080", "origin": "https://get.example", "sec-fetch-site": "same-origin"}
    assert auth.refusal("POST", LOGIN, Headers(behind)) is None
    for more in (
        {"origin": "https://evil.example"},  # a name of somebody's that leads here
        {"origin": "https://get.example.evil.example"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": ""},
    ):
        assert auth.refusal("POST", LOGIN, Headers(behind | more)) is CROSS_SITE, more
    del behind["sec-fetch-site"]
    assert auth.refusal("POST", LOGIN, Headers(behind)) is CROSS_SITE


def test_a_cookie_alone_is_not_enough_to_change_anything(auth: Auth) -> None:
    alone = {"host": "localhost"} | session(auth)
    assert auth.refusal("POST", API, Headers(alone)) is CROSS_SITE
    assert auth.refusal("GET", "/api/events", Headers(alone)) is None
    assert auth.refusal("GET", "/api/events", Headers(alone | {"sec-fetch-site": "same-site"})) is CROSS_SITE


def test_a_program_brings_the_token_in_a_header(auth: Auth) -> None:
    assert asked(auth, "POST", API, host="localhost", authorization=f"Bearer {TOKEN}") is None
    assert asked(auth, "POST", API, host="localhost", authorization="Bearer \u00e9") is CROSS_SITE


def test_the_cookie_tells_nothing_and_stays_where_it_is(auth: Auth) -> None:
    cookie = auth.session_cookie(secure=True)
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=Strict", "Secure", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in auth.session_cookie(secure=False)
    assert "Max-Age=0" in auth.expired_cookie(secure=False)
    assert Auth("another token of ours").session_cookie(secure=True).partition("=")[0] != cookie.partition("=")[0]
    assert auth.session_cookie(secure=True) != cookie, "each session is one of its own"


def test_a_session_outlives_a_restart_but_not_its_time_and_not_its_end() -> None:
    now = 1000.0
    auth, other = Auth(TOKEN, now=lambda: now), Auth("another token of ours", now=lambda: now)
    first, second = (Headers(OWN | session(auth)) for _ in range(2))
    again = Auth(TOKEN, now=lambda: now)
    for each in (first, second):
        assert again.refusal("POST", API, each) is None
    assert other.session(Headers(OWN | session(auth))) is None
    ended = auth.session(first)
    assert ended is not None
    auth.end_session(*ended)
    assert auth.refusal("POST", API, first) is TOKEN_MISSING
    assert auth.refusal("POST", API, second) is None
    again.ended = auth.ended
    assert again.refusal("POST", API, first) is TOKEN_MISSING
    now += SESSION_S
    assert auth.refusal("POST", API, second) is TOKEN_MISSING


@pytest.mark.parametrize("forged", ["x.99999999999.00", "..", "a.b.c", "x.99999999999.", "é.1.é", ""])
def test_a_session_that_was_not_given_is_none(auth: Auth, forged: str) -> None:
    name = auth.session_cookie(secure=False).partition("=")[0]
    assert auth.session(Headers({"cookie": f"{name}={forged}"})) is None


def test_a_token_that_is_made_cannot_be_guessed() -> None:
    assert len({Auth(None).token for _ in range(50)}) == 50
    assert len(Auth(None).token) >= 32
