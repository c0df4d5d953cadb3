"""How old yt-dlp is. Its version is the day of its release; sites change faster than most programs."""

from __future__ import annotations

from datetime import date
from importlib import metadata

from reactor.patterns import pattern

OLD_DAYS = 60
"""Older than this, it is said to be: there is a release every few weeks, and sites have changed since."""
_RELEASED = pattern(r"(\d{4})\.(\d{1,2})\.(\d{1,2})(?!\d)")


def age_days(version: str, today: date) -> int | None:
    """Days since a version was released; None for what names no day."""
    found = _RELEASED.match(version)
    try:
        return (today - date(*map(int, found.groups()))).days if found else None
    except ValueError:
        return None


def is_old(version: str, today: date) -> bool:
    """True for a version that is older than OLD_DAYS."""
    days = age_days(version, today)
    return days is not None and days > OLD_DAYS


def installed_version() -> str | None:
    """The version that is installed now; None: there is none. Imports nothing of it."""
    try:
        return metadata.version("yt-dlp")
    except metadata.PackageNotFoundError:
        return None
