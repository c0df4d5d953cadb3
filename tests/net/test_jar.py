"""What a jar keeps, and what of it goes along."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reactor.net.jar import DOMAIN_COOKIES_MAX, Jar, cookie_goes_to
from reactor.plan import COOKIE_BYTES_MAX, COOKIE_LINE_MAX, COOKIES_MAX, Cookie


def cookie(name: str, value: str = "1", domain: str = "a.example", path: str = "/", **more: bool) -> Cookie:
    return Cookie(name=name, value=value, domain=domain, path=path, **more)


def test_the_latest_of_one_name_counts_and_the_longest_path_comes_first() -> None:
    jar = Jar([cookie("a"), cookie("b", "2", path="/deep"), cookie("a", "3")])
    assert jar.line("http://a.example/") == "a=3"
    assert jar.line("http://a.example/deep/x") == "b=2; a=3"
    assert jar.line("http://b.example/") == ""
    jar.add([cookie("a", "4")])
    assert jar.line("http://a.example/") == "a=4", "what was found before is not kept for ever"


@pytest.mark.fault(54)
def test_a_domain_has_as_many_as_in_a_browser() -> None:
    jar = Jar(cookie(f"n{n}") for n in range(1000))
    jar.add([cookie("other", domain="b.example")])
    assert [each.name for each in jar] == [*(f"n{n}" for n in range(1000 - DOMAIN_COOKIES_MAX, 1000)), "other"]


@pytest.mark.fault(54)
def test_all_domains_together_have_a_limit() -> None:
    jar = Jar(cookie("a", domain=f"d{n}.example") for n in range(5000))
    assert [each.domain for each in jar] == [f"d{n}.example" for n in range(5000 - COOKIES_MAX, 5000)]
    assert jar.of("http://d0.example/") == ()


@pytest.mark.fault(54)
def test_a_line_is_no_longer_than_a_server_reads() -> None:
    """Those of the longest paths stay."""
    jar = Jar(cookie(f"{n:03}", "v" * 4000, path="/" * (1 + n)) for n in range(100))
    line = jar.line("http://a.example/" + "/" * 200)
    assert COOKIE_LINE_MAX - 4100 < len(line) <= COOKIE_LINE_MAX
    assert line.startswith("099=")


@pytest.mark.parametrize("size", [COOKIE_BYTES_MAX, COOKIE_BYTES_MAX + 1])
def test_a_cookie_is_no_larger_than_in_a_browser(size: int) -> None:
    if size <= COOKIE_BYTES_MAX:
        assert cookie("a", "v" * (size - 1))
    else:
        with pytest.raises(ValidationError):
            cookie("a", "v" * (size - 1))
        with pytest.raises(ValidationError):
            cookie("a", "ü" * (size // 2))


LABELS = st.sampled_from(["a", "b", "ab"])
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join) | st.sampled_from(["127.0.0.1", "0.0.1", "[::1]"])
COOKIES = st.builds(
    cookie,
    st.sampled_from("xyz"),
    domain=HOSTS,
    path=st.sampled_from(["/", "/a", "/a/", "/a/b"]),
    secure=st.booleans(),
    host_only=st.booleans(),
)


@given(st.lists(COOKIES, max_size=8), HOSTS, st.sampled_from(["/", "/a", "/ab", "/a/b/c"]))
def test_the_index_finds_what_the_rule_says(cookies: list[Cookie], host: str, path: str) -> None:
    jar, url = Jar(cookies), f"http://{host}{path}"
    assert set(jar.of(url)) == {each for each in jar if cookie_goes_to(each, url)}
    of_host = jar.of_hosts([urlsplit(url).hostname or "", "elsewhere"])
    assert set(jar.of(url)) <= set(of_host)
    assert [each for each in jar if each in of_host] == list(of_host)
