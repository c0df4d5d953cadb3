"""A row's URL → what there is to fetch.

    detect.detect(url, context) -> Detection                 stage 1: what kind of URL is it?
    EXTRACTORS[kind].extract(detection, context) -> Extraction  stage 2: what has to be fetched for it?

Both raise DownloadError with a sentence for the person who wants the file; stage 2 raises base.Reclassified
when the URL turns out to be of another kind. `http.open_context` makes the context both need.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reactor.extractors.base import Extractor
    from reactor.models import Kind

    EXTRACTORS: Mapping[Kind, Extractor]
    """One for every kind."""


def __getattr__(name: str) -> object:
    """The processes that need one module of this room do not pay for all of them (PEP 562)."""
    if name != "EXTRACTORS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()["EXTRACTORS"] = _extractors()
    return found


def _extractors() -> Mapping[Kind, Extractor]:
    from reactor.extractors.base import Unsupported
    from reactor.extractors.browser.extractor import PlaywrightExtractor
    from reactor.extractors.direct import DirectExtractor
    from reactor.extractors.torrent import TorrentExtractor
    from reactor.extractors.ytdlp.extractor import YtdlpExtractor
    from reactor.models import Kind

    extractors: tuple[Extractor, ...] = (
        *(DirectExtractor(), TorrentExtractor(), YtdlpExtractor(), PlaywrightExtractor()),
        Unsupported(Kind.UNKNOWN),
    )
    return {extractor.kind: extractor for extractor in extractors}
