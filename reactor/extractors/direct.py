"""Stage 2 for a URL that is the file itself."""

from __future__ import annotations

from reactor.extractors.base import Context, Reclassified
from reactor.extractors.detect import is_named_page, kind_of_look
from reactor.models import Content, Detection, Extraction, Fetch, Finish, Kind
from reactor.net.probe import look


class DirectExtractor:
    """One URL, one file: looks at the headers, unless stage 1 did, and takes name and size from them.

    What answers with a page, a manifest or a torrent, whatever its suffix promised, is handed over. aria2
    gets the URL where the redirects ended; its user info is in it only when that is still its own host. A page comes
    back when those that look for a film on it found none: where it was asked for by its full name, it is the file."""

    kind = Kind.DIRECT

    async def extract(self, detection: Detection, context: Context) -> Extraction:
        """See Extractor."""
        seen = detection.look or await look(detection.url, context)
        kind, why = kind_of_look(seen)
        page_itself = seen.begins is Content.PAGE and is_named_page(detection.url)
        if kind is not Kind.DIRECT and not page_itself:
            raise Reclassified(Detection(kind=kind, url=detection.url, why=why, look=seen))
        name = seen.name or "download"
        fetch = Fetch(
            urls=(seen.url,),
            name=name,
            size=seen.size,
            validator=seen.validator,
            strong=seen.strong,
            by_head=seen.by_head,
        )
        return Extraction(kind=Kind.DIRECT, title=name, fetches=(fetch,), finish=Finish(how="file", name=name))
