"""Several things of a page as a list."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reactor.extractors.base import Context, Several
from reactor.extractors.browser.listed import raise_all
from reactor.extractors.context import open_context
from reactor.options import Options, parse_options

PAGE = "https://me:secret@page.example/films?x=1"
MAGNET = "magnet:?xt=urn:btih:" + "a" * 40
URLS = ("https://page.example/a%20b.mp4", "https://cdn.example/b.mp4?v=1", "https://page.example/a%20b.mp4")


def asking(context: Context, **playlist: Any) -> Context:
    return replace(context, playlist_max=50, options=parse_options({"playlist": playlist}, Options))


async def test_each_once_with_the_page_it_was_found_on() -> None:
    async with open_context() as context:
        with pytest.raises(Several) as several:
            raise_all(
                (*URLS, "nonsense://x", "magnet:?xt=urn:btih:" + "a" * 40), PAGE, "Films", asking(context, mode="all")
            )
    listing = several.value.listing
    assert (listing.title, listing.kind) == ("Films", "playwright")
    assert [(each.position, each.key, each.title, each.referer) for each in listing.entries] == [
        (1, "/a%20b.mp4", "a b.mp4", "https://page.example/films"),
        (2, "/b.mp4?v=1", "b.mp4", "https://page.example/"),
        (3, "?xt=urn:btih:" + "a" * 40, None, None),
    ]


@pytest.mark.parametrize("playlist", [{"mode": "auto"}, {"mode": "one"}])
async def test_nobody_gets_a_list_unasked(playlist: dict[str, str]) -> None:
    async with open_context() as context:
        raise_all(URLS, PAGE, None, asking(context, **playlist))
        raise_all(URLS[:1], PAGE, None, asking(context, mode="all"), always=True)
        raise_all(URLS, PAGE, None, replace(asking(context, mode="all"), playlist_max=0), always=True)


async def test_a_page_that_is_a_list_is_one() -> None:
    async with open_context() as context:
        with pytest.raises(Several):
            raise_all(URLS, PAGE, None, asking(context), always=True)
