"""Which of the files that a page offers is the one it is about? Pure: what was seen goes in, offers come out.

A download that the page has begun (by itself, or when its button was clicked) counts first; then what its links name
as files. What began after a click on a player is the last: it is mostly somebody's advertisement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from reactor.files.suffixes import BINARY_SUFFIXES
from reactor.patterns import pattern

LINKS_MAX = 8
"""A page that links to more files is a list of them."""

_PICTURES = "ai arw avif bmp cr2 dng eps exr gif heic heif ico jp2 jpeg jpg jxl nef png psd svg tga tif tiff webp xcf"
_BESIDE = "asc md5 nfo sha1 sha256 sha512 sig torrent zsync"
_SOFT = "azw azw3 chm djvu docx dotx eot epub mobi odp ods odt otf pdf pptx ttf woff woff2 xlsm xlsx xps"
_FIRM = BINARY_SUFFIXES - frozenset(f"{_PICTURES} {_BESIDE} {_SOFT}".split())
"""A link to one of these is there for the file."""
_DOCUMENTS = frozenset(_SOFT.split())
"""A link to one of these is a file that the page is about where it says so."""
_SAYS_SO = pattern(
    r"downloa?d|herunter|télécharg|descarg|baix|scaric|pobierz|ladda ne|last ne|lataa|stáhn|stiahn|letölt|descarc"
    r"|λήψη|κατεβ|indir|скача|загруз|завантаж|تحميل|تنزيل|הורד|डाउनलोड|ダウンロード|下载|下載|다운로드"
    r"|ดาวน์โหลด|tải xu|tải về|unduh",
    re.IGNORECASE,
)


Gate = Literal["captcha", "login", "gone"]
"""What stands before a file; `gone`: the page says that it is not there."""


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", defer_build=True)


class Begun(_Wire):
    """A download that the page has begun, and the browser has cancelled."""

    url: str
    name: str
    """As the browser would have called it."""
    method: str
    sent: dict[str, str]
    """The headers of the request; names in lower case."""
    wanted: bool
    """False when something was clicked to start a player."""
    saved: str | None = None
    """Where the file is handed out that the browser has saved."""
    size: int | None = None
    """Bytes of that."""
    too_large: bool = False
    """It was not saved: it is larger than may be."""


class Link(_Wire):
    """A link of the page."""

    url: str
    text: str
    name: str | None = None
    """Of its `download` attribute, which may be empty; None: it has none."""
    aside: bool = False
    """It stands in a menu, a footer or an advertisement."""
    away: bool = False
    """It leads to another site."""


class Offers(_Wire):
    """What a page has to download."""

    begun: list[Begun] = []
    links: list[Link] = []
    gates: list[Gate] = Field(default=[])
    """What stands before it."""
    page: str = ""
    """Where they were found."""
    agent: str = ""
    """The browser's User-Agent."""

    @field_validator("links", mode="before")
    @classmethod
    def _told_by_the_page(cls, told: Any) -> list[Link]:
        return parse_links(told)


class Offer(_Wire):
    """One file, and how it was asked for."""

    url: str
    name: str = ""
    method: str = "GET"
    sent: dict[str, str] | None = None
    """None: as a click on a link of the page would have."""
    saved: str | None = None
    size: int | None = None
    too_large: bool = False
    """As in `Begun`."""


def offers_of(found: Offers) -> list[Offer]:
    """The files that the page is about. Of several links none is known to be before the others."""
    linked = [Offer(url=link.url, name=link.name or "") for link in file_links(found.links)]
    wanted = [each for each in found.begun if each.wanted]
    if wanted and (len(linked) < 2 or wanted[0].url not in {each.url for each in linked}):
        return [_offer(wanted[0])]
    if linked:
        return linked
    return [_offer(each) for each in found.begun[:1]]


def parse_links(told: Any) -> list[Link]:
    """What pages told of their links. A page that tampers with this is as one that has none."""
    try:
        return [Link.model_validate(each) for each in told]
    except (TypeError, ValidationError):
        return []


def file_links(links: Sequence[Link]) -> list[Link]:
    """The links that name a file the page is about, each file once."""
    found: dict[str, Link] = {}
    for link in links:
        if not link.aside and _names_a_file(link):
            found.setdefault(_base_name(link), link)
    return list(found.values())


def _names_a_file(link: Link) -> bool:
    try:
        parts = urlsplit(link.url)
    except ValueError:
        return False
    if parts.scheme == "magnet":
        return True
    if parts.scheme not in ("http", "https"):
        return link.name is not None
    suffixes = set(_suffixes(link))
    if suffixes & _FIRM:
        return True
    said = bool(_SAYS_SO.search(link.text)) or link.name is not None
    return said and (bool(suffixes & _DOCUMENTS) or (link.name is not None and not link.away))


def _suffixes(link: Link) -> Iterator[str]:
    for name in (link.name or "", _base_name(link)):
        yield PurePosixPath(name.lower()).suffix[1:]


def _base_name(link: Link) -> str:
    if not link.url.startswith(("http:", "https:")):
        return link.name or link.url
    return unquote(urlsplit(link.url).path).rpartition("/")[2] or link.url


def _offer(begun: Begun) -> Offer:
    return Offer.model_validate(begun.model_dump(exclude={"wanted"}))
