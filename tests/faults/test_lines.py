"""Every line has a test that names it, or a reason why there is none."""

from __future__ import annotations

from tests.faults.lines import LINES, README, REASONS, named, page


def test_every_line_has_a_test_or_a_reason() -> None:
    covered = set(named()) | set(REASONS)
    assert covered == set(range(1, len(LINES) + 1))


def test_every_line_has_a_test_for_each_change() -> None:
    assert set(named(nightly=False)) | set(REASONS) == set(range(1, len(LINES) + 1))


def test_the_page_shows_them_all() -> None:
    assert README.read_text() == page(), "run python -m tests.faults"
