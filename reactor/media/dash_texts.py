"""The subtitles of an MPD (ISO/IEC 23009-1): WebVTT or TTML, whole, in segments, or in fragments of MP4. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from reactor.errors import DownloadError
from reactor.media.choice import Choice, split_codecs
from reactor.media.languages import best_of
from reactor.media.local import Init, Segment, Span, write_playlist
from reactor.media.mpd import AdaptationSet, Representation
from reactor.media.parts import MediaStream, Part, Subtitles, bounded, is_data
from reactor.media.segments import addressing, has_init, of_list, of_template

TEXTS_MAX = 30
LABEL_MAX = 100
_PLAIN = {"text/vtt": "vtt", "application/ttml+xml": "ttml", "application/x-subrip": "srt"}
_CODECS = ("wvtt", "stpp")


def text_streams(
    mpd: Element, url: str, server: int, choice: Choice, duration_s: float | None, shown: Representation | None
) -> Iterator[MediaStream]:
    """The subtitles of an MPD of one period, those of the choice, else all. Of a form that is not known, with their
    name alone. `shown`: the picture or sound whose clock they are shown by."""
    found = list(_texts(mpd, url, server))[:TEXTS_MAX]
    if choice.texts is not None:
        places = best_of([told.language for _, told in found], choice.texts)
        found = [found[place] for place in places]
    late_s = _offset_s(shown) if shown else 0.0
    for count, (each, told) in enumerate(found, 1):
        try:
            yield _stream(each, told, f"text-{count}-", duration_s, _offset_s(each) - late_s)
        except DownloadError:  # the video is worth having without
            yield MediaStream("webvtt", (), subtitles=told)


def _texts(mpd: Element, url: str, server: int) -> Iterator[tuple[Representation, Subtitles]]:
    for period in mpd.findall("Period"):
        for adaptation in period.findall("AdaptationSet"):
            above = AdaptationSet(mpd, period, adaptation, url, server)
            common = split_codecs(adaptation.get("codecs"))
            for element in adaptation.findall("Representation")[:1]:
                codecs = split_codecs(element.get("codecs")) or common
                each = Representation(element, above, "video", codecs)
                kind = each.attribute("mimeType") or ""
                text = kind.startswith("text/") or kind in _PLAIN or any(codec in _CODECS for codec in codecs)
                if text or "text" in (above.content, element.get("contentType")):
                    label = adaptation.findtext("Label") or ""
                    language = (each.attribute("lang") or "")[:LABEL_MAX]
                    yield each, Subtitles(language, label.strip()[:LABEL_MAX])


def _stream(each: Representation, told: Subtitles, prefix: str, duration_s: float | None, late_s: float) -> MediaStream:
    suffix = _PLAIN.get(each.attribute("mimeType") or "", "")
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
