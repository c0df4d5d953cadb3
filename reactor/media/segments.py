"""The segments of a Representation (ISO/IEC 23009-1, section 5.3.9): their URLs, by template or list. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from xml.etree.ElementTree import Element

from reactor import numbers
from reactor.media.choice import holds_audio
from reactor.media.local import Span
from reactor.media.mpd import Addressing, Representation, integer
from reactor.media.parts import URL_MAX, Holds, absolute, bad_manifest, too_many_parts
from reactor.numbers import FETCHES_MAX
from reactor.patterns import pattern

_VARIABLE = pattern(r"\$(?:(RepresentationID|Number|Bandwidth|Time)(?:%0(\d{1,2})d)?)?\$")
NAME_MAX = 1000
"""Characters of the value of a template variable."""


def is_counted(template: Addressing) -> bool:
    """True if the number of segments follows from a duration alone."""
    return template.child("SegmentTimeline") is None and template.attribute("endNumber") is None


def addressing(each: Representation, name: str) -> Addressing | None:
    elements = tuple(found for level in each.levels if (found := level.find(name)) is not None)
    return Addressing(elements) if elements else None


def of_list(each: Representation, listed: Addressing) -> list[tuple[str, Span | None]]:
    """URL and byte range of the init section, if there is one (see `has_init`), then of every segment."""
    segments = next((found for level in listed.elements if (found := level.findall("SegmentURL"))), [])
    if not segments:
        raise bad_manifest("its list of segments is empty")
    init = listed.child("Initialization")
    told = [] if init is None else [(init.get("sourceURL"), init.get("range"))]
    told += [(segment.get("media"), segment.get("mediaRange")) for segment in segments]
    return [(absolute(each.base, uri or ""), span_of(span)) for uri, span in told]


def span_of(text: str | None) -> Span | None:
    """A byte range `first-last` as a span. Raises DownloadError (`bad_manifest`)."""
    if text is None:
        return None
    first, _, last = text.partition("-")
    begin, end = numbers.whole(first), numbers.whole(last)
    if begin is None or end is None or end < begin:
        raise bad_manifest("a range of bytes in it is not valid")
    return Span(begin, end - begin + 1)


def has_init(addressed: Addressing | None) -> bool:
    """True if the first URL is that of an init section."""
    if addressed is None:
        return False
    return bool(addressed.attribute("initialization")) or addressed.child("Initialization") is not None


def is_webm(each: Representation) -> bool:
    """True for WebM; everything else is fragmented MP4."""
    return "webm" in (each.attribute("mimeType") or "")


def holds_of(each: Representation) -> Holds:
    """What a representation is announced to contain."""
    return ("video", "audio") if each.kind == "video" and holds_audio(each.codecs) else (each.kind,)


def of_template(each: Representation, template: Addressing, duration: float | None) -> Iterator[str]:
    """The URLs of the init section, if there is one, and of every segment."""
    if (init := init_of(each, template)) is not None:
        yield init
    media = media_of(template)
    timeline = template.child("SegmentTimeline")
    times = _timeline(timeline, template, duration) if timeline is not None else _steps(template, duration)
    first = template.number("startNumber", 1)
    for number, time in enumerate(times, first):
        yield absolute(each.base, filled(media, each, number, time))


def init_of(each: Representation, template: Addressing) -> str | None:
    """The URL of the init section, if there is one."""
    named, element = template.attribute("initialization"), template.child("Initialization")
    if named:
        return absolute(each.base, filled(named, each))
    return None if element is None else absolute(each.base, element.get("sourceURL") or "")


def of_base(each: Representation) -> list[str]:
    """The URL of the one file with all segments, after that of an init section which is a file of its own."""
    based = addressing(each, "SegmentBase")
    init = based.child("Initialization") if based else None
    apart = absolute(each.base, source) if init is not None and (source := init.get("sourceURL")) else each.base
    return [each.base] if apart == each.base else [apart, each.base]


def media_of(template: Addressing) -> str:
    """What the URLs of the segments are made of. Raises DownloadError (`bad_manifest`)."""
    media = template.attribute("media")
    if not media:
        raise bad_manifest("its template names no segments")
    return media


def lasts_of(template: Addressing | None, duration: float | None, count: int) -> tuple[float, ...]:
    """How long each of `count` segments lasts, in seconds; nothing where that is not said."""
    scale = template.number("timescale", 1) if template is not None else 0
    if template is None or scale < 1 or count < 2:
        return ()
    timeline = template.child("SegmentTimeline")
    if timeline is not None:
        times = list(_timeline(timeline, template, duration))
    else:
        step = template.number("duration", 0)
        times = [n * step for n in range(count)] if step else []
    if len(times) != count:
        return ()
    lasts = [(two - one) / scale for one, two in pairwise(times)]
    lasts.append(lasts[-1])
    if duration is None:
        return tuple(lasts)
    # Of those that were counted too many, at the end, nothing is left.
    left = (duration - (time - times[0]) / scale for time in times)
    return tuple(max(0.0, min(each, rest)) for each, rest in zip(lasts, left, strict=True))


def _steps(template: Addressing, duration: float | None) -> Iterator[int]:
    """The start times of segments of equal duration."""
    step, scale = template.number("duration", 0), template.number("timescale", 1)
    if step < 1:
        yield 0  # no duration, no timeline: there is one segment
        return
    first, last = template.number("startNumber", 1), template.attribute("endNumber")
    if scale < 1 or (duration is None and last is None):
        raise bad_manifest("it does not say how many segments there are")
    if last is not None:
        count = integer(last, "endNumber", 0) - first + 1
    else:
        count = math.ceil(Fraction(round((duration or 0) * 1_000_000), 1_000_000) * scale / step)
    _check_count(count)
    start = template.number("presentationTimeOffset", 0)
    yield from (start + number * step for number in range(count))


def _timeline(timeline: Element, template: Addressing, duration: float | None) -> Iterator[int]:
    """The start times in a SegmentTimeline; what it does not say goes on to the end."""
    scale, offset = template.number("timescale", 1), template.number("presentationTimeOffset", 0)

    def ends_at() -> int:
        if duration is None:
            raise bad_manifest("it does not say how many segments there are")
        return offset + round(duration * scale)

    for time, step, count in runs(timeline, ends_at):
        yield from range(time, time + count * step, step)


def runs(timeline: Element, ends_at: Callable[[], int], *, whole: bool = False) -> Iterator[tuple[int, int, int]]:
    """Each `S` of a SegmentTimeline: when its first segment begins, how long each lasts, how many there are. If `r` is
    negative they go on to the next `S`, or to `ends_at()`; with `whole` only those that are over by then. Raises
    DownloadError."""
    entries, time, count = timeline.findall("S"), 0, 0
    for place, entry in enumerate(entries):
        time = integer(entry.get("t"), "t", time)
        step, more = integer(entry.get("d"), "d", 0), integer(entry.get("r"), "r", 0)
        if step < 1:
            raise bad_manifest("a segment in it lasts no time at all")
        if more < 0:
            following = entries[place + 1].get("t") if place + 1 < len(entries) else None
            end = ends_at() if following is None else integer(following, "t", time)
            more = max(-1, (end - time) // step - 1) if whole else -((time - end) // step) - 1
        count += more + 1
        if count or not whole:
            _check_count(count)
        yield time, step, more + 1
        time += (more + 1) * step


def _check_count(count: int) -> None:
    if count < 1:
        raise bad_manifest("it names no segments")
    if count > FETCHES_MAX:
        raise too_many_parts(count)


def filled(template: str, each: Representation, number: int | None = None, time: int | None = None) -> str:
    """The template with its variables replaced (ISO/IEC 23009-1, section 5.3.9.4.4). Raises DownloadError."""
    if len(template) > URL_MAX:
        raise bad_manifest("an address in it is too long")
    values = {
        "RepresentationID": each.element.get("id"),
        "Bandwidth": each.attribute("bandwidth"),
        "Number": number,
        "Time": time,
    }

    def value(found: re.Match[str]) -> str:
        if not found[1]:
            return "$"
        known = values[found[1]]
        if known is None:
            raise bad_manifest(f"its template needs ${found[1]}$, which is not known")
        if len(str(known)) > NAME_MAX:
            raise bad_manifest(f"what its template needs for ${found[1]}$ is too long")
        return str(known).zfill(int(found[2])) if found[2] else str(known)

    return _VARIABLE.sub(value, template)
