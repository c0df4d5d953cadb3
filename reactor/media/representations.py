"""Chooses among the Representations of an MPD (ISO/IEC 23009-1): in each Period the best picture and sound. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Literal
from xml.etree.ElementTree import Element

from reactor import numbers
from reactor.media.choice import (
    Choice,
    Like,
    Quality,
    Traits,
    audio_rank,
    holds_audio,
    holds_video,
    smaller_side,
    split_codecs,
    video_codec,
    video_rank,
)
from reactor.media.languages import TAG_MAX, fits
from reactor.media.mpd import AdaptationSet, Representation, is_seeking, sort_of
from reactor.media.parts import format_id, protected
from reactor.records import dataclass

BANDWIDTH_SHARE = 0.02
"""Tolerance when a bandwidth is compared with one from another source."""
_SYSTEMS = {
    "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed": "Widevine",
    "urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95": "PlayReady",
    "urn:uuid:94ce86fb-07ff-4f43-adb8-93d2fa968ca2": "FairPlay",
}


@dataclass(frozen=True, slots=True)
class Period:
    """A Period: a part of the film with a clock of its own."""

    number: int
    element: Element
    start_s: float | None
    """As announced."""
    duration_s: float | None
    """The same."""
    representations: list[Representation]


Chosen = tuple[Period, Representation]


def representations(mpd: Element, period: Element, url: str, server: int) -> Iterator[Representation]:
    for adaptation in period.findall("AdaptationSet"):
        above = AdaptationSet(mpd, period, adaptation, url, server)
        if is_seeking(adaptation):
            continue
        common = split_codecs(adaptation.get("codecs"))
        for element in adaptation.findall("Representation"):
            if is_seeking(element):
                continue
            codecs = split_codecs(element.get("codecs")) or common
            kind = _kind(element, above, codecs)
            if kind:
                yield Representation(element, above, kind, codecs)


def _kind(element: Element, above: AdaptationSet, codecs: Iterable[str]) -> Literal["video", "audio"] | None:
    said = above.element.get("contentType") or sort_of(element) or above.content
    if said == "video" or (not said and holds_video(codecs)):
        return "video"
    return "audio" if said == "audio" or (not said and holds_audio(codecs)) else None


def choose(periods: list[Period], choice: Choice, avoid: Collection[str]) -> list[list[Chosen]]:
    """Picture and sound, each with what was chosen in the periods that have it; what there is not is left out.

    Raises DownloadError (`drm`)."""
    if choice.formats and not choice.like:
        choice = _named(periods, choice)
    found = [] if choice.audio_only else [_chosen(periods, "video", choice, avoid)]
    found.append(_chosen(periods, "audio", choice, avoid))
    if choice.audio_only and not any(found):
        holders = [replace(each, representations=_with_sound(each.representations)) for each in periods]
        found.append(_chosen(holders, "video", replace(choice, worst=True), avoid))
    return [each for each in found if each]


def traits_of(each: Representation) -> Traits:
    """What it is chosen by."""
    wide = max(each.number("width"), each.number("height")) or None
    language = (each.attribute("lang") or "")[:TAG_MAX]
    return Traits(id_of(each), _lines(each), wide, video_codec(each.codecs), language, each.number("bandwidth"))


def qualities(periods: Iterable[Period]) -> Iterator[Quality]:
    """What there is of the longest period, without what is protected."""
    longest = max(periods, key=lambda each: each.duration_s or 0.0, default=None)
    for each in longest.representations if longest else ():
        if not each.protections:
            found, sound = traits_of(each), each.kind == "audio"
            silent = not sound and not holds_audio(each.codecs)
            yield Quality(found.format, sound, found.lines, found.codec, found.language, found.bandwidth, silent)


def id_of(each: Representation) -> str:
    """Its id, as `options` take it."""
    return format_id(each.element.get("id") or "")


def _named(periods: Iterable[Period], choice: Choice) -> Choice:
    """The choice, of the sound alone where nothing else is asked for by its id."""
    kinds = {each.kind for period in periods for each in period.representations if id_of(each) in choice.formats}
    return replace(choice, audio_only=True) if kinds == {"audio"} else choice


def _with_sound(found: Iterable[Representation]) -> list[Representation]:
    return [each for each in found if holds_audio(each.codecs)]


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
    bandwidth, spoken, name = each.number("bandwidth"), fits(each.attribute("lang") or "", choice.language), id_of(each)
    if each.kind == "audio":
        return audio_rank(
            choice, codecs=each.codecs, bandwidth=bandwidth, main=each.above.main, language=spoken, format_id=name
        )
    fps = numbers.ratio(each.attribute("frameRate")) or 0.0
    quality = video_rank(choice, codecs=each.codecs, lines=_lines(each), bandwidth=bandwidth, fps=fps, format_id=name)
    return spoken if holds_audio(each.codecs) else 0, *quality


def _lines(each: Representation) -> int | None:
    return smaller_side(each.number("width"), each.number("height"))
