"""What an extractor is, what it gets, and how it says that a URL is not for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from reactor.errors import DownloadError
from reactor.media.choice import Choice
from reactor.models import Detection, Extraction, Kind

if TYPE_CHECKING:
    from reactor.extractors.browser.browser import Browser
    from reactor.extractors.parsing import Parsers
    from reactor.extractors.ytdlp.extractor import Ytdlp
    from reactor.net.client import Client


@dataclass(frozen=True, slots=True)
class Context:
    """What all detections and extractions share. `http.open_context` makes it."""

    client: Client
    """Follows no redirect, keeps no cookie, reads no proxy or netrc of the environment."""
    parsers: Parsers
    """Read what strangers wrote, in processes of their own."""
    http_timeout_s: float = 20.0
    """How long a server may take to answer one question; a look asks two at most."""
    torrent_bytes_max: int = 8 * 1024 * 1024
    """The largest `.torrent` that is read."""
    torrents: bool = True
    torrent_udp: bool = True
    """Whether trackers may be asked by UDP."""
    ytdlp: Ytdlp | None = None
    """yt-dlp in its own processes; None when it is not installed."""
    choice: Choice = field(default_factory=Choice)
    """Which quality of a manifest is taken, where nobody else has chosen."""
    browser: Browser | None = None
    """Browsers for pages that only they understand; None when Playwright is not installed."""


class Reclassified(Exception):
    """The URL is of another kind than was thought: `detection` says which, and why."""

    def __init__(self, detection: Detection) -> None:
        super().__init__(f"{detection.kind}: {detection.why}")
        self.detection = detection


class Extractor(Protocol):
    """Stage 2 for one kind of URL."""

    @property
    def kind(self) -> Kind:
        """The kind it is for."""
        ...

    async def extract(self, detection: Detection, context: Context) -> Extraction:
        """Find out what there is to fetch. Raises DownloadError, or Reclassified to another kind.

        It may be cancelled at any await, and leaves nothing behind then."""
        ...


class Unsupported:
    """The extractor of what nobody knows: it says so."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    async def extract(self, detection: Detection, context: Context) -> Extraction:
        """Raises DownloadError (`unsupported`)."""
        raise DownloadError(
            "What this is could not be found out.",
            hint="Send the link of the file itself, a magnet link or a .torrent link.",
            code="unsupported",
        )
