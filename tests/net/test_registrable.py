"""Whose a host is."""

from __future__ import annotations

import sys

import pytest

from reactor.net.registrable import registrable, site_of

HOSTS = [
    ("example.com", "example.com"),
    ("a.b.Example.com.", "example.com"),
    ("cdn.example.co.uk", "example.co.uk"),
    ("co.uk", "co.uk"),
    ("a.b.c.kobe.jp", "b.c.kobe.jp"),
    ("www.city.kobe.jp", "city.kobe.jp"),
    ("one.github.io", "github.io"),
    ("a.example.unheardof", "example.unheardof"),
    ("localhost", "localhost"),
    ("127.0.0.1", "127.0.0.1"),
    ("2001:db8::1", "2001:db8::1"),
    ("a.xn--bcher-kva.de", "bücher.de"),
    ("a.bücher.de", "bücher.de"),
    ("a.xn--\u2603.de", "xn--\u2603.de"),
    ("." * 300, ""),
]


@pytest.mark.parametrize(("host", "expected"), HOSTS)
def test_the_domain_that_was_registered(host: str, expected: str) -> None:
    assert registrable(host) == expected


def test_a_url_without_a_host_is_nobodys() -> None:
    assert site_of("http://a.example.org:8080/b?c") == "example.org"
    assert site_of("magnet:?xt=urn:btih:0") is None
    assert site_of("http://[broken/") is None


def test_what_brings_the_list_is_not_loaded() -> None:
    assert registrable("a.example.co.uk") == "example.co.uk"
    assert "tldextract" not in sys.modules
