"""Which of what a page offers is the file that it is about: judged without a browser."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.extractors.browser.offers import Begun, Link, Offers, file_links, offers_of, parse_links


def begun(url: str, *, wanted: bool = True) -> Begun:
    return Begun(url=url, name="", method="GET", sent={}, wanted=wanted)


def link(url: str, text: str = "", **more: Any) -> Link:
    return Link(url=url, text=text, **more)


@pytest.mark.parametrize(
    ("seen", "is_one"),
    [
        (link("http://h/a.zip"), True),
        (link("http://h/a.ISO?token=1"), True),
        (link("http://h/setup.exe"), True),
        (link("http://h/a.zip", aside=True), False),
        (link("http://h/a.zip", away=True), True),
        (link("http://h/get?id=1"), False),
        (link("http://h/get?id=1", "Download"), False),
        (link("http://h/get?id=1", name=""), True),
        (link("http://h/get?id=1", name="a.bin", away=True), False),
        (link("http://h/get?id=1", name="a.zip", away=True), True),
        (link("http://h/paper.pdf"), False),
        (link("http://h/paper.pdf", "Télécharger le PDF"), True),
        (link("http://h/paper.pdf", "ダウンロード"), True),
        (link("http://h/a.zip.sha256"), False),
        (link("http://h/photo.jpg", "Download"), False),
        (link("http://h/page.html", "Download"), False),
        (link("blob:http://h/1", name="a.bin"), True),
        (link("data:text/plain,x"), False),
        (link("magnet:?xt=urn:btih:1", "Magnet"), True),
        (link("http://[/a.zip"), False),
    ],
)
def test_which_links_are_files(seen: Link, is_one: bool) -> None:
    assert file_links([seen]) == ([seen] if is_one else [])


def test_mirrors_of_one_file_are_one() -> None:
    assert len(file_links([link("http://a/x.zip"), link("http://b/x.zip"), link("http://b/y.zip")])) == 2


@pytest.mark.parametrize(
    ("told", "urls"),
    [
        (Offers(), []),
        (Offers(begun=[begun("http://h/b")], links=[link("http://h/a.zip")]), ["http://h/b"]),
        (Offers(begun=[begun("http://h/1"), begun("http://h/2")]), ["http://h/1"]),
        (Offers(begun=[begun("http://ad/b", wanted=False)], links=[link("http://h/a.zip")]), ["http://h/a.zip"]),
        (Offers(begun=[begun("http://ad/b", wanted=False)]), ["http://ad/b"]),
        # The button that was clicked is one of several alike.
        (
            Offers(begun=[begun("http://h/a.zip")], links=[link("http://h/a.zip"), link("http://h/b.zip")]),
            ["http://h/a.zip", "http://h/b.zip"],
        ),
        (
            Offers(begun=[begun("http://h/c")], links=[link("http://h/a.zip"), link("http://h/b.zip")]),
            ["http://h/c"],
        ),
    ],
)
def test_which_of_them_count(told: Offers, urls: list[str]) -> None:
    assert [each.url for each in offers_of(told)] == urls


@pytest.mark.parametrize("told", [None, 5, "x", [1], [{"url": 1}]])
def test_a_page_that_tampers_with_its_links_has_none(told: Any) -> None:
    assert parse_links(told) == []
    assert Offers.model_validate({"links": told, "begun": []}) == Offers()
