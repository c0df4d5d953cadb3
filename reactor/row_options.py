"""The column `options`: how a bot writes it, and what of it is understood when its row is claimed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from reactor.errors import DownloadError, Failure
from reactor.options import NO_OPTIONS, Options, bad_options, merged, parse_options, read_options

__all__ = ["ReadOptions", "asked_of", "column_of", "over_defaults", "said_in"]

ReadOptions = Callable[[str | None], Options | Failure]
"""What the text in the column asks for; or with what its row fails."""


def asked_of(text: str | None) -> Options | Failure:
    """ReadOptions without presets."""
    try:
        return _parsed(text) if text else NO_OPTIONS
    except DownloadError as error:
        return error.failure


def _parsed(text: str) -> Options:
    return parse_options(merged([read_options(text)]), Options)


def said_in(text: str | None) -> dict[str, Any]:
    """The object in the column, as a bot reads it; `{}` where there is none that can be understood."""
    try:
        return dict(read_options(text))
    except DownloadError:
        return {}


def column_of(options: Options | Mapping[str, Any] | None) -> str | None:
    """What is to stand in the column. Raises DownloadError (`bad_options`), with a sentence that names the key."""
    if options is None:
        return None
    said = options.said() if isinstance(options, Options) else options
    try:
        text = json.dumps(said, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        raise bad_options("The options are no JSON object.") from None
    _parsed(text)
    return text if said else None


def over_defaults(defaults: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a row that says this, of somebody who has defaults. A wish for a picture takes the place of a
    default of sound alone, and a row that says anything is asked nothing, unless it says so."""
    if not said:
        return dict(defaults)
    instead: dict[str, None] = {} if "ask" in said else {"ask": None}
    if said.get("want") != "audio" and {"want", "quality", "container"} & said.keys():
        instead |= {"want": None, "audio": None}
    return merged([defaults, instead, said])
