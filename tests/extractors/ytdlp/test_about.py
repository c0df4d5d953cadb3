"""What a site says of a film."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from reactor.extractors.ytdlp.about import about_of, chapters_of
from reactor.plan import NO_ABOUT, About, Chapter


def test_what_goes_into_the_tags() -> None:
    told = {"id": "x", "title": "A\nfilm", "channel": "C", "upload_date": "20240531", "webpage_url": "https://h/x"}
    assert about_of(told) == About(id="x", title="A film", uploader="C", date="2024-05-31", url="https://h/x")
    assert about_of(told | {"artist": "A", "uploader": "U", "release_date": "20230101"}).uploader == "A"
    assert about_of({}) == NO_ABOUT


def test_a_password_is_no_tag() -> None:
    assert about_of({"webpage_url": "https://anna:secret@h/x?y"}).url == "https://h/x?y"


def test_what_makes_no_sense_is_not_said() -> None:
    told = {"upload_date": "yesterday", "webpage_url": "javascript:x", "thumbnail": "https://h/a b", "id": "\0" * 9}
    assert about_of(told) == NO_ABOUT


def test_chapters_end_where_the_next_one_begins() -> None:
    told: list[dict[str, object]] = [
        {"start": 0, "title": "One"},
        {"start": 10, "end": 99, "title": "Two"},
        {"start": 20},
    ]
    assert chapters_of(told, 30.0) == (
        Chapter(start_s=0, end_s=10, title="One"),
        Chapter(start_s=10, end_s=20, title="Two"),
        Chapter(start_s=20, end_s=30),
    )
    assert chapters_of(told, None)[-1].title == "Two"


@given(
    st.lists(
        st.fixed_dictionaries(
            {"start": st.one_of(st.none(), st.floats(), st.integers(), st.text())},
            optional={"end": st.one_of(st.floats(), st.just(math.inf)), "title": st.text()},
        ),
        max_size=20,
    ),
    st.one_of(st.none(), st.floats(0.1, 1e6)),
)
def test_chapters_are_in_order_whatever_is_told(told: list[dict[str, object]], duration_s: float | None) -> None:
    found = chapters_of(told, duration_s)
    assert all(each.start_s < each.end_s for each in found)
    assert all(one.end_s <= two.start_s for one, two in pairwise(found))
