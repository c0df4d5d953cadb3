"""What is told of what the browser has seen."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.extractors.browser.answers import Answers
from reactor.extractors.browser.elements import Element, Source
from reactor.extractors.browser.ranking import NAMED, Sight, rank
from reactor.extractors.browser.telling import json_ld, made_of_pieces, of_each_frame, tell, with_better_source
from reactor.media.choice import Choice

PAGE = "https://h/p"
LOW = Sight("https://h/low.mp4", resource="media", content_type="video/mp4", size=9, frame=PAGE)
PLAYER = Element(LOW.url, 12.0, sources=(Source(LOW.url, 180), Source("https://h/high.mp4", 720)))


def answers(*sights: Sight) -> Answers:
    found = Answers(lambda work: None, lambda: None)
    found.sights.extend(sights)
    return found


async def test_the_better_source_goes_first_and_the_played_one_stays() -> None:
    found = answers(LOW)
    candidates = with_better_source(rank(found.sights, [PLAYER]), found, [PLAYER])
    told = [await tell(each, found, "Agent") for each in candidates]
    assert [(each["url"], each["named"], each["size"]) for each in told] == [
        *(("https://h/high.mp4", True, None), ("https://h/low.mp4", False, 9))
    ]
    assert told[0]["sent"] == {"referer": PAGE, "user-agent": "Agent"}
    assert [each["lines"] for each in told] == [720, None]
    (low,) = with_better_source(rank([LOW], [PLAYER]), answers(LOW), [PLAYER], Choice(max_lines=360))
    assert (low.index, low.lines, low.named) == (0, 180, False), "as it plays"


async def test_a_manifest_that_a_page_has_made_is_relative_to_the_page() -> None:
    found = answers(Sight("blob:https://h/1", text="#EXTM3U\n#EXTINF:9,\nx.ts\n", frame=PAGE))
    told = await tell(rank(found.sights)[0], found, "")
    assert (told["base"], told["manifest"]) == (PAGE, True)


def test_what_was_asked_for_is_not_named_again() -> None:
    found = answers(LOW)
    found.add_named([Sight(LOW.url, resource=NAMED), Sight("https://h/x.mp4", resource=NAMED)])
    assert [sight.url for sight in found.sights] == [LOW.url, "https://h/x.mp4"]


def test_an_address_that_was_made_of_several_answers() -> None:
    both = Element("blob:1", 12.0, fetched=("https://h/0", "https://h/1"))
    (told,) = made_of_pieces([both, Element("blob:2", 12.0, fetched=("https://h/2",))])
    assert (told["urls"], told["end"]) == (["https://h/0", "https://h/1"], 12.0)


@pytest.mark.parametrize("nonsense", [7, None, "x", {"source": 0}])
def test_each_frame_counts_for_itself(nonsense: Any) -> None:
    told = of_each_frame([[{"source": 0}, 7], nonsense, [{"source": 0}]])
    assert [each["source"] for each in told] == ["0:0", "2:0"]


@pytest.mark.parametrize(("titles", "texts"), [({"ld": ["{}", 7]}, ["{}"]), ({"ld": "x"}, []), (None, []), ({}, [])])
def test_json_ld(titles: Any, texts: list[str]) -> None:
    assert json_ld(titles) == texts
