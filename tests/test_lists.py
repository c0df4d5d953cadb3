"""Which entries of a list are wanted, and how far it has to be read for that."""

from __future__ import annotations

import pytest

from reactor.errors import DownloadError
from reactor.lists import Entry, Listing, ListRequest
from reactor.models import Kind
from reactor.numbers import LIST_MAX
from reactor.options import PlaylistOptions


def entries(count: int) -> list[Entry]:
    return [Entry(key=f"site:{n}", url=f"http://host.example/{n}", position=n) for n in range(1, count + 1)]


def places(options: PlaylistOptions, count: int, most: int = 50) -> list[int]:
    found = Listing.of(entries(count), ListRequest(options, most), kind=Kind.YTDLP)
    return [entry.position for entry in found.entries]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7]),
        ({"limit": 2}, [1, 2]),
        ({"order": "reverse", "limit": 2}, [7, 6]),
        ({"items": "1-2,6,-1--1"}, [1, 2, 6, 7]),
        ({"items": "5-,"}, None),
        ({"items": "-3--2"}, [5, 6]),
        ({"items": "2--2"}, [2, 3, 4, 5, 6]),
        ({"items": "3,1,3"}, [3, 1]),
        ({"items": "3,1", "order": "reverse"}, [1, 3]),
        ({"items": "1-999999"}, [1, 2, 3, 4, 5, 6, 7]),
        ({"items": "900000-999999,2"}, [2]),
    ],
)
def test_what_is_asked_for_is_picked(said: dict[str, object], expected: list[int] | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="items"):
            PlaylistOptions(**said)
        return
    assert places(PlaylistOptions(**said), 7) == expected


@pytest.mark.parametrize(
    ("said", "most", "reach"),
    [
        ({}, 50, 51),
        ({"limit": 3}, 50, 4),
        ({"limit": 300}, 50, 51),
        ({"items": "1-5,9"}, 50, 9),
        ({"items": "9,1"}, 1, 9),
        ({"items": "1-999999"}, 50, 50),
        ({"items": "-1"}, 50, LIST_MAX),
        ({"order": "reverse"}, 50, LIST_MAX),
        ({}, LIST_MAX, LIST_MAX),
    ],
)
def test_a_list_is_read_as_far_as_it_has_to_be(said: dict[str, object], most: int, reach: int) -> None:
    assert ListRequest(PlaylistOptions(**said), most).reach == reach


def test_what_is_left_out_is_said() -> None:
    found = Listing.of(entries(4), ListRequest(PlaylistOptions(), 3), kind=Kind.YTDLP, total=412, whole=False)
    assert found.notes == ("Of 412 entries the first 3 were taken (PLAYLIST_MAX).",)
    found = Listing.of(entries(4), ListRequest(PlaylistOptions(), 3), kind=Kind.YTDLP, whole=False)
    assert found.notes == ("Of more than 3 entries the first 3 were taken (PLAYLIST_MAX).",)
    found = Listing.of(entries(4), ListRequest(PlaylistOptions(items="1-4"), 3), kind=Kind.YTDLP)
    assert found.notes == ("Of 4 entries that were asked for the first 3 were taken.",)
    assert Listing.of(entries(4), ListRequest(PlaylistOptions(limit=3), 50), kind=Kind.YTDLP).notes == ()
    assert Listing.of(entries(3), ListRequest(PlaylistOptions(), 3), kind=Kind.YTDLP).notes == ()


def test_entries_are_named_by_their_keys_wherever_they_are_now() -> None:
    chosen = PlaylistOptions(keys=("site:3", "site:1", "gone"))
    moved = [each.model_copy(update={"position": 9 - each.position}) for each in entries(4)]
    found = Listing.of(moved, ListRequest(chosen, 50), kind=Kind.YTDLP)
    assert [(each.key, each.position) for each in found.entries] == [("site:1", 8), ("site:3", 6)]
    assert ListRequest(chosen, 50).reach > 50, "others may have come in front of them"
    with pytest.raises(DownloadError, match="has 2 entries, and none"):
        Listing.of(entries(2), ListRequest(PlaylistOptions(keys=("gone",)), 50), kind=Kind.YTDLP)


@pytest.mark.parametrize(
    ("count", "items", "whole", "says"),
    [(0, None, True, "without an entry"), (3, "7-9", True, "none of those"), (9, "-1", False, "too long")],
)
def test_a_list_with_nothing_to_take_fails_in_a_sentence(count: int, items: str | None, whole: bool, says: str) -> None:
    with pytest.raises(DownloadError, match=says) as caught:
        Listing.of(entries(count), ListRequest(PlaylistOptions(items=items), 50), kind=Kind.YTDLP, whole=whole)
    assert caught.value.code == "playlist"


def test_an_entry_is_there_once_and_its_key_has_a_bound() -> None:
    twice = [*entries(2), *entries(2)]
    assert len(Listing.of(twice, ListRequest(PlaylistOptions(), 50), kind=Kind.YTDLP).entries) == 2
    long = Entry(key="k" * 5000, url="http://host.example/", position=1, title="t" * 5000 + "\ud800")
    assert (len(long.key), len(long.title or "")) == (71, 1000)
    with pytest.raises(ValueError, match="url"):
        Entry(key="k", url="http://host.example/\r\nx", position=1)
