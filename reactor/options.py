"""What a row asks for beyond its URL: the column `options`, a JSON object.

`Options` is what a stranger may say: nothing in it is unsafe. What could be (a proxy, headers, a login, yt-dlp's own
options) only a preset of the operator's may say: `PresetOptions`. Layers are put together by `merged` as JSON objects,
the later one wins, and `null` takes away what an earlier one said (RFC 7396).

Each field's description says what it takes, as it stands in the refusal and in contrib/docs/options.md.
"""

# Without `from __future__ import annotations`: pydantic would compile each annotation of a model again.

import json
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from reactor.errors import DownloadError
from reactor.numbers import LIST_MAX
from reactor.patterns import pattern

__all__ = [
    "NO_OPTIONS",
    "AudioOptions",
    "LiveOptions",
    "Options",
    "PlaylistOptions",
    "SponsorBlock",
    "SubtitleOptions",
    "bad_options",
    "merged",
    "model_of",
    "parse_options",
    "patched",
    "read_options",
]

OPTIONS_BYTES_MAX = 16 * 1024
"""Of the column, as it is stored."""
DEPTH_MAX = 4
"""Objects and lists inside one another."""
CLIPS_MAX = 10
SUBTITLES_MAX = 5
PRESETS_MAX = 10
FILES_MAX = 1000
"""Files that are named of one torrent."""
KEYS_MAX = 50
"""Entries of a list that are named one by one."""
SPLIT_MIB_MIN, SPLIT_MIB_MAX = 45, 4000
"""Of the pieces that a result can be cut into."""
CLIP_MAX_S = 360_000.0
"""100 hours: no film is longer."""
NAME_MAX = 150

_CLOCK = pattern(r"(?:(\d{1,3}):)?(\d{1,4}):(\d{1,2}(?:\.\d{1,3})?)")
_SECONDS = pattern(r"\d{1,6}(?:\.\d{1,3})?")
_ITEM = pattern(r"(-?[1-9]\d{0,5})(?:-(-?[1-9]\d{0,5}))?")
LANGUAGE = r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$"
_PLACEHOLDER = pattern(r"\{([^{}]*)\}")
NAME_PLACEHOLDERS = ("title", "id", "uploader", "date", "n", "quality", "ext")


def seconds(value: object) -> float:
    """A place in a film: seconds, or `h:m:s`. Raises ValueError for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("no moment")
    if isinstance(value, str):
        text = value.strip()
        if (clock := _CLOCK.fullmatch(text)) is not None:
            hours, minutes, rest = clock.groups()
            value = int(hours or 0) * 3600 + int(minutes) * 60 + float(rest)
        elif _SECONDS.fullmatch(text):
            value = float(text)
        else:
            raise ValueError("no moment")
    if not 0 <= value <= CLIP_MAX_S:
        raise ValueError("no moment")
    return float(value)


def item_ranges(items: str) -> tuple[tuple[int, int], ...]:
    """`1-5,7,-3--1` as first and last entries, counted from 1, or from the end by -1. Raises ValueError."""
    found = []
    for part in items.replace(" ", "").split(","):
        match = _ITEM.fullmatch(part)
        if match is None:
            raise ValueError("no list of numbers")
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if (first > 0) == (last > 0) and last < first:
            raise ValueError("a range that ends before it begins")
        found.append((first, last))
    if len(found) > 100:
        raise ValueError("too many ranges")
    return tuple(found)


FORMAT = r"^[A-Za-z0-9_.-]{1,80}(\+[A-Za-z0-9_.-]{1,80})?$"
"""One of a site's formats, or picture and sound."""

FileChoice = str | Sequence[int] | Sequence[str] | None
"""As `Options.files` has it; None: all."""
Moment = Annotated[float, BeforeValidator(seconds)]
Language = Annotated[str, StringConstraints(pattern=LANGUAGE, max_length=35)]
PresetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]

Wanted = TypeVar("Wanted", bound="Options")

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True, populate_by_name=True)


class _OptionGroup(BaseModel):
    model_config = STRICT


class AudioOptions(_OptionGroup):
    """How sound is given, where `want` is `audio`."""

    format: Literal["best", "mp3", "m4a", "opus", "flac", "wav"] = Field(
        "best", description="best (as it is), mp3, m4a, opus, flac or wav"
    )
    kbps: int | None = Field(None, ge=32, le=320, description="a number from 32 to 320")
    cover: bool = Field(True, description="true or false")
    tags: bool = Field(True, description="true or false")


class SubtitleOptions(_OptionGroup):
    """Which subtitles come with a film."""

    languages: tuple[Language, ...] = Field(
        min_length=1, max_length=SUBTITLES_MAX, description="a list of one to five languages, such as de or pt-BR"
    )
    auto: Literal["fallback", "never", "prefer", "only"] = Field(
        "fallback", description="fallback, never, prefer or only"
    )
    where: Literal["file", "embed", "both"] = Field("file", alias="as", description="file, embed or both")
    format: Literal["srt", "vtt", "ass"] = Field("srt", description="srt, vtt or ass")


Category = Literal[
    "sponsor",
    "selfpromo",
    "interaction",
    "intro",
    "outro",
    "preview",
    "hook",
    "filler",
    "music_offtopic",
]
"""Of the parts of a film, as SponsorBlock calls them."""
SPONSOR_CATEGORIES: tuple[Category, ...] = get_args(Category)


class SponsorBlock(_OptionGroup):
    """What becomes of the parts of a film that viewers have marked."""

    mode: Literal["off", "mark", "remove"] = Field("off", description="off, mark or remove")
    categories: tuple[Category, ...] = Field(
        ("sponsor",), min_length=1, description=f"a list of {', '.join(SPONSOR_CATEGORIES)}"
    )


class LiveOptions(_OptionGroup):
    """How a broadcast that is still running is recorded."""

    max_s: int = Field(ge=1, le=86_400, description="seconds, from 1 to 86400")
    wait_s: int = Field(0, ge=0, le=86_400, description="seconds, from 0 to 86400")


class PlaylistOptions(_OptionGroup):
    """What becomes of a URL that stands for several things."""

    mode: Literal["auto", "one", "all"] = Field("auto", description="auto, one or all")
    items: str | None = Field(None, max_length=500, description='numbers and ranges, such as "1-5,7,-3--1"')
    limit: int | None = Field(None, ge=1, le=LIST_MAX, description=f"a number from 1 to {LIST_MAX}")
    order: Literal["given", "reverse"] = Field("given", description="given or reverse")
    keys: tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...] = Field(
        (), max_length=KEYS_MAX, description=f"a list of at most {KEYS_MAX} keys of entries, as `choices` gave them"
    )

    @field_validator("items")
    @classmethod
    def _check_items(cls, items: str | None) -> str | None:
        if items is not None:
            item_ranges(items)
        return items


def _spans(value: object) -> object:
    """Pairs, however JSON's lists arrive; one pair may stand without the list around it."""
    if not isinstance(value, list | tuple):
        return value
    alone = len(value) == 2 and not any(isinstance(each, list | tuple) for each in value)
    pairs = [value] if alone else value
    return tuple(tuple(pair) if isinstance(pair, list) else pair for pair in pairs)


def _mode(value: object) -> object:
    """The mode alone, or an object; JSON's list as what it is stored as."""
    if isinstance(value, str):
        return {"mode": value}
    if isinstance(value, dict) and isinstance(value.get("categories"), list):
        return value | {"categories": tuple(value["categories"])}
    return value


class Options(_OptionGroup):
    """What a row may ask for. All of it is safe from a stranger; what does not apply is left out, and noted."""

    want: Literal["auto", "video", "audio", "subtitles", "cover", "info"] = Field(
        "auto", description="auto, video, audio, subtitles, cover or info"
    )
    quality: Literal["best", "worst"] | Annotated[int, Field(ge=144, le=4320)] = Field(
        "best", description="best, worst or a number of lines from 144 to 4320"
    )
    codec: Literal["auto", "h264", "h265", "vp9", "av1"] = Field("auto", description="auto, h264, h265, vp9 or av1")
    container: Literal["auto", "mp4", "mkv", "webm"] = Field("auto", description="auto, mp4, mkv or webm")
    format: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,80}(\+[A-Za-z0-9_.-]{1,80})?$")] | None = (
        Field(None, description="the name of a format, or two with + between, as `choices` gave them")
    )
    language: Language | None = Field(None, description="a language, such as de or pt-BR")
    audio: AudioOptions = Field(AudioOptions.model_construct(), description="an object with format, kbps, cover, tags")
    subtitles: SubtitleOptions | None = Field(None, description="an object with languages, auto, as, format")
    thumbnail: Literal["none", "file", "embed"] = Field("none", description="none, file or embed")
    chapters: Literal["embed", "none", "split"] = Field("embed", description="embed, none or split")
    sponsorblock: Annotated[SponsorBlock, BeforeValidator(_mode)] = Field(
        SponsorBlock.model_construct(), description="off, mark or remove, or an object with mode and categories"
    )
    clip: Annotated[tuple[tuple[Moment, Moment], ...], BeforeValidator(_spans)] = Field(
        (), max_length=CLIPS_MAX, description='a list of one to ten pairs, such as [["1:30", "2:10"]]'
    )
    cut: Literal["keyframe", "exact"] = Field("keyframe", description="keyframe or exact")
    live: LiveOptions | None = Field(None, description="an object with max_s, wait_s")
    playlist: PlaylistOptions = Field(
        PlaylistOptions.model_construct(), description="an object with mode, items, limit, order"
    )
    files: (
        Literal["largest"]
        | Annotated[tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...], Field(min_length=1, max_length=FILES_MAX)]
        | Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(min_length=1, max_length=50)]
        | None
    ) = Field(None, description='numbers such as [1, 4], patterns such as ["*.mkv"], or "largest"')
    name: Annotated[str, StringConstraints(min_length=1, max_length=NAME_MAX)] | None = Field(
        None,
        description=f"a name of at most {NAME_MAX} characters, with "
        + ", ".join(f"{{{each}}}" for each in NAME_PLACEHOLDERS)
        + " to be filled in",
    )
    speed_kib: int | None = Field(None, ge=1, le=10_000_000, description="KiB a second, from 1")
    max_mib: int | None = Field(None, ge=1, le=16_777_216, description="MiB, from 1")
    checksum: Annotated[str, StringConstraints(pattern=r"^(sha-1|sha-256|sha-512|md5)=[0-9A-Fa-f]{32,128}$")] | None = (
        Field(None, description="sha-1=…, sha-256=…, sha-512=… or md5=…, in hex digits")
    )
    again: Literal["new", "reuse", "refuse"] = Field("new", description="new, reuse or refuse")
    ask: Literal["never", "formats", "items", "files", "all"] = Field(
        "never", description="never, formats, items, files or all"
    )
    unanswered: Literal["default", "fail"] = Field("default", description="default or fail")
    split_mib: Literal[0] | Annotated[int, Field(ge=SPLIT_MIB_MIN, le=SPLIT_MIB_MAX)] = Field(
        0, description=f"0, or MiB from {SPLIT_MIB_MIN} to {SPLIT_MIB_MAX}"
    )
    cookies: PresetName | None = Field(None, description="the name of a jar of cookies of the same owner")
    referer: (
        Annotated[
            str, StringConstraints(pattern=r"^https?://[^\s/?#@\\\x00-\x20\x7f]+[^\s\x00-\x20\x7f]*$", max_length=2000)
        ]
        | None
    ) = Field(None, description="a URL of http or https")
    use: tuple[PresetName, ...] = Field((), max_length=PRESETS_MAX, description="a list of names of presets")
    strict: bool = Field(False, description="true or false")

    @field_validator("clip")
    @classmethod
    def _check_clip(cls, clip: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        if any(end <= start for start, end in clip):
            raise ValueError("a clip that ends before it begins")
        return clip

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str | None) -> str | None:
        """Our own braces, nothing of Python's format language; the rest is cleaned where the file is named."""
        if name is None:
            return name
        rest = _PLACEHOLDER.sub("", name)
        known = all(each in NAME_PLACEHOLDERS for each in _PLACEHOLDER.findall(name))
        if not known or any(sign in rest for sign in "{}/\\") or any(ord(sign) < 32 for sign in rest):
            raise ValueError("no name")
        return name

    @model_validator(mode="after")
    def _check_checksum(self) -> Self:
        if self.checksum is not None:
            kind, _, digits = self.checksum.partition("=")
            if len(digits) != {"md5": 32, "sha-1": 40, "sha-256": 64, "sha-512": 128}[kind]:
                raise ValueError("checksum")
        return self

    def plain(self) -> "Options":
        """Without what only a preset may say."""
        return self

    def home_headers(self, url: str) -> Mapping[str, str]:
        """Headers for requests to the host of the row's own URL, which is `url`."""
        return {} if self.referer is None else {"Referer": self.referer}

    def ytdlp_params(self, url: str) -> dict[str, Any]:
        """Options of YoutubeDL's, for the page at `url`."""
        return {}

    def shares_up_to(self) -> float | None:
        """The ratio up to which its torrent is served to others; None: as SEED_RATIO has it."""
        return None

    def put_into(self) -> str:
        """The folder in DOWNLOAD_DIR that the result is put into; empty: none."""
        return ""

    def said(self) -> dict[str, Any]:
        """What was said, as a JSON object."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


NO_OPTIONS = Options.model_construct()
"""What a row without options asks for."""


def bad_options(message: str) -> DownloadError:
    """What a row with such options fails with."""
    return DownloadError(message, hint="contrib/docs/options.md has the keys and what they take.", code="bad_options")


def read_options(text: str | bytes | None) -> Mapping[str, Any]:
    """The object in the column; `{}` for none. Raises DownloadError (`bad_options`)."""
    if text is None or not text.strip():
        return {}
    if len(text) > OPTIONS_BYTES_MAX:
        raise bad_options(f"The options are too long: {OPTIONS_BYTES_MAX} bytes are read.")
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise bad_options("The options are no JSON.") from None
    if not isinstance(found, dict):
        raise bad_options("The options are no JSON object.")
    if _depth(found) > DEPTH_MAX:
        raise bad_options("The options are nested too deeply.")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(name)


def _depth(value: object, so_far: int = 0) -> int:
    if so_far > DEPTH_MAX or not isinstance(value, dict | list):
        return so_far
    inner = value.values() if isinstance(value, dict) else value
    return max((_depth(each, so_far + 1) for each in inner), default=so_far + 1)


def merged(layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The layers as one object: the later one wins, `null` takes away (RFC 7396). Lists are replaced whole."""
    found: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if value is None:
                found.pop(key, None)
            elif isinstance(value, Mapping):
                before = found.get(key)
                found[key] = merged([before if isinstance(before, Mapping) else {}, value])
            else:
                found[key] = value
    return found


def patched(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The same as one layer, to be laid over others: a `null` stays where nothing came instead of it."""
    found = merged(layers)
    return {key: None for layer in layers for key, value in layer.items() if value is None and key not in found} | found


def parse_options(said: Mapping[str, Any], model: type[Wanted]) -> Wanted:
    """What a JSON object asks for. Raises DownloadError (`bad_options`) with a sentence that names the key."""
    try:
        return model.model_validate_json(json.dumps(said))
    except ValidationError as error:
        odd = next((key for key, value in said.items() if not _is_text(value)), None)
        if odd is not None:
            raise bad_options(f"The option {_shown(odd)} contains a lone surrogate (half a character).") from None
        first = error.errors(include_url=False, include_context=False)[0]
        raise bad_options(_sentence(model, first["loc"], said)) from None


def _is_text(value: object) -> bool:
    """False for what no encoding of Unicode can say."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _sentence(model: type[BaseModel], place: Sequence[int | str], said: object) -> str:
    """Which key is wrong, and what it takes."""
    path: list[str] = []
    takes: str | None = None
    secret = False
    fields: type[BaseModel] | None = model
    for step in place:
        if fields is None or not isinstance(step, str):
            break
        field = next((one for name, one in fields.model_fields.items() if step in (name, one.alias)), None)
        path.append(step)
        said = said.get(step) if isinstance(said, Mapping) else None
        if field is None:
            return _unknown(path, fields)
        takes, fields, secret = field.description, model_of(field.annotation), secret or not field.repr
    if not path:
        return "The options cannot be read together."
    return f"The option `{'.'.join(path)}` takes {takes}" + ("." if secret else f", not {_shown(said)}.")


def model_of(annotation: object) -> type[BaseModel] | None:
    """The model behind a field that holds an object."""
    if isinstance(annotation, type):
        return annotation if issubclass(annotation, BaseModel) else None
    return next((found for each in get_args(annotation) if (found := model_of(each)) is not None), None)


def _unknown(path: Sequence[str], fields: type[BaseModel]) -> str:
    known = [field.alias or name for name, field in fields.model_fields.items()]
    close = get_close_matches(path[-1][:40], known, 1)
    return f"There is no option {_shown('.'.join(path))}." + (f" Is `{close[0]}` meant?" if close else "")


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}…"
