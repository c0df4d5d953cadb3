"""The subtitles of an MPD (ISO/IEC 23009-1): WebVTT or TTML, whole, in segments, or in fragments of MP4. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from xml.etree.ElementTree import Element

from reactor.errors import DownloadError
from reactor.media.choice import Choice, split_codecs
from reactor.media.languages import best_of
from reactor.media.local import Init, Segment, Span, read_playlist, write_playlist
from reactor.media.mpd import AdaptationSet, Representation
from reactor.media.parts import MediaStream, Part, Subtitles, bounded, is_data
from reactor.media.representations import Chosen, Period
from reactor.media.segments import addressing, has_init, of_list, of_template

TEXTS_MAX = 30
LABEL_MAX = 100
_PLAIN = {"text/vtt": "vtt", "application/ttml+xml": "ttml", "application/x-subrip": "srt"}
_CODECS = ("wvtt", "stpp")


def text_streams(
    mpd: Element, url: str, server: int, choice: Choice, periods: Sequence[Period], shown: Sequence[Chosen]
) -> Iterator[MediaStream]:
    """The subtitles of an MPD, those of the choice, else all; those of one name in several periods are one stream. Of a
    form that is not known, with their name alone. `shown`: the picture or sound whose clock they are shown by."""
    found: dict[Subtitles, list[tuple[Period, Representation]]] = {}
    alike: list[tuple[Subtitles, list[tuple[Period, Representation]]]] = []
    for period in periods:
        again = set[Subtitles]()
        for each, told in _texts(mpd, period.element, url, server):
            if told in found and told not in again:
                found[told].append((period, each))
            elif len(alike) < TEXTS_MAX:
                found[told] = [(period, each)]
                alike.append((told, found[told]))
            again.add(told)
    if choice.texts is not None:
        alike = [alike[place] for place in best_of([told.language for told, _ in alike], choice.texts)]
    clocks = {period.number: _offset_s(each) for period, each in shown}
    for count, (told, members) in enumerate(alike, 1):
        try:
            if len(periods) > 1:
                yield _of_periods(members, told, f"text-{count}-", clocks)
            else:
                ((period, each),) = members
                late_s = _offset_s(each) - clocks.get(period.number, 0.0)
                yield _stream(each, told, f"text-{count}-", period.duration_s, late_s)
        except DownloadError:  # the video is worth having without
            yield MediaStream("webvtt", (), subtitles=told)


def _of_periods(
    members: Sequence[tuple[Period, Representation]], told: Subtitles, prefix: str, clocks: Mapping[int, float]
) -> MediaStream:
    """Those of several periods, each with a clock of its own. Where one of them cannot be had there is only a name."""
    parts: dict[str, Part] = {}
    segments, sections = list[Segment](), list[tuple[int, float, float]]()
    for period, each in members:
        one = _stream(each, told, f"{prefix}{period.number}-", period.duration_s, 0.0)
        if not one.parts or period.start_s is None:
            return MediaStream("webvtt", (), subtitles=told)
        # A file that several periods have in common is fetched once.
        names = {part.name: parts.setdefault(part.url, part).name for part in one.parts}
        for segment in read_playlist(one.playlist or ""):
            init = replace(segment.init, name=names[segment.init.name]) if segment.init else None
            segments.append(replace(segment, name=names[segment.name], init=init, section=period.number))
        sections.append((period.number, period.start_s, _offset_s(each) - clocks.get(period.number, 0.0)))
    list(bounded(parts))
    playlist = write_playlist(segments)
    return MediaStream("webvtt", tuple(parts.values()), playlist, subtitles=told, sections=tuple(sections))


def _texts(mpd: Element, period: Element, url: str, server: int) -> Iterator[tuple[Representation, Subtitles]]:
    for adaptation in period.findall("AdaptationSet"):
        above = AdaptationSet(mpd, period, adaptation, url, server)
        common = split_codecs(adaptation.get("codecs"))
        for element in adaptation.findall("Representation")[:1]:
            codecs = split_codecs(element.get("codecs")) or common
            each = Representation(element, above, "video", codecs)
            kind = _type_of(each)
            text = kind.startswith("text/") or kind in _PLAIN or any(codec in _CODECS for codec in codecs)
            if text or "text" in (above.content, element.get("contentType")):
                label = adaptation.findtext("Label") or ""
                language = (each.attribute("lang") or "")[:LABEL_MAX]
                yield each, Subtitles(language, label.strip()[:LABEL_MAX])


def _type_of(each: Representation) -> str:
    """Its content type, without a charset."""
    return (each.attribute("mimeType") or "").partition(";")[0].strip().lower()


def _stream(each: Representation, told: Subtitles, prefix: str, duration_s: float | None, late_s: float) -> MediaStream:
    suffix = _PLAIN.get(_type_of(each), "")
    if each.protections or not (suffix or any(codec in _CODECS for codec in each.codecs)):
        return MediaStream("webvtt", (), subtitles=told)
    template, listed = addressing(each, "SegmentTemplate"), addressing(each, "SegmentList")
    init: Init | None = None
    parts = list[Part]()
    if template or listed:
        told_urls: list[tuple[str, Span | None]] = of_list(each, listed) if listed else []
        told_urls += [(url, None) for url in of_template(each, template, duration_s)] if template else []
        urls = list(bounded(url for url, _ in told_urls))
        if any(map(is_data, urls)) or any(span for _, span in told_urls):
            return MediaStream("webvtt", (), subtitles=told)
        if has_init(template or listed):
            parts.append(Part(urls.pop(0), f"{prefix}init.mp4", optional=True))
            init = Init(parts[0].name)
    else:
        urls = [each.base]
    names = [f"{prefix}{number:04}.{suffix or 'm4s'}" for number in range(1, len(urls) + 1)]
    parts += [Part(url, name, optional=True) for url, name in zip(urls, names, strict=True)]
    playlist = write_playlist(Segment(name, 0.0, init=init) for name in names)
    return MediaStream("webvtt", tuple(parts), playlist, subtitles=told, late_s=late_s)


def _offset_s(each: Representation) -> float:
    """The moment of its own clock at which the period begins."""
    for name in ("SegmentTemplate", "SegmentList", "SegmentBase"):
        if (addressed := addressing(each, name)) is not None:
            return addressed.number("presentationTimeOffset", 0) / max(1, addressed.number("timescale", 1))
    return 0.0
