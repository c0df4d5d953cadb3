"""Stage 2 for a URL that is the file itself."""

from __future__ import annotations

from reactor.errors import DownloadError
from reactor.extractors.base import Context, Reclassified, reclassified
from reactor.extractors.detect import is_named_page, kind_of_probe
from reactor.files.content import is_gzip_name
from reactor.models import Content, Kind
from reactor.net.credentials import HeaderSets
from reactor.net.disposition import Disposition, choose_name
from reactor.net.probe import probe
from reactor.net.redirects import MagnetRedirect
from reactor.net.urls import is_ftp, is_personal
from reactor.plan import Detection, Extraction, Fetch, Finish, HttpProbe


class DirectExtractor:
    """One URL, one file. Takes name and size from the headers: from stage 1's probe, or from its own.

    A URL that answers with a page, a manifest or a torrent is reclassified, whatever its suffix. aria2 gets the URL at
    the end of the redirects, with the user info only on its own host, and the cookies that were set on the way. A page
    whose URL ends in a page's suffix is downloaded as a file after yt-dlp and the browser found no video on it."""

    kind = Kind.DIRECT

    async def extract(self, detection: Detection, context: Context) -> Extraction:
        """See Extractor."""
        if is_ftp(detection.url):
            return _of_ftp(detection.url)
        try:
            once = context.hold and is_personal(detection.url)
            how = {"head": not once, "hold": context.hold, "get": not context.ahead}
            seen = detection.probe or await probe(detection.url, context.http, **how)
        except MagnetRedirect as magnet:
            raise Reclassified(reclassified(magnet)) from magnet
        kind, why = kind_of_probe(seen)
        page_itself = seen.begins is Content.PAGE and is_named_page(detection.url)
        if kind is not Kind.DIRECT and not page_itself:
            context.http.held.drop(seen.url)
            raise Reclassified(Detection(kind=kind, url=detection.url, why=why, probe=seen))
        context.http.client.hang_up(seen.url)  # there may be one connection for each address
        return extraction_of(seen)


def extraction_of(seen: HttpProbe) -> Extraction:
    """Of the file that a server has told of."""
    name, sets = seen.name or "download", HeaderSets()
    fetch = Fetch(
        urls=(seen.url,),
        name=name,
        headers=sets.number(seen.headers),
        size=seen.size,
        checksum=seen.checksum,
        validator=seen.validator,
        strong=seen.strong,
        by_head=seen.by_head,
        ranges=seen.resumable,
    )
    return Extraction(
        kind=Kind.DIRECT,
        title=name,
        headers=sets.all,
        cookies=seen.cookies,
        fetches=(fetch,),
        finish=Finish(how="file", name=name, packed=seen.packed and not is_gzip_name(name)),
    )


def _of_ftp(url: str) -> Extraction:
    """Nobody is asked: aria2 knows how, and what it finds is what there is."""
    path, _, kind = url.partition("#")[0].partition(";type=")
    if path.endswith("/") or kind.lower() == "d":
        raise DownloadError(
            "This FTP link leads to a folder.", hint="Send the link of a file in it.", code="unsupported"
        )
    name = choose_name(Disposition(), path, None)
    return Extraction(
        kind=Kind.DIRECT, title=name, fetches=(Fetch(urls=(path,), name=name),), finish=Finish(how="file", name=name)
    )
