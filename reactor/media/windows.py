"""What a running stream has now, beyond what was taken of it: the new segments of an HLS playlist or of an MPD. Pure.

    windows(text, url, queries, choice, now_s) -> list[Window]      one for each query; without queries, one for each
                                                                    stream that is chosen

A place in a stream is a whole number that grows by one with each segment (HLS: the media sequence; DASH: a segment's
number, or the moment at which it begins, by the clock of its timeline), within a section: what lies between two
discontinuities, or a period.

All raise DownloadError, as `hls` and `dash` do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from reactor.errors import DownloadError
from reactor.media import dash, hls
from reactor.media.choice import Choice
from reactor.media.local import Init, Segment, names_of, write_playlist
from reactor.media.mpd import Addressing, Representation, moment, read_mpd, seconds
from reactor.media.parts import Holds, MediaStream, Part, absolute, bad_manifest, is_data
from reactor.media.representations import Chosen, Period, choose
from reactor.media.segments import addressing, filled, holds_of, init_of, is_webm, media_of, of_list, runs
from reactor.numbers import FETCHES_MAX
from reactor.records import dataclass

START_SEGMENTS = 3
"""A broadcast is taken from so many segments before its newest one on, as players do."""
STEP_MIN_S, STEP_MAX_S = 0.2, 20.0


@dataclass(frozen=True, slots=True)
class Query:
    """One stream of which more is wanted."""

    prefix: str
    """Put before the name of each part."""
    id: str = ""
    """Of a representation of an MPD."""
    holds: Holds = ()
    after: int | None = None
    """The place behind what was taken last; None: it begins."""
    section: int = 0
    last: str = ""
    """The path of the last segment that was taken."""
    init_url: str = ""
    init_name: str = ""
    """The init section that is there already, and where it comes from."""
    again: bool = False
    """True if it has begun anew, and all that is there is to be taken."""


@dataclass(frozen=True, slots=True)
class Window:
    """What there is of one stream."""

    id: str
    holds: Holds
    language: str
    stream: MediaStream | None
    """What is new; None for nothing."""
    sections: tuple[int, ...]
    """The section of each of its segments."""
    first: int
    """The place of the first new segment."""
    after: int
    """The place behind the last one."""
    section: int
    last: str
    init_url: str
    init_name: str
    step_s: float
    """How often there is something new."""
    span_s: float
    """How long what is new stays there."""
    ended: bool
    fits: bool
    """False where what was taken last is not what stands at its place now: it has begun anew."""
    behind: bool
    """True where it ends before what was taken."""


def windows(text: str, url: str, queries: Sequence[Query], choice: Choice, now_s: float) -> list[Window]:
    """See the module."""
    if hls.is_hls(text):
        found = hls.parse(text, url, running=True)
        if isinstance(found, hls.Master):
            raise bad_manifest("it names variants, and no segments")
        (query,) = queries or (Query("live-"),)
        return [_of_hls(found, query)]
    return list(_of_mpd(read_mpd(text), url, queries, choice, now_s))


# HLS


def _of_hls(media: hls.Media, query: Query) -> Window:
    if media.sequence is None:
        raise bad_manifest("the number of its first segment is not valid")
    count, begin = len(media.segments), media.sequence
    found, parts = hls.numbered(media, prefix=query.prefix)
    durations = [segment.duration_s for _, segment in found]
    if query.after is None:
        start = begin if media.open_s is None else begin + max(0, count - START_SEGMENTS)
    else:
        start = begin if query.again else query.after
    paths = {begin + place: urlsplit(absolute(media.url, raw.uri)).path for place, raw in enumerate(media.segments)}
    before = None if query.after is None else paths.get(query.after - 1)
    fits = query.again or before is None or before == query.last
    new = [(number, segment) for number, segment in found if number >= start]
    step_s = max(durations[-1:] or [media.open_s or 0.0])
    return _window(
        query,
        [segment for _, segment in new],
        parts,
        first=max(start, begin),
        after=begin + count if query.again else max(begin + count, query.after or 0),
        behind=query.after is not None and not query.again and begin + count < query.after,
        last=paths.get(begin + count - 1, ""),
        step_s=step_s,
        span_s=sum(durations),
        ended=media.open_s is None,
        fits=fits,
    )


def _window(
    query: Query,
    segments: Sequence[Segment],
    parts: dict[str, Part],
    *,
    first: int,
    after: int,
    last: str,
    step_s: float,
    span_s: float,
    ended: bool,
    fits: bool,
    behind: bool,
    language: str = "",
) -> Window:
    """Of the new segments; an init section that is there is not fetched again."""
    stream, init_url, init_name = None, query.init_url, query.init_name
    if segments:
        known = {name for name, part in parts.items() if part.url == query.init_url} if query.init_url else set()
        again = [_with_init(each, known, query.init_name) for each in segments]
        mine = tuple(parts[name] for name in names_of(again) if name in parts and name != query.init_name)
        # A section may have any number, and a local playlist a line for each in between.
        order = {section: n for n, section in enumerate(dict.fromkeys(each.section for each in again))}
        local = (replace(each, section=order[each.section]) for each in again)
        stream = MediaStream("hls", mine, write_playlist(local), None, query.holds)
        init = again[-1].init
        if init is not None and init.name in parts:
            init_url, init_name = parts[init.name].url, init.name
    return Window(
        query.id,
        query.holds,
        language,
        stream,
        tuple(each.section for each in segments),
        first,
        after,
        segments[-1].section if segments else query.section,
        last if segments else query.last,
        init_url,
        init_name,
        min(STEP_MAX_S, max(STEP_MIN_S, step_s)),
        span_s,
        ended,
        fits,
        behind,
    )


def _with_init(segment: Segment, known: set[str], name: str) -> Segment:
    init = segment.init
    if init is None or init.name not in known or init.key is not None:
        return segment
    return replace(segment, init=Init(name, init.span))


# DASH


def _of_mpd(mpd: Element, url: str, queries: Sequence[Query], choice: Choice, now_s: float) -> Iterator[Window]:
    periods = list(dash.periods_of(mpd, url, 0))
    chosen: dict[str, list[Chosen]] = {each[0][1].kind: each for each in choose(periods, choice, ())}
    if not queries:
        if not chosen:
            raise bad_manifest("it names neither picture nor sound")
        newest = [each[-1][1] for each in chosen.values()]
        queries = [Query(f"live-{n}-", _id(each), holds_of(each)) for n, each in enumerate(newest)]
    clock = _Clock.of(mpd, now_s)
    for query in queries:
        kind = "video" if "video" in query.holds else "audio"
        same = {period.number: each for period in periods for each in period.representations if _id(each) == query.id}
        members = [(period, same.get(period.number, each)) for period, each in chosen.get(kind, [])]
        yield _of_periods(members, query, clock)


def _id(each: Representation) -> str:
    return (each.element.get("id") or "")[:100]


@dataclass(frozen=True, slots=True)
class _Clock:
    """What of the stream is there at this moment."""

    elapsed_s: float
    """Since it has begun."""
    behind_s: float
    """So long a segment stays there."""
    ended: bool

    @classmethod
    def of(cls, mpd: Element, now_s: float) -> _Clock:
        begun = moment(mpd.get("availabilityStartTime") or "") or 0.0
        behind = mpd.get("timeShiftBufferDepth")
        return cls(max(0.0, now_s - begun), seconds(behind) if behind else math.inf, dash.open_s_of(mpd, now_s) is None)


@dataclass(frozen=True, slots=True)
class _Listed:
    """One segment of an MPD."""

    place: int
    after: int
    lasts_s: float
    url: str


def _of_periods(members: Sequence[tuple[Period, Representation]], query: Query, clock: _Clock) -> Window:
    segments, parts = list[Segment](), dict[str, Part]()
    span_s = step_s = 0.0
    first, after, last, language, newest = query.after or 0, query.after or 0, "", "", 0
    for at, (period, each) in enumerate(members):
        section = round((period.start_s or 0.0) * 1000)
        init_url, listed = _listed(each, period, clock)
        span_s += sum(one.lasts_s for one in listed)
        newest = listed[-1].after if listed and section == query.section else 0
        step_s = max((one.lasts_s for one in listed[-3:]), default=step_s)
        if query.after is None:
            listed = listed[-START_SEGMENTS:] if at + 1 == len(members) else []
        elif section < query.section and not query.again:
            listed = []
        elif section == query.section and not query.again:
            listed = [one for one in listed if one.place >= (query.after or 0)]
        if not listed:
            continue
        init = None
        if init_url:
            init = Init(f"{query.prefix}init-{section}.mp4")
            parts[init.name] = Part(init_url, init.name)
        suffix = "webm" if is_webm(each) else "m4s"
        if not segments:
            first = listed[0].place
        for one in listed:
            name = f"{query.prefix}{section}-{one.place}.{suffix}"
            parts[name] = Part(one.url, name)
            segments.append(Segment(name, round(one.lasts_s, 6), None, None, init, section))
        after, last = listed[-1].after, urlsplit(listed[-1].url).path
        language = each.attribute("lang") or ""
    return _window(
        query,
        segments,
        parts,
        first=first,
        after=after,
        last=last,
        step_s=step_s,
        span_s=span_s,
        ended=clock.ended,
        fits=True,
        behind=not segments and query.after is not None and 0 < newest < query.after,
        language=language[:35],
    )


def _listed(each: Representation, period: Period, clock: _Clock) -> tuple[str, list[_Listed]]:
    """Its init section, if there is one, and the segments that are there."""
    template, listed = addressing(each, "SegmentTemplate"), addressing(each, "SegmentList")
    if template is None and listed is None:
        raise DownloadError("This broadcast comes in one file, which is not supported.", code="unsupported")
    if template is None:
        assert listed is not None
        return _of_list(each, listed)
    init, media = init_of(each, template) or "", media_of(template)
    if is_data(init):
        raise bad_manifest("its template names no segments")
    scale = template.number("timescale", 1)
    if scale < 1:
        raise bad_manifest("its timescale is none")
    until_s = max(0.0, clock.elapsed_s - (period.start_s or 0.0))
    if period.duration_s is not None:
        until_s = min(until_s, period.duration_s)
    timeline = template.child("SegmentTimeline")
    if timeline is None:
        places = _counted(template, until_s, clock, scale)
    else:
        places = _timed(timeline, template, until_s, scale)
    found = []
    for number, time, place, after, lasts in places:
        found.append(_Listed(place, after, lasts / scale, absolute(each.base, filled(media, each, number, time))))
    return init, found


def _of_list(each: Representation, listed: Addressing) -> tuple[str, list[_Listed]]:
    told = of_list(each, listed)
    if any(span for _, span in told) or any(is_data(url) for url, _ in told):
        raise DownloadError("This broadcast comes in one file, which is not supported.", code="unsupported")
    init = told.pop(0)[0] if listed.child("Initialization") is not None else ""
    first, scale = listed.number("startNumber", 1), max(1, listed.number("timescale", 1))
    lasts_s = listed.number("duration", 0) / scale
    return init, [_Listed(first + n, first + n + 1, lasts_s, url) for n, (url, _) in enumerate(told)]


_Place = tuple[int, int, int, int, int]
"""Number, moment, place, the place behind it, how long it lasts."""


def _counted(template: Addressing, until_s: float, clock: _Clock, scale: int) -> Iterator[_Place]:
    """Of segments of equal duration those that are whole by now, the newest one left out: clocks differ."""
    step, first = template.number("duration", 0), template.number("startNumber", 1)
    if step < 1:
        raise bad_manifest("it does not say how long its segments are")
    count = math.ceil(until_s * scale / step) if clock.ended else math.floor(until_s * scale / step) - 1
    begin = 0 if clock.behind_s == math.inf else max(0, count - math.ceil(clock.behind_s * scale / step))
    offset = template.number("presentationTimeOffset", 0)
    for n in range(max(begin, count - FETCHES_MAX), count):
        yield first + n, offset + n * step, n, n + 1, step


def _timed(timeline: Element, template: Addressing, until_s: float, scale: int) -> Iterator[_Place]:
    """Those that a timeline names."""
    number, offset = template.number("startNumber", 1), template.number("presentationTimeOffset", 0)
    for time, step, count in runs(timeline, lambda: offset + round(until_s * scale), whole=True):
        for begin in range(time, time + count * step, step):
            yield number, begin, begin, begin + step, step
            number += 1
