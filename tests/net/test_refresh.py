"""Where pages send their readers by themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.net.refresh import refresh_in, refresh_to


@pytest.mark.parametrize(
    ("content", "target"),
    [
        ("1; url=/real/film.zip", "/real/film.zip"),
        ("5;URL='http://a.example/b c'", "http://a.example/b c"),
        ('0;url="/a', "/a"),
        (" 0 ; URL = /a ", "/a"),
        ("0; /x", "/x"),
        ("3,url=x", "x"),
        ("2.5; url=/a", "/a"),
        ("5 /a", "/a"),
        ("60; url=/a", "/a"),
        ("61; url=/a", None),
        ("300", None),
        ("5;url=", None),
        ("", None),
        ("url=/a", None),
    ],
)
def test_how_it_is_written(content: str, target: str | None) -> None:
    assert refresh_to(content) == target


@pytest.mark.parametrize(
    ("page", "target"),
    [
        ('<html><head><meta http-equiv="refresh" content="1; url=/film.zip"></head>', "/film.zip"),
        ("<META content='1; url=/a?b=1&amp;c=2' HTTP-EQUIV=Refresh />", "/a?b=1&c=2"),
        ("<meta http-equiv=refresh content=300><meta http-equiv=refresh content=0;url=/a>", "/a"),
        ('<meta http-equiv="refresh" content="0;url=/\u00e4.zip">', "/ä.zip"),
        ('<!-- <meta http-equiv=refresh content="0;url=/a"> --> text', None),
        ('<noscript><meta http-equiv=refresh content="0;url=/a"></noscript>', None),
        ("<script>s = '<meta http-equiv=refresh content=\"0;url=/a\">'</script>", None),
        ('<metadata http-equiv=refresh content="0;url=/a">', None),
        ('<meta name="refresh" content="0;url=/a">', None),
        ('<meta http-equiv="refresh" content="0;url=/a"', None),
        ("<meta " + "x" * 5000 + ' http-equiv=refresh content="0;url=/a">', None),
        ("", None),
    ],
)
def test_where_it_stands(page: str, target: str | None) -> None:
    assert refresh_in(page.encode()) == target


@given(
    st.lists(
        st.sampled_from(["<meta ", "<!--", "-->", "<script>", "</script>", ">", " http-equiv=refresh", '"', "=", "a"])
    )
)
def test_whatever_a_page_holds(parts: list[str]) -> None:
    refresh_in("".join(parts).encode())


def test_a_page_takes_no_longer_than_it_is_long() -> None:
    """One place after the other is looked at, and none twice."""
    for piece in (b"<!--", b"<meta ", b"<meta>", b"<script ", b"<meta a=", b'<meta content="'):
        assert refresh_in(piece * (1024 * 1024 // len(piece))) is None
