"""The qualities that there are of a film, as what a person can choose from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from reactor.choices import ENTRIES_MAX, FormatChoice
from reactor.media.choice import CODEC_NAMES, QUALITIES_MAX, Quality, codec_name
from reactor.numbers import SIZE_MAX

QUALITY_MIN, QUALITY_MAX = 144, 4320
"""Lines that an option can name."""


def format_choices(found: Sequence[Quality], duration_s: float | None) -> tuple[FormatChoice, ...]:
    """The pictures, the one with the most lines first, one for each number of lines and each codec; then the sound
    alone, one for each language. Of several that are called alike the densest stands for all."""
    found = found[:QUALITIES_MAX]
    sounds = _densest(found, lambda each: each.language, sound=True)
    pictures = _densest(found, lambda each: (each.lines, _name(each)), sound=False)
    pictures.sort(key=lambda each: (each.lines or 0, each.bandwidth), reverse=True)
    beside = max(sounds, key=lambda each: each.bandwidth, default=None)
    codecs = len({_name(each) for each in pictures if _name(each)}) > 1
    choices = list[FormatChoice]()
    for each in pictures:
        pick = _pick(each, codec=codecs)
        if pick is None or any(pick == other.pick for other in choices):
            continue
        size, exact = _size(each, beside if each.silent else None, duration_s)
        label = f"{each.lines}p {_name(each)}".strip() if codecs else f"{each.lines}p"
        code = f"f{len(choices) + 1}"
        choices.append(FormatChoice(c=code, label=label, height=each.lines, bytes=size, exact=exact, pick=pick))
    return (*choices[: ENTRIES_MAX - 10], *_sound_choices(sounds, duration_s, there=bool(pictures)))


def _sound_choices(sounds: Sequence[Quality], duration_s: float | None, *, there: bool) -> list[FormatChoice]:
    """Where nobody has it apart, it is taken out of the film."""
    if not sounds:
        return [FormatChoice(c="a1", label="sound", pick={"want": "audio"})] if there else []
    choices = list[FormatChoice]()
    several = len({each.language for each in sounds if each.language}) > 1
    for each in sounds[:10]:
        if several and not each.language:
            continue
        size, exact = _size(each, None, duration_s)
        label = f"sound, {each.language}" if several else "sound"
        pick = {"want": "audio"} | ({"language": each.language} if several else {})
        choices.append(FormatChoice(c=f"a{len(choices) + 1}", label=label, bytes=size, exact=exact, pick=pick))
        if not several:
            break
    return choices


def _densest(found: Iterable[Quality], kind: Callable[[Quality], object], *, sound: bool) -> list[Quality]:
    best: dict[object, Quality] = {}
    for each in found:
        if each.sound_alone is sound:
            name = kind(each)
            if name not in best or each.bandwidth > best[name].bandwidth:
                best[name] = each
    return list(best.values())


def _name(each: Quality) -> str:
    name = codec_name(each.codec)
    return name if name in CODEC_NAMES else ""


def _pick(each: Quality, *, codec: bool) -> dict[str, object] | None:
    """What the options say for it; None where it has no name."""
    if each.lines is not None and QUALITY_MIN <= each.lines <= QUALITY_MAX:
        return {"quality": each.lines} | ({"codec": _name(each)} if codec and _name(each) else {})
    return {"format": each.id} if each.id and each.lines else None


def _size(each: Quality, beside: Quality | None, duration_s: float | None) -> tuple[int | None, bool]:
    """Bytes with its sound, and whether that is what the site says; else by the bit rate."""
    parts = [part for part in (each, beside) if part is not None]
    told = [part.bytes for part in parts]
    if all(told):
        return min(sum(size for size in told if size), SIZE_MAX), True
    rate = sum(part.bandwidth for part in parts)
    if not each.bandwidth or not duration_s:
        return None, False
    return min(round(rate * duration_s / 8), SIZE_MAX), False
