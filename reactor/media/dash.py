"""Parses DASH manifests (ISO/IEC 23009-1): the text of an MPD → the streams of its best video and audio. Pure.

Attributes and elements of the Period and the AdaptationSet are inherited by what is below them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal
from xml.etree.ElementTree import Element

from reactor import numbers
from reactor.errors import DownloadError
from reactor.media.choice import Choice, Like, audio_rank, holds_audio, holds_video, split_codecs, video_rank
from reactor.media.local import Init, Segment, Span, data_uri, write_playlist
from reactor.media.mpd import AdaptationSet, Representation, integer, moment, read_mpd, seconds, sort_of
from reactor.media.parts import (
    MediaStream,
    Part,
    Subtitles,
    bad_manifest,
    bounded,
    data_of,
    is_data,
    live,
    protected,
    too_many_parts,
)
from reactor.media.segments import addressing, has_init, holds_of, is_counted, is_webm, of_list, of_template

PERIODS_MAX = 2000
SERVERS_MAX = 4
"""BaseURLs of one element that are tried."""
SUBTITLES_MAX = 30
LABEL_MAX = 100
"""Characters of an id, a language or a name."""
BANDWIDTH_SHARE = 0.02
"""Tolerance when a bandwidth is compared with one from another source."""
_LINK, _NOTHING = "{http://www.w3.org/1999/xlink}href", "urn:mpeg:dash:resolve-to-zero:2013"
_SYSTEMS = {
    "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed": "Widevine",
    "urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95": "PlayReady",
    "urn:uuid:94ce86fb-07ff-4f43-adb8-93d2fa968ca2": "FairPlay",
}


@dataclass(frozen=True, slots=True)
class Period:
    """A Period: a part of the film with a clock of its own."""

    number: int
    duration_s: float | None
    """As announced."""
    representations: list[Representation]


Chosen = tuple[Period, Representation]


def is_dash(text: str) -> bool:
    """True if the text has an MPD element."""
    return re.search(r"<(?:\w+:)?MPD[\s>]", text[:65_536]) is not None


def parse(
    text: str, url: str, choice: Choice, *, server: int = 0, avoid: Collection[str] = (), now_s: float = 0.0
) -> list[MediaStream]:
    """The best video and the best audio within the choice, of the MPD at `url`, and its subtitles.

    `server`: which BaseURL is used where there are several (see `servers`); `avoid`: ids of representations that are
    not taken while there are others; `now_s`: seconds since the epoch, for a broadcast with an announced end.

    Raises DownloadError: `bad_manifest`, `live`, `drm`, `unsupported`, `too_many_parts`."""
    mpd = read_mpd(text)
    open_s = _open_s(mpd, now_s)
    periods = list(_periods(mpd, url, server))
    wanted = [] if choice.audio_only else [_chosen(periods, "video", choice, avoid)]
    wanted.append(_chosen(periods, "audio", choice, avoid))
    chosen = [each for each in wanted if each]
    if not chosen:
        raise bad_manifest("there is no sound in it" if choice.audio_only else "it names neither picture nor sound")
    if open_s is not None and not all(_is_listed(each) for found in chosen for _, each in found):
        raise live()
    both = len(chosen) > 1
    streams = []
    for each in chosen:
        prefix = "audio-" if both and each[0][1].kind == "audio" else ""
        one = _stream(each[0][1], periods[0].duration_s, prefix) if len(periods) == 1 else None
        label = each[0][1].element.get("id") or ""
        streams.append(replace(one or _joined(each, prefix), open_s=open_s, label=label[:LABEL_MAX]))
    if len(periods) == 1 and not choice.audio_only and not choice.like:
        streams += _subtitles(mpd, url, server)
    return streams


def servers(text: str) -> int:
    """How many BaseURLs the element that has the most of them has: they are alternatives. At least 1."""
    mpd = read_mpd(text)
    return min(SERVERS_MAX, max((len(each.findall("BaseURL")) for each in mpd.iter()), default=1) or 1)


def _open_s(mpd: Element, now_s: float) -> float | None:
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


def _periods(mpd: Element, url: str, server: int) -> Iterator[Period]:
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
        begin = begin if starts_at is None else starts_at
        if lasts is None:
            end = total if number + 1 == len(elements) else starts[number + 1]
            lasts = end - begin if begin is not None and end is not None and end > begin else None
        begin = begin + lasts if begin is not None and lasts is not None else None
        if len(elements) == 1:
            lasts = lasts or total
        representations = list(_representations(mpd, element, url, server))
        if lasts != 0 and (representations or len(elements) == 1):
            yield Period(number, lasts, representations)


# Which representation


def _representations(mpd: Element, period: Element, url: str, server: int) -> Iterator[Representation]:
    for adaptation in period.findall("AdaptationSet"):
        above = AdaptationSet(mpd, period, adaptation, url, server)
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


def _chosen(
    periods: list[Period], kind: Literal["video", "audio"], choice: Choice, avoid: Collection[str]
) -> list[Chosen]:
    """The best of a kind in each period that has it, of one family of codecs if possible: only those can be joined."""
    like = next((each for each in choice.like if each.kind == kind), None)
    if choice.like and like is None:
        return []
    free = {period.number: free for period in periods if (free := _free(period.representations, kind, avoid))}
    families = [{each.codecs[:1] for each in found} for found in free.values()]
    common = set.intersection(*families) if families else set()
    longest = max((p for p in periods if p.number in free), key=lambda p: p.duration_s or 0.0, default=None)
    if longest is None:
        return []

    def best(found: list[Representation], *, near: Representation | None = None) -> Representation:
        alike = [each for each in found if each.codecs[:1] in common] or found
        return max(alike, key=lambda each: (*_likeness(each, like, near), *_rank(each, choice)))

    first = best(free[longest.number])
    return [(period, best(free[period.number], near=first)) for period in periods if period.number in free]


def _free(
    representations: Iterable[Representation], kind: Literal["video", "audio"], avoid: Collection[str]
) -> list[Representation]:
    """Those of a kind that are not protected and, if there are others, not to be avoided. Raises DownloadError (`drm`)
    if all are protected."""
    found = [each for each in representations if each.kind == kind]
    free = [each for each in found if not each.protections]
    if found and not free:
        names = (_SYSTEMS.get(str(each.get("schemeIdUri")).lower()) for each in found[0].protections)
        raise protected(", ".join(sorted({name for name in names if name})))
    return [each for each in free if (each.element.get("id") or "") not in avoid] or free


def _likeness(each: Representation, like: Like | None, near: Representation | None) -> tuple[bool, ...]:
    """How well it matches what another source has chosen, or the representation of another period."""
    if near is not None:
        same = [
            each.attribute(name) == near.attribute(name) for name in ("codecs", "audioSamplingRate", "lang", "height")
        ]
        return (each.codecs == near.codecs, *same)
    if like is None:
        return ()
    bandwidth, height = each.number("bandwidth"), each.number("height")
    language = each.attribute("lang") or ""
    return (
        not like.codecs or split_codecs(like.codecs)[:1] == each.codecs[:1],
        not like.height or height == like.height,
        not like.bandwidth or abs(bandwidth - like.bandwidth) <= BANDWIDTH_SHARE * like.bandwidth,
        not like.language or language.split("-")[0].lower() == like.language.split("-")[0].lower(),
    )


def _rank(each: Representation, choice: Choice) -> tuple[float, ...]:
    bandwidth = each.number("bandwidth")
    if each.kind == "audio":
        return audio_rank(codecs=each.codecs, bandwidth=bandwidth, main=each.above.main)
    height = each.number("height") or None
    fps = numbers.ratio(each.attribute("frameRate")) or 0.0
    return video_rank(choice, codecs=each.codecs, height=height, bandwidth=bandwidth, fps=fps)


# Its segments


def _stream(each: Representation, duration: float | None, prefix: str) -> MediaStream | None:
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
        urls = [each.base]
    if not urls:
        raise bad_manifest("it names no segments")
    if any(map(is_data, urls)):
        return None
    if len(set(urls)) == 1:
        # One URL, whole or in ranges: fetched once.
        suffix = "webm" if is_webm(each) else {"video": "mp4", "audio": "m4a"}[each.kind]
        return MediaStream("file", (Part(urls[0], f"{each.kind}.{suffix}"),), None, duration, holds_of(each))
    suffix = "webm" if is_webm(each) else "m4s"
    first = 1 if has_init(template or listed) else 0
    doubtful = _doubtful(len(urls) - first) if template and is_counted(template) else len(urls)
    parts = tuple(
        Part(url, f"{prefix}{number:04}.{suffix}", number - first >= doubtful) for number, url in enumerate(urls)
    )
    return MediaStream("concat", parts, None, duration, holds_of(each), needed=tuple(range(first)))


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
        lasts = (period.duration_s or 0.0) / len(media)
        for place, (url, span) in enumerate(media):
            optional = counted and place >= _doubtful(len(media))
            mine = name(url, f"{period.number}-{place:04}.{suffix}", optional=optional)
            segments.append(Segment(mine, round(lasts, 6), span, None, header, period.number))
        told.append(period.duration_s)
    list(bounded(parts))
    known = [lasts for lasts in told if lasts]
    holds = tuple(dict.fromkeys(kind for _, each in chosen for kind in holds_of(each)))
    total = sum(known) if len(known) == len(told) else None
    uses = Counter(segment.name for segment in segments)
    needed = tuple(place for place, part in enumerate(parts.values()) if uses[part.name] != 1)
    return MediaStream("hls", tuple(parts.values()), write_playlist(segments), total, holds, needed=needed)


def _subtitles(mpd: Element, url: str, server: int) -> Iterator[MediaStream]:
    """Subtitles that are one file of WebVTT each; of another form, with their name alone."""
    count = 0
    for period in mpd.findall("Period"):
        for adaptation in period.findall("AdaptationSet"):
            above = AdaptationSet(mpd, period, adaptation, url, server)
            for element in adaptation.findall("Representation")[:1]:
                each = Representation(element, above, "video", ())
                kind = each.attribute("mimeType") or ""
                if not (kind.startswith("text/") or above.content == "text" or kind == "application/ttml+xml"):
                    continue
                count += 1
                label = adaptation.findtext("Label") or ""
                told = Subtitles((each.attribute("lang") or "")[:LABEL_MAX], label.strip()[:LABEL_MAX])
                segmented = addressing(each, "SegmentTemplate") or addressing(each, "SegmentList")
                plain = kind == "text/vtt" and not segmented
                name = f"text-{count}-0001.vtt"
                parts = (Part(each.base, name, optional=True),) if plain else ()
                playlist = write_playlist([Segment(name, 0.0)]) if plain else None
                if count <= SUBTITLES_MAX:
                    yield MediaStream("webvtt", parts, playlist, subtitles=told)


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
        return None, [(each.base, None)], False
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
