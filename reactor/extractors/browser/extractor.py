"""Stage 2 by a browser: opens the page, starts its player, and takes the media that it requests."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from itertools import takewhile
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from reactor.errors import DownloadError
from reactor.extractors.base import Context, Reclassified
from reactor.extractors.browser.listed import raise_all
from reactor.extractors.browser.media_source import Buffer, kinds_of, not_all_pieces, of_pieces, put_together
from reactor.extractors.browser.named import ld_things
from reactor.extractors.browser.offered import extract_offered, saved
from reactor.extractors.browser.offers import Offers, offers_of
from reactor.extractors.browser.ranking import MEDIA_SUFFIXES, suffix_of
from reactor.extractors.browser.request_parts import BrowserCookie, jar_of, kept_headers
from reactor.extractors.detect import is_named_page
from reactor.extractors.manifest import extract_manifest
from reactor.extractors.ytdlp.failures import better, error_of
from reactor.failures import COOKIES_HELP
from reactor.files.names import clean_name
from reactor.media.choice import Choice, Traits
from reactor.media.requested import requested, unmet, unmet_texts
from reactor.models import Kind
from reactor.net.credentials import split_credentials
from reactor.net.failures import status_failure
from reactor.net.urls import normalise_http
from reactor.net.validators import validator_of
from reactor.patterns import pattern
from reactor.plan import Detection, Extraction, Fetch, Finish
from reactor.records import dataclass

TITLE_MAX = 1000
FINAL = ("live", "drm", "too_large", "too_many_parts", "refused_address", "no_space")
"""Said of the film itself: another one on its page would be the wrong one."""

_SUFFIXES = {
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/ogg": "ogv",
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
    "video/x-flv": "flv",
    "video/mpeg": "mpg",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/aac": "aac",
    "audio/ogg": "ogg",
    "audio/webm": "weba",
    "audio/flac": "flac",
    "audio/wav": "wav",
}
_VIDEO_TYPES = frozenset(("VideoObject", "Movie", "Episode", "TVEpisode", "Clip", "AudioObject", "PodcastEpisode"))
_NET = pattern(r"net::(ERR_\w+)")
# Chromium's error: (code, retryable, what the host does)
_FAILURES = {
    "ERR_NAME_NOT_RESOLVED": ("dns", True, "The host {host} does not exist, or its name cannot be resolved now."),
    "ERR_CONNECTION_REFUSED": ("unreachable", True, "{host} refuses the connection."),
    "ERR_ADDRESS_UNREACHABLE": ("unreachable", True, "{host} cannot be reached."),
    "ERR_CONNECTION_TIMED_OUT": ("timeout", True, "{host} did not answer in time."),
    "ERR_TIMED_OUT": ("timeout", True, "{host} did not answer in time."),
    "ERR_TOO_MANY_REDIRECTS": ("redirect_loop", False, "{host} redirects in a loop."),
    "ERR_UNSAFE_REDIRECT": ("bad_redirect", False, "{host} redirects to a URL that is neither http nor https."),
    "ERR_UNKNOWN_URL_SCHEME": ("bad_redirect", False, "{host} redirects to a URL that is neither http nor https."),
    "ERR_SSL_PROTOCOL_ERROR": ("tls", True, "The TLS connection to {host} failed."),
}
FOR_THE_BROWSER_ALONE = frozenset({"forbidden", "needs_login", "not_found", "refused", "wrong_content"})
"""What a server says of a link that is good for one use, or for this browser."""
_HINT = "Send the link of the file itself, or of a page that plays without signing in."


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", defer_build=True)


class MediaRequest(_Wire):
    """A media request of the page: one candidate for the video."""

    url: str
    base: str
    """What relative addresses in `text` are relative to."""
    manifest: bool
    scripted: bool = False
    """A script has fetched it, not the browser's own player."""
    named: bool = False
    """The page only tells of it: whether it is there is not known."""
    decor: bool = False
    """It decorates the page, or lies beside its film."""
    advertising: bool
    live: bool
    """Of a file: it has no end."""
    lines: int | None = Field(None, gt=0)
    """Of its picture, where the page says so."""
    text: str | None
    """What stands there, of a manifest."""
    content_type: str
    size: int | None = Field(ge=0)
    sent: dict[str, str]
    """The headers of the player's request; names in lower case."""
    received: dict[str, str]


class Titles(_Wire):
    """The titles of the page."""

    og: str = ""
    ld: list[str] = []
    """JSON-LD, each as text."""
    title: str = ""


class PageFindings(_Wire):
    """What the browser found on a page."""

    candidates: list[MediaRequest]
    """Best first."""
    cookies: list[BrowserCookie]
    titles: Titles
    players: list[str] = []
    """Pages of players that it tells of, the likeliest first."""
    buffers: list[Buffer] = []
    """What scripts have fed players with."""
    status: int | None
    """Of the answer that the page is."""
    failure: str | None
    """Why the page could not be opened."""
    crashed: bool
    left: str | None
    """The scheme of where the page went, if that is no web page."""
    offers: Offers = Offers()
    """What it has to download."""

    @field_validator("buffers", mode="before")
    @classmethod
    def _noted_in_the_page(cls, told: Any) -> list[Buffer]:
        """A page that tampers with this is as one that feeds nothing."""
        try:
            return [Buffer.model_validate(each) for each in told]
        except (TypeError, ValidationError):
            return []

    @field_validator("offers", mode="before")
    @classmethod
    def _told_by_the_page(cls, told: Any) -> Offers:
        """A page that tampers with this is as one that offers nothing."""
        try:
            return Offers.model_validate(told)
        except ValidationError:
            return Offers()

    @field_validator("titles", mode="before")
    @classmethod
    def _made_by_the_page(cls, told: Any) -> Titles:
        """A page that tampers with its own tools spoils its title, and no more."""
        try:
            return Titles.model_validate(told)
        except ValidationError:
            return Titles()


class PlaywrightExtractor:
    """A page that needs a browser → the media that its player requests."""

    kind = Kind.PLAYWRIGHT

    async def extract(self, detection: Detection, context: Context) -> Extraction:
        """See Extractor. What an earlier extractor said is raised where it tells more."""
        try:
            return await self._extract(detection, context)
        except DownloadError as error:
            if detection.earlier is None:
                raise
            raise error_of(better(detection.earlier, error.failure)) from error

    async def _extract(self, detection: Detection, context: Context) -> Extraction:
        if context.browser is None:
            raise DownloadError(
                "This page needs a browser, and Playwright is not installed.",
                hint="Run: pip install 'aria2-reactor[browser]'.",
                code="program_missing",
            )
        if urlsplit(detection.url).scheme not in ("http", "https"):
            raise DownloadError("Only http and https pages are opened in a browser.", code="unsupported")
        choice, cookies = requested(context.options, context.choice), context.http.cookies
        if (kept := _kept(detection.url, choice, context)) is not None:
            try:
                return await self._film(detection, kept, context)
            except DownloadError as error:  # what has expired is looked for anew
                if error.code in FINAL:
                    raise
        found = parse_found(await context.browser.sniff(detection.url, choice=choice, cookies=cookies))
        _keep(detection.url, choice, found, context)
        return await self._film(detection, found, context)

    async def _film(self, detection: Detection, found: PageFindings, context: Context) -> Extraction:
        title, unusable = title_of(found.titles), None
        films = list(takewhile(lambda seen: not seen.advertising, found.candidates))
        offers = offers_of(found.offers)
        played = [seen for seen in films if not (seen.named or seen.decor)]
        if offers and (not played or films[0].url == offers[0].url):
            return await self._offered(detection.url, found, context)
        if not found.buffers:  # what is fed to a player in tracks or pieces is one film
            whole = (seen.base if seen.manifest else seen.url for seen in films if not seen.decor)
            raise_all(whole, detection.url, title, context)
        for place, seen in enumerate(films):
            if unusable and seen.decor:
                break
            try:
                film = await _extraction(seen, found, title, context)
                if seen.named and not seen.manifest and not await kinds_of(film, context):
                    raise DownloadError(
                        "The media that this page names is neither video nor audio.", code="unsupported"
                    )
                if pieces := of_pieces(film, found.buffers):
                    return pieces
                if not seen.scripted or not found.buffers:
                    return film
                others = (other for n, other in enumerate(films) if n != place and other.scripted)
                rest = (partial(_extraction, other, found, title, context) for other in others)
                return await put_together(film, rest, found.buffers, context)
            except DownloadError as error:
                if error.retryable or error.code in FINAL:
                    raise
                unusable = unusable or error
        if offers:
            return await self._offered(detection.url, found, context)
        opened = found.status is not None and found.status < 400 and not found.left and not found.crashed
        if not unusable and opened and (player := _player(found, detection.url)):
            raise Reclassified(Detection(kind=Kind.YTDLP, url=player, why="the page names it as its player"))
        if not unusable and opened and is_named_page(detection.url):
            raise Reclassified(Detection(kind=Kind.DIRECT, url=detection.url, why="no film on it: the page itself"))
        raise unusable or _nothing(found, detection.url)

    async def _offered(self, url: str, found: PageFindings, context: Context) -> Extraction:
        """What the page has to download. What its server gives to the browser only, the browser fetches."""
        assert context.browser is not None
        offers = offers_of(found.offers)
        if extraction := saved(offers):
            return extraction
        try:
            return await extract_offered(offers, found.offers, jar_of(found.cookies, context.http), context)
        except DownloadError as error:
            if offers[0].sent is None or error.code not in FOR_THE_BROWSER_ALONE:
                raise
            again = parse_found(await context.browser.sniff(url, save=True, cookies=context.http.cookies))
            if extraction := saved(offers_of(again.offers)):
                return extraction
            raise


@dataclass(frozen=True, slots=True)
class _Kept:
    choice: Choice
    found: PageFindings
    bytes: int


def _keep(url: str, choice: Choice, found: PageFindings, context: Context) -> None:
    """Of a page that is asked about, so that the answer does not open it again. What the browser has saved is not kept:
    its file goes with the question."""
    if context.findings is not None and context.listing and found.candidates and not offers_of(found.offers):
        kept = _Kept(choice, found, sum(len(each.text or each.url) for each in found.candidates))
        context.findings.keep(("page", url), kept, kept.bytes)


def _kept(url: str, choice: Choice, context: Context) -> PageFindings | None:
    """What was seen when it was asked about. Of one with a manifest any quality can be chosen; the files of others were
    chosen among as that one was."""
    if context.findings is None or context.listing:
        return None
    kept: _Kept | None = context.findings.take(("page", url))
    if kept is None or not (kept.found.candidates[0].manifest or _lines(kept.choice) == _lines(choice)):
        return None
    return kept.found


def _lines(choice: Choice) -> tuple[int | None, bool]:
    """What the browser chooses by."""
    return choice.max_lines, choice.worst


def parse_found(told: Mapping[str, Any]) -> PageFindings:
    """Validate the browser process's answer. Raises DownloadError (`bad_answer`)."""
    try:
        return PageFindings.model_validate(told)
    except ValidationError:
        raise DownloadError("The browser gave an invalid answer.", code="bad_answer") from None


def title_of(titles: Titles) -> str | None:
    """OpenGraph's title, else that of a video in JSON-LD, else the page's."""
    named = next((name for text in titles.ld if (name := _ld_name(text))), "")
    words = (" ".join(title.encode(errors="replace").decode().split()) for title in (titles.og, named, titles.title))
    return next((title[:TITLE_MAX] for title in words if title), None)


async def _extraction(seen: MediaRequest, found: PageFindings, title: str | None, context: Context) -> Extraction:
    headers, jar = kept_headers(seen.sent), jar_of(found.cookies, context.http)
    if seen.manifest:
        return await extract_manifest(
            split_credentials(seen.base)[0],
            context,
            kind=Kind.PLAYWRIGHT,
            headers=headers,
            cookies=jar,
            title=title,
            text=seen.text,
        )
    if seen.live:
        raise DownloadError("This is a live stream, which has no end.", code="live")
    url = normalise_http(split_credentials(seen.url)[0])
    own, stem = suffix_of(url), urlsplit(url).path.rpartition("/")[2].rpartition(".")[0]
    suffix = own if own in MEDIA_SUFFIXES else _SUFFIXES.get(seen.content_type, "mp4")
    title = title or stem[:TITLE_MAX] or "video"
    name = clean_name(f"{title}.{suffix}")
    lacks = unmet(context.options, [Traits(lines=seen.lines)]) + unmet_texts(context.options, ())
    validator, strong = validator_of(seen.received)
    fetch = Fetch(
        urls=(url,),
        name=name,
        headers=0,
        size=seen.size,
        validator=validator,
        strong=strong,
    )
    return Extraction(
        kind=Kind.PLAYWRIGHT,
        title=title,
        headers=(headers,),
        cookies=context.http.new_cookies(jar.of(url)),
        fetches=(fetch,),
        finish=Finish(how="file", name=name, unmet=lacks),
    )


def _player(found: PageFindings, url: str) -> str | None:
    """The page of the player that a page names, if that is another one."""
    url = split_credentials(url)[0]
    for told in found.players:
        with suppress(DownloadError):
            ready = normalise_http(told)
            if ready.partition("#")[0] != url.partition("#")[0]:
                return ready
    return None


def _nothing(found: PageFindings, url: str) -> DownloadError:
    """The error for a page without a film, by what else is known of it."""
    host = urlsplit(url).hostname or "The server"
    if found.left:
        return DownloadError(f"The page redirects to a {found.left}: URL, which is not opened.", code="bad_redirect")
    if found.crashed:
        return DownloadError("The page crashed in the browser.", code="browser_crashed")
    if found.failure and found.status is None:
        return _not_opened(found.failure, host)
    if found.status is None:
        return DownloadError(f"{host} did not answer in time.", code="timeout", retryable=True)
    if found.status >= 400:
        return status_failure(found.status, url)
    if "captcha" in found.offers.gates:
        return DownloadError(
            "The page requires a person to solve a captcha first.",
            hint="Open it in a browser, and send the link of the download.",
            code="needs_browser",
        )
    if "login" in found.offers.gates:
        return DownloadError(
            "The page gives this only to people who are signed in.",
            hint=COOKIES_HELP,
            code="needs_login",
        )
    if "gone" in found.offers.gates:
        return DownloadError("The page says that this was removed.", hint="Check the URL.", code="not_found")
    if any(each.bytes for each in found.buffers):
        return not_all_pieces()
    if found.candidates:
        return DownloadError("Only an advertisement was found on this page.", hint=_HINT, code="unsupported")
    return DownloadError("No video or audio was found on this page.", hint=_HINT, code="unsupported")


def _not_opened(failure: str, host: str) -> DownloadError:
    named = _NET.search(failure)
    error = named[1] if named else ""
    if error.startswith("ERR_CERT_"):
        return DownloadError(f"The certificate of {host} is not valid ({error}).", code="tls")
    code, retryable, sentence = _FAILURES.get(error) or (
        "connection_lost",
        True,
        f"The page of {{host}} could not be opened{f' ({error})' if error else ''}.",
    )
    return DownloadError(sentence.format(host=host), code=code, retryable=retryable)


def _ld_name(text: str) -> str:
    """The name of the first video or sound that a JSON-LD text tells of."""
    for told in ld_things((text,)):
        kinds = told.get("@type")
        name = told.get("name") or told.get("headline")
        known = {kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(kind, str)}
        if isinstance(name, str) and name.strip() and known & _VIDEO_TYPES:
            return name
    return ""
