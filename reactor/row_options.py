"""The column `options`: how a bot writes it, and what of it is understood when its row is claimed, over what the row's
owner always wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from reactor.errors import DownloadError, Failure
from reactor.options import NO_OPTIONS, Options, bad_options, merged, parse_options, read_options
from reactor.records import dataclass

__all__ = ["Asked", "ReadOptions", "asked_of", "column_of", "layers_of", "over_defaults", "said_in"]

NOT_OF_ENTRIES = ("ask", "playlist")
"""What an owner's defaults say of lists is not said of their entries."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the database has of what a row asks for."""

    text: str | None = None
    """Its own column."""
    defaults: str | None = None
    """Its owner's."""
    entry: bool = False
    """True for an entry of a list."""


ReadOptions = Callable[[Asked], Options | Failure]
"""What a row asks for; or with what it fails."""


def asked_of(asked: Asked) -> Options | Failure:
    """ReadOptions without presets."""
    try:
        return parse_options(merged(layers_of(asked)), Options) if asked.text or asked.defaults else NO_OPTIONS
    except DownloadError as error:
        return error.failure


def layers_of(asked: Asked) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What the owner always wants, and over it what the row says: both understood by itself, where there are two; so it
    is known whose fault it is if they are not. Raises DownloadError (`bad_options`)."""
    if not asked.defaults:
        return {}, read_options(asked.text)
    said = _understood(asked.text)
    try:
        defaults = _understood(asked.defaults)
    except DownloadError as error:
        raise bad_options(f"What the owner of this row always wants cannot be understood. {error.message}") from None
    kept = {key: value for key, value in defaults.items() if not asked.entry or key not in NOT_OF_ENTRIES}
    return kept, said


def _understood(text: str | None) -> Mapping[str, Any]:
    """The object, where it can be understood by itself. Raises DownloadError (`bad_options`)."""
    said = read_options(text)
    parse_options(merged([said]), Options)
    return said


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
    _understood(text)
    return text if said else None


def over_defaults(said: Mapping[str, Any]) -> dict[str, Any]:
    """What a row says so that it counts as people mean it, whatever its owner always wants: a wish for a picture takes
    the place of sound alone, and who says anything is asked nothing, unless he says so."""
    if not said:
        return {}
    instead: dict[str, None] = {} if "ask" in said else {"ask": None}
    if said.get("want") != "audio" and {"want", "quality", "container"} & said.keys():
        instead |= {"want": None, "audio": None}
    return instead | dict(said)
