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

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from reactor.errors import DownloadError, Failure, SettingsError
from reactor.options import NO_OPTIONS, Options, bad_options, merged, parse_options
from reactor.patterns import pattern
from reactor.row_options import Asked, layers_of

__all__ = ["Presets"]

FILE_BYTES_MAX = 1024 * 1024
_NAME = pattern(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


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

    def asked_of(self, asked: Asked) -> Options | Failure:
        """What a row asks for, over what its owner always wants, over the presets that are named; or with what it
        fails. To be called from one thread at a time."""
        if not asked.text and not asked.defaults:
            return NO_OPTIONS
        try:
            layers = layers_of(asked)
            row = parse_options(merged(layers), Options)
            return self._over_presets(row.use, layers) if row.use else row
        except DownloadError as error:
            return error.failure

    def _over_presets(self, use: Sequence[str], layers: Sequence[Mapping[str, Any]]) -> Options:
        self._read_again()
        for name in use:
            if name not in self._known:
                raise bad_options(self._unknown(name))
        from reactor.preset_options import ONLY_PRESETS, PresetOptions

        found = merged([*(self._known[name] for name in use), *layers])
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
    import tomllib

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
    from reactor.preset_options import PresetOptions

    try:
        parse_options(merged([json.loads(text)]), PresetOptions)
    except DownloadError as error:
        raise _Unusable(f"{where} cannot be used. {error.message}".rstrip()) from None
    return said
