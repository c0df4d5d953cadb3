"""Chooses among the variants of a multivariant HLS playlist (RFC 8216), and their renditions. Pure.

choose(master, choice) -> Selection     the playlists to read next: video, audio, subtitles
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from reactor import numbers
from reactor.media.choice import (
    Choice,
    Traits,
    audio_rank,
    holds_audio,
    holds_video,
    is_audio_only,
    smaller_side,
    split_codecs,
    video_codec,
    video_rank,
)
from reactor.media.hls import Master
from reactor.media.languages import TAG_MAX, best_of, fits
from reactor.media.parts import LABEL_MAX, Holds, Pick, Selection, Subtitles, Way, absolute, bad_manifest, format_id
from reactor.media.tags import Attributes, Variant
from reactor.patterns import pattern

WAYS_MAX, SOUNDS_MAX, SUBTITLES_MAX = 12, 3, 30
"""Choices that are offered: in all, audio renditions per variant, subtitles per variant."""

_FLOAT = pattern(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")
_SIZE = pattern(r"([0-9]{1,6})[xX]([0-9]{1,6})")


def choose(master: Master, choice: Choice) -> Selection:
    """The variants within the choice, best first, each with the audio and the subtitles that belong to it."""
    if not master.variants:
        raise bad_manifest("it names no variant")
    ladder = _Ladder(master, choice)
    rungs = [_Rung(ladder, variant) for variant in master.variants]
    pictures = [each for each in rungs if not each.is_audio]
    wanted = choice.audio_only or (ladder.names_sound and not any(each.id in choice.formats for each in rungs))
    ordered = sorted(pictures or rungs, key=lambda each: each.rank, reverse=True)
    if wanted and not ordered[0].sounds:
        ordered = _for_their_sound(rungs)
    ways: dict[object, Way] = {}
    for each in ordered:
        if len(ways) >= WAYS_MAX:
            break
        for picks in _picks(each, sound_alone=wanted or not pictures):
            texts = () if wanted and choice.texts is None else tuple(_subtitles(ladder, each.variant))
            ways.setdefault(tuple((pick.url, pick.holds) for pick in picks), Way(picks, each.size[1], texts))
    return Selection(tuple(ways.values())[:WAYS_MAX], master.variables)


class _Ladder:
    """A multivariant playlist, and what is wanted of it."""

    def __init__(self, master: Master, choice: Choice) -> None:
        self.master = master
        self.choice = choice
        self._rates = Counter[str]()
        self._groups: dict[tuple[str, str], list[Attributes]] = {}
        for each in master.media:
            self._groups.setdefault((each.get("TYPE", ""), each.get("GROUP-ID", "")), []).append(each)
        for members in self._groups.values():
            members.sort(key=self._rank, reverse=True)
        sounds = (each for (kind, _), members in self._groups.items() if kind == "AUDIO" for each in members)
        self.names_sound = bool(choice.formats) and any(sound_id(each) in choice.formats for each in sounds)

    def id_of(self, variant: Variant) -> str:
        """A name for a variant: its own, else its bit rate, with a number where several have the same."""
        told = variant.attributes.get("STABLE-VARIANT-ID")
        name = format_id(told) if told else f"hls-{_bandwidth(variant) // 1000}"
        self._rates[name] += 1
        return name if self._rates[name] == 1 else f"{name}-{self._rates[name]}"

    def members(self, variant: Variant, kind: str) -> list[Attributes]:
        """The renditions of a variant's group: what is asked for first, then the default one."""
        group = variant.attributes.get(kind)
        return self._groups.get((kind, group), []) if group is not None else []

    def _rank(self, each: Attributes) -> tuple[int, ...]:
        plain = "accessibility" not in each.get("CHARACTERISTICS", "")
        sound, choice = each.get("TYPE") == "AUDIO", self.choice
        named = sound and bool(choice.formats) and sound_id(each) in choice.formats
        spoken = fits(each.get("LANGUAGE", ""), choice.language) if sound else 0
        return named, spoken, each.get("DEFAULT") == "YES", plain, each.get("AUTOSELECT") == "YES"


def sound_id(rendition: Attributes) -> str:
    """A name for an audio rendition: its own, else its group and its name."""
    told = rendition.get("STABLE-RENDITION-ID")
    return format_id(told or f"{rendition.get('GROUP-ID', '')}-{rendition.get('NAME', '')}")


class _Rung:
    """A variant, and what it is chosen by."""

    def __init__(self, ladder: _Ladder, variant: Variant) -> None:
        self.ladder = ladder
        self.variant = variant
        self.id = ladder.id_of(variant)
        self.codecs = split_codecs(variant.attributes.get("CODECS"))
        found = _SIZE.fullmatch(variant.attributes.get("RESOLUTION", ""))
        self.size = (int(found[1]), int(found[2])) if found else (None, None)
        self.bandwidth = _bandwidth(variant)
        self.is_audio = found is None and is_audio_only(self.codecs)
        self.members = ladder.members(variant, "AUDIO")

    @property
    def sounds(self) -> list[Attributes]:
        """The audio that has playlists of its own, best first; empty if it is in the variant."""
        members = self.members
        return [each for each in members if each.get("URI")] if members and members[0].get("URI") else []

    @property
    def language(self) -> str:
        """Of its best sound."""
        return self.members[0].get("LANGUAGE", "")[:TAG_MAX] if self.members else ""

    @property
    def rank(self) -> tuple[float, ...]:
        choice, attributes = self.ladder.choice, self.variant.attributes
        named = bool(choice.formats and self.members) and sound_id(self.members[0]) in choice.formats
        spoken = fits(self.language, choice.language)
        quality = video_rank(
            choice,
            codecs=self.codecs,
            lines=smaller_side(*self.size),
            bandwidth=self.bandwidth,
            fps=_number(self.variant, "FRAME-RATE"),
            sdr=attributes.get("VIDEO-RANGE", "SDR") == "SDR",
            format_id=self.id,
        )
        return named, spoken, *quality

    @property
    def sound_rank(self) -> tuple[float, ...]:
        spoken = fits(self.language, self.ladder.choice.language)
        return audio_rank(
            self.ladder.choice, codecs=self.codecs, bandwidth=self.bandwidth, language=spoken, format_id=self.id
        )

    @property
    def traits(self) -> Traits:
        wide = max((side for side in self.size if side), default=None)
        return Traits(self.id, smaller_side(*self.size), wide, video_codec(self.codecs), self.language, self.bandwidth)


def _number(variant: Variant, name: str) -> float:
    told = variant.attributes.get(name, "")
    return (numbers.decimal(told) or 0.0) if _FLOAT.fullmatch(told) else 0.0


def _bandwidth(variant: Variant) -> int:
    return int(_number(variant, "BANDWIDTH"))


def _for_their_sound(rungs: Iterable[_Rung]) -> list[_Rung]:
    """The audio-only variants, best first; if there are none all, the lowest bandwidth first."""
    rungs = list(rungs)
    alone = [each for each in rungs if each.is_audio]
    if alone:
        return sorted(alone, key=lambda each: each.sound_rank, reverse=True)
    return sorted(rungs, key=lambda each: (-fits(each.language, each.ladder.choice.language), each.bandwidth))


def _picks(rung: _Rung, *, sound_alone: bool) -> Iterator[tuple[Pick, ...]]:
    """The playlists of a variant, once for each of its audio renditions."""
    base, codecs = rung.ladder.master.url, rung.codecs
    url = absolute(base, rung.variant.uri)
    for each in rung.sounds[:SOUNDS_MAX]:
        sound = absolute(base, each["URI"])
        told = Traits(sound_id(each), language=each.get("LANGUAGE", "")[:TAG_MAX])
        if sound_alone:
            yield (Pick(sound, ("audio",), traits=told),)
        elif sound != url:
            yield Pick(url, ("video",), traits=rung.traits), Pick(sound, ("audio",), traits=told)
        else:
            yield (_whole(url, rung, codecs),)
    if not rung.sounds:
        yield (Pick(url, ("audio",), traits=rung.traits) if sound_alone else _whole(url, rung, codecs),)


def _whole(url: str, rung: _Rung, codecs: Iterable[str]) -> Pick:
    """A variant with its sound in it."""
    codecs = tuple(codecs)
    video: Holds = ("video",) if holds_video(codecs) else ()
    return Pick(url, (*video, "audio") if holds_audio(codecs) else video, traits=rung.traits)


def _subtitles(ladder: _Ladder, variant: Variant) -> Iterator[Pick]:
    wanted = ladder.choice.texts
    members = [each for each in ladder.members(variant, "SUBTITLES")[:SUBTITLES_MAX] if each.get("URI")]
    if wanted is not None:
        plain = sorted(members, key=lambda each: each.get("FORCED") == "YES")
        members = [plain[n] for n in best_of([each.get("LANGUAGE", "") for each in plain], wanted)]
    for each in members:
        told = Subtitles(each.get("LANGUAGE", "")[:LABEL_MAX], each.get("NAME", "")[:LABEL_MAX])
        yield Pick(absolute(ladder.master.url, each["URI"]), (), told)
