"""Stage 2 for magnet links and `.torrent` files. No tracker is asked: that is aria2's part.

A magnet link takes two turns. aria2 fetches what its hash stands for, and nothing more (`metadata_only`); that is
looked into as a `.torrent` is (`described`), and given back to aria2 as one. Where the link names a place on the web
for it (`xs`, `as`), it comes from there.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial

from reactor.egress.inner_urls import swarm_url
from reactor.errors import DownloadError
from reactor.extractors.base import Context, reclassified
from reactor.extractors.documents import TorrentFacts
from reactor.extractors.metainfo import spans
from reactor.files.names import clean_name
from reactor.models import Kind
from reactor.net.failures import status_failure
from reactor.net.magnets import Magnet, parse_magnet
from reactor.net.redirects import MagnetRedirect, follow, read_body
from reactor.plan import Detection, Extraction, Fetch, Finish, Torrent

SOURCES_MAX = 3
"""Places on the web that one magnet link is looked up at."""
WEB_SEEDS_MAX = 50


class TorrentExtractor:
    """Has a magnet link's metadata fetched; fetches and checks a `.torrent`, and passes its bytes."""

    kind = Kind.TORRENT

    async def extract(self, detection: Detection, context: Context) -> Extraction:
        """See Extractor."""
        if not context.torrents:
            hint = "The operator can enable them: TORRENTS."
            raise DownloadError("Torrents are disabled here.", hint=hint, code="unsupported")
        if detection.url.startswith("magnet:"):
            return await _of_magnet(_magnet(detection.url), context)
        try:
            context.parsers.warm()
            raw = await _fetched(detection.url, context)
        except MagnetRedirect as magnet:
            return await self.extract(reclassified(magnet), context)
        return _of_metainfo(*await _parsed(raw, context))


async def described(url: str, raw: bytes, context: Context) -> Extraction:
    """What a magnet link stands for, by the `.torrent` that aria2 has made of its metadata. Raises DownloadError."""
    return await _of_described(_magnet(url), raw, context)


async def _fetched(url: str, context: Context) -> bytes:
    """The body of a `.torrent` URL; for a row that was answered a moment ago, what was asked about."""
    if context.findings is None:
        return await _fetch(url, context)
    return await context.findings.once(("torrent", url), partial(_fetch, url, context), len)


async def _of_magnet(magnet: Magnet, context: Context) -> Extraction:
    known = context.findings.known(("metainfo", magnet.v1)) if context.findings is not None else None
    if known is not None:
        return await _of_described(magnet, known, context)
    for source in magnet.all("xs", "as")[:SOURCES_MAX]:
        if source.lower().startswith(("http://", "https://")):
            with suppress(DownloadError, MagnetRedirect):  # peers have it, too
                return await _of_described(magnet, await _fetch(source, context), context)
    name = clean_name(magnet.name or "", fallback=magnet.info_hash)
    how = "metadata" if context.metadata_first else "torrent"
    # Of files that are not there aria2 takes no notice; where none is, nothing is fetched.
    wished = "" if context.metadata_first else ",".join(f"{a}-{b}" for a, b in spans(",".join(magnet.all("so"))))
    torrent = Torrent(
        info_hash=magnet.v1, metadata_only=context.metadata_first, trackers=magnet.trackers, select=wished
    )
    by_http = not context.torrent_udp
    known = [url for url in magnet.trackers if not by_http or url.lower().startswith(("http://", "https://"))]
    swarm = swarm_url(known, magnet.all("x.pe")) if context.inner else None
    asked = replace(magnet, trackers=(swarm, *magnet.trackers)) if swarm else magnet
    fetch = Fetch(urls=(asked.url(by_http=by_http),), name=name, torrent=torrent)
    title = name if magnet.name else None
    return Extraction(kind=Kind.TORRENT, title=title, fetches=(fetch,), finish=Finish(how=how, name=name))


async def _of_described(magnet: Magnet, raw: bytes, context: Context) -> Extraction:
    seeds = [seed for seed in magnet.all("ws") if seed.lower().startswith(("http://", "https://"))]
    facts, for_aria2 = await _parsed(raw, context, wish=",".join(magnet.all("so")), shared=bool(seeds))
    if facts.v1 != magnet.v1:
        raise DownloadError(
            "The metadata from the peers does not match the hash of the magnet link.", code="bad_torrent"
        )
    if context.findings is not None:
        context.findings.keep(("metainfo", magnet.v1), raw, len(raw))
    facts = replace(facts, trackers=tuple(dict.fromkeys((*facts.trackers, *magnet.trackers))))
    return _of_metainfo(facts, for_aria2, web_seeds=tuple(seeds[:WEB_SEEDS_MAX]))


async def _parsed(raw: bytes, context: Context, wish: str = "", *, shared: bool = False) -> tuple[TorrentFacts, bytes]:
    most, by_http = context.torrent_bytes_max, not context.torrent_udp
    facts, for_aria2 = await context.parsers.metainfo(
        raw,
        bytes_max=most,
        by_http=by_http,
        wish=wish,
        files=context.options.files,
        shared=shared,
        inner=context.inner,
        listed=context.listing,
    )
    if context.findings is not None:
        context.findings.files, context.findings.files_total = facts.files, facts.files_total
    return facts, for_aria2


def _magnet(url: str) -> Magnet:
    magnet = parse_magnet(url)
    if magnet is None or magnet.v1 is None:
        raise _v2_only("magnet link")
    return magnet


def _of_metainfo(facts: TorrentFacts, raw: bytes, *, web_seeds: tuple[str, ...] = ()) -> Extraction:
    if facts.v1 is None:
        raise _v2_only("torrent")
    name = clean_name(facts.name, fallback=facts.v1)
    torrent = Torrent(
        metainfo=raw,
        info_hash=facts.v1,
        folder=facts.folder,
        select=facts.select,
        paths=facts.paths,
        pads=facts.pads,
        trackers=facts.trackers,
    )
    fetch = Fetch(urls=web_seeds, name=facts.top, size=facts.size, torrent=torrent)
    return Extraction(kind=Kind.TORRENT, title=name, fetches=(fetch,), finish=Finish(how="torrent", name=name))


def _v2_only(what: str) -> DownloadError:
    """aria2 knows BitTorrent v1 and hybrids; it calls a v2 magnet an unknown protocol."""
    return DownloadError(f"This {what} is BitTorrent v2 only, which aria2 cannot download.", code="unsupported")


async def _fetch(url: str, context: Context) -> bytes:
    """The body of a `.torrent` URL, as far as a torrent may be long."""
    most = context.torrent_bytes_max
    too_long = DownloadError(f"This is not a .torrent file: it exceeds {most // 1024**2} MiB.", code="bad_torrent")
    async with follow("GET", url, context.http) as (_, response):
        if response.status not in (200, 203):
            raise status_failure(response.status, response.url, response.headers)
        return await read_body(response, context.http, most, too_long)
