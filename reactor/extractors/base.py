"""The protocol of extractors, the context they are given, and how they hand a URL on to another kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Protocol

from reactor.errors import DownloadError
from reactor.extractors.findings import Findings
from reactor.extractors.parsing import Parsers
from reactor.lists import Listing, ListRequest
from reactor.media.choice import Choice
from reactor.models import Kind
from reactor.net.redirects import MagnetRedirect
from reactor.net.session import HttpSession
from reactor.options import NO_OPTIONS, Options
from reactor.plan import Cookie, Detection, Extraction
from reactor.records import dataclass


class PageInfo(Protocol):
    """Knows the sites that yt-dlp knows: `ytdlp.extractor.Ytdlp`."""

    async def suits(self, url: str) -> str | None:
        """The name of the extractor for the site of `url`; None when there is none. Sends no request to the site."""
        ...

    async def extract(
        self,
        url: str,
        *,
        options: Options = NO_OPTIONS,
        lists: ListRequest | None = None,
        timeout_s: float | None = None,
        cookies: Sequence[Cookie] = (),
        listed: bool = False,
        kept: str | None = None,
    ) -> Mapping[str, Any]:
        """The info dict of the video at `url`, which `ytdlp.info.parse_info` reads; `options`: what the row asks
        for, and `lists` what of a list. `cookies` go to their hosts. `kept`: what it has said of the same with
        `listed`, so that the site is not asked again."""
        ...


class PageSniffer(Protocol):
    """Opens pages in a browser and records their media requests: `browser.browser.Browser`."""

    async def sniff(
        self,
        url: str,
        *,
        save: bool = False,
        choice: Choice = Choice(),  # noqa: B008 - frozen
        cookies: Sequence[Cookie] = (),
    ) -> Mapping[str, Any]:
        """The media requests of the page at `url`, and what it has to download, which `browser.extractor.parse_found`
        reads. `choice`: which of the qualities that it names is wanted. `save`: the browser fetches that itself, where
        it can be handed on. `cookies` go to their hosts."""
        ...


class PluginSet(Protocol):
    """The extractors from outside: `plugins.host.Plugins`."""

    @property
    def unusable(self) -> Mapping[str, str]:
        """Those that are broken, each with a sentence."""
        ...

    def __contains__(self, kind: Kind) -> bool:
        """True when there is one of that name."""
        ...

    def match(self, url: str, *, fallback: bool = False) -> Detection | None:
        """The kind of a URL that one of them is for; `fallback`: only where nothing else is known for it."""
        ...

    async def extract(self, kind: Kind, detection: Detection, options: Options, reach: int = 0) -> Any:
        """What one finds: a `plugins.results.Result`. `reach`: so many entries of a list are worth reading."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What all detections and extractions share. `context.open_context` makes it."""

    http: HttpSession
    parsers: Parsers
    hold: bool = True
    """Whether the answer to a probe may be held for the fetch that follows at once."""
    attempt: int = 1
    """Which attempt of its row it is for."""
    ahead: bool = False
    """True before it is the row's turn: only HEAD is asked, which uses up no link for one request."""
    torrent_bytes_max: int = 8 * 1024 * 1024
    """The largest `.torrent` that is read."""
    torrents: bool = True
    metadata_first: bool = True
    """Whether a magnet link's metadata can be looked into before the rest is fetched: where aria2c's files are seen."""
    inner: bool = False
    """Whether aria2c's connections pass the guard, which answers `egress.inner`."""
    torrent_udp: bool = True
    """Whether trackers may be asked by UDP."""
    ytdlp: PageInfo | None = None
    """yt-dlp in its own processes; None when it is not installed."""
    choice: Choice = field(default_factory=Choice)
    """Which quality of a manifest is taken, where nobody else has chosen."""
    sponsorblock: str = ""
    """The URL of a SponsorBlock server; empty: none is asked."""
    holes: float = 0.0
    """Percent of the segments of a video that may be missing."""
    live_max_s: float = 0.0
    """So long a broadcast may be recorded; 0: none is."""
    live_patience_s: float = 60.0
    """So long nothing new may come of one before it is taken to be over."""
    browser: PageSniffer | None = None
    """Browsers for pages that only they understand; None when Playwright is not installed."""
    plugins: PluginSet | None = None
    """The extractors from outside; None: there are none."""
    playlist_max: int = 0
    """So many entries of a list may become downloads of their own; 0: a list is refused."""
    options: Options = NO_OPTIONS
    """What the row asks for."""
    findings: Findings | None = None
    """Of a row that asks, or has been answered a moment ago: what is seen of it is put here."""

    @property
    def listing(self) -> bool:
        """True when it is to be told what there is to choose from."""
        return self.findings is not None and self.options.ask != "never"


class Reclassified(Exception):
    """The URL is of another kind than stage 1 said; `detection` has the kind and the reason."""

    def __init__(self, detection: Detection) -> None:
        super().__init__(f"{detection.kind}: {detection.why}")
        self.detection = detection


class Several(Exception):
    """The URL stands for several things, each of which is to become a row of its own."""

    def __init__(self, listing: Listing) -> None:
        super().__init__(f"{len(listing.entries)} entries")
        self.listing = listing


def reclassified(magnet: MagnetRedirect) -> Detection:
    """The detection for a URL that redirects to a magnet link."""
    return Detection(kind=Kind.TORRENT, url=magnet.url, why=str(magnet))


class Extractor(Protocol):
    """Stage 2 for one kind of URL."""

    @property
    def kind(self) -> Kind:
        """The kind it is for."""
        ...

    async def extract(self, detection: Detection, context: Context) -> Extraction:
        """Find out what to fetch. Raises DownloadError, Reclassified, or Several.

        May be cancelled at any await, and cleans up after itself."""
        ...


class Unsupported:
    """The extractor for URLs of unknown kind: it refuses them."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    async def extract(self, detection: Detection, context: Context) -> Extraction:
        """Raises DownloadError (`unsupported`)."""
        raise DownloadError(
            "The type of this URL could not be determined.",
            hint="Send the link of the file itself, a magnet link or a .torrent link.",
            code="unsupported",
        )
