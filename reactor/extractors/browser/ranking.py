"""Which of the things a page has asked for is the film? Pure: what was seen goes in, candidates come out, best first.

    rank(sights, elements) -> [Candidate, …]
    is_sure(candidate)        nothing better has to be waited for

Not an advertisement, before an advertisement. What is less than half as long as the longest is a clip beside it. Then
a manifest of several qualities (or DASH) before one of a single quality, before a file; then the longer, the larger
and the earlier. A part of something else is never a candidate: a segment, an init segment, a quality whose master
was seen too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from urllib.parse import unquote, urljoin, urlsplit

from reactor.extractors.detect import MANIFEST_TYPES

CLIP_S = 65.0
"""Something shorter may be an advertisement that nothing tells from the film."""
LINES_MAX = 50_000
"""Of a manifest so many addresses are looked at."""

_AUDIO = "mp3 m4a aac ogg oga opus flac wav"
_VIDEO = "mp4 m4v webm mkv mov flv avi ogv mpg mpeg 3gp"
_SEGMENTS = "ts m4s m4f cmfv cmfa cmft m2ts mp2t key vtt webvtt"
AUDIO_SUFFIXES = frozenset(_AUDIO.split())
MEDIA_SUFFIXES = frozenset((_VIDEO + " " + _AUDIO).split())
SEGMENT_SUFFIXES = frozenset(_SEGMENTS.split())
_SEGMENT_TYPES = ("video/mp2t", "video/iso.segment", "audio/iso.segment", "video/vnd.mpeg.dash.mpd")
_NO_TYPES = ("", "application/octet-stream", "binary/octet-stream", "application/mp4", "application/ogg")
_INIT = re.compile(r"(?:^|[-_.])(?:init|header)(?:[-_.]|\d|$)", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:seg(?:ment)?|frag(?:ment)?|chunk|part)[-_]?\d+", re.IGNORECASE)
_RANGE = re.compile(r"(?:^|&)(?:range|bytes|bytestart|start_byte)=\d", re.IGNORECASE)
_ASIDE = re.compile(r"preview|teaser|thumb|sprite|storyboard|(?:^|[-_/])loop|background", re.IGNORECASE)

_AD_HOSTS = """
    2mdn.net adform.net adition.com adnxs.com adriver.ru adsafeprotected.com adsrvr.org advertising.com amazon-
    adsystem.com an.yandex.ru aniview.com connatix.com doubleclick.net exoclick.com exosrv.com fwmrm.net
    googleadservices.com googlesyndication.com imasdk.googleapis.com innovid.com juicyads.com magsrv.com
    moatads.com openx.net propellerads.com pubmatic.com rubiconproject.com serving-sys.com smartadserver.com
    spotxchange.com springserve.com teads.tv trafficjunky.net tremorhub.com tsyndicate.com yandexadexchange.net"""
AD_HOSTS = frozenset(_AD_HOSTS.split())
_AD_PATH = re.compile(
    # Words that films have in their names too stand alone: a folder, or a whole name.
    r"/(?:ads?|adverts?|advertisements?|adserver|commercials?|vast|vmap|vpaid|werbung)(?:[-_]?\d+)?(?:/|\.\w+$|$)"
    r"|(?:^|[/_.-])(?:pre|mid|post)-?rolls?(?:[/_.-]|\d|$)",
    re.IGNORECASE,
)
_VAST_MEDIA = re.compile(r"<MediaFile\b[^<>]*>\s*(?:<!\[CDATA\[\s*)?(https?://[^\s<\]]+)", re.IGNORECASE)
_URI = re.compile(r'URI="([^"]*)"')
_EXTINF = re.compile(r"^#EXTINF:\s*(\d{1,9}(?:\.\d{1,9})?)", re.MULTILINE)
_MPD_DURATION = re.compile(r'mediaPresentationDuration\s*=\s*["\']P(?:([\d.]{1,9})D)?T?([^"\']{1,60})["\']')
_CLOCK = re.compile(r"(?:(\d{1,9}(?:\.\d{1,9})?)H)?(?:(\d{1,9}(?:\.\d{1,9})?)M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?")


class Form(IntEnum):
    """What a candidate is; the higher, the better."""

    FILE = 0
    PLAYLIST = 1
    """HLS of a single quality."""
    MASTER = 2
    """HLS or DASH with every quality there is."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One request of the page, and what answered it."""

    url: str
    """The address that answered."""
    asked: str = ""
    """The address first asked, where redirects led on from there."""
    resource: str = "fetch"
    """What asked: `media` for a video element; `fetch` and `xhr` for a script."""
    content_type: str = ""
    """Without parameters, in lower case."""
    size: int | None = None
    """Bytes of the whole."""
    text: str | None = None
    """What stands there, where it looks like a manifest or like XML."""
    frame: str = ""
    """The address of the frame that asked."""


@dataclass(frozen=True, slots=True)
class Element:
    """A video or audio element of the page."""

    source: str
    duration_s: float | None = None
    endless: bool = False
    """Its player knows of no end."""
    loop: bool = False
    """It is played over and over, without its sound: a background, or a teaser."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that may be the film."""

    index: int
    """Its place among the sights."""
    form: Form
    advertising: bool = False
    suspect: bool = False
    """It has a name as advertisements have, though it is too long for one: any other film goes before it."""
    duration_s: float | None = None
    live: bool = False
    loop: bool = False
    """It decorates the page: any other film goes before it, and may still come."""


def rank(sights: Sequence[Sight], elements: Iterable[Element] = ()) -> list[Candidate]:
    """The candidates among `sights`, best first."""
    manifests = {index: form for index, sight in enumerate(sights) if (form := manifest_form(sight)) is not None}
    named = {index: named_by(sights[index]) for index in manifests}
    masters = {index for index, form in manifests.items() if form is Form.MASTER}
    parts = set().union(*named.values()) if named else set()
    advertised = frozenset(url for sight in sights for url in _vast_media(sight))
    known = {element.source: element for element in elements}
    found = []
    for index, sight in enumerate(sights):
        form = manifests.get(index)
        if sight.url in parts or (form is None and not is_file(sight, beside_manifest=bool(manifests))):
            continue
        candidate = Candidate(index, form or Form.FILE)
        if form is None:
            element = known.get(sight.url) or known.get(sight.asked) or Element(sight.url)
            # A file without an index seems endless too, until it is there; but a broadcast has no size.
            endless = element.endless and sight.size is None
            candidate = replace(candidate, duration_s=element.duration_s, live=endless, loop=element.loop)
        else:
            of_master = [sights[i] for i in manifests if sights[i].url in named[index]]
            playlists = of_master if index in masters else [sight]
            lengths = [length for each in (sight, *playlists) if (length := manifest_duration(each.text or ""))]
            live = any(is_live(each.text) for each in playlists if each.text)
            candidate = replace(candidate, duration_s=max(lengths, default=None), live=live)
        suspect, brief = is_named_like_one(sight), (candidate.duration_s or 0.0) <= CLIP_S
        advertising = is_advertising(sight, advertised) or (suspect and brief)
        found.append(replace(candidate, advertising=advertising, suspect=suspect))
    return _sorted(_distinct(found, sights), sights)


def is_sure(candidate: Candidate) -> bool:
    """True when a candidate is the film and no clip before it: nothing better has to be waited for."""
    if candidate.advertising or candidate.suspect or candidate.loop:
        return False
    if candidate.duration_s is None:
        return candidate.live or candidate.form is not Form.FILE
    return candidate.duration_s > CLIP_S


def manifest_form(sight: Sight) -> Form | None:
    """The form of a manifest, by what stands there, else by its type or suffix; None for what is none."""
    if sight.text is not None:
        text = sight.text.lstrip("\ufeff \t\r\n")
        if text.startswith("#EXTM3U"):
            return Form.MASTER if "#EXT-X-STREAM-INF" in text else Form.PLAYLIST if "#EXTINF" in text else None
        return Form.MASTER if re.search(r"<(?:\w+:)?MPD\b", text[:4096]) else None
    suffix = suffix_of(sight.url)
    if suffix == "mpd" or sight.content_type == "application/dash+xml":
        return Form.MASTER
    return Form.PLAYLIST if suffix == "m3u8" or sight.content_type in MANIFEST_TYPES else None


def is_file(sight: Sight, *, beside_manifest: bool = False) -> bool:
    """True for a whole film or sound, by its type or its suffix.

    What a script fetches where there is a manifest is a part of what the manifest names."""
    parts = urlsplit(sight.url)
    suffix, name = suffix_of(sight.url), parts.path.rpartition("/")[2]
    plain = sight.content_type in _NO_TYPES and suffix in MEDIA_SUFFIXES
    if not plain and not sight.content_type.startswith(("video/", "audio/")):
        return False
    if suffix in SEGMENT_SUFFIXES or sight.content_type in _SEGMENT_TYPES or parts.scheme not in ("http", "https"):
        return False
    by_element = sight.resource in ("media", "document")
    if by_element:
        return True
    return not (beside_manifest or _INIT.search(name) or _NUMBERED.search(name) or _RANGE.search(parts.query))


def is_advertising(sight: Sight, advertised: frozenset[str] = frozenset()) -> bool:
    """True for what comes from a server of advertisements. `advertised`: what VAST named."""
    if advertised and not advertised.isdisjoint((sight.url, sight.asked)):
        return True
    return any(is_ad_host(url) for url in (sight.url, sight.frame))


def is_named_like_one(sight: Sight) -> bool:
    """True for an address that advertisements have; a long film may have it too."""
    return bool(_AD_PATH.search(urlsplit(sight.url).path))


def is_ad_host(url: str) -> bool:
    """True when the host of `url` is a known server of advertisements."""
    labels = (urlsplit(url).hostname or "").split(".")
    return any(".".join(labels[start:]) in AD_HOSTS for start in range(len(labels)))


def named_by(manifest: Sight) -> set[str]:
    """The addresses that an HLS manifest names."""
    if manifest.text is None or not manifest.text.lstrip("\ufeff").startswith("#EXTM3U"):
        return set()
    names: set[str] = set()
    for line in manifest.text.splitlines()[:LINES_MAX]:
        if line.startswith("#"):
            names.update(_URI.findall(line))
        elif line.strip():
            names.add(line.strip())
    return {joined for name in names if (joined := _joined(manifest.url, name)) and joined != manifest.url}


def manifest_duration(text: str) -> float | None:
    """Seconds, as far as a manifest tells; None for a live one."""
    if is_live(text):
        return None
    if text.lstrip("\ufeff").startswith("#EXTM3U"):
        return sum(map(float, _EXTINF.findall(text))) or None
    told = _MPD_DURATION.search(text)
    clock = _CLOCK.fullmatch(told[2]) if told else None
    if not told or not clock:
        return None
    try:
        days, hours, minutes, seconds = (float(part or 0) for part in (told[1], *clock.groups()))
    except ValueError:
        return None
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds or None


def is_live(text: str) -> bool:
    """True for a manifest that goes on growing."""
    if "#EXTINF" in text:
        return "#EXT-X-ENDLIST" not in text and "#EXT-X-PLAYLIST-TYPE:VOD" not in text
    return bool(re.search(r'<(?:\w+:)?MPD\b[^<>]*\btype\s*=\s*["\']dynamic', text))


def suffix_of(url: str) -> str:
    """What follows the last dot of the path, in lower case."""
    _, dot, suffix = unquote(urlsplit(url).path).rpartition("/")[2].rpartition(".")
    return suffix.lower() if dot else ""


def _vast_media(sight: Sight) -> list[str]:
    text = sight.text or ""
    return [url.replace("&amp;", "&") for url in _VAST_MEDIA.findall(text)] if "<VAST" in text[:4096] else []


def _joined(base: str, name: str) -> str | None:
    try:
        return urljoin(base, name).partition("#")[0]
    except ValueError:
        return None


def _distinct(found: Iterable[Candidate], sights: Sequence[Sight]) -> list[Candidate]:
    """One for each address: the last, whose request is the freshest."""
    return list({sights[each.index].url: each for each in found}.values())


def _sorted(found: list[Candidate], sights: Sequence[Sight]) -> list[Candidate]:
    films = (each for each in found if not (each.advertising or each.suspect or each.loop))
    longest = max((each.duration_s for each in films if each.duration_s), default=0.0)

    def merit(each: Candidate) -> tuple[float, ...]:
        sight, seconds = sights[each.index], each.duration_s
        sound = sight.content_type.startswith("audio/") or suffix_of(sight.url) in AUDIO_SUFFIXES
        return (
            not each.advertising,
            not each.suspect,
            not each.loop,
            seconds is None or seconds * 2 > longest,
            not (each.form is Form.FILE and sound),
            not _ASIDE.search(urlsplit(sight.url).path),
            each.form,
            not each.live,
            seconds or 0.0,
            sight.size or 0,
            -each.index,
        )

    return sorted(found, key=merit, reverse=True)
