"""What a page offers to download → what there is to fetch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import anyio

from reactor.errors import DownloadError
from reactor.extractors.base import Context, Reclassified, reclassified
from reactor.extractors.browser.listed import raise_all
from reactor.extractors.browser.offers import LINKS_MAX, Offer, Offers
from reactor.extractors.browser.request_parts import kept_headers
from reactor.extractors.detect import kind_of_probe
from reactor.files.names import clean_name
from reactor.models import Kind
from reactor.net.credentials import headers_for, referer_for, split_credentials
from reactor.net.failures import status_failure
from reactor.net.jar import Jar
from reactor.net.probe import PAGE_TYPES, read_headers
from reactor.net.redirects import MagnetRedirect, follow
from reactor.net.urls import normalise, normalise_http
from reactor.plan import Detection, Extraction, Fetch, Finish, Header, HttpProbe
from reactor.records import dataclass

NAME_MAX = 1000


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file, as its server describes it to us."""

    offer: Offer
    probe: HttpProbe
    headers: tuple[Header, ...]
    jar: Jar
    """With the cookies that were set on the way to it."""


async def extract_offered(offers: Sequence[Offer], found: Offers, jar: Jar, context: Context) -> Extraction:
    """The file that is offered; of several, which stand as links on the page, the largest.

    `found` is the page that they are of, `jar` what the browser has. Raises DownloadError, Reclassified for a torrent
    or a manifest, and Several for more files than that, or for all of them where the row wants all."""
    if len(offers) > 1:
        raise_all((each.url for each in offers), found.page, None, context, always=len(offers) > LINKS_MAX)
    if len(offers) > LINKS_MAX:
        raise DownloadError(
            f"This page is a list of {len(offers):,} files, not one file.",
            hint="Send the link of one file.",
            code="playlist",
        )
    seen = await _described(offers, found, jar, context)
    best = max(seen, key=lambda each: each.probe.size or 0)
    kind, why = kind_of_probe(best.probe)
    if kind is not Kind.DIRECT:
        raise Reclassified(Detection(kind=kind, url=best.probe.url, why=f"the page links to it: {why}"))
    several = f"The page links to {len(offers)} files; this is the largest of them."
    return _extraction(best, (several,) if len(offers) > 1 else (), context)


def saved(offers: Sequence[Offer]) -> Extraction | None:
    """The file that the browser has saved, if that is what is offered first. Raises DownloadError (`too_large`)."""
    offer = offers[0] if offers else Offer(url="")
    if offer.too_large:
        raise DownloadError(
            "Only a browser can fetch this file, and it is larger than what a browser may take.",
            hint="Whoever runs this machine can raise BROWSER_MEMORY_MIB, and MAX_FILE_SIZE_MIB where it is set.",
            code="too_large",
        )
    if offer.saved is None:
        return None
    name = clean_name(offer.name[:NAME_MAX] or "download")
    fetch = Fetch(urls=(offer.saved,), name=name, size=offer.size, validator=f'"{offer.saved}"', strong=True)
    finish = Finish(how="file", name=name)
    return Extraction(kind=Kind.PLAYWRIGHT, title=name, fetches=(fetch,), finish=finish)


async def _described(offers: Sequence[Offer], of: Offers, jar: Jar, context: Context) -> list[_Seen]:
    """Those that are files. Raises the first one's error where none is."""
    found: dict[int, _Seen] = {}
    errors: dict[int, Exception] = {}

    async def look(place: int, offer: Offer) -> None:
        try:
            found[place] = await _seen(offer, of, jar, context)
        except (DownloadError, Reclassified) as error:
            errors[place] = error

    async with anyio.create_task_group() as tasks:
        for place, offer in enumerate(offers):
            tasks.start_soon(look, place, offer)
    if not found:
        raise errors[min(errors)]
    return [found[place] for place in sorted(found)]


async def _seen(offer: Offer, of: Offers, jar: Jar, context: Context) -> _Seen:
    """Ask as the browser did, and read the headers of the answer. Raises DownloadError and Reclassified."""
    if offer.url.startswith("magnet:"):
        raise Reclassified(reclassified(MagnetRedirect(normalise(offer.url))))
    if offer.method != "GET" or urlsplit(offer.url).scheme not in ("http", "https"):
        raise DownloadError(
            "Only a browser can fetch this file, and it cannot hand it to an aria2c elsewhere.", code="unsupported"
        )
    home = normalise_http(split_credentials(offer.url)[0])
    sent = {"referer": referer_for(of.page, home) or "", "user-agent": of.agent} if offer.sent is None else offer.sent
    given = kept_headers({name: value for name, value in sent.items() if value})

    def lines(url: str) -> Mapping[str, str]:
        return {header.name: header.value for header in headers_for(given, home, url)}

    jar = jar.copy()
    try:
        async with follow("GET", home, context.http, lines, jar, patient=True) as (final, response):
            if response.status not in (200, 203, 206):
                raise status_failure(response.status, response.url, response.headers)
            probe = read_headers(final, response, sent=home)
    except MagnetRedirect as magnet:
        raise Reclassified(reclassified(magnet)) from magnet
    if probe.content_type in PAGE_TYPES and not probe.attachment:
        raise DownloadError(
            "The page begins a download, but its link gives a page to others than the browser.",
            code="wrong_content",
        )
    return _Seen(offer, probe, tuple(headers_for(given, home, probe.url)), jar)


def _extraction(seen: _Seen, notes: tuple[str, ...], context: Context) -> Extraction:
    probe = seen.probe
    name = clean_name(seen.offer.name[:NAME_MAX]) if seen.offer.name else probe.name or "download"
    fetch = Fetch(
        urls=(probe.url,),
        name=name,
        headers=0,
        size=probe.size,
        validator=probe.validator,
        strong=probe.strong,
    )
    return Extraction(
        kind=Kind.PLAYWRIGHT,
        title=name,
        headers=(seen.headers,),
        cookies=context.http.new_cookies(seen.jar.of(probe.url)),
        fetches=(fetch,),
        finish=Finish(how="file", name=name, notes=notes),
    )
