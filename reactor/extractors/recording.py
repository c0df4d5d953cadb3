"""A broadcast that is recorded while it runs: its playlists are read again and again, and what is new is fetched.

    await begin(url, text, choice, reader, …)   the first extraction: what of it is there now; None: it has its end
    await go_on(so_far, context)                the same and what has come since, once there is something

Each extraction holds all that was taken so far: the fetches of the one before, in their places, and new ones behind
them. Where the broadcast broke off (segments are gone, it has begun anew, a discontinuity) another part begins:
`Track.section`. The last extraction says that it is over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from urllib.parse import urlsplit

import anyio

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.extractors.documents import Asked, Parsed
from reactor.extractors.manifest_reader import Reader
from reactor.files.names import clean_name
from reactor.media.choice import NO_TRAITS, Choice, Traits
from reactor.media.local import Segment, names_of, read_playlist, write_playlist
from reactor.media.parts import Pick, Selection
from reactor.media.requested import unmet
from reactor.media.windows import Query, Window
from reactor.models import Kind
from reactor.numbers import FETCHES_MAX
from reactor.plan import Extraction, Fetch, Finish, Header, Recording, Source, Track
from reactor.records import dataclass

BEHIND_MAX = 4
"""A playlist that ends before what was taken is an old one of some cache; so often in a row it has begun anew."""
POLL_MIN_S = 0.5
NEW_MAX = 2000
"""Segments that one look may bring."""


class BrokenOff(DownloadError):
    """It could not be read for so long that it is taken to be over."""

    code = "live"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a stream is."""

    url: str
    language: str = ""
    traits: Traits = NO_TRAITS


async def begin(
    url: str, text: str | None, choice: Choice, reader: Reader, *, kind: Kind, title: str, most_s: float
) -> Extraction | None:
    """See the module. `most_s`: seconds of it that are wanted. Raises DownloadError, `not_started` where it has no
    segment yet."""
    at, document = (url, text.encode("utf-8", "replace")) if text is not None else await reader.read(url)
    try:
        found = await reader.context.parsers.manifest(document, at, choice, Asked(now_s=time.time()))
    except DownloadError as error:
        if error.code != "live":
            raise
        found = None
    if isinstance(found, Parsed) and all(stream.open_s is None for stream in found.streams):
        return None
    if isinstance(found, Selection):
        places, windows = await _of_variants(found, reader)
    else:
        windows = await reader.context.parsers.windows(document, at, (), choice, time.time())
        places = [_Place(url, each.language) for each in windows]
    if all(each.ended for each in windows):
        return None
    traits = [place.traits for place in places if place.traits != NO_TRAITS]
    sources = tuple(
        Source(url=place.url, id=window.id, holds=window.holds, language=place.language or window.language)
        for place, window in zip(places, windows, strict=True)
    )
    sound_alone = all(source.holds == ("audio",) for source in sources)
    finish = Finish(
        how="media",
        name=clean_name(f"{title}{'.m4a' if sound_alone else '.mp4'}"),
        options=reader.context.options,
        unmet=unmet(reader.context.options, traits, sound_alone=sound_alone),
        recording=Recording(url=url, headers=reader.number(url), sources=sources, most_s=most_s),
    )
    return await _extended(None, kind, title, finish, windows, reader)


async def _of_variants(found: Selection, reader: Reader) -> tuple[list[_Place], list[Window]]:
    """The first variant that can be read, with its sound."""
    trouble: DownloadError | None = None
    for way in found.ways:
        try:
            windows = [await _window(pick, f"0-{n}-", reader) for n, pick in enumerate(way.picks)]
        except DownloadError as error:
            trouble = trouble or error
            continue
        places = [_Place(pick.url, pick.traits.language, pick.traits) for pick in way.picks]
        return places, windows
    assert trouble is not None  # there is at least one way
    raise trouble


async def _window(pick: Pick, prefix: str, reader: Reader) -> Window:
    at, document = await reader.read(pick.url)
    (found,) = await reader.context.parsers.windows(
        document, at, (Query(prefix, holds=pick.holds),), Choice(), time.time()
    )
    return found


async def go_on(so_far: Extraction, context: Context) -> Extraction:
    """See the module. Raises BrokenOff."""
    recording = so_far.finish.recording
    assert recording is not None  # else it would not be asked for
    if recording.over:
        return so_far
    reader = _reader_of(so_far, recording, context)
    until, trouble, behind, again = anyio.current_time() + context.live_patience_s, None, 0, frozenset[int]()
    await anyio.sleep(min(recording.step_s, recording.span_s / 3))
    while True:
        try:
            windows = await _look(recording, len(so_far.finish.tracks), reader, again)
        except DownloadError as error:
            trouble = error
        else:
            trouble = None
            late = [n for n, each in enumerate(windows) if each.behind and n not in again]
            behind = behind + 1 if late else 0
            anew = {n for n, each in enumerate(windows) if not each.fits} | set(late if behind >= BEHIND_MAX else ())
            if anew - again:
                again |= anew
                continue
            if any(each.stream for each in windows) or all(each.ended for each in windows):
                return await _extended(so_far, so_far.kind, so_far.title or "", so_far.finish, windows, reader, again)
        if anyio.current_time() >= until:
            why = trouble.message if trouble else "Nothing new came of it."
            raise BrokenOff(f"The broadcast broke off: {why}")
        await anyio.sleep(max(POLL_MIN_S, recording.step_s / 2))


def put_together(so_far: Extraction, then: Extraction) -> Extraction:
    """What was taken, and behind it as another part what was found anew of the same broadcast."""
    recording, more = so_far.finish.recording, then.finish.recording
    assert recording is not None
    if more is None or len(so_far.fetches) + len(then.fetches) > FETCHES_MAX:
        return so_far.sealed()
    role = f"r{len(so_far.finish.tracks)}"
    sets = list(so_far.headers)
    numbers = [_number(sets, each) for each in then.headers]
    fetches = [
        replace(each, name=f"{role}-{each.name}", headers=None if each.headers is None else numbers[each.headers])
        for each in then.fetches
    ]
    part, first = 1 + max((track.section for track in so_far.finish.tracks), default=-1), len(so_far.fetches)
    tracks = [_renamed(track, role, first, part) for track in then.finish.tracks]
    sources = tuple(
        each.model_copy(update={"init_name": f"{role}-{each.init_name}"}) if each.init_name else each
        for each in more.sources
    )
    goes_on = more.model_copy(
        update={
            "sources": sources,
            "sections": tuple((section, part + place) for section, place in more.sections),
            "headers": None if more.headers is None else numbers[more.headers],
            "most_s": recording.most_s,
            "recorded_s": recording.recorded_s + more.recorded_s,
        }
    )
    finish = so_far.finish.model_copy(update={"recording": goes_on, "tracks": (*so_far.finish.tracks, *tracks)})
    return so_far.model_copy(
        update={
            "headers": tuple(sets),
            "cookies": then.cookies or so_far.cookies,
            "fetches": (*so_far.fetches, *fetches),
            "finish": finish,
        }
    )


def _number(sets: list[tuple[Header, ...]], headers: tuple[Header, ...]) -> int:
    if headers not in sets:
        sets.append(headers)
    return sets.index(headers)


def _renamed(track: Track, role: str, first: int, part: int) -> Track:
    from reactor.media.local import renamed

    moved = {"first": track.first + first, "section": track.section + part}
    return track.model_copy(update=moved | {"playlist": renamed(track.playlist or "", role)})


def _reader_of(so_far: Extraction, recording: Recording, context: Context) -> Reader:
    """As it was begun with: the same headers and cookies."""
    given = () if recording.headers is None else so_far.headers[recording.headers]
    reader = Reader.of(context, recording.url, given, context.http.jar(so_far.cookies))
    for each in so_far.headers:
        reader.sets.number(each)
    return reader


async def _look(recording: Recording, number: int, reader: Reader, again: frozenset[int]) -> list[Window]:
    """What each source has now."""
    read: dict[str, tuple[str, bytes]] = {}
    found = []
    for n, source in enumerate(recording.sources):
        if source.url not in read:
            read[source.url] = await reader.read(source.url)
        at, document = read[source.url]
        query = Query(
            prefix=f"{number}-{n}-",
            id=source.id,
            holds=source.holds,
            after=source.after,
            section=source.section,
            last=source.last,
            init_url=source.init_url,
            init_name=source.init_name,
            again=n in again,
        )
        found += await reader.context.parsers.windows(document, at, (query,), Choice(), time.time())
    return found


async def _extended(
    so_far: Extraction | None,
    kind: Kind,
    title: str,
    finish: Finish,
    windows: Sequence[Window],
    reader: Reader,
    again: frozenset[int] = frozenset(),
) -> Extraction:
    """With what is new in these. Raises DownloadError (`not_started`) where there is nothing at all."""
    recording = finish.recording
    assert recording is not None
    fetches = list(so_far.fetches) if so_far else []
    tracks, sections = list(finish.tracks), dict(recording.sections)
    pairs = list(zip(recording.sources, windows, strict=True))
    if any(_broke(source, each, n in again) for n, (source, each) in enumerate(pairs)):
        sections.clear()
    part = 1 + max((track.section for track in tracks), default=-1)
    left_s, sources, seen_s, full = recording.most_s - recording.recorded_s, list[Source](), 0.0, False
    for n, (source, window) in enumerate(pairs):
        taken_s = 0.0
        for section, segments in _by_section(window):
            if section not in sections:
                sections[section], part = part, part + 1
            kept: list[Segment] = []
            for segment in segments:
                full = full or len(fetches) + len(kept) >= FETCHES_MAX - NEW_MAX
                if taken_s < left_s and not full:
                    kept.append(segment)
                    taken_s += segment.duration_s
            if kept:
                first = len(fetches)
                fetches += await _fetches_of(kept, window, fetches, reader)
                tracks.append(_track(kept, first, len(fetches) - first, sections[section], n, source))
        seen_s = max(seen_s, taken_s)
        told = {
            "after": window.after if window.stream or source.after is not None else None,
            "section": window.section,
            "last": window.last,
            "init_url": window.init_url,
            "init_name": window.init_name,
        }
        sources.append(source.model_copy(update=told))
    if not fetches:
        raise DownloadError("The broadcast has not begun: it has no segment yet.", code="not_started")
    recorded_s = recording.recorded_s + seen_s
    over = full or recorded_s >= recording.most_s or all(each.ended for each in windows)
    went_on = recording.model_copy(
        update={
            "sources": tuple(sources),
            "sections": tuple(sections.items())[-SECTIONS_KEPT:],
            "recorded_s": recorded_s,
            "step_s": max(each.step_s for each in windows),
            "span_s": min(each.span_s for each in windows),
            "over": over,
        }
    )
    notes = (*finish.notes, FULL) if full else finish.notes
    finish = finish.model_copy(update={"recording": went_on, "tracks": tuple(tracks), "notes": notes})
    hosts = (urlsplit(url).hostname or "" for url in (*(each.url for each in sources), *(f.urls[0] for f in fetches)))
    cookies = reader.context.http.new_cookies(reader.jar.of_hosts(dict.fromkeys(hosts)))
    return Extraction(
        kind=kind, title=title, headers=reader.sets.all, cookies=cookies, fetches=tuple(fetches), finish=finish
    )


SECTIONS_KEPT = 8
"""Of the sections of a broadcast those whose parts are remembered: its sound may come to one later than the picture."""
FULL = "The recording was ended: it has as many pieces as one download may have."


def _broke(source: Source, window: Window, again: bool) -> bool:
    """True if something is missing between what was taken and what is new."""
    if source.after is None or window.stream is None:
        return False
    return again or (window.sections[0] == source.section and window.first > source.after)


def _by_section(window: Window) -> Iterator[tuple[int, list[Segment]]]:
    segments = read_playlist(window.stream.playlist or "") if window.stream else []
    for section, pairs in groupby(zip(window.sections, segments, strict=True), key=lambda pair: pair[0]):
        yield section, [replace(segment, section=0, gap=False) for _, segment in pairs]


async def _fetches_of(
    segments: Sequence[Segment], window: Window, known: Sequence[Fetch], reader: Reader
) -> list[Fetch]:
    """What these need that is not fetched already."""
    assert window.stream is not None
    there = {each.name for each in known[-3 * NEW_MAX :]}
    names = {name for name in names_of(segments) if name not in there}
    parts = tuple(part for part in window.stream.parts if part.name in names)
    return await reader.fetches(replace(window.stream, parts=parts))


def _track(segments: Sequence[Segment], first: int, count: int, part: int, number: int, source: Source) -> Track:
    return Track(
        form="hls",
        first=first,
        count=count,
        playlist=write_playlist(segments),
        holds=source.holds,
        language=source.language,
        section=part,
        source=number,
    )
