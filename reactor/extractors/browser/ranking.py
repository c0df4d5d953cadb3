"""Which of the things a page has asked for is the film? Pure: what was seen goes in, candidates come out, best first.

    rank(sights, elements) -> [Candidate, …]
    is_sure(candidate)        nothing better has to be waited for

Not an advertisement, before an advertisement; what the page plays, before what it only tells of; the player in its
middle, before what decorates it or lies beside. What is less than half as long as the longest is a clip beside it.
Then a manifest of several qualities (or DASH) before one of a single quality, before a file; then the longer, the
larger and the earlier. A part of something else is never a candidate: a segment, an init segment, a quality whose
master was seen too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import IntEnum
from urllib.parse import unquote, urljoin, urlsplit

from reactor.extractors.browser.elements import Element, Role, Source, role
from reactor.extractors.detect import MANIFEST_TYPES
from reactor.media.choice import Choice, lines_rank
from reactor.media.tags import lines_of
from reactor.patterns import pattern
from reactor.records import dataclass

CLIP_S = 65.0
"""Something shorter may be an advertisement that nothing tells from the film."""
MUCH = 8.0
"""What is so much shorter than another film is none, whatever plays it."""
NAMED = "named"
"""The resource of what a page only tells of."""
BY_ELEMENT = ("media", "document")
"""The resources that video elements and the address line ask for."""
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
_INIT = pattern(r"(?:^|[-_.])(?:init|header)(?:[-_.]|\d|$)", re.IGNORECASE)
_NUMBERED = pattern(r"(?:seg(?:ment)?|frag(?:ment)?|chunk|part)[-_]?\d+", re.IGNORECASE)
_RANGE = pattern(r"(?:^|&)(?:range|bytes|bytestart|start_byte)=\d", re.IGNORECASE)
_ASIDE = pattern(r"preview|teaser|thumb|sprite|storyboard|(?:^|[-_/])loop|background", re.IGNORECASE)

_AD_HOSTS = """
    2mdn.net adform.net adition.com adnxs.com adriver.ru adsafeprotected.com adsrvr.org advertising.com amazon-
    adsystem.com an.yandex.ru aniview.com connatix.com doubleclick.net exoclick.com exosrv.com fwmrm.net
    googleadservices.com googlesyndication.com imasdk.googleapis.com innovid.com juicyads.com magsrv.com
    moatads.com openx.net propellerads.com pubmatic.com rubiconproject.com serving-sys.com smartadserver.com
    spotxchange.com springserve.com teads.tv trafficjunky.net tremorhub.com tsyndicate.com yandexadexchange.net"""
AD_HOSTS = frozenset(_AD_HOSTS.split())
_AD_PATH = pattern(
    # Words that films have in their names too stand alone: a folder, or a whole name.
    r"/(?:ads?|adverts?|advertisements?|adserver|commercials?|vast|vmap|vpaid|werbung)(?:[-_]?\d+)?(?:/|\.\w+$|$)"
    r"|(?:^|[/_.-])(?:pre|mid|post)-?rolls?(?:[/_.-]|\d|$)",
    re.IGNORECASE,
)
_VAST_MEDIA = pattern(r"<MediaFile\b[^<>]*>\s*(?:<!\[CDATA\[\s*)?(https?://[^\s<\]]+)", re.IGNORECASE)
_URI = pattern(r'URI="([^"]*)"')
_EXTINF = pattern(r"^#EXTINF:\s*(\d{1,9}(?:\.\d{1,9})?)", re.MULTILINE)
_MPD_DURATION = pattern(r'mediaPresentationDuration\s*=\s*["\']P(?:([\d.]{1,9})D)?T?([^"\']{1,60})["\']')
_CLOCK = pattern(r"(?:(\d{1,9}(?:\.\d{1,9})?)H)?(?:(\d{1,9}(?:\.\d{1,9})?)M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?")


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
    method: str = "GET"
    indirect: bool = False
    """A script of the page has answered (a service worker): the server may not know the address."""


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
    role: Role = Role.MAIN
    """What the element that plays it is there for; MAIN also where none is known to."""
    clicked: bool = False
    """It came after a click, and is played."""
    named: bool = False
    """The page only tells of it."""
    lines: int | None = None
    """Of the picture, where the page says so."""


def rank(sights: Sequence[Sight], elements: Iterable[Element] = ()) -> list[Candidate]:
    """The candidates among `sights`, best first."""
    manifests = {index: form for index, sight in enumerate(sights) if (form := manifest_form(sight)) is not None}
    named = {index: named_by(sights[index]) for index in manifests}
    masters = {index for index, form in manifests.items() if form is Form.MASTER}
    parts = set().union(*named.values()) if named else set()
    advertised = frozenset(url for sight in sights for url in _vast_media(sight))
    players = _Players(list(elements))
    found = []
    for index, sight in enumerate(sights):
        form = manifests.get(index)
        if sight.url in parts and sight.resource != NAMED:
            continue
        if form is None:
            plays = players.of_file(sight)
            played = any(each.playable for each in plays) and sight.resource in (*BY_ELEMENT, "fetch", "xhr")
            if not played and not is_file(sight, beside_manifest=bool(manifests)):
                continue
            if sight.method != "GET" or not sight.url.startswith(("http:", "https:")):
                continue
            seconds = max((each.duration_s for each in plays if each.duration_s), default=None)
            # A file without an index seems endless too, until it is there; but a broadcast has no size.
            endless = any(each.endless for each in plays) and sight.size is None
            candidate = Candidate(index, Form.FILE, duration_s=seconds, live=endless)
        else:
            of_master = [i for i in manifests if sights[i].url in named[index]]
            playlists = [sights[i] for i in of_master] if index in masters else [sight]
            lengths = [length for each in (sight, *playlists) if (length := manifest_duration(each.text or ""))]
            live = any(is_live(each.text) for each in playlists if each.text)
            plays = players.of_manifest(sight, named[index].union(*(named[i] for i in of_master)))
            candidate = Candidate(index, form, duration_s=max(lengths, default=None), live=live)
        suspect, brief = is_named_like_one(sight), (candidate.duration_s or 0.0) <= CLIP_S
        there_for = max((players.roles[each] for each in plays), default=Role.MAIN)
        found.append(
            replace(
                candidate,
                advertising=is_advertising(sight, advertised) or (suspect and brief),
                suspect=suspect,
                role=there_for,
                loop=there_for is Role.DECOR,
                clicked=any(each.clicked for each in plays),
                named=sight.resource == NAMED,
            )
        )
    return _sorted(_distinct(found, sights), sights)


class _Players:
    """The elements of a page, and what each plays."""

    def __init__(self, elements: Sequence[Element]) -> None:
        self.elements = elements
        self.roles = {each: role(each, elements) for each in elements}

    def of_file(self, sight: Sight) -> list[Element]:
        """The elements that play this file."""
        urls = {url for url in (sight.url, sight.asked) if url}
        return [
            each for each in self.elements if each.source in urls or not urls.isdisjoint((*each.fetched, *each.fed))
        ]

    def of_manifest(self, sight: Sight, parts: set[str]) -> list[Element]:
        """Those that play what a manifest names: by its address, by its parts, else the only one of its frame."""
        urls = {url for url in (sight.url, sight.asked) if url}
        plays = [each for each in self.elements if each.source in urls or not parts.isdisjoint(each.fed)]
        if plays:
            return plays
        fed = [each for each in self.elements if each.assembled and each.frame == sight.frame]
        return fed if len(fed) == 1 else []


def is_sure(candidate: Candidate) -> bool:
    """True when a candidate is the film and no clip before it: nothing better has to be waited for."""
    if candidate.advertising or candidate.suspect or candidate.role <= Role.SIDE or candidate.named or candidate.loop:
        return False
    if candidate.duration_s is None:
        return candidate.live or candidate.form is not Form.FILE
    return candidate.duration_s > CLIP_S


def better_source(sight: Sight, elements: Iterable[Element], choice: Choice = Choice()) -> Source | None:  # noqa: B008 - frozen
    """Which of the qualities is wanted that the element names which plays this file; None where it names none."""
    for each in elements:
        found = {source.url: source for source in each.sources}
        if each.source not in (sight.url, sight.asked) or each.source not in found:
            continue
        known = [source for source in found.values() if source.height and source.url.startswith(("http:", "https:"))]
        plays = (sight.url, sight.asked)
        return max(known, key=lambda source: (lines_rank(choice, source.height), source.url in plays), default=None)
    return None


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
    if sight.resource in (*BY_ELEMENT, NAMED):
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
    for line in lines_of(manifest.text)[:LINES_MAX]:
        if line.startswith("#"):
            names.update(_URI.findall(line))
        elif line:
            names.add(line)
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
    films = (each for each in found if not (each.advertising or each.suspect or each.role <= Role.SIDE))
    longest = max((each.duration_s for each in films if each.duration_s), default=0.0)

    def merit(each: Candidate) -> tuple[float, ...]:
        sight, seconds = sights[each.index], each.duration_s
        sound = sight.content_type.startswith("audio/") or suffix_of(sight.url) in AUDIO_SUFFIXES
        return (
            not each.advertising,
            not each.suspect,
            not sight.indirect,
            each.role is not Role.DECOR,
            not each.named,
            each.role is not Role.SIDE,
            seconds is None or seconds * MUCH > longest,
            each.role,
            seconds is None or seconds * 2 > longest,
            each.clicked,
            not (each.form is Form.FILE and sound),
            not _ASIDE.search(urlsplit(sight.url).path),
            each.form,
            not each.live,
            seconds or 0.0,
            sight.size or 0,
            -each.index,
        )

    return sorted(found, key=merit, reverse=True)
