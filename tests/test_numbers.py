"""What counts as a number of a stranger's, and that nothing else is ever computed with."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor import numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("0", 0), (" 7\n", 7), ("+7", 7), ("9223372036854775807", 2**63 - 1), ("0007", 7)),
        *(("9223372036854775808", None), ("-1", None), ("", None), ("7.0", None), ("1e3", None), ("٧", None)),
        *(("1_000", None), ("0x10", None), ("9" * 5000, None), (" " * 200 + "7", None), (None, None)),
    ],
)
def test_whole(text: str | None, number: int | None) -> None:
    assert numbers.whole(text) == number


def test_whole_within_a_range() -> None:
    assert [numbers.whole(text, least=-3, most=3) for text in ("-4", "-3", "3", "4")] == [None, -3, 3, None]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("2.0", 2.0), ("10.", 10.0), (".5", 0.5), ("1e3", 1000.0), ("10.0399780273438", 10.0399780273438)),
        *(("1e20000000", None), ("1e99", None), ("nan", None), ("inf", None), ("-0.1", None), ("1,5", None)),
        *(("9" * 5000, None), ("0." + "1" * 100, None), ("", None), (None, None)),
    ],
)
def test_decimal(text: str | None, number: float | None) -> None:
    assert numbers.decimal(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("25", 25.0), ("29.97", 29.97), ("30000/1001", 30000 / 1001), ("30/0", None), ("/", None), ("1/-2", None)),
        *(("1e20000000", None), ("1/1e20000000", None), ("1/.0000000000000001", None), (None, None)),
    ],
)
def test_ratio(text: str | None, number: float | None) -> None:
    assert numbers.ratio(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("0", 0), ("000" + "5" * 18, 555555555555555555), ("9" * 19, numbers.SIZE_SAID_MAX)),
        *(("9" * 90_000, numbers.SIZE_SAID_MAX), ("-1", None), ("1 ", None), ("", None), ("²", None), (None, None)),
    ],
)
def test_size(text: str | None, number: int | None) -> None:
    assert numbers.size(text) == number


@pytest.mark.parametrize("told", [True, "7", None, math.nan, math.inf, -1, 10**400, 1e16, []])
def test_what_json_says_is_a_number_may_be_none(told: object) -> None:
    assert numbers.bounded(told) is None
    assert numbers.bounded(7) == 7.0


@given(st.text(alphabet="0123456789.eE+-/ ", max_size=300) | st.text())
def test_any_text_is_a_number_in_the_range_or_none(text: str) -> None:
    found = numbers.whole(text, least=-5, most=5)
    assert found is None or -5 <= found <= 5
    for number in (numbers.decimal(text), numbers.ratio(text)):
        assert number is None or 0 <= number <= 1e15
