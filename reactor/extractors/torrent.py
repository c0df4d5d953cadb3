"""Stage 2 for magnet links and `.torrent` files. No tracker is asked: that is aria2's part."""

from __future__ import annotations

from reactor.errors import DownloadError
from reactor.extractors.base import Context, TorrentFacts, reclassified
from reactor.files.names import clean_name
from reactor.models import Detection, Extraction, Fetch, Finish, Kind, Torrent
from reactor.net.failures import status_failure
from reactor.net.magnets import parse_magnet
from reactor.net.redirects import MagnetRedirect, follow, read_body


class TorrentExtractor:
    """Passes magnet links to aria2 unchanged; fetches and checks a `.torrent`, and passes its bytes."""

    kind = Kind.TORRENT

    async def extract(self, detection: Detection, context: Context) -> Extraction:
        """See Extractor."""
        if not context.torrents:
            hint = "The operator can enable them: TORRENTS."
            raise DownloadError("Torrents are disabled here.", hint=hint, code="unsupported")
        if detection.url.startswith("magnet:"):
            return _of_magnet(detection.url, by_http=not context.torrent_udp)
        try:
            context.parsers.warm()
            raw = await _fetch(detection.url, context)
        except MagnetRedirect as magnet:
            return await self.extract(reclassified(magnet), context)
        most, by_http = context.torrent_bytes_max, not context.torrent_udp
        return _of_metainfo(*await context.parsers.metainfo(raw, bytes_max=most, by_http=by_http))


def _of_magnet(url: str, *, by_http: bool) -> Extraction:
    magnet = parse_magnet(url)
    if magnet is None or magnet.v1 is None:
        raise _v2_only("magnet link")
    name = clean_name(magnet.name or "", fallback=magnet.info_hash)
    fetch = Fetch(urls=(magnet.url(by_http=by_http),), name=name, torrent=Torrent(info_hash=magnet.v1))
    title = name if magnet.name else None
    return Extraction(kind=Kind.TORRENT, title=title, fetches=(fetch,), finish=Finish(how="torrent", name=name))


def _of_metainfo(metainfo: TorrentFacts, raw: bytes) -> Extraction:
    if metainfo.v1 is None:
        raise _v2_only("torrent")
    name = clean_name(metainfo.name, fallback=metainfo.v1)
    torrent = Torrent(metainfo=raw, info_hash=metainfo.v1, folder=metainfo.folder)
    fetch = Fetch(name=name, size=metainfo.size, torrent=torrent)
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
