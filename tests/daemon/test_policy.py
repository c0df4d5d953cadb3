"""What the settings mean for the core."""

from __future__ import annotations

import pytest

from reactor.daemon.policy import limits_of
from reactor.settings import Settings


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ({"speed_limit": "400K"}, 50.0),
        ({"speed_windows": "mon-fri 08-22 80K; * 0"}, 10.0),
        ({"speed_limit": "1G"}, 500.0),
        ({}, 500.0),
    ],
)
def test_nobody_is_slow_because_all_together_are_held_back(said: dict[str, str], share: float) -> None:
    found = limits_of(Settings.load(max_concurrent_downloads=2, slow_max=2, **said))
    assert found.slow_speed == share * 1024
    assert found.min_speed == 1024


def test_a_slice_is_seconds() -> None:
    assert limits_of(Settings.load(slice=60)).slice_s == 60
