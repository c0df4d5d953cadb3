"""Magnet links in the spellings that people and sites use."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.errors import DownloadError
from reactor.net.magnets import TRACKERS_MAX, parse_magnet
from reactor.net.urls import normalise

V1 = "0123456789abcdef0123456789abcdef01234567"
BASE32 = "AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH"
V2 = "f" * 64
TRACKER = "http://t.example/announce"
LINK = f"magnet:?xt=urn:btih:{V1}&dn=A%20film&tr={TRACKER}"


@pytest.mark.parametrize(
    "text",
    [
        LINK,
        LINK.replace("&", "&amp;"),
        quote(LINK, safe=""),
        LINK.replace("magnet:?", "magnet://?"),
        LINK.replace("magnet:?", "magnet:/?"),
        LINK.replace("magnet:?", "Magnet:?"),
        LINK.replace("xt=", "XT="),
        LINK.replace("urn:btih", "URN:BTIH"),
        LINK.replace("tr=", "tr.1="),
        LINK.replace("xt=", "xt.1="),
        LINK.replace(V1, V1.upper()),
        LINK.replace(V1, BASE32),
        LINK.replace(V1, BASE32.lower()),
        LINK.replace(TRACKER, quote(TRACKER, safe="")),
        LINK.replace("A%20film", "A+film"),
        LINK.replace("A%20film", "A film"),
        LINK + f"&tr={TRACKER}&xl=10&kt=x&xt=urn:sha1:abc",
        f"web+{LINK}",
        LINK.replace("magnet:?", "magnet:??"),
        LINK.replace("magnet:?", "magnet:%3F").replace("&", "%26"),
        LINK.replace("&", ";"),
        LINK.replace("&dn", "?dn"),
        LINK.replace("urn:btih:", ""),
        LINK.replace("urn:", ""),
        LINK.replace("tr=", "tr[]="),
        LINK.replace(TRACKER, quote(quote(TRACKER, safe=""), safe="")),
        LINK.replace(TRACKER, f"{TRACKER},{TRACKER}"),
        LINK.replace("&", "\\u0026"),
        f"`{LINK}`",
        f"{LINK}\u200b",
        f"Take this: {LINK}.",
        f"magnet:?dn=A%20film&tr={TRACKER}&xt=urn:btih:{V1}",
    ],
)
def test_spellings(text: str) -> None:
    assert normalise(text) == LINK


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (V1, f"magnet:?xt=urn:btih:{V1}"),
        (BASE32, f"magnet:?xt=urn:btih:{V1}"),
        (V2.upper(), f"magnet:?xt=urn:btmh:1220{V2}"),
        (f"magnet:?xt=urn:btmh:1220{V2.upper()}&xt=urn:btih:{V1}", f"magnet:?xt=urn:btih:{V1}&xt=urn:btmh:1220{V2}"),
        (f"magnet:?xt=urn:btih:{V1}&tr=ws://a/&tr=nonsense", f"magnet:?xt=urn:btih:{V1}"),
        (
            f"magnet:?xt=urn:btih:{V1}&ws=http://a/b c&x.pe=192.0.2.1:6881&so=0,2-4",
            f"magnet:?xt=urn:btih:{V1}&ws=http://a/b%20c&x.pe=192.0.2.1:6881&so=0%2C2-4",
        ),
    ],
)
def test_what_a_link_is_made_of(text: str, url: str) -> None:
    magnet = parse_magnet(text)
    assert magnet is not None
    assert magnet.url() == url
    assert parse_magnet(url) == magnet


@pytest.mark.parametrize("text", [f"The hash is {V1}.", f"infohash: {V1.upper()}", f"btih:{V1}"])
def test_a_hash_in_a_text(text: str) -> None:
    assert normalise(text) == f"magnet:?xt=urn:btih:{V1}"


def test_what_is_not_asked_by_http_can_be_left_out() -> None:
    magnet = parse_magnet(f"{LINK}&tr=udp://u.example:1&tr=HTTPS://v.example/")
    assert magnet is not None
    assert magnet.trackers == (TRACKER, "udp://u.example:1", "HTTPS://v.example/")
    assert magnet.url(by_http=True) == f"{LINK}&tr=HTTPS://v.example/"


def test_the_name_and_the_hash() -> None:
    magnet = parse_magnet(f"magnet:?xt=urn:btih:{BASE32}&xt=urn:btmh:1220{V2}&dn=A%20film%2Fx%00%0A&dn=no&tr=x")
    assert magnet is not None
    assert (magnet.v1, magnet.v2, magnet.name, magnet.info_hash) == (V1, V2, "A film/x", V1)


@pytest.mark.fault(41)
@pytest.mark.parametrize(
    "text",
    ["magnet:", "magnet:?dn=x", "magnet:?xt=urn:btih:abc", f"magnet:?xt=urn:btmh:1220{V1}", "magnet:?" + "a&" * 2000],
)
def test_links_that_name_no_torrent(text: str) -> None:
    with pytest.raises(DownloadError) as caught:
        parse_magnet(text)
    assert caught.value.code == "bad_magnet"


def test_trackers_are_bounded() -> None:
    magnet = parse_magnet(LINK + "".join(f"&tr=udp://t{n}.example:1" for n in range(2 * TRACKERS_MAX)))
    assert magnet is not None
    assert len(magnet.trackers) == TRACKERS_MAX


@given(query=st.text(max_size=60))
def test_a_link_that_was_written_is_read_as_the_same(query: str) -> None:
    try:
        magnet = parse_magnet(f"magnet:?xt=urn:btih:{V1}&{query}")
    except DownloadError:
        return
    assert magnet is not None
    assert magnet.url().isascii()
    assert parse_magnet(magnet.url()) == magnet
