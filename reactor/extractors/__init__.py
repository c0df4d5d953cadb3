"""A row's URL → what there is to fetch.

    detect.detect(url, context) -> Detection                 stage 1: what kind of URL is it?
    EXTRACTORS[kind].extract(detection, context) -> Extraction  stage 2: what has to be fetched for it?

Both raise DownloadError with a sentence for the person who wants the file; stage 2 raises base.Reclassified
when the URL turns out to be of another kind. `http.open_context` makes the context both need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reactor.extractors.base import Extractor
    from reactor.models import Kind

    EXTRACTORS: Mapping[Kind, Extractor]
    """One for every kind, of which the built-in ones are listed."""


def __getattr__(name: str) -> object:
    """The processes that need one module of this room do not pay for all of them (PEP 562)."""
    if name != "EXTRACTORS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()["EXTRACTORS"] = _Extractors()
    return found


class _Extractors(Mapping["Kind", "Extractor"]):
    """Each is imported when it is asked for first: a reactor that meets no page never loads what pages need."""

    def __init__(self) -> None:
        from reactor.models import Kind

        self._loaders: dict[Kind, Callable[[], Extractor]] = {
            Kind.DIRECT: _direct,
            Kind.TORRENT: _torrent,
            Kind.METALINK: _metalink,
            Kind.YTDLP: _ytdlp,
            Kind.PLAYWRIGHT: _playwright,
            Kind.UNKNOWN: _unknown,
        }
        self._loaded: dict[Kind, Extractor] = {}

    def __getitem__(self, kind: Kind) -> Extractor:
        if kind not in self._loaded:
            self._loaded[kind] = self._loaders[kind]() if kind in self._loaders else _outside(kind)
        return self._loaded[kind]

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._loaders)

    def __len__(self) -> int:
        return len(self._loaders)


def _outside(kind: Kind) -> Extractor:
    from reactor.extractors.plugins.extractor import PluginExtractor

    return PluginExtractor(kind)


def _direct() -> Extractor:
    from reactor.extractors.direct import DirectExtractor

    return DirectExtractor()


def _torrent() -> Extractor:
    from reactor.extractors.torrent import TorrentExtractor

    return TorrentExtractor()


def _metalink() -> Extractor:
    from reactor.extractors.metalink import MetalinkExtractor

    return MetalinkExtractor()


def _ytdlp() -> Extractor:
    from reactor.extractors.ytdlp.extractor import YtdlpExtractor

    return YtdlpExtractor()


def _playwright() -> Extractor:
    from reactor.extractors.browser.extractor import PlaywrightExtractor

    return PlaywrightExtractor()


def _unknown() -> Extractor:
    from reactor.extractors.base import Unsupported
    from reactor.models import Kind

    return Unsupported(Kind.UNKNOWN)
