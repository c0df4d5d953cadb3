"""Links as they come out of chats, mails and web pages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.errors import DownloadError
from reactor.net.pasted import links_in
from reactor.net.urls import normalise

URL = "http://h.example/a.zip"
HASH = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    "text",
    [
        URL + ",",
        URL + ".",
        URL + "...",
        f"({URL})",
        f"[{URL}]",
        f"<{URL}>",
        f'"{URL}"',
        f"‘{URL}’",
        f"“{URL}”,",
        f"«{URL}»",
        f"\u200b{URL}",
        f"\ufeff{URL}\u2060",
        "http://h.example/a\u200b.zip",
        f"Get {URL} please",
        f"Get it ({URL}), please!",
        f"Here:{URL}",
        f"下载{URL}，谢谢",
        f"{URL}\nThat is the one.",
        f"That is the one:\r\n{URL}",
        f"[the file]({URL})",
        f"[[{URL}][the file]]",
        f"[{URL}]({URL})",
        f'<a href="{URL}">a.zip</a>',
        f"view-source:{URL}",
        "hxxp://h.example/a.zip",
        "hxxp://h[.]example/a.zip",
        f"https://{URL}",
        "http:h.example/a.zip",
        "http:/h.example/a.zip",
        "http:\\\\h.example\\a.zip",
        "http[:]//h.example/a.zip",
        "ttp://h.example/a.zip",
        f"**{URL}**",
        f"_{URL}_",
        f"||{URL}||",
        f"url={URL}",
        f"\u202a{URL}\u202c",
        f"{URL}:",
        f"{URL} http://h.example/b.zip",
        f"{URL}\nhttp://h.example/b.zip",
        f"{URL} and the b.zip",
        f"[url]{URL}[/url]",
        f"[url={URL}]the file[/url]",
        f"<{URL}|the file>",
        f"&quot;{URL}&quot;",
        f"&lt;{URL}&gt;",
        f"- {URL}",
        f"-{URL}",
        f"{URL}\u200d",
        f"{URL}🎬",
        f"下载{URL}谢谢",
        f"{URL},http://h.example/b.zip",
        f"{URL}http://h.example/b.zip",
        r'{"url": "http:\/\/h.example\/a.zip"}',
        "http%3A%2F%2Fh.example%2Fa.zip",
        "http：//h.example/a.zip",
        "ｈｔｔｐ：／／h.example/a.zip",
        "http;//h.example/a.zip",
        "http:// h.example/a.zip",
        "htp://h.example/a.zip",
        "htttp://h.example/a.zip",
        "h**p://h.example/a.zip",
        f"http{URL}",
    ],
)
def test_what_is_around_it_goes(text: str) -> None:
    assert normalise(text) == URL


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://h.example/my film 2.mkv", "http://h.example/my%20film%202.mkv"),
        ('"http://h.example/my film"', "http://h.example/my%20film"),
        ("http://h.example/x is good", "http://h.example/x"),
        ("http://h.example/a?x=1&amp;y=2", "http://h.example/a?x=1&y=2"),
        ("http://h.example/wiki/Film_(2020)", "http://h.example/wiki/Film_(2020)"),
        ("(see http://h.example/wiki/Film_(2020))", "http://h.example/wiki/Film_(2020)"),
        ("http://h.example/a,b;c", "http://h.example/a,b;c"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("h.example/go?u=http://b.example/x", "https://h.example/go?u=http://b.example/x"),
        ("https://archive.example/2020/http://b.example/x", "https://archive.example/2020/http://b.example/x"),
        ("look at h.example/a.zip, it is free", "https://h.example/a.zip"),
        ("look at h[.]example/a.zip", "https://h.example/a.zip"),
        ("192.0.2.7:8000/a.zip", "http://192.0.2.7:8000/a.zip"),
        (
            "http://h.example/نمی\u200cدانم.zip",
            "http://h.example/%D9%86%D9%85%DB%8C%E2%80%8C%D8%AF%D8%A7%D9%86%D9%85.zip",
        ),
        ("http://h.example/映画", "http://h.example/%E6%98%A0%E7%94%BB"),
        ("http://h.example/x?u=a.zip|b", "http://h.example/x?u=a.zip"),
        (f"This one: magnet:?xt=urn:btih:{HASH}&dn=x.", f"magnet:?xt=urn:btih:{HASH}&dn=x"),
        (f"magnet:?xt=urn:btih:{HASH}\r\n &amp;dn=x\nThis one.", f"magnet:?xt=urn:btih:{HASH}&dn=x"),
        (f"({HASH})", f"magnet:?xt=urn:btih:{HASH}"),
        ("http://h.example/x_[z](http:a).bin", "http://h.example/x_[z](http:a).bin"),
        ("http://a b/", "http://a/"),
        ("http://h.example/token_", "http://h.example/token_"),
        ("http://h.example/a*", "http://h.example/a*"),
        ("http://a/\r\nX: y", "http://a/"),
    ],
)
def test_what_belongs_to_it_stays(text: str, url: str) -> None:
    assert normalise(text) == url


def test_links_are_counted() -> None:
    assert [links_in(text) for text in ("", "h.example/a", URL, f"{URL} {URL}", f"[{URL}]({URL})")] == [0, 0, 1, 2, 2]
    assert links_in("https://archive.example/http://b.example/") == 1


WORDS = st.sampled_from(
    [
        *("http://", "hxxp://", "h.example", "/a.zip", " ", "\n", "(", ")", "](", "[", '"', "<", ">", "&amp;", "amp;"),
        *(
            "&",
            "magnet:?xt=urn:btih:",
            HASH,
            ".",
            ",",
            "，",
            "\u200b",
            "[.]",
            "x y",
            ":",
            "@",
            "%20",
            "?",
            "#",
            "«",
            "»",
        ),
    ]
)


@given(parts=st.lists(WORDS, max_size=12))
def test_a_link_that_was_found_is_found_again(parts: list[str]) -> None:
    try:
        url = normalise("".join(parts))
    except DownloadError:
        return
    assert normalise(url) == url
