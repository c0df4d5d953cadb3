"""DASH (ISO/IEC 23009-1): the text of an MPD → the streams of its best picture and sound. Pure: nothing is asked.

Attributes and elements that stand higher (in the Period, in the AdaptationSet) hold for what is below them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Literal
from xml.etree.ElementTree import Element

from reactor import numbers
from reactor.errors import DownloadError
from reactor.media.choice import Choice, audio_rank, holds_audio, holds_video, split_codecs, video_rank
from reactor.media.mpd import AdaptationSet, Addressing, Representation, integer, read_mpd, seconds, sort_of
from reactor.media.parts import (
    URL_MAX,
    Holds,
    Part,
    Stream,
    absolute,
    bad_manifest,
    bounded,
    live,
    protected,
    too_many_parts,
)
from reactor.numbers import FETCHES_MAX

_VARIABLE = re.compile(r"\$(?:(RepresentationID|Number|Bandwidth|Time)(?:%0(\d{1,2})d)?)?\$")
NAME_MAX = 1000
"""Characters of what stands for a variable in a template."""
_SYSTEMS = {
    "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed": "Widevine",
    "urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95": "PlayReady",
    "urn:uuid:94ce86fb-07ff-4f43-adb8-93d2fa968ca2": "FairPlay",
}


def is_dash(text: str) -> bool:
    """True when the text looks like an MPD."""
    return re.search(r"<(?:\w+:)?MPD[\s>]", text[:65_536]) is not None


def parse(text: str, url: str, choice: Choice) -> list[Stream]:
    """The best picture and the best sound within the choice, of the MPD that stands at `url`.

    Raises DownloadError: `bad_manifest`, `live`, `drm`, `unsupported`, `too_many_parts`."""
    mpd = read_mpd(text)
    if mpd.get("type") == "dynamic":
        raise live()
    periods = mpd.findall("Period")
    if not periods:
        raise bad_manifest("it names no period")
    if len(periods) > 1:
        raise DownloadError(
            f"This video comes in {len(periods)} pieces with breaks between them (DASH periods), "
            "which reactor cannot join.",
            code="unsupported",
        )
    total = periods[0].get("duration") or mpd.get("mediaPresentationDuration")
    duration = seconds(total) if total else None
    representations = list(_representations(mpd, periods[0], url))
    wanted = [] if choice.audio_only else [_best(representations, "video", choice)]
    wanted.append(_best(representations, "audio", choice))
    chosen = [each for each in wanted if each is not None]
    if not chosen:
        raise bad_manifest("there is no sound in it" if choice.audio_only else "it names neither picture nor sound")
    both = len(chosen) > 1
    return [_stream(each, duration, "audio-" if both and each.kind == "audio" else "") for each in chosen]


# Which representation


def _representations(mpd: Element, period: Element, url: str) -> Iterator[Representation]:
    for adaptation in period.findall("AdaptationSet"):
        above = AdaptationSet(mpd, period, adaptation, url)
        if above.seeking:
            continue
        common = split_codecs(adaptation.get("codecs"))
        for element in adaptation.findall("Representation"):
            codecs = split_codecs(element.get("codecs")) or common
            kind = _kind(element, above, codecs)
            if kind:
                yield Representation(element, above, kind, codecs)


def _kind(element: Element, above: AdaptationSet, codecs: Iterable[str]) -> Literal["video", "audio"] | None:
    said = above.element.get("contentType") or sort_of(element) or above.content
    if said == "video" or (not said and holds_video(codecs)):
        return "video"
    return "audio" if said == "audio" or (not said and holds_audio(codecs)) else None


def _best(
    representations: Iterable[Representation], kind: Literal["video", "audio"], choice: Choice
) -> Representation | None:
    """The best of a kind that is not protected. Raises DownloadError (`drm`) when all of them are."""
    found = [each for each in representations if each.kind == kind]
    free = [each for each in found if not each.protections]
    if found and not free:
        names = (_SYSTEMS.get(str(each.get("schemeIdUri")).lower()) for each in found[0].protections)
        raise protected(", ".join(sorted({name for name in names if name})))
    return max(free, key=lambda each: _rank(each, choice), default=None)


def _rank(each: Representation, choice: Choice) -> tuple[float, ...]:
    bandwidth = each.number("bandwidth")
    if each.kind == "audio":
        return audio_rank(codecs=each.codecs, bandwidth=bandwidth, main=each.above.main)
    height = each.number("height") or None
    fps = numbers.ratio(each.attribute("frameRate")) or 0.0
    return video_rank(choice, codecs=each.codecs, height=height, bandwidth=bandwidth, fps=fps)


# Its segments


def _stream(each: Representation, duration: float | None, prefix: str) -> Stream:
    holds: Holds = (each.kind,)
    if each.kind == "video" and holds_audio(each.codecs):
        holds = ("video", "audio")
    webm = "webm" in (each.attribute("mimeType") or "")
    template, listed = _addressing(each, "SegmentTemplate"), _addressing(each, "SegmentList")
    if template:
        urls = list(bounded(_of_template(each, template, duration)))
    elif listed:
        urls = list(bounded(_of_list(each, listed)))
    else:
        urls = [each.base]
    if not urls:
        raise bad_manifest("it names no segments")
    if len(set(urls)) == 1:
        # One address, whole or in ranges: it is the stream, and fetched once.
        suffix = "webm" if webm else {"video": "mp4", "audio": "m4a"}[each.kind]
        return Stream("file", (Part(urls[0], f"{each.kind}.{suffix}"),), None, duration, holds)
    suffix = "webm" if webm else "m4s"
    # A duration that is rounded up, or that of another track, counts one segment too many.
    last = len(urls) - 1 if template and _is_counted(template) and len(urls) > 2 else None
    parts = tuple(Part(url, f"{prefix}{number:04}.{suffix}", number == last) for number, url in enumerate(urls))
    return Stream("concat", parts, None, duration, holds)


def _is_counted(template: Addressing) -> bool:
    """True when the number of segments is told by the duration alone."""
    return template.child("SegmentTimeline") is None and template.attribute("endNumber") is None


def _addressing(each: Representation, name: str) -> Addressing | None:
    elements = tuple(found for level in each.levels if (found := level.find(name)) is not None)
    return Addressing(elements) if elements else None


def _of_list(each: Representation, listed: Addressing) -> Iterator[str]:
    """The init section, then one address a segment. Ranges are for one address only: that is fetched whole."""
    segments = next((found for level in listed.elements if (found := level.findall("SegmentURL"))), [])
    if not segments:
        raise bad_manifest("its list of segments is empty")
    init = listed.child("Initialization")
    uris = [] if init is None else [init.get("sourceURL") or ""]
    uris += [segment.get("media") or "" for segment in segments]
    ranged = any(segment.get("mediaRange") for segment in segments) or (init is not None and init.get("range"))
    if ranged and len(set(uris)) > 1:
        raise DownloadError("Its segments are ranges of several files, which reactor cannot join.", code="unsupported")
    yield from (absolute(each.base, uri) for uri in uris)


def _of_template(each: Representation, template: Addressing, duration: float | None) -> Iterator[str]:
    """The init section, then every segment."""
    init, media = template.attribute("initialization"), template.attribute("media")
    element = template.child("Initialization")
    if init:
        yield absolute(each.base, _filled(init, each))
    elif element is not None:
        yield absolute(each.base, element.get("sourceURL") or "")
    if not media:
        raise bad_manifest("its template names no segments")
    timeline = template.child("SegmentTimeline")
    times = _timeline(timeline, template, duration) if timeline is not None else _steps(template, duration)
    first = template.number("startNumber", 1)
    for number, time in enumerate(times, first):
        yield absolute(each.base, _filled(media, each, number, time))


def _steps(template: Addressing, duration: float | None) -> Iterator[int]:
    """The start times of segments that all last the same."""
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
    """The start times in a SegmentTimeline: `r` more of the same, or, when negative, up to the next or the end."""
    scale, offset = template.number("timescale", 1), template.number("presentationTimeOffset", 0)
    entries, time, count = timeline.findall("S"), 0, 0
    for place, entry in enumerate(entries):
        time = integer(entry.get("t"), "t", time)
        step, more = integer(entry.get("d"), "d", 0), integer(entry.get("r"), "r", 0)
        if step < 1:
            raise bad_manifest("a segment in it lasts no time at all")
        if more < 0:
            following = entries[place + 1].get("t") if place + 1 < len(entries) else None
            if following is None and duration is None:
                raise bad_manifest("it does not say how many segments there are")
            end = integer(following, "t", offset + round((duration or 0) * scale))
            more = -((time - end) // step) - 1
        count += more + 1
        _check_count(count)
        yield from range(time, time + (more + 1) * step, step)
        time += (more + 1) * step


def _check_count(count: int) -> None:
    if count < 1:
        raise bad_manifest("it names no segments")
    if count > FETCHES_MAX:
        raise too_many_parts(count)


def _filled(template: str, each: Representation, number: int | None = None, time: int | None = None) -> str:
    """The template with its variables put in (ISO/IEC 23009-1, section 5.3.9.4.4)."""
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
