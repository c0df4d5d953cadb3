"""Stage 1: the kind of a URL. The first rule that matches decides:

magnet link or bare info hash        torrent
ftp or sftp link                     direct, without asking
a pattern of an extractor from outside    its name (with a negative priority: before the probe)
path ends in `.torrent`              torrent
path ends in `.meta4`, `.metalink`   metalink
path ends in `.m3u8`, `.mpd`, …      ytdlp (a manifest)
path ends like a file                direct, without asking: stage 2 looks
yt-dlp has an extractor for the site ytdlp (where yt-dlp is installed)
everything else                      a probe of the headers, see `kind_of_probe`
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from reactor.errors import DownloadError
from reactor.extractors.base import Context, PluginSet, reclassified
from reactor.files.suffixes import BINARY_SUFFIXES, FILE_SUFFIXES, MANIFEST_SUFFIXES, METALINK_SUFFIXES, PAGE_SUFFIXES
from reactor.models import Content, Kind
from reactor.net.pasted import links_in
from reactor.net.probe import PAGE_TYPES, BrowsersOnly, probe
from reactor.net.redirects import MagnetRedirect
from reactor.net.urls import is_ftp, normalise
from reactor.plan import Detection, HttpProbe

TORRENT_TYPES = ("application/x-bittorrent",)
METALINK_TYPES = ("application/metalink4+xml", "application/metalink+xml")
MANIFEST_TYPES = (
    "application/vnd.apple.mpegurl",
    "application/x-mpegurl",
    "application/mpegurl",
    "audio/mpegurl",
    "audio/x-mpegurl",
    "application/dash+xml",
)

FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/rdf+xml")
MANIFESTS = (Content.HLS, Content.DASH)


async def detect(typed: str, context: Context) -> Detection:
    """The kind of the URL that a person typed. Raises DownloadError when it is no URL or cannot be probed."""
    return _counted(await _detect(normalise(typed), context), typed)


def by_text(typed: str, plugins: PluginSet | None = None) -> Detection | None:
    """The same where the text alone decides it; else None, also for what is no URL."""
    try:
        url = normalise(typed)
        found = _by_pattern(url, plugins) or detect_by_text(url)
    except DownloadError:
        return None
    return _counted(found, typed) if found is not None else None


def _counted(found: Detection, typed: str) -> Detection:
    """With a word on the links that are passed over."""
    links = links_in(typed)
    return found.model_copy(update={"why": f"{found.why}; the first of {links} links"}) if links > 1 else found


async def _detect(url: str, context: Context) -> Detection:
    found = _by_pattern(url, context.plugins) or detect_by_text(url)
    if found:
        return found
    name = await _site(url, context)
    if name:
        return Detection(kind=Kind.YTDLP, url=url, why=f"yt-dlp's extractor {name}")
    if found := _by_pattern(url, context.plugins, fallback=True):
        return found
    try:
        seen = await probe(url, context.http, head=False, hold=context.hold)
    except MagnetRedirect as magnet:
        return reclassified(magnet)
    except BrowsersOnly:
        if context.browser is None:
            raise
        return Detection(kind=Kind.PLAYWRIGHT, url=url, why="the site shows it to browsers only")
    kind, why = kind_of_probe(seen)
    if kind is not Kind.DIRECT:
        context.http.held.drop(seen.url)
    return Detection(kind=kind, url=url, why=why, probe=seen)


def _by_pattern(url: str, plugins: PluginSet | None, *, fallback: bool = False) -> Detection | None:
    """The extractor from outside that a web address is for."""
    if plugins is None or not url.startswith(("http://", "https://")):
        return None
    return plugins.match(url, fallback=fallback)


def detect_by_text(url: str) -> Detection | None:
    """The kind of a normalised URL when its text decides it, else None."""
    if url.startswith("magnet:"):
        return Detection(kind=Kind.TORRENT, url=url, why="magnet link")
    if is_ftp(url):
        return Detection(kind=Kind.DIRECT, url=url, why="ftp link")
    suffix = _suffix(unquote(urlsplit(url).path))
    if suffix == "torrent":
        return Detection(kind=Kind.TORRENT, url=url, why="path ends in .torrent")
    if suffix in METALINK_SUFFIXES:
        return Detection(kind=Kind.METALINK, url=url, why=f"path ends in .{suffix}")
    if suffix in MANIFEST_SUFFIXES:
        return Detection(kind=Kind.YTDLP, url=url, why=f"path ends in .{suffix}")
    if suffix in FILE_SUFFIXES:
        return Detection(kind=Kind.DIRECT, url=url, why=f"path ends in .{suffix}")
    return None


def is_manifest(detection: Detection) -> bool:
    """True when the URL is a manifest (HLS or DASH), by its suffix or by its probe."""
    if detection.probe and detection.probe.begins in MANIFESTS:
        return True
    if detection.probe and detection.probe.content_type:
        return detection.probe.content_type in MANIFEST_TYPES
    return _suffix(unquote(urlsplit(detection.url).path)) in MANIFEST_SUFFIXES


def is_feed(detection: Detection) -> bool:
    """True when the URL is a list of entries, by its probe."""
    seen = detection.probe
    return seen is not None and (seen.begins is Content.FEED or seen.content_type in FEED_TYPES)


async def _site(url: str, context: Context) -> str | None:
    """The extractor that yt-dlp has for this very site."""
    if context.ytdlp is None:
        return None
    try:
        return await context.ytdlp.suits(url)
    except DownloadError:  # its list is a short cut; the headers tell enough to go on
        return None


def kind_of_probe(seen: HttpProbe) -> tuple[Kind, str]:
    """The kind by content type, file name and attachment, and the rule that decided."""
    content_type, suffix = seen.content_type or "", _suffix(seen.name or "")
    if seen.begins is Content.TORRENT:
        return Kind.TORRENT, "begins like a torrent"
    if seen.begins in MANIFESTS:
        return Kind.YTDLP, "begins like a manifest"
    if seen.begins is Content.FEED or content_type in FEED_TYPES:
        return Kind.YTDLP, "a feed: a list of entries"
    if content_type in TORRENT_TYPES:
        return Kind.TORRENT, f"content type {content_type}"
    if suffix == "torrent" and (content_type not in PAGE_TYPES or seen.attachment):
        return Kind.TORRENT, "name ends in .torrent"
    if seen.begins is Content.METALINK or content_type in METALINK_TYPES:
        return Kind.METALINK, "begins like a metalink" if seen.begins else f"content type {content_type}"
    if suffix in METALINK_SUFFIXES and (content_type not in PAGE_TYPES or seen.attachment):
        return Kind.METALINK, f"name ends in .{suffix}"
    if content_type in MANIFEST_TYPES:
        return Kind.YTDLP, f"content type {content_type}"
    text = seen.begins not in (None, Content.PAGE) and suffix in FILE_SUFFIXES - BINARY_SUFFIXES
    if content_type in PAGE_TYPES and not seen.attachment and not text:
        return Kind.YTDLP, f"content type {content_type}: a page"
    return Kind.DIRECT, f"content type {content_type}" if content_type else "no content type"


def is_named_page(url: str) -> bool:
    """True for a URL that ends in a page's suffix: the page itself may be wanted."""
    return _suffix(unquote(urlsplit(url).path)) in PAGE_SUFFIXES


def _suffix(path: str) -> str:
    """What follows the last dot of the last segment, in lower case."""
    stem, dot, suffix = path.rpartition("/")[2].rpartition(".")
    return suffix.lower() if dot and stem else ""
