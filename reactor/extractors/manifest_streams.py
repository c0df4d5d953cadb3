"""Which streams of a manifest are fetched: the best that can be, and the next best where those are dead.

    await find_streams(url, text, choice, reader) -> Found

A variant, BaseURL or audio rendition counts as dead if its playlist, or its first segment, cannot be fetched.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import anyio

from reactor.errors import DownloadError
from reactor.extractors.documents import MANIFEST_BYTES_MAX, Asked, Parsed
from reactor.extractors.manifest_reader import Reader
from reactor.media.choice import Choice, Quality
from reactor.media.parts import Holds, MediaStream, Pick, Selection, Way, live, too_large
from reactor.records import dataclass

TRIES_MAX = 8
"""Combinations of BaseURL and representations of an MPD that are tried."""
SUBTITLES_MAX = 4
"""Subtitles that are fetched with a video where nobody has said which."""
REREADS = 3
"""A playlist without an end in which nothing is new after so many of its target durations is over."""
TARGET_MIN_S, TARGET_MAX_S = 1.0, 20.0

Reread = Callable[[], Awaitable[Parsed]]


class LinksFound(DownloadError):
    """It is a list of links (`playlist`), not the manifest of one film; `read` is where it stands, and its content."""

    def __init__(self, error: DownloadError, read: tuple[str, bytes]) -> None:
        super().__init__(error.message, hint=error.hint, code=error.code)
        self.read = read


@dataclass(frozen=True, slots=True)
class Found:
    """The streams to fetch."""

    url: str
    """The URL that answered for the manifest."""
    streams: tuple[MediaStream, ...]
    notes: tuple[str, ...] = ()
    """For the person: what is not as the manifest offers it."""


async def find_streams(url: str, text: str | None, choice: Choice, reader: Reader) -> Found:
    """Read the manifest at `url` (or `text`, its content), and the playlists that it names. Raises DownloadError."""
    at, document = (url, text.encode("utf-8", "replace")) if text is not None else await _first(url, reader)
    if len(document) > MANIFEST_BYTES_MAX:
        raise too_large()
    holds: Holds = ("audio",) if choice.audio_only else ()
    context = reader.context
    asked = Asked(holds=holds, now_s=time.time(), timed=bool(context.options.clip), listed=context.listing)
    try:
        found = await reader.context.parsers.manifest(document, at, choice, asked)
    except DownloadError as error:
        if error.code != "playlist":
            raise
        raise LinksFound(error, (at, document)) from None
    if context.findings is not None and context.listing:
        context.findings.see(_offered(found))
    if isinstance(found, Selection):
        return await _Variants(at, choice, reader, found).best()

    async def reread() -> Parsed:
        again, document = await reader.read(url)
        parsed = await reader.context.parsers.manifest(document, again, choice, asked)
        return parsed if isinstance(parsed, Parsed) else Parsed(())

    settled = await _settled([found], [reread])
    found = settled[0]
    films, texts = _apart(found.streams)
    if any(stream.label for stream in films):
        films, notes = await _alive(document, at, choice, asked, found, reader)
    else:
        notes = ()
        for stream in films:
            if reader.may_inherit(stream):
                await reader.check(stream)
    kept = [stream for stream in texts if stream.parts][: _texts_max(choice)]
    return Found(at, (*films, *kept), (*notes, *_dropped([each for each in texts if each not in kept])))


async def _first(url: str, reader: Reader) -> tuple[str, bytes]:
    """The manifest; for a row that was answered a moment ago, the one that it was asked about. What is read again
    since its links have expired is a new one."""
    findings, key = reader.context.findings, ("manifest", url)
    if findings is not None and not reader.context.listing:
        known = findings.take(key)
        if known is not None:
            reader.jar.add(known[2])
            return known[0], known[1]
    at, document = await reader.read(url)
    if findings is not None and reader.context.listing:
        findings.keep(key, (at, document, tuple(reader.jar)), len(document))
    return at, document


def _offered(found: Parsed | Selection) -> Sequence[Quality]:
    """What it has of the film. The bit rate of an HLS variant counts its sound in."""
    if isinstance(found, Parsed):
        return found.qualities
    picks = [(pick, pick.holds == ("audio",)) for way in found.ways for pick in way.picks]
    traits = [(pick.traits, sound) for pick, sound in picks]
    return [Quality(t.format, sound, t.lines, t.codec, t.language, t.bandwidth) for t, sound in traits]


async def _alive(
    document: bytes, url: str, choice: Choice, asked: Asked, found: Parsed, reader: Reader
) -> tuple[tuple[MediaStream, ...], tuple[str, ...]]:
    """The streams of an MPD whose first segments are there: of the next BaseURL, or of other representations, where
    they are not. Where none is, those that it names first."""
    first = films = _apart(found.streams)[0]
    server, avoid = 0, frozenset[str]()
    for _ in range(TRIES_MAX):
        dead = [stream.label for stream in films if await reader.check(stream)]
        if not dead:
            other = films is not first and avoid
            return films, (OTHER_QUALITY,) if other else ()
        server += 1
        if server >= found.servers:
            if avoid.issuperset(dead):
                break  # there are no others
            server, avoid = 0, avoid | set(dead)
        again = replace(asked, server=server, avoid=tuple(avoid))
        parsed = await reader.context.parsers.manifest(document, url, choice, again)
        assert isinstance(parsed, Parsed)  # the same document
        films = _apart(parsed.streams)[0]
    return first, ()


OTHER_QUALITY = "The best quality of this video cannot be fetched from its server; this is the next best one."


class _Variants:
    """The media playlists of a multivariant playlist, each read once."""

    def __init__(self, url: str, choice: Choice, reader: Reader, selection: Selection) -> None:
        self.url = url
        self.choice = choice
        self.reader = reader
        self.selection = selection
        self._read: dict[tuple[Pick, str], Parsed | DownloadError] = {}
        self._dead: dict[str, DownloadError | None] = {}

    async def best(self) -> Found:
        """The first way that is alive; where none is, the first one whose playlists can be read."""
        ways, readable, trouble = self.selection.ways, None, None
        if self.choice.texts_only:
            return await self._found(next((way for way in ways if way.subtitles), ways[0]), ())
        for way in ways:
            try:
                streams = await self._streams(way)
            except DownloadError as error:
                if error.code == "live":
                    raise
                trouble = trouble or error
                continue
            readable = readable or (way, streams)
            wanted = len(ways) > 1 or any(map(self.reader.may_inherit, streams))
            if not wanted or await self._is_alive(way, streams):
                return await self._found(way, streams)
        if readable is None:
            assert trouble is not None  # there is at least one way
            raise trouble
        return await self._found(*readable)

    async def _streams(self, way: Way) -> list[MediaStream]:
        prefixes = ["", "audio-"]
        pairs = list(zip(way.picks, prefixes, strict=False))
        parsed = [await self._playlist(pick, prefix) for pick, prefix in pairs]
        rereads = [self._rereading(pick, prefix) for pick, prefix in pairs]
        settled = zip(way.picks, await _settled(parsed, rereads), strict=True)
        return [replace(stream, traits=pick.traits) for pick, each in settled for stream in each.streams]

    async def _is_alive(self, way: Way, streams: Sequence[MediaStream]) -> bool:
        for pick, stream in zip(way.picks, streams, strict=True):
            if pick.url not in self._dead:
                self._dead[pick.url] = await self.reader.check(stream)
            if self._dead[pick.url]:
                return False
        return True

    async def _playlist(self, pick: Pick, prefix: str) -> Parsed:
        """The one media playlist, read once. Raises DownloadError, and the same one again."""
        if (pick, prefix) not in self._read:
            try:
                self._read[pick, prefix] = await self._reread(pick, prefix)
            except DownloadError as error:
                self._read[pick, prefix] = error
        found = self._read[pick, prefix]
        if isinstance(found, DownloadError):
            raise found
        return found

    def _rereading(self, pick: Pick, prefix: str) -> Reread:
        return lambda: self._reread(pick, prefix)

    async def _reread(self, pick: Pick, prefix: str) -> Parsed:
        at, document = await self.reader.read(pick.url)
        asked = Asked(
            variant=True,
            prefix=prefix,
            holds=pick.holds,
            subtitles=pick.subtitles,
            variables=self.selection.variables,
        )
        found = await self.reader.context.parsers.manifest(document, at, self.choice, asked)
        assert isinstance(found, Parsed)  # a variant is no list of variants
        return found

    async def _found(self, way: Way, streams: Sequence[MediaStream]) -> Found:
        first = self.selection.ways[0]
        notes = [OTHER_QUALITY] if streams and way.lines != first.lines else []
        texts, dropped = list[MediaStream](), list[MediaStream]()
        for number, pick in enumerate(way.subtitles):
            told = MediaStream("webvtt", (), subtitles=pick.subtitles)
            if number < _texts_max(self.choice):
                try:
                    texts += (await self._playlist(pick, f"text-{number + 1}-")).streams
                    continue
                except DownloadError:
                    pass  # the video is worth having without them
            dropped.append(told)
        return Found(self.url, (*streams, *texts), (*notes, *_dropped(dropped)))


async def _settled(parsed: Sequence[Parsed], rereads: Sequence[Reread]) -> list[Parsed]:
    """The playlists once it is certain that nothing more comes: they have an end, or nothing was new for some target
    durations. Raises DownloadError (`live`)."""
    found = list(parsed)
    open_s = [stream.open_s for each in found for stream in each.streams if stream.open_s is not None]
    if not open_s:
        return found
    pause_s = min(TARGET_MAX_S, max(TARGET_MIN_S, *open_s))
    for _ in range(REREADS):
        await anyio.sleep(pause_s)
        again = [await reread() for reread in rereads]
        if not any(stream.open_s is not None for each in again for stream in each.streams):
            return again
        if [_extent(each) for each in again] != [_extent(each) for each in found]:
            raise live()
    return found


def _extent(parsed: Parsed) -> list[int]:
    """How much there is: the URLs may differ each time."""
    return [len(stream.parts) for stream in parsed.streams]


def _apart(streams: Sequence[MediaStream]) -> tuple[tuple[MediaStream, ...], list[MediaStream]]:
    """Video and audio; subtitles."""
    texts = [stream for stream in streams if stream.form == "webvtt"]
    return tuple(stream for stream in streams if stream.form != "webvtt"), texts


def _texts_max(choice: Choice) -> int:
    return SUBTITLES_MAX if choice.texts is None else len(choice.texts)


def _dropped(texts: Sequence[MediaStream]) -> tuple[str, ...]:
    """What is said of subtitles that are not kept."""
    labels = ", ".join(each.subtitles.label for each in texts if each.subtitles)
    return (f"Subtitles that are not in the file: {labels}.",) if labels else ()
