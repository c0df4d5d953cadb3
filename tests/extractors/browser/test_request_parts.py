"""What of the browser's requests goes along with ours."""

from __future__ import annotations

from dataclasses import replace

from reactor.extractors.browser.request_parts import BrowserCookie, for_browser, jar_of, kept_headers
from reactor.net.session import open_session
from reactor.plan import Cookie


def test_what_the_player_sent_goes_along_but_for_what_each_request_says_itself() -> None:
    sent = {
        **{":authority": "h", "host": "h", "cookie": "a=1", "range": "bytes=0-", "accept-encoding": "gzip"},
        **{"sec-fetch-mode": "cors", "connection": "keep-alive", "if-none-match": "1", "content-length": "0"},
        **{"referer": "http://p/", "origin": "http://p", "user-agent": "U", "x-token": "t", "authorization": "Bearer"},
        **{"x-broken": "a\r\nb: c", "bad name": "x", "accept": "*/*"},
    }
    assert {header.name: header.value for header in kept_headers(sent)} == {
        **{"referer": "http://p/", "origin": "http://p", "user-agent": "U", "x-token": "t"},
        **{"authorization": "Bearer", "accept": "*/*"},
    }


async def test_cookies_keep_to_their_hosts() -> None:
    jar = [
        BrowserCookie(name="a", value="1", domain=".site.test", path="/", secure=True),
        BrowserCookie(name="b", value="2", domain="www.site.test", path="/x"),
        BrowserCookie(name="c", value="3\r\nSet: x", domain="h", path="/"),
    ]
    async with open_session() as session:
        found = jar_of(jar, session)
    assert [(each.name, each.domain, each.host_only, each.path, each.secure) for each in found] == [
        ("a", "site.test", False, "/", True),
        ("b", "www.site.test", True, "/x", False),
    ]


async def test_what_a_browser_was_given_comes_back_as_what_it_was() -> None:
    given = (
        Cookie(name="a", value="1", domain="site.test", host_only=False, secure=True),
        Cookie(name="b", value="2", domain="::1", http_only=True),
    )
    told = for_browser(given)
    assert [(each["domain"], each["secure"], each["httpOnly"]) for each in told] == [
        (".site.test", True, False),
        ("[::1]", False, True),
    ]
    seen = [BrowserCookie(name="c", value="3", domain="h", path="/"), *map(BrowserCookie.model_validate, told)]
    async with open_session() as http:
        session = replace(http, cookies=given)
        jar = jar_of(seen, session)
    assert [each.name for each in jar] == ["a", "b", "c"]
    assert [each.name for each in session.new_cookies(jar)] == ["c"]
