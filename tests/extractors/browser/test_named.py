"""Films that a page only tells of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reactor.extractors.browser.named import content_urls, named_sights, players_named
from reactor.extractors.browser.ranking import is_file, manifest_form, rank

PAGE = "https://h/p"


def one(how: str, url: str, kind: str = "") -> dict[str, str]:
    return {"how": how, "url": url, "type": kind}


# name: (what the page tells, the addresses that count, in their order)
CASES: dict[str, tuple[list[dict[str, str]], list[str]]] = {
    "metadata before scripts": ([one("text", "https://h/t.mp4"), one("og", "https://h/o.mp4")], ["o.mp4", "t.mp4"]),
    "metadata without a suffix": ([one("og", "https://h/get?id=1", "video/mp4")], ["get?id=1"]),
    "a player's page": ([one("og", "https://h/embed/1", "text/html")], []),
    "the only link to a film": ([one("link", "https://h/a.mp4"), one("link", "https://h/a.mp4")], ["a.mp4"]),
    "a list of links": ([one("link", "https://h/a.mp4"), one("link", "https://h/b.mp4")], []),
    "a script without a suffix": ([one("text", "https://h/get?id=1")], []),
    "segments": ([one("text", "https://h/1.ts")], []),
    "no address of the web": ([one("og", "blob:x", "video/mp4"), one("og", "", "")], []),
}


@pytest.mark.parametrize("name", CASES)
def test_what_counts(name: str) -> None:
    told, wanted = CASES[name]
    sights = named_sights(told, (), PAGE)
    assert [sight.url.removeprefix("https://h/") for sight in sights] == wanted
    assert all(is_file(sight) or manifest_form(sight) is not None for sight in sights)
    assert [candidate.named for candidate in rank(sights)] == [True] * len(wanted)


def test_json_ld() -> None:
    video: dict[str, list[dict[str, Any]]] = {
        "@graph": [{"@type": "VideoObject", "contentUrl": "https://h/v"}, {"contentUrl": 7}, {"contentUrl": "ftp://x"}]
    }
    video["@graph"].append({"contentUrl": "/w"})
    video["@graph"].append({"contentURL": "https://["})
    assert content_urls([json.dumps(video), "{", "[" * 5000], PAGE) == ["https://h/v", "https://h/w"]
    assert [sight.url for sight in named_sights([], [json.dumps(video)], PAGE)] == ["https://h/v", "https://h/w"]


def test_the_players_that_a_page_names() -> None:
    told = [one("frame", "https://h/embed/2"), one("player", "https://h/embed/1"), one("player", f"{PAGE}#top")]
    told += [one("player", "javascript:x"), one("og", "https://h/o.mp4"), one("player", f"https://h/{'x' * 5000}")]
    ld = [json.dumps({"@type": "VideoObject", "embedUrl": "embed/3"})]
    assert players_named(told, ld, PAGE) == ["https://h/embed/1", "https://h/embed/3", "https://h/embed/2"]
    assert players_named([{"how": 3}], ld, PAGE) == []
    assert players_named([one("frame", "https://ad.doubleclick.net/embed/1")], [], PAGE) == []
    assert [sight.url for sight in named_sights(told, ld, PAGE)] == ["https://h/o.mp4"]


@pytest.mark.parametrize("told", [None, "x", [7], [{"how": "og"}], [one("og", "https://h/a.mp4") | {"type": 3}]])
def test_nonsense_is_nothing(told: Any) -> None:
    assert named_sights(told, (), PAGE) == []
