"""What is sent for the streams that yt-dlp found, and which addresses are."""

from __future__ import annotations

import pytest

from reactor.errors import DownloadError
from reactor.extractors.ytdlp.formats import Format
from reactor.extractors.ytdlp.pieces import Sent, checked, headers_of, told_headers
from reactor.net.jar import Jar

URL = "https://media.test/film.mp4"


def told(**headers: str) -> Format:
    return Format(url=URL, protocol="https", http_headers=headers)


def test_headers_are_those_of_the_site_without_what_aria2_says() -> None:
    format_ = told(Referer="https://page.test/a?secret=1", Host="evil", Range="bytes=0-", Authorization="Bearer x")
    found = {header.name: header.value for header in told_headers(format_)}
    assert found == {"Referer": "https://page.test/", "Authorization": "Bearer x"}
    sent = Sent(Jar())
    number = headers_of(format_, sent)
    assert number(URL) != number("https://other.test/"), "a secret stays with its host"
    with pytest.raises(DownloadError):
        told_headers(told(**{"X": "a\nb"}))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "https://host/\n", "javascript:1", "//host/x", "https://"])
def test_only_plain_addresses_are_fetched(url: str) -> None:
    assert checked(URL) == URL
    with pytest.raises(DownloadError):
        checked(url)
