"""What a person types: made a URL, or refused with one sentence."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.errors import DownloadError
from reactor.net.urls import URL_BYTES_MAX, is_personal, normalise

V1 = "0123456789abcdef0123456789abcdef01234567"
BASE32 = "AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH"
V2 = "f" * 64


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        (" https://a.example/x \n", "https://a.example/x"),
        ("<https://a.example/>", "https://a.example/"),
        ("<URL: https://a.example>", "https://a.example/"),
        ("HTTPS://A.Example:8080", "https://a.example:8080/"),
        ("example.com/x.zip", "https://example.com/x.zip"),
        ("example.com:8080/x", "https://example.com:8080/x"),
        ("localhost:80", "https://localhost:80/"),
        ("user@example.com/x", "https://user@example.com/x"),
        ("https://u:p%40@a.example/x?y=1#z", "https://u:p%40@a.example/x?y=1#z"),
        ("https://a@b@c.example/", "https://a%40b@c.example/"),
        ("http://bücher.example/ä?ö=ü#ß", "http://xn--bcher-kva.example/%C3%A4?%C3%B6=%C3%BC#%C3%9F"),
        ("http://１２７.0.0.1/", "http://127.0.0.1/"),
        ("http://[0:0::1]:80/x", "http://[::1]:80/x"),
        ('http://a/%zz%41"<>`{}|^\\', "http://a/%zz%41%22%3C%3E%60%7B%7D%7C%5E%5C"),
        (V1, f"magnet:?xt=urn:btih:{V1}"),
        (V1.upper(), f"magnet:?xt=urn:btih:{V1}"),
        (BASE32, f"magnet:?xt=urn:btih:{V1}"),
        (BASE32.lower(), f"magnet:?xt=urn:btih:{V1}"),
        (V2, f"magnet:?xt=urn:btmh:1220{V2}"),
        (f"MAGNET:?xt=urn:btih:{BASE32}&dn=x", f"magnet:?xt=urn:btih:{V1}&dn=x"),
        (f"magnet:?dn=a&xt=urn:btih:{V1}&tr=udp://t", f"magnet:?xt=urn:btih:{V1}&dn=a&tr=udp://t"),
    ],
)
def test_good(typed: str, url: str) -> None:
    assert normalise(typed) == url
    assert normalise(url) == url


@pytest.mark.fault(41)
@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        ("", "bad_url", "is empty"),
        (" \n\t ", "bad_url", "is empty"),
        ("<>", "bad_url", "is empty"),
        ("http://a.example/" + "x" * 100_000, "bad_url", "100,017 bytes long"),
        ("ä" * URL_BYTES_MAX, "bad_url", "bytes long"),
        (" " * 200_000, "bad_url", "is empty"),
        ("hello world", "bad_url", "no link"),
        ("what a film!\nwhere from?", "bad_url", "no link"),
        ("http://a/\0", "bad_url", "NUL"),
        ("http://a/\x1b[1m", "bad_url", "cannot be seen"),
        ("http://a/\u202eb", "bad_url", "cannot be seen"),
        ("http://a/\ud800", "bad_url", "cannot be seen"),
        ("--all-proxy=http://a", "bad_url", "a dash"),
        ("hello", "bad_url", "not a URL"),
        ("http://", "bad_url", "no host"),
        ("http:///x", "bad_url", "no host"),
        ("http://@/x", "bad_url", "no host"),
        ("http://a:99999/", "bad_url", "port"),
        ("http://a:x/", "bad_url", "port"),
        ("http://a:0/", "bad_url", "port"),
        ("http://-a/", "bad_url", "host"),
        ("http://a..b/", "bad_url", "host"),
        ("http://a\\b/", "bad_url", "host"),
        ("http://a%41/", "bad_url", "host"),
        ("http://[::1", "bad_url", "host"),
        ("http://[::zz]/", "bad_url", "host"),
        ("http://[fe80::1%25eth0]/", "bad_url", "host"),
        ("http://☃☃.example/", "bad_url", "host"),
        ("http://" + "a" * 64 + ".example/", "bad_url", "host"),
        ("http://" + "a." * 130 + "example/", "bad_url", "host"),
        ("file:///etc/passwd", "unsupported", "file: links"),
        ("javascript:alert(1)", "unsupported", "javascript: links"),
        ("data:text/html,hi", "unsupported", "data: links"),
        ("ftps://a.example/x", "unsupported", "ftps: links"),
        ("secret:word@a.example/x", "unsupported", "Such links"),
        ("magnet:", "bad_magnet", "no torrent"),
        ("magnet:?dn=x", "bad_magnet", "no torrent"),
        ("magnet:?xt=urn:btih:abc", "bad_magnet", "no torrent"),
        (f"magnet:?xt=urn:btmh:1220{V1}", "bad_magnet", "no torrent"),
    ],
)
def test_bad(typed: str, code: str, words: str) -> None:
    with pytest.raises(DownloadError) as caught:
        normalise(typed)
    assert caught.value.code == code
    assert words in caught.value.message
    assert caught.value.message.endswith(".")
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 200
    assert not caught.value.retryable


@pytest.mark.fault(41)
@given(
    typed=st.text(max_size=80)
    | st.text(max_size=80).map("http://{}".format)
    | st.text(max_size=40).map("http://a.b/{}".format)
)
def test_any_text_becomes_a_plain_url_or_a_sentence(typed: str) -> None:
    try:
        url = normalise(typed)
    except DownloadError:
        return
    assert url.startswith(("http://", "https://", "magnet:"))
    assert normalise(url) == url
    if not url.startswith("magnet:"):
        assert url.isascii()
        assert url.isprintable()
        assert " " not in url
        assert urlsplit(url).hostname


@pytest.mark.parametrize(
    ("query", "personal"),
    [
        ("token=x", True),
        ("a=1&X-Amz-Signature=abc&b", True),
        ("download_token=x", True),
        ("Expires=1700000000", True),
        ("token=", False),
        ("keyword=x&monkey=1&v=2", False),
        ("", False),
    ],
)
def test_links_that_were_made_for_one_person(query: str, personal: bool) -> None:
    assert is_personal(f"https://host.example/token/film.mkv?{query}") is personal


@pytest.mark.parametrize(
    ("path", "personal"),
    [
        ("/d/abc/film.mkv", True),
        ("/download/7/film.zip", True),
        ("/AbC123/film.mkv", True),
        ("/4f8e2f5e-8a3a-4b47-9f5c-6a50d3a1f4c1/film.mkv", True),
        ("/8f3a9c2e1d4b.zip", True),
        ("/film.mkv?k=8f3a9c2e1d", True),
        ("/films/film.mkv", False),
        ("/download/film.mkv", False),
        ("/releases/v1.2.10/app-x86_64.tar.gz", False),
        ("/2020/Season2/Show.S01E02.1080p.mkv", False),
        ("/film.mkv?x=1", False),
        ("/", False),
    ],
)
def test_an_id_that_nobody_guesses_is_personal(path: str, personal: bool) -> None:
    assert is_personal(f"https://host.example{path}") is personal
