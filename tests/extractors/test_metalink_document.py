"""What metalinks of both versions name, and what hostile ones may not do."""

from __future__ import annotations

import pytest

from reactor.errors import DownloadError
from reactor.extractors.metalink_document import URLS_MAX, parse_metalink

V4 = """<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink">
  <generator>x</generator>
  <file name="debian/dvd.iso">
    <size>14471447</size>
    <hash type="md5">{md5}</hash> <hash type="sha-256">{sha256}</hash> <hash type="sha-256">short</hash>
    <pieces length="262144" type="sha-512"><hash>aa</hash></pieces>
    <url location="de">https://unranked.example/dvd.iso</url>
    <url location="fr" priority="2">https://second.example/dvd.iso</url>
    <url priority="1">  http://first.example/dvd.iso
    </url>
    <url priority="1">file:///etc/passwd</url> <url>gopher://a/</url> <url>javascript:1</url> <url/>
    <metaurl mediatype="torrent" priority="1">http://first.example/dvd.torrent</metaurl>
    <metaurl mediatype="application/x">http://first.example/dvd.x</metaurl>
  </file>
</metalink>"""
V3 = """<metalink version="3.0" xmlns="http://www.metalinker.org/"><files>
  <file name="a.zip"><verification><hash type="SHA1">{sha1}</hash></verification>
    <resources>
      <url type="http" preference="10">http://low.example/a.zip</url>
      <url type="ftp" preference="90">ftp://high.example/a.zip</url>
      <url type="bittorrent" preference="100">http://high.example/a.torrent</url>
    </resources></file>
  <file name="nothing"><resources/></file>
</files></metalink>"""


def test_mirrors_by_priority_and_the_best_checksum() -> None:
    (file,) = parse_metalink(V4.format(md5="b" * 32, sha256="A" * 64))
    assert (file.name, file.size, file.checksum) == ("debian/dvd.iso", 14471447, f"sha-256={'a' * 64}")
    assert file.urls == (
        "http://first.example/dvd.iso",
        "https://second.example/dvd.iso",
        "https://unranked.example/dvd.iso",
    )
    assert file.torrents == ("http://first.example/dvd.torrent",)


def test_version_3() -> None:
    file, nothing = parse_metalink(V3.format(sha1="0" * 40))
    assert (file.size, file.checksum) == (None, f"sha-1={'0' * 40}")
    assert file.urls == ("ftp://high.example/a.zip", "http://low.example/a.zip")
    assert file.torrents == ("http://high.example/a.torrent",)
    assert (nothing.urls, nothing.torrents) == ((), ())


def test_what_is_told_is_bounded() -> None:
    many = "".join(f'<url priority="{10_000 - n}">http://h{n}.example/a</url>' for n in range(10_000))
    told = f'<size>{"9" * 4000}</size><hash type="md5">zz</hash>{many}'
    text = f'<metalink><file name="{"x" * 9000}">{told}</file></metalink>'
    (file,) = parse_metalink(text)
    assert (len(file.urls), file.urls[0], file.checksum) == (URLS_MAX, "http://h9999.example/a", None)
    assert file.size is not None
    assert (len(file.name), len(str(file.size))) == (4096, 18)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<html><body>log in</body></html>", "web page"),
        ('<!DOCTYPE m [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><metalink>&b;</metalink>', "entities"),
        ("<metalink><file>", "not valid XML"),
        ("<other/>", "not metalink"),
        (f"<metalink>{'<a>' * 100}{'</a>' * 100}</metalink>", "too deeply"),
        (f"<metalink>{'<a/>' * 400_000}</metalink>", "too large"),
        (f"<metalink>{'<file/>' * 1001}</metalink>", "more than 1000 files"),
        ("<metalink><file name='x'><url>file:///etc/passwd</url></file></metalink>", "no address"),
    ],
)
def test_hostile_ones(text: str, why: str) -> None:
    with pytest.raises(DownloadError, match=why) as caught:
        parse_metalink(text)
    assert caught.value.code == "bad_metalink"
