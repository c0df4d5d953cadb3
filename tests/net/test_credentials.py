"""No secret of a URL is shown, and none goes to another host."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.net.credentials import (
    HEADERS_BYTES_MAX,
    REDACTED_MAX,
    Credentials,
    HeaderSets,
    credential_scope,
    for_people,
    headers_for,
    redact,
    redact_text,
    referer_for,
    same_host,
    split_credentials,
)
from reactor.net.jar import Jar
from reactor.plan import HEADERS_MAX, Cookie, Header

HASH = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("url", "without", "credentials"),
    [
        ("https://h/x?y=1#z", "https://h/x?y=1#z", None),
        ("https://user:p%40ss@h:81/x", "https://h:81/x", Credentials("user", "p@ss")),
        ("https://user@h/x", "https://h/x", Credentials("user", "")),
        ("https://@h/x", "https://h/x", None),
        ("https://a@b:c@h/x", "https://h/x", Credentials("a@b", "c")),
        ("http://u:p@[::1]:80/", "http://[::1]:80/", Credentials("u", "p")),
    ],
)
def test_split(url: str, without: str, credentials: Credentials | None) -> None:
    assert split_credentials(url) == (without, credentials)


def test_credentials_go_back_into_a_url_and_into_a_header_but_not_into_a_repr() -> None:
    credentials = Credentials("us:er", "p@/ß")
    url = credentials.into("https://h:81/x?y")
    assert url == "https://us%3Aer:p%40%2F%C3%9F@h:81/x?y"
    assert split_credentials(url) == ("https://h:81/x?y", credentials)
    assert Credentials("Aladdin", "open sesame").basic == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert repr(Credentials("aladdin", "sesame")) == "Credentials()"


@pytest.mark.parametrize(
    ("given_for", "other", "same"),
    [
        ("https://h/a", "https://h/b", True),
        ("https://h/a", "https://H.:443/b", True),
        ("http://h/a", "https://h/b", True),
        ("https://h/a", "http://h/b", False),
        ("http://h:81/a", "https://h:81/b", False),
        ("http://h/a", "http://h:81/b", False),
        ("http://h/a", "http://www.h/b", False),
        ("http://127.0.0.1/a", "http://localhost/b", False),
        ("http:///a", "http:///b", False),
        ("http://[", "http://[", False),
        ("http://h:x/", "http://h:x/", False),
    ],
)
def test_same_host(given_for: str, other: str, same: bool) -> None:
    assert same_host(given_for, other) is same


PAGE = "https://anna:S3CRET@h.example/a/page?token=S3CRET#S3CRET"


@pytest.mark.parametrize(
    ("page", "url", "told"),
    [
        (PAGE, "https://h.example/film.mp4", "https://h.example/a/page"),
        (PAGE, "https://cdn.example/film.mp4", "https://h.example/"),
        (PAGE, "https://www.h.example/film.mp4", "https://h.example/"),
        (PAGE, "https://h.example:444/film.mp4", "https://h.example/"),
        (PAGE, "http://h.example/film.mp4", "https://h.example/"),
        (PAGE, "http://cdn.example/film.mp4", "https://h.example/"),
        ("http://u:p@h.example:81/a?b", "http://h.example:81/", "http://h.example:81/a"),
        ("http://u:p@h.example:81/a?b", "https://cdn.example/", "http://h.example:81/"),
        ("http://h.example/a", "https://h.example/", "http://h.example/a"),
        ("http://u:S3CRET/@h.example/a", "http://h.example/", None),
        ("//h.example/S3CRET", "http://h.example/", None),
        ("data:S3CRET", "http://h.example/", None),
        ("http://[S3CRET", "http://h.example/", None),
        ("S3CRET", "http://h.example/", None),
    ],
)
def test_what_a_server_is_told_of_the_page(page: str, url: str, told: str | None) -> None:
    assert referer_for(page, url) == told
    assert told is None or referer_for(told, url) == told


def test_which_headers_go_along_to_another_host() -> None:
    given = {"User-Agent": "U", "X-Token": "t", "authorization": "b", "rEferer": PAGE, "Origin": "https://h.example"}
    headers = [Header(name=name, value=value) for name, value in given.items()]

    def kept(url: str) -> dict[str, str]:
        return {header.name: header.value for header in headers_for(headers, "https://cdn.example/x", url)}

    at_home = PAGE.replace("anna:S3CRET@", "")
    assert kept("https://cdn.example/y") == given | {"rEferer": at_home}, "as the player has sent it there"
    public = {"User-Agent": "U", "Origin": "https://h.example"}
    assert kept("https://other.example/y") == public | {"rEferer": "https://h.example/"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@h.example:8080/a/b;j=12?x=1&sig&t=a=b;c=d#f", "https://h.example:8080/a/b;…?x=…&…&t=…&c=…#…"),
        ("https://h/a@1.0/b", "https://h/a@1.0/b"),
        ("user:pass@example.com/x?y=1", "example.com/x?y=…"),
        ("http://user:pa#ss@host/x", "http://…"),
        ("http://user:pa/ss@host/", "http://…"),
        ("http:///user:pw@host/", "http://…"),
        ("http:/user:pw@host/", "http:…"),
        ("http://[::1", "http://…"),
        ("http://a/?url=http://u:p@b/", "http://a/?url=…"),
        ("http://a/?http://u:p@b/x=1", "http://a/?…"),
        ("http://a/2020/http://u:p@b/x?y=2", "http://a/2020/…?y=…"),
        ("http://a/u:p@b/", "http://a/…@b/"),
        (f"magnet:?xt=urn:btih:{HASH}&dn=A%20b&tr=http://t/key", f"magnet:?xt=urn:btih:{HASH}&dn=A%20b"),
        ("javascript:alert('u:p')", "javascript:…"),
        ("data:text/plain,secret", "data:…"),
        ("http://h/a\x1b[2Jb", "http://h/a\N{REPLACEMENT CHARACTER}[2Jb"),
        ("hello", "hello"),
        ("", "…"),
    ],
)
def test_redact(url: str, shown: str) -> None:
    assert redact(url) == shown


def test_a_long_url_is_cut_and_costs_little() -> None:
    assert len(redact("https://h/" + "a:/" * 60_000)) <= REDACTED_MAX
    assert len(redact("https://h/" + "x" * 100_000)) == REDACTED_MAX
    assert redact_text("a" * 200_000) == "a" * 200_000


def test_redact_text() -> None:
    text = "Failed (http://u:p@h/x?y=1), see 'https://a/b#c'. ftp://x:y@z/ and magnet:?xt=urn:btih:a&tr=k; so 1:2@3"
    assert (
        redact_text(text)
        == "Failed (http://h/x?y=…), see 'https://a/b#…'. ftp://z/ and magnet:?xt=urn:btih:a; so 1:2@3"
    )


def test_what_people_read_is_one_line_of_what_can_be_seen() -> None:
    text = "Not in \x1b[31mrar\u202e4pm\u200b\x00\u2060.txt\tor\r\nhttp://u:p@h/x?y=1 \ud800"
    assert for_people(text) == "Not in [31mrar4pm.txt or  http://h/x?y=… "
    assert for_people("Fährt über die 日本語 👍.") == "Fährt über die 日本語 👍."


SECRET = st.text(min_size=1, max_size=12).map(lambda text: f"S3cr3t{text}S3cr3t")
PLACES = [
    "https://{0}:{1}@h.example/a?b=c",
    "https://h.example/a?b={0}&c={1}",
    "https://h.example/a#{0}",
    "https://h.example/a;{0}/b?{1}",
    "http://{0}@h.example:80",
    "http://a.example/x/https://{0}:{1}@h.example/",
    "magnet:?xt=urn:btih:" + HASH + "&tr=http://t/{0}&x.pe={1}",
]


@given(
    place=st.sampled_from(PLACES),
    first=SECRET,
    second=SECRET,
    quoted=st.booleans(),
    around=st.sampled_from(["", "'", "("]),
)
def test_no_secret_is_ever_shown(place: str, first: str, second: str, quoted: bool, around: str) -> None:
    secrets = [quote(text, safe="") if quoted else text for text in (first, second)]
    url = place.format(*secrets)
    if quoted or not set("/?#&;@=") & set(first + second):
        assert "S3cr3t" not in redact(url)
    if quoted:
        assert "S3cr3t" not in redact_text(f"it failed: {around}{url}{around} for good")


@given(text=st.text(max_size=200))
def test_any_text_is_redacted_without_an_error_into_one_line(text: str) -> None:
    assert redact(text).isprintable()
    assert redact(f"http://{text}").isprintable()
    redact_text(text)
    assert same_host(text, text) in (True, False)


def _cookie(domain: str, *, host_only: bool = False) -> Cookie:
    return Cookie(name="a", value="b", domain=domain, host_only=host_only)


@pytest.mark.parametrize(
    ("url", "cookies", "headers", "holds", "lacks"),
    [
        ("https://a.example/x", [_cookie("a.example", host_only=True)], [], ["a.example:443"], ["b.a.example:443"]),
        ("https://a.example/x", [_cookie("a.example")], [], ["A.example.:443", "b.a.example:443"], ["a.example:80"]),
        (
            "https://c.a.example/",
            [_cookie("a.example")],
            [],
            ["c.a.example:443", "d.a.example:443"],
            ["xa.example:443"],
        ),
        ("http://a.example/", [_cookie("a.example")], [], ["a.example:80", "a.example:443"], ["a.example:8080"]),
        ("http://a.example:81/", [], ["Authorization"], ["a.example:81"], ["a.example:80", "a.example:443"]),
        ("https://a.example/", [_cookie("a.example")], ["X-Token"], ["a.example:443"], ["b.a.example:443"]),
        ("https://u:p@a.example/", [], ["Referer"], ["a.example:443"], ["b.example:443"]),
        (
            "https://b.a.example/",
            [_cookie("a.example"), _cookie("b.a.example")],
            [],
            ["c.b.a.example:443"],
            ["a.example:443"],
        ),
    ],
)
def test_how_far_credentials_may_go(
    url: str, cookies: list[Cookie], headers: list[str], holds: list[str], lacks: list[str]
) -> None:
    named = tuple(Header(name=name, value="x") for name in headers)
    scope = credential_scope(url, named, Jar(cookies).of(url))
    assert scope is not None
    for place in (*holds, *lacks):
        host, _, port = place.rpartition(":")
        assert scope.holds(host, int(port)) is (place in holds), place


def test_what_is_no_secret_may_go_anywhere() -> None:
    """A browser's usual headers, and cookies that are for another host."""
    named = ("Referer", "User-Agent", "Accept", "Accept-Language", "Origin", "Sec-Fetch-Mode", "Sec-CH-UA")
    headers = tuple(Header(name=name, value="x") for name in named)
    url = "https://a.example/"
    assert credential_scope(url, headers, Jar([_cookie("b.example")]).of(url)) is None


def test_a_set_of_headers_stands_once() -> None:
    """However many URLs there are: at home, beside the page, and elsewhere."""
    given = [Header(name=name, value="https://page.example/a?b") for name in ("Referer", "X-Token", "Accept")]
    sets = HeaderSets()
    number = sets.given(given, "https://home.example/m3u8")
    hosts = ("home", "page", "other", "another")
    numbers = [number(f"https://{host}.example/{n}.ts") for n in range(100) for host in hosts]
    assert numbers == [0, 1, 2, 2] * 100
    assert [[header.name for header in each] for each in sets.all] == [
        ["Referer", "X-Token", "Accept"],
        ["Referer", "Accept"],
        ["Referer", "Accept"],
    ]
    assert HeaderSets().given([], "https://home.example/")("https://home.example/a") is None


def test_headers_are_no_more_than_a_server_reads() -> None:
    """Of one name the last counts, in whatever case."""
    sets, home = HeaderSets(), "https://home.example/"
    many = [Header(name=f"X-{n}", value="v" * 4000) for n in range(1000)]
    assert sets.given([*many, Header(name="x-0", value="last")], home)(home) == 0
    (headers,) = sets.all
    assert headers[0].value == "last"
    assert 10 < len(headers) <= HEADERS_MAX
    assert sum(len(header.name) + len(header.value) for header in headers) <= HEADERS_BYTES_MAX
