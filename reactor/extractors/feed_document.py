"""What a feed names: RSS (0.9x, 1.0, 2.0), Atom, and M3U, which is a list of links. Pure, and linear in the text; runs
where it can be killed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from reactor.errors import DownloadError
from reactor.media.hls import is_hls, list_of_links
from reactor.media.parts import URL_MAX
from reactor.media.tags import lines_of
from reactor.media.xml_tree import read_tree
from reactor.numbers import LIST_MAX, decimal

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

TITLE_MAX = 1000
KEY_MAX = 1000
ROOTS = ("rss", "feed", "RDF")
_SCHEMES = ("http://", "https://", "ftp://", "magnet:")
_MEDIA = ("audio/", "video/")


def bad_feed(why: str) -> DownloadError:
    """The error for a feed that cannot be used; `why` ends the sentence."""
    return DownloadError(f"This feed cannot be used: {why}.", code="bad_feed")


def parse_feed(text: str, url: str) -> tuple[str, list[tuple[str, str, str]]]:
    """Its title, and of each entry its key, its address and its title, in the order of the feed: at most LIST_MAX.
    `url`: where it stands. An entry without an address is none. Raises DownloadError (`bad_feed`)."""
    if is_hls(text):
        if "#EXT-X-" in text.upper():
            raise bad_feed("it is the manifest of one film")
        return _m3u(text, url)
    if "<html" in text[:4096].lower():
        raise bad_feed("it is a web page")
    root = read_tree(text, ROOTS, bad_feed, bad_feed("it is too large"))
    channel = root.find("channel") if root.tag == "rss" else root
    if channel is None:
        raise bad_feed("it has no channel")
    title = root.findtext("channel/title") or root.findtext("title") or ""
    items = root.findall("item") or channel.findall("entry") or channel.findall("item")
    found = (_entry(item, url) for item in items[:LIST_MAX])
    return _line(title), [each for each in found if each is not None]


def _m3u(text: str, base: str) -> tuple[str, list[tuple[str, str, str]]]:
    """The links of a list that is no manifest of one film. Raises DownloadError (`playlist`) where there are several,
    and each says that it has no end: those are stations."""
    title, told, endless = "", "", True
    found: list[tuple[str, str, str]] = []
    for line in lines_of(text.lstrip("\ufeff")):
        name, _, rest = line.partition(":")
        if name.upper() == "#EXTINF":
            told = rest
        elif name.upper() == "#PLAYLIST":
            title = _line(rest)
        elif line and not line.startswith("#"):
            url, (about, _, name) = _joined(base, line), told.rpartition(",") if '="' in told else told.partition(",")
            if url is not None and len(found) < LIST_MAX:
                found.append((url[:KEY_MAX], url, _line(name)))
            endless, told = endless and _is_endless(about), ""
    if endless and len(found) > 1:
        raise list_of_links()
    return title, found


def _is_endless(about: str) -> bool:
    """Of what stands between `#EXTINF:` and the title."""
    seconds = decimal(next(iter(about.split()), ""), least=-1.0)
    return seconds is not None and seconds <= 0


def _entry(item: Element, base: str) -> tuple[str, str, str] | None:
    url = next(_addresses(item, base), None)
    if url is None:
        return None
    key = (item.findtext("guid") or item.findtext("id") or "").strip()[:KEY_MAX]
    return key or url[:KEY_MAX], url, _line(item.findtext("title") or "")


def _addresses(item: Element, base: str) -> Iterator[str]:
    """Where the thing itself is, then where it is told of."""
    for candidate in (*_enclosures(item), *_links(item)):
        if (url := _joined(base, candidate.strip())) is not None:
            yield url


def _joined(base: str, candidate: str) -> str | None:
    """An address that may be fetched, else None."""
    try:
        url = urljoin(base, candidate)
    except ValueError:
        return None
    fits = url.lower().startswith(_SCHEMES) and len(url) <= URL_MAX
    return url if fits and not any(sign <= " " for sign in url) else None


def _enclosures(item: Element) -> Iterable[str]:
    """Those that say that they are sound or a film first."""
    enclosed = [(each.get("type") or "", each.get("url") or "") for each in item.findall("enclosure")]
    enclosed += [(each.get("type") or "", each.get("href") or "") for each in _linked(item, "enclosure")]
    contents = (*item.findall("content"), *item.findall("group/content"))
    enclosed += [(each.get("type") or f"{each.get('medium')}/", each.get("url") or "") for each in contents]
    return [url for _, url in sorted(enclosed, key=lambda one: not one[0].startswith(_MEDIA)) if url]


def _links(item: Element) -> Iterator[str]:
    yield from (each.text for each in item.findall("link") if each.text and each.text.strip())
    yield from (each.get("href") or "" for rel in ("alternate", None) for each in _linked(item, rel))


def _linked(item: Element, rel: str | None) -> list[Element]:
    return [each for each in item.findall("link") if each.get("href") and each.get("rel") == rel]


def _line(text: str) -> str:
    return " ".join(text[: 4 * TITLE_MAX].split())[:TITLE_MAX]
