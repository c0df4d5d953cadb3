"""From what a row asks for to a choice among qualities, and what of it could not be had. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reactor.errors import DownloadError
from reactor.media.choice import NO_TRAITS, Choice, Traits, codec_name
from reactor.media.languages import fits
from reactor.options import Options

CHOOSING = frozenset(("want", "quality", "codec", "container", "format", "language"))
"""The options that choose."""
WIDE = 16 / 9
SAME_SHARE = 0.05
"""Sides of pictures that differ by no more are called the same: 1916x1076 is 1080."""
SHOWN_MAX = 40


def chooses(options: Options) -> bool:
    """True if the row says anything about the quality; else it is as the operator has set it."""
    return not CHOOSING.isdisjoint(options.model_fields_set)


def requested(options: Options, default: Choice) -> Choice:
    """What the row asks for, over what the operator has set (`default`). What the row says nothing of stays."""
    said = options.model_fields_set
    choice = default
    if "quality" in said:
        lines = options.quality if isinstance(options.quality, int) else None
        choice = replace(choice, max_lines=lines, worst=options.quality == "worst")
    if options.want in ("audio", "video"):
        choice = replace(choice, audio_only=options.want == "audio")
    asked = options.subtitles
    return replace(
        choice,
        texts=None if asked is None else () if asked.auto == "only" else asked.languages,
        texts_only=options.want == "subtitles",
        codec="" if options.codec == "auto" else options.codec,
        container="" if options.container == "auto" else options.container,
        language=options.language or "",
        formats=tuple((options.format or "").split("+")) if options.format else (),
    )


def unmet(options: Options, found: Sequence[Traits], *, sound_alone: bool = False) -> tuple[str, ...]:
    """Sentences about what was asked for, and is not so in what was chosen: a picture and a sound, or both in one.
    Of what nobody tells nothing is said, but for the language. `sound_alone`: it has no picture."""
    if not chooses(options) or not found:
        return ()
    sentences = list[str]()
    missing = [each for each in (options.format or "").split("+") if each and each not in _formats(found)]
    sentences += [f"There is no format {each}." for each in missing]
    if options.want == "video" and sound_alone:
        sentences.append("There is no picture, only sound.")
    elif options.want != "audio":
        sentences += _of_picture(options, found)
    sound = found[-1].language
    if options.language and not fits(sound, options.language):
        what = f"this one is in {sound[:SHOWN_MAX]}" if sound else "its language is not told"
        sentences.append(f"There is no sound in {options.language}: {what}.")
    return tuple(sentences)


def unmet_texts(options: Options, tags: Sequence[str]) -> tuple[str, ...]:
    """Sentences about subtitles that were asked for and are not there; `tags`: the languages of those that are.

    Raises DownloadError (`not_as_wished`) where nothing else is wanted, and there are none."""
    languages = options.subtitles.languages if options.subtitles else ()
    missing = [each for each in languages if not any(fits(tag, each) for tag in tags)]
    sentences = tuple(f"There are no subtitles in {each}." for each in missing)
    if options.want == "subtitles" and not tags:
        raise DownloadError(" ".join(sentences) or "There are no subtitles of this.", code="not_as_wished")
    return sentences


def _formats(found: Sequence[Traits]) -> set[str]:
    return {each.format for each in found}


def _of_picture(options: Options, found: Sequence[Traits]) -> list[str]:
    sentences = list[str]()
    shown = next((each for each in found if each.lines or each.codec), NO_TRAITS)
    if isinstance(options.quality, int) and shown.lines and not _is_called(options.quality, shown):
        sentences.append(f"There is no picture of {options.quality} lines: this one has {shown.lines}.")
    if options.codec != "auto" and shown.codec and codec_name(shown.codec) != options.codec:
        sentences.append(f"There is no picture in {options.codec}: this one is in {codec_name(shown.codec)}.")
    return sentences


def _is_called(lines: int, shown: Traits) -> bool:
    """True if people call a picture so: by its smaller side, or by the larger one where it is wider than 16:9."""
    of_width = (shown.wide or 0) / WIDE
    return any(abs(side - lines) <= SAME_SHARE * lines for side in (shown.lines or 0, of_width))
