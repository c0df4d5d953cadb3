"""Presets: what an operator allows rows to ask for by a name, beyond what any stranger may say.

    [music]
    want = "audio"
    audio = { format = "mp3", kbps = 192 }

    [house]
    headers = { Authorization = "Bearer …" }
    format_sort = ["res:1080", "vcodec:h264"]

A row names some of them in `use`, and what it says itself counts more. The file is read at the start, and again when it
has changed and a row names one. A new version that cannot be used changes nothing.
"""

# Without `from __future__ import annotations`: pydantic would compile each annotation of a model again.

import json
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints, field_validator

from reactor.errors import DownloadError, Failure, SettingsError
from reactor.options import NO_OPTIONS, Options, bad_options, merged, parse_options, read_options
from reactor.patterns import pattern
from reactor.settings import YtdlpOptions

__all__ = ["PresetOptions", "Presets"]

FILE_BYTES_MAX = 1024 * 1024
HEADERS_MAX = 30
_NAME = pattern(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HEADER = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"
_OWN = frozenset({"host", "range", "content-length", "connection", "transfer-encoding", "accept-encoding", "cookie"})

HeaderName = Annotated[str, StringConstraints(pattern=_HEADER)]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=8000)]


class PresetOptions(Options):
    """What a preset may say: all of a row's options, and what would be unsafe from a stranger."""

    headers: dict[HeaderName, HeaderValue] = Field(
        {}, max_length=HEADERS_MAX, description="an object of names and values of headers, for the URL's own host"
    )
    format_expression: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = Field(
        None, description="a format expression of yt-dlp's, as its -f"
    )
    format_sort: tuple[Annotated[str, StringConstraints(min_length=1, max_length=100)], ...] = Field(
        (), max_length=50, description="a list of fields that yt-dlp sorts formats by, as its -S"
    )
    extractor_args: dict[str, dict[str, list[str]]] = Field(
        {}, description="an object of arguments for extractors of yt-dlp's, by their names"
    )
    ytdlp: YtdlpOptions | None = Field(None, description="an object of options of YoutubeDL's, as YTDLP_OPTIONS has it")

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        if not _OWN.isdisjoint(name.lower() for name in headers):
            raise ValueError("a header that is not a preset's business")
        return headers

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    def plain(self) -> Options:
        """Without what only a preset may say: what is kept with a plan, and in a recording."""
        said = self.model_dump(by_alias=True, exclude_unset=True, include=set(Options.model_fields))
        return Options(**said)

    def home_headers(self) -> Mapping[str, str]:
        """See Options."""
        return {**self.headers, **super().home_headers()}

    def ytdlp_params(self) -> dict[str, Any]:
        """See Options."""
        raw = self.ytdlp.model_dump(exclude_none=True) if self.ytdlp is not None else {}
        said = {
            "format": self.format_expression,
            "format_sort": list(self.format_sort) or None,
            "extractor_args": self.extractor_args or None,
        }
        return raw | {name: value for name, value in said.items() if value is not None}


ONLY_PRESETS = frozenset(PresetOptions.model_fields) - frozenset(Options.model_fields)
"""What a row may not say itself."""


class Presets:
    """Those of one file, as it is now."""

    def __init__(self, file: Path | None, on_trouble: Callable[[str], None] = lambda sentence: None) -> None:
        """`on_trouble` is told once why a new version of the file cannot be used. Raises SettingsError when the file
        cannot be used at the start."""
        self._file = file
        self._on_trouble = on_trouble
        self._seen: tuple[int, int, int] | None = None
        self._known: Mapping[str, Mapping[str, Any]] = {}
        if file is not None:
            try:
                self._seen = _state(file)
                self._known = _load(file)
            except _Unusable as error:
                raise SettingsError(f"PRESETS: {error}", hint="contrib/docs/options.md has the keys.") from None

    def asked_of(self, text: str | None) -> Options | Failure:
        """What the text in a row's column `options` asks for, with the presets that it names under it; or with what the
        row fails. To be called from one thread at a time."""
        if not text:
            return NO_OPTIONS
        try:
            said = read_options(text)
            row = parse_options(merged([said]), Options)
            return self._over_presets(row.use, said) if row.use else row
        except DownloadError as error:
            return error.failure

    def _over_presets(self, use: Sequence[str], said: Mapping[str, Any]) -> Options:
        self._read_again()
        for name in use:
            if name not in self._known:
                raise bad_options(self._unknown(name))
        found = merged([*(self._known[name] for name in use), said])
        if ONLY_PRESETS.isdisjoint(found):
            return parse_options(found, Options)
        return parse_options(found, PresetOptions)

    def _unknown(self, name: str) -> str:
        if self._file is None:
            return f"There is no preset `{name}`: there are none here."
        close = get_close_matches(name, self._known, 1)
        return f"There is no preset `{name}`." + (f" Is `{close[0]}` meant?" if close else "")

    def _read_again(self) -> None:
        if self._file is None:
            return
        try:
            state = _state(self._file)
            if state == self._seen:
                return
            self._seen = state
            self._known = _load(self._file)
        except _Unusable as error:
            self._on_trouble(str(error))


class _Unusable(Exception):
    """The file cannot be used; the text is a sentence."""


def _state(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError as error:
        raise _Unusable(f"{file} cannot be read: {error.strerror}.") from None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _load(file: Path) -> dict[str, dict[str, Any]]:
    """The presets of a file, each one checked."""
    try:
        with file.open("rb") as opened:
            if os.fstat(opened.fileno()).st_size > FILE_BYTES_MAX:
                raise _Unusable(f"{file} is longer than {FILE_BYTES_MAX // 1024} KiB.")
            found = tomllib.load(opened)
    except OSError as error:
        raise _Unusable(f"{file} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _Unusable(f"{file} is no TOML: {error}.") from None
    return {name: _checked(file, name, said) for name, said in found.items()}


def _checked(file: Path, name: str, said: object) -> dict[str, Any]:
    where = f"the preset `{name[:64]}` in {file}"
    if not isinstance(said, dict):
        raise _Unusable(f"{where} is no table.")
    if not _NAME.fullmatch(name):
        raise _Unusable(f"{where} has a name that no row can say.")
    if "use" in said:
        raise _Unusable(f"{where} names other presets, which only rows can.")
    try:
        text = json.dumps(said)
    except (TypeError, ValueError, RecursionError):
        raise _Unusable(f"{where} holds a value that is no option: a date, or a number that is none.") from None
    try:
        parse_options(merged([json.loads(text)]), PresetOptions)
    except DownloadError as error:
        raise _Unusable(f"{where} cannot be used. {error.message}".rstrip()) from None
    return said
