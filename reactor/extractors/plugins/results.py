"""What an extractor from outside says, held against what it may say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from reactor.errors import DownloadError
from reactor.extractors.plugins.api import Onward
from reactor.failures import FAILURES
from reactor.files.names import clean_name
from reactor.lists import Entry
from reactor.models import Kind
from reactor.net.urls import normalise, normalise_http
from reactor.numbers import LIST_MAX, SIZE_MAX
from reactor.options import Options
from reactor.plan import Extraction, Fetch
from reactor.records import dataclass

MESSAGE_MAX = 500
NOTES_MAX = 20
MIRRORS_MAX = 8
SCHEMES = ("http://", "https://", "ftp://")


@dataclass(frozen=True, slots=True)
class Listed:
    """A list, as far as it was read."""

    title: str | None
    entries: tuple[Entry, ...]
    whole: bool


Result = Extraction | Listed | Onward | None


def read_result(told: Mapping[str, Any], kind: Kind, options: Options) -> Result:
    """The result of an answer without an error. Raises DownloadError (`bad_answer`)."""
    match told:
        case {"other": True}:
            return None
        case {"onward": str(url)}:
            return Onward(url)
        case {"entries": [*links], "title": str(title), "whole": bool(whole)}:
            try:
                entries = tuple(_entry(n, *link) for n, link in enumerate(links[:LIST_MAX], 1))
            except (ValueError, TypeError) as error:
                raise odd(kind, _why(error)) from None
            return Listed(title or None, entries, whole and len(links) <= LIST_MAX)
        case {"extraction": str(text)}:
            try:
                return _checked(Extraction.model_validate_json(text), kind, options)
            except (ValidationError, ValueError) as error:
                raise odd(kind, _why(error)) from None
    raise odd(kind, "it is of no known form")


def error_of(told: Any, kind: Kind) -> DownloadError:
    """The error that an answer tells."""
    match told:
        case {"kind": "sentence", "message": str(message), "hint": None | str() as hint, "code": str(code)}:
            code = code if code in FAILURES and code != DownloadError.code else "unsupported"
            said, advice = _line(message), _line(hint) if hint else None
            return DownloadError(said, hint=advice, code=code, retryable=told.get("retryable") is True)
        case {"kind": "memory"}:
            return DownloadError(f"The extractor {kind} reached its memory limit.", code="out_of_memory")
        case {"kind": "odd", "what": str(what)}:
            return odd(kind, f"it is {_line(what)}")
        case {"kind": "failed", "what": str(what), "where": str(where)}:
            place = f"{what}, {where}" if where else what
            return DownloadError(
                f"The extractor {kind} failed on this link ({_line(place)}).",
                hint="Tell its author.",
                code="extractor_failed",
            )
    return odd(kind, "it is of no known form")


def odd(kind: Kind, why: str) -> DownloadError:
    """The error for an answer that makes no sense."""
    message = f"The extractor {kind} gave an answer that cannot be used: {_line(why)}."
    return DownloadError(message, hint="Tell its author.", code="bad_answer")


def _entry(position: int, url: str, title: str, key: str) -> Entry:
    """Raises ValueError, TypeError, DownloadError (`bad_url`)."""
    ready = normalise(url)
    return Entry(key=key or ready, url=ready, title=title or None, position=position)


def _why(error: Exception) -> str:
    """Without what a stranger has put into it."""
    if isinstance(error, ValidationError):
        return str(error.errors(include_input=False, include_url=False)[0]["msg"])
    return str(error)


def _checked(found: Extraction, kind: Kind, options: Options) -> Extraction:
    """Raises ValueError, DownloadError (`bad_url`)."""
    finish = found.finish
    if finish.how not in ("file", "folder", "media"):
        raise ValueError(f"the finish {finish.how} is not for extractors from outside")
    if finish.how == "file" and len(found.fetches) != 1:
        raise ValueError("one file is fetched from one place")
    if (finish.how == "media") != bool(finish.tracks):
        raise ValueError("media have tracks, and nothing else has")
    if any(track.first + track.count > len(found.fetches) for track in finish.tracks):
        raise ValueError("a track has parts that are not there")
    fetches = tuple(map(_fetch, found.fetches))
    if len({fetch.name for fetch in fetches}) < len(fetches):
        raise ValueError("two files have the same name")
    update = {
        "name": clean_name(finish.name),
        "notes": tuple(map(_line, finish.notes[:NOTES_MAX])),
        "options": options,
    }
    return found.model_copy(
        update={"kind": kind, "fetches": fetches, "finish": finish.model_copy(update=update)},
    )


def _fetch(fetch: Fetch) -> Fetch:
    if fetch.torrent is not None or fetch.byte_range is not None or not fetch.urls:
        raise ValueError("a file has an address of its own, and is no torrent")
    if fetch.size is not None and fetch.size > SIZE_MAX:
        raise ValueError("no file is as large")
    if clean_name(fetch.name) != fetch.name:
        raise ValueError("a name is not a clean one")
    urls = tuple(normalise_http(url) for url in fetch.urls if url.lower().startswith(SCHEMES))
    if len(urls) < len(fetch.urls):
        raise ValueError("an address is neither http, https nor ftp")
    mirrors = MIRRORS_MAX if fetch.checksum is not None else 1  # nobody could tell whether their bytes are the same
    return replace(fetch, urls=urls[:mirrors])


def _line(text: str) -> str:
    return " ".join(text.split())[:MESSAGE_MAX]
