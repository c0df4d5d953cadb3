"""What a site says of a film by yt-dlp's names → what goes into tags, names and chapters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from reactor import numbers
from reactor.net.credentials import split_credentials
from reactor.patterns import pattern
from reactor.plan import CHAPTERS_MAX, FILM_S_MAX, TAG_MAX, About, Chapter

_DATE = pattern(r"([0-9]{4})([0-9]{2})([0-9]{2})")
URL_MAX = 2000


def about_of(told: Mapping[str, str]) -> About:
    """What is said of it; what makes no sense is left out."""

    def first(*names: str) -> str:
        return next((text for name in names if (text := plain(told.get(name, "")))), "")

    date = _DATE.fullmatch(first("release_date", "upload_date"))
    return About(
        id=first("id"),
        title=first("title"),
        uploader=first("artist", "creator", "uploader", "channel"),
        date="-".join(date.groups()) if date else "",
        url=split_credentials(_address(told.get("webpage_url", "")))[0],
        thumbnail=_address(told.get("thumbnail", "")),
        album=first("album"),
        genre=first("genre"),
    )


def chapters_of(told: Sequence[Mapping[str, Any]], duration_s: float | None) -> tuple[Chapter, ...]:
    """The chapters in order, each up to the next one; those that are nowhere are left out."""
    found = list[tuple[float, float | None, str]]()
    for each in told[:CHAPTERS_MAX]:
        start = numbers.bounded(each.get("start"), most=FILM_S_MAX)
        if start is not None and (not found or start > found[-1][0]):
            found.append((start, numbers.bounded(each.get("end"), most=FILM_S_MAX), plain(str(each.get("title", "")))))
    ends = [start for start, _, _ in found[1:]] + [duration_s]
    chapters = []
    for (start, end, title), following in zip(found, ends, strict=False):
        last = min(each for each in (end, following, FILM_S_MAX) if each is not None)
        if (end is not None or following is not None) and last > start:
            chapters.append(Chapter(start_s=start, end_s=last, title=title))
    return tuple(chapters)


def plain(text: str) -> str:
    """One line of printable characters."""
    return "".join(each if each.isprintable() else " " for each in text[:TAG_MAX]).strip()


def _address(text: str) -> str:
    """A URL of http or https; empty for anything else."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    fits = parts.scheme in ("http", "https") and parts.hostname and len(text) <= URL_MAX and text.isprintable()
    return text if fits and " " not in text else ""
