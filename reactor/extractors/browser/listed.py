"""A page of several films or files → entries, each of which becomes a row of its own."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from reactor.errors import DownloadError
from reactor.extractors.base import Context, Several
from reactor.extractors.feed import list_wanted
from reactor.lists import Entry, Listing
from reactor.models import Kind
from reactor.net.credentials import referer_for, split_credentials
from reactor.net.urls import normalise


def raise_all(urls: Iterable[str], page: str, title: str | None, context: Context, *, always: bool = False) -> None:
    """Raise Several for what stands on a `page`, if the row wants all of it (`playlist` with the mode `all`; with
    `always` a list that is not refused will do) and it is more than one thing."""
    wanted, entries = list_wanted(context), list(_entries(dict.fromkeys(urls), page))
    if wanted is None or len(entries) < 2 or not (always or wanted.options.mode == "all"):
        return
    listed_only = context.options.want == "info"
    raise Several(Listing.of(entries, wanted, kind=Kind.PLAYWRIGHT, title=title, listed_only=listed_only))


def _entries(urls: Iterable[str], page: str) -> Iterable[Entry]:
    home, number = split_credentials(page)[0], 0
    for url in urls:
        try:
            ready = normalise(url)
            parts = urlsplit(ready)
            name = unquote(parts.path).rpartition("/")[2]
            entry = Entry(
                key=f"{parts.path}?{parts.query}" if parts.query else parts.path or ready,
                url=ready,
                title=name or None,
                referer=referer_for(home, ready) if parts.scheme in ("http", "https") else None,
                position=number + 1,
            )
        except (DownloadError, ValueError, ValidationError):  # no address that could be fetched
            continue
        number += 1
        yield entry
