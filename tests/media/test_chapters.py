"""Chapters, and parts that viewers have marked."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.media.chapters import kept_ranges, marked, moved, within
from reactor.plan import Chapter

LENGTH_S = 100.0
times = st.floats(0, LENGTH_S, allow_nan=False).map(lambda each: round(each, 3))
spans = st.tuples(times, times).filter(lambda pair: pair[1] > pair[0])


def chapters(*told: tuple[float, float, str]) -> tuple[Chapter, ...]:
    return tuple(Chapter(start_s=start, end_s=end, title=title) for start, end, title in told)


def test_what_is_left_without_the_marks() -> None:
    marks = chapters((10, 20, "sponsor"), (15, 30, "intro"), (90, 200, "outro"))
    assert kept_ranges(LENGTH_S, marks) == ((0.0, 10.0), (30.0, 90.0))
    assert kept_ranges(LENGTH_S, ()) == ((0.0, LENGTH_S),)
    assert kept_ranges(LENGTH_S, chapters((0, 100, "sponsor"))) == ()


def test_a_clip_of_what_is_left() -> None:
    assert within(((0, 10), (30, 90)), 5, 40) == ((5, 10), (30, 40))
    assert within(((0, 10),), 10, 40) == ()


def test_chapters_of_what_is_left_of_a_film() -> None:
    told = chapters((0, 30, "One"), (30, 60, "Two"), (60, 100, "Three"))
    assert moved(told, ((20, 40), (70, 80))) == chapters((0, 10, "One"), (10, 20, "Two"), (20, 30, "Three"))


def test_marks_are_shown_among_the_chapters() -> None:
    told = chapters((0, 50, "One"), (50, 100, "Two"))
    found = marked(told, chapters((40, 60, "sponsor")), LENGTH_S)
    assert found == chapters((0, 40, "One"), (40, 60, "[Sponsor]"), (60, 100, "Two"))
    assert [each.title for each in marked((), chapters((40, 60, "hook")), LENGTH_S)] == ["", "[Hook]", ""]
    assert marked(told, (), LENGTH_S) == told


@given(st.lists(spans, max_size=20))
def test_what_is_kept_and_what_is_marked_make_up_the_film(found: list[tuple[float, float]]) -> None:
    marks = chapters(*((start, end, "sponsor") for start, end in found))
    ranges = kept_ranges(LENGTH_S, marks)
    assert all(start < end for start, end in ranges)
    assert all(one[1] <= two[0] for one, two in pairwise(ranges))
    for start, end in ranges:
        assert not any(mark.start_s < end and mark.end_s > start for mark in marks)
    lost = sum(mark.end_s - mark.start_s for mark in marks)
    assert sum(end - start for start, end in ranges) >= LENGTH_S - lost - 0.1 * (len(marks) + 1)
    shown = marked((), marks, LENGTH_S)
    assert all(one.end_s <= two.start_s for one, two in pairwise(shown))


@pytest.mark.parametrize("ranges", [(), ((0.0, 0.05),)])
def test_nothing_left_has_no_chapters(ranges: tuple[tuple[float, float], ...]) -> None:
    assert moved(chapters((0, 30, "One")), ranges) == ()
