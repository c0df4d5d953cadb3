"""Parses DASH manifests (ISO/IEC 23009-1): the text of an MPD → the streams of its best video and audio. Pure.

Attributes and elements of the Period and the AdaptationSet are inherited by what is below them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from xml.etree.ElementTree import Element

from reactor.errors import DownloadError
from reactor.media.choice import QUALITIES_MAX, Choice, Quality
from reactor.media.dash_texts import text_streams
from reactor.media.local import Init, Segment, Span, data_uri, write_playlist
from reactor.media.mpd import Representation, integer, moment, read_mpd, seconds
from reactor.media.parts import (
    LABEL_MAX,
    SERVERS_MAX,
    MediaStream,
    Part,
    bad_manifest,
    bounded,
    data_of,
    is_data,
    live,
    too_many_parts,
)
from reactor.media.representations import Chosen, Period, choose, qualities, representations, traits_of
from reactor.media.segments import (
    addressing,
    has_init,
    holds_of,
    is_counted,
    is_webm,
    lasts_of,
    of_base,
    of_list,
    of_template,
)

PERIODS_MAX = 2000
_LINK, _NOTHING = "{http://www.w3.org/1999/xlink}href", "urn:mpeg:dash:resolve-to-zero:2013"


def is_dash(text: str) -> bool:
    """True if the text has an MPD element."""
    return re.search(r"<(?:\w+:)?MPD[\s>]", text[:65_536]) is not None


def parse(
    text: str,
    url: str,
    choice: Choice,
    *,
    server: int = 0,
    avoid: Collection[str] = (),
    now_s: float = 0.0,
    timed: bool = False,
) -> list[MediaStream]:
    """The best video and the best audio within the choice, of the MPD at `url`, and its subtitles.

    `server`: which BaseURL is used where there are several (see `servers`); `avoid`: ids of representations that are
    not taken while there are others; `now_s`: seconds since the epoch, for a broadcast with an announced end; `timed`:
    what each segment lasts is wanted, too.

    Raises DownloadError: `bad_manifest`, `live`, `drm`, `unsupported`, `too_many_parts`."""
    mpd = read_mpd(text)
    open_s = open_s_of(mpd, now_s)
    periods = list(periods_of(mpd, url, server))
    chosen = [] if choice.texts_only else choose(periods, choice, avoid)
    if not chosen and not choice.texts_only:
        raise bad_manifest("there is no sound in it" if choice.audio_only else "it names neither picture nor sound")
    if open_s is not None and not all(_is_listed(each) for found in chosen for _, each in found):
        raise live()
    both = len(chosen) > 1
    streams = []
    for each in chosen:
        prefix = "audio-" if both and each[0][1].kind == "audio" else ""
        one = _stream(each[0][1], periods[0].duration_s, prefix, timed=timed) if len(periods) == 1 else None
        label = each[0][1].element.get("id") or ""
        stream = one or _joined(each, prefix)
        streams.append(replace(stream, open_s=open_s, label=label[:LABEL_MAX], traits=traits_of(each[0][1])))
    if not choice.like and (choice.texts is not None or not choice.audio_only):
        streams += text_streams(mpd, url, server, choice, periods, chosen[0] if chosen else [])
    return streams


def offered(text: str, url: str) -> list[Quality]:
    """What there is to choose from in an MPD that was parsed already."""
    return list(qualities(periods_of(read_mpd(text), url, 0)))[:QUALITIES_MAX]


def servers(text: str) -> int:
    """How many BaseURLs the element that has the most of them has: they are alternatives. At least 1."""
    mpd = read_mpd(text)
    return min(SERVERS_MAX, max((len(each.findall("BaseURL")) for each in mpd.iter()), default=1) or 1)


def open_s_of(mpd: Element, now_s: float) -> float | None:
    """None for a manifest that has its end; for a broadcast that may go on, how often it is to be read again, in
    seconds."""
    if mpd.get("type") != "dynamic":
        return None
    total, update = mpd.get("mediaPresentationDuration"), mpd.get("minimumUpdatePeriod")
    if total is not None and update is None:
        return None
    start = mpd.get("availabilityStartTime")
    begun_s = moment(start) if start and total is not None else None
    if begun_s is not None and begun_s + seconds(total or "", zero=True) < now_s:
        return None
    return max(seconds(each, zero=True) for each in (update or "PT0S", mpd.get("maxSegmentDuration") or "PT0S"))


def _is_listed(each: Representation) -> bool:
    """True if all segments from the beginning on are listed: only then can be seen that no more come."""
    if addressing(each, "SegmentList"):
        return True
    template = addressing(each, "SegmentTemplate")
    timeline = template.child("SegmentTimeline") if template else None
    if template is None or timeline is None or template.number("startNumber", 1) > 1:
        return False
    entries = timeline.findall("S")
    first = integer(entries[0].get("t"), "t", 0) if entries else 0
    whole = all(integer(entry.get("r"), "r", 0) >= 0 for entry in entries)
    return whole and first == template.number("presentationTimeOffset", 0)


def periods_of(mpd: Element, url: str, server: int) -> Iterator[Period]:
    """The periods that have content, with their announced durations."""
    elements = [each for each in mpd.findall("Period") if each.get(_LINK) != _NOTHING]
    if not elements:
        raise bad_manifest("it names no period")
    if any(each.get(_LINK) for each in elements):
        raise DownloadError("A part of this video stands in another manifest, which is not read.", code="unsupported")
    told = mpd.get("mediaPresentationDuration")
    total = seconds(told) if told else None
    starts = [seconds(start, zero=True) if (start := each.get("start")) else None for each in elements]
    if len(elements) > PERIODS_MAX:
        raise too_many_parts(len(elements))
    begin: float | None = 0.0
    for number, element in enumerate(elements):
        duration, starts_at = element.get("duration"), starts[number]
        lasts = seconds(duration, zero=True) if duration else None
        begin = begun_s = begin if starts_at is None else starts_at
        if lasts is None:
            end = total if number + 1 == len(elements) else starts[number + 1]
            lasts = end - begin if begin is not None and end is not None and end > begin else None
        begin = begin + lasts if begin is not None and lasts is not None else None
        if len(elements) == 1:
            lasts = lasts or total
        found = list(representations(mpd, element, url, server))
        if lasts != 0 and (found or len(elements) == 1):
            yield Period(number, element, begun_s, lasts, found)


# Its segments


def _stream(each: Representation, duration: float | None, prefix: str, *, timed: bool) -> MediaStream | None:
    """A stream of one period; None if it takes a local playlist to describe it."""
    template, listed = addressing(each, "SegmentTemplate"), addressing(each, "SegmentList")
    if template:
        urls = list(bounded(of_template(each, template, duration)))
    elif listed:
        ranges = of_list(each, listed)
        urls = list(bounded(url for url, _ in ranges))
        if len(set(urls)) > 1 and any(span for _, span in ranges):
            return None
    else:
        urls = of_base(each)
    if not urls:
        raise bad_manifest("it names no segments")
    if any(map(is_data, urls)):
        return None
    if len(set(urls)) == 1:
        # One URL, whole or in ranges: fetched once.
        suffix = "webm" if is_webm(each) else {"video": "mp4", "audio": "m4a"}[each.kind]
        return MediaStream("file", (Part(urls[0], f"{each.kind}.{suffix}"),), None, duration, holds_of(each))
    suffix = "webm" if is_webm(each) else "m4s"
    first = 1 if has_init(template or listed) or not (template or listed) else 0
    doubtful = _doubtful(len(urls) - first) if template and is_counted(template) else len(urls)
    parts = tuple(
        Part(url, f"{prefix}{number:04}.{suffix}", number - first >= doubtful) for number, url in enumerate(urls)
    )
    lasts = lasts_of(template or listed, duration, len(urls) - first) if timed else ()
    return MediaStream("concat", parts, None, duration, holds_of(each), needed=tuple(range(first)), lasts=lasts)


def _doubtful(count: int) -> int:
    """The first of `count` segments that may not exist, where only a duration tells how many there are: it is rounded
    up, or that of another track."""
    return max(count // 2, 1)


def _joined(chosen: list[Chosen], prefix: str) -> MediaStream:
    """A stream of several periods, or of ranges of several files: a local playlist with a section for each period."""
    parts: dict[str, Part] = {}
    segments = list[Segment]()
    told: list[float | None] = []

    def name(url: str, wanted: str, *, optional: bool = False) -> str:
        if is_data(url):
            return data_uri(data_of(url))
        return parts.setdefault(url, Part(url, f"{prefix}{wanted}", optional)).name

    for period, each in chosen:
        init, media, counted = _addresses(each, period.duration_s)
        webm = is_webm(each)
        urls = {url for url, _ in media} | ({init[0]} if init else set())
        if len(urls) == 1:
            if media[0][0] in parts and _begins_late(each):
                raise DownloadError(
                    "The periods of this video are pieces of one file, which reactor cannot join.", code="unsupported"
                )
            init, media = None, [(media[0][0], None)]
        header = None
        if init:
            header = Init(name(init[0], f"{period.number}-init.{'webm' if webm else 'mp4'}"), init[1])
        suffix = "webm" if webm else "m4s" if header else "mp4"
        lasts = lasts_of(addressing(each, "SegmentTemplate"), period.duration_s, len(media))
        lasts = lasts or ((period.duration_s or 0.0) / len(media),) * len(media)
        for place, (url, span) in enumerate(media):
            optional = counted and place >= _doubtful(len(media))
            mine = name(url, f"{period.number}-{place:04}.{suffix}", optional=optional)
            segments.append(Segment(mine, round(lasts[place], 6), span, None, header, period.number))
        told.append(period.duration_s)
    list(bounded(parts))
    known = [lasts for lasts in told if lasts]
    holds = tuple(dict.fromkeys(kind for _, each in chosen for kind in holds_of(each)))
    total = sum(known) if len(known) == len(told) else None
    uses = Counter(segment.name for segment in segments)
    needed = tuple(place for place, part in enumerate(parts.values()) if uses[part.name] != 1)
    return MediaStream("hls", tuple(parts.values()), write_playlist(segments), total, holds, needed=needed)


def _addresses(
    each: Representation, duration: float | None
) -> tuple[tuple[str, Span | None] | None, list[tuple[str, Span | None]], bool]:
    """The init section, the segments, and whether their number was computed from a duration."""
    template, listed = addressing(each, "SegmentTemplate"), addressing(each, "SegmentList")
    found: list[tuple[str, Span | None]]
    if template:
        found = [(url, None) for url in bounded(of_template(each, template, duration))]
    elif listed:
        found = of_list(each, listed)
    else:
        *before, media = of_base(each)
        return (before[0], None) if before else None, [(media, None)], False
    addressed = template or listed
    init = found.pop(0) if addressed and has_init(addressed) else None
    if not found:
        raise bad_manifest("it names no segments")
    return init, found, bool(template and is_counted(template))


def _begins_late(each: Representation) -> bool:
    """True if it begins in the midst of its file (presentationTimeOffset)."""
    for name in ("SegmentBase", "SegmentTemplate", "SegmentList"):
        addressed = addressing(each, name)
        if addressed and addressed.number("presentationTimeOffset", 0):
            return True
    return False
