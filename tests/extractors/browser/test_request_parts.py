"""What of the browser's requests goes along with ours."""

from __future__ import annotations

from reactor.extractors.browser.request_parts import BrowserCookie, jar_of, kept_headers


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


def test_cookies_keep_to_their_hosts() -> None:
    jar = [
        BrowserCookie(name="a", value="1", domain=".site.test", path="/", secure=True),
        BrowserCookie(name="b", value="2", domain="www.site.test", path="/x"),
        BrowserCookie(name="c", value="3\r\nSet: x", domain="h", path="/"),
    ]
    assert [(each.name, each.domain, each.host_only, each.path, each.secure) for each in jar_of(jar)] == [
        ("a", "site.test", False, "/", True),
        ("b", "www.site.test", True, "/x", False),
    ]
