"""A row's URL → what there is to fetch.

    detect.detect(url, context) -> Detection                 stage 1: what kind of URL is it?
    EXTRACTORS[kind].extract(detection, context) -> Extraction  stage 2: what has to be fetched for it?

Both raise DownloadError with a sentence for the person who wants the file; stage 2 raises base.HandOver
when the URL turns out to be of another kind. `http.open_context` makes the context both need.
"""

from __future__ import annotations

from collections.abc import Mapping

from reactor.extractors.base import Extractor, Unsupported
from reactor.extractors.direct import DirectExtractor
from reactor.extractors.playwright import PlaywrightExtractor
from reactor.extractors.torrent import TorrentExtractor
from reactor.extractors.ytdlp import YtdlpExtractor
from reactor.models import Kind

EXTRACTORS: Mapping[Kind, Extractor] = {
    extractor.kind: extractor
    for extractor in (
        *(DirectExtractor(), TorrentExtractor(), YtdlpExtractor(), PlaywrightExtractor()),
        Unsupported(Kind.UNKNOWN),
    )
}
"""One for every kind."""
