"""What feeds name, and what a stranger's feed cannot do."""

from __future__ import annotations

import pytest

from reactor.errors import DownloadError
from reactor.extractors.feed_document import ROOTS, parse_feed

HERE = "http://host.example/feeds/all.xml"
RSS = """<?xml version="1.0"?><rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"
xmlns:atom="http://www.w3.org/2005/Atom"><channel><title> A
 pod </title><atom:link href="http://host.example/feeds/all.xml" rel="self"/>{}</channel></rss>"""


def rss(*items: str) -> str:
    return RSS.format("".join(f"<item>{item}</item>" for item in items))


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            '<title>One &amp; two</title><guid>g1</guid><link>/page</link><enclosure url="a.mp3" type="audio/mpeg"/>',
            ("g1", "http://host.example/feeds/a.mp3", "One & two"),
        ),
        ("<link> http://h.example/1 </link>", ("http://h.example/1", "http://h.example/1", "")),
        (
            '<enclosure url="a.jpg" type="image/jpeg"/><enclosure url="a.mp4" type="video/mp4"/>',
            ("http://host.example/feeds/a.mp4", "http://host.example/feeds/a.mp4", ""),
        ),
        (
            '<media:group><media:content url="//cdn.example/a.mp4" medium="video"/></media:group><guid>x</guid>',
            ("x", "http://cdn.example/a.mp4", ""),
        ),
        ("<link>magnet:?xt=urn:btih:abc</link>", ("magnet:?xt=urn:btih:abc", "magnet:?xt=urn:btih:abc", "")),
        ("<title>No address</title><guid>g</guid>", None),
        ("<link>javascript:alert(1)</link>", None),
        ("<link>file:///etc/passwd</link>", None),
        ("<link>http://h.example/a b</link>", None),
        ("<link>http://[</link>", None),
    ],
)
def test_the_entries_of_rss(item: str, expected: tuple[str, str, str] | None) -> None:
    title, found = parse_feed(rss(item), HERE)
    assert title == "A pod"
    assert found == ([] if expected is None else [expected])


def test_atom_and_the_first_rss() -> None:
    atom = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Films</title>
    <entry><id>urn:1</id><title>One</title>
    <link rel="alternate" href="/1"/><link rel="enclosure" href="/1.mp4"/></entry>
    <entry><id>urn:2</id><link href="/2"/><link rel="edit" href="/edit"/></entry></feed>"""
    assert parse_feed(atom, HERE) == (
        "Films",
        [("urn:1", "http://host.example/1.mp4", "One"), ("urn:2", "http://host.example/2", "")],
    )
    rdf = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">
    <channel><title>Old</title></channel><item><title>One</title><link>http://h.example/1</link></item></rdf:RDF>"""
    assert parse_feed(rdf, HERE) == ("Old", [("http://h.example/1", "http://h.example/1", "One")])


def test_a_document_type_that_stands_elsewhere_is_passed_over() -> None:
    doctype = '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://h.example/rss-0.91.dtd">'
    document = f"<?xml version='1.0'?>{doctype}<rss><channel><item><link>/1</link></item></channel></rss>"
    assert [url for _, url, _ in parse_feed(document, HERE)[1]] == ["http://host.example/1"]
    with pytest.raises(DownloadError, match="declares entities"):
        parse_feed(document.replace("<rss>", '<!DOCTYPE x [<!ENTITY a "b">]><rss>'), HERE)


def test_a_list_of_links() -> None:
    text = '\ufeff#EXTM3U\r\n#PLAYLIST:An album\r\n#EXTINF:10 a="b,c",One\r\na.mp3\r\nhttp://h.example/b.mp3\r\njavascript:x\r\n'
    assert parse_feed(text, HERE) == (
        "An album",
        [
            ("http://host.example/feeds/a.mp3", "http://host.example/feeds/a.mp3", "One"),
            ("http://h.example/b.mp3", "http://h.example/b.mp3", ""),
        ],
    )


@pytest.mark.parametrize(
    ("told", "title"),
    [
        ("123,Crosby, Stills - X", "Crosby, Stills - X"),
        ('-1 tvg-name="A, B",A', "A"),
        ("0,", ""),
    ],
)
def test_the_title_of_a_link(told: str, title: str) -> None:
    text = f"#EXTM3U\n#EXTINF:{told}\nhttp://h.example/a\n"
    assert [each for _, _, each in parse_feed(text, HERE)[1]] == [title]


def test_what_is_in_a_cdata_section_stays_as_it_is() -> None:
    document = """<rss><channel><title>a & b</title><item><title><![CDATA[Q&A]]></title>
        <link><![CDATA[http://h.example/?a=1&b=2]]></link></item></channel></rss>"""
    link = "http://h.example/?a=1&b=2"
    assert parse_feed(document, HERE) == ("a & b", [(link, link, "Q&A")])


def test_a_list_of_stations_is_none_unless_there_is_but_one() -> None:
    one = "#EXTM3U\n#EXTINF:-1,Radio\nhttp://radio.example/\n"
    assert parse_feed(one, HERE) == ("", [("http://radio.example/", "http://radio.example/", "Radio")])
    with pytest.raises(DownloadError) as caught:
        parse_feed(one + "#EXTINF:-1.0 x=y,TV\nhttp://tv.example/\n", HERE)
    assert caught.value.code == "playlist"


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ('<!DOCTYPE rss [<!ENTITY a "aaaa">]><rss><channel/></rss>', "declares entities"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n1.ts\n#EXTINF:4,\n2.ts\n", "the manifest of one film"),
        ("<rss/>", "no channel"),
        ("<rss><channel>", "not valid XML"),
        ("<html><body>Sorry</body></html>", "a web page"),
        ("<opml/>", f"not {' or '.join(ROOTS)}"),
        (f"<rss><channel>{'<a>' * 100}{'</a>' * 100}</channel></rss>", "nested too deeply"),
        (f"<rss><channel>{'<item/>' * 400_001}</channel></rss>", "too large"),
    ],
)
def test_what_is_no_feed_is_refused_in_a_sentence(document: str, why: str) -> None:
    with pytest.raises(DownloadError, match=why) as caught:
        parse_feed(document, HERE)
    assert caught.value.code == "bad_feed"


def test_an_endless_feed_is_read_as_far_as_a_list_may_be_long() -> None:
    _, found = parse_feed(rss(*(f"<link>http://h.example/{n}</link>" for n in range(10_050))), HERE)
    assert len(found) == 10_000
