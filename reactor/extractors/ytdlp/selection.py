"""What yt-dlp is asked to choose: the operator's settings, and over them what a row asks for.

yt-dlp sorts the formats and takes the first that fit its format expression. What a row asks for only sorts, so that
there is always a result: `res:720` takes the picture that is nearest to 720 lines from below, by its smaller side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reactor.media.choice import CODEC_NAMES, Choice
from reactor.media.languages import codes_of
from reactor.media.requested import chooses, requested
from reactor.options import Options
from reactor.patterns import pattern

FORMAT = "bv*+ba/b"
"""The best picture with the best sound, else the best that has both."""
SOUND = "ba/ba*"
"""The best sound, else that of a film."""
FORMAT_SORT = (
    *("lang", "quality", "res", "fps", "hdr:12", "vcodec:h264", "channels", "acodec:aac"),
    *("proto", "size", "br", "asr", "ext"),
)
"""Of equal pictures the one that every player shows and that comes in one piece: h264 and aac, https before HLS."""
FIRST = ("hasvid", "ie_pref")
"""What yt-dlp sorts by before all else, and comes after what a row asks for."""

_HEIGHT = pattern(r"\[\s*height\s*(<=|<|=)\??\s*(\d{2,5})\s*\]")
_SOUND = pattern(r"(ba|bestaudio)(\[[^]]*\])*")


def choice_of(format_: str) -> Choice:
    """The height and audio-only part of YTDLP_FORMAT, for manifests that are read without yt-dlp, and for rows that
    choose among other things."""
    height = _HEIGHT.search(format_)
    highest = int(height[2]) - (height[1] == "<") if height else None
    return Choice(max_lines=highest, audio_only=bool(_SOUND.fullmatch(format_.partition("/")[0].strip())))


def params_of(options: Options, params: Mapping[str, Any]) -> dict[str, Any]:
    """The options of YoutubeDL that a row's ask for, given the operator's."""
    texts = texts_of(options)
    asked = {"writesubtitles": True, "writeautomaticsub": texts["auto"] != "never"} if texts else {}
    if not chooses(options):
        return asked
    choice = requested(options, choice_of(params["format"]))
    sort = ("lang", *_lines(choice, options), *FIRST, *(params.get("format_sort") or FORMAT_SORT))
    sorted_ = {"format_sort": _opus_first(sort, options), "format_sort_force": True}
    return {"format": _format(choice), **sorted_, **asked}


def wanted_of(options: Options) -> dict[str, Any] | None:
    """What the formats are to be marked by; None for nothing."""
    if not (options.language or options.codec != "auto" or options.container == "webm"):
        return None
    codecs = CODEC_NAMES.get(options.codec, ()) if options.want != "audio" else ()
    return {
        "language": codes_of(options.language) if options.language else (),
        "codec": "|".join(codecs),
        "webm": options.container == "webm",
    }


def texts_of(options: Options) -> dict[str, Any] | None:
    """Which subtitles are told of; None for none."""
    asked = options.subtitles
    if asked is None:
        return {"languages": (), "auto": "fallback"} if options.want == "subtitles" else None
    return {"languages": [codes_of(tag) for tag in asked.languages], "auto": asked.auto}


def _format(choice: Choice) -> str:
    base = SOUND if choice.audio_only else FORMAT
    match choice.formats:
        case (one,):
            return f"bv[format_id='{one}']+ba/b*[format_id='{one}']/{base}"
        case (one, two):
            return f"b*[format_id='{one}']+b*[format_id='{two}']/b*[format_id='{one}']/{base}"
    return base


def _lines(choice: Choice, options: Options) -> tuple[str, ...]:
    if choice.worst:
        return ("+res", "+br")
    if choice.audio_only:
        return ("+res",)  # of a film only the sound is kept
    if choice.max_lines is not None:
        return (f"res:{choice.max_lines}",)
    return ("res",) if "quality" in options.model_fields_set else ()


def _opus_first(sort: tuple[str, ...], options: Options) -> tuple[str, ...]:
    """What is given as opus is best fetched as that."""
    if options.want != "audio" or options.audio.format != "opus":
        return sort
    return (sort[0], "acodec:opus", *sort[1:])
