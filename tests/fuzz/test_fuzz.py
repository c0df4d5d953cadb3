"""A moment of `just fuzz` for each reader."""

from __future__ import annotations

import os

import pytest

from tests.fuzz.readers import READERS
from tests.fuzz.run import feed

SECONDS = 0.2


@pytest.mark.fault(72)
@pytest.mark.parametrize("name", READERS)
def test_what_strangers_say_is_understood_or_refused_with_a_sentence(name: str) -> None:
    assert feed(READERS[name], float(os.environ.get("FUZZ_SECONDS", SECONDS)), 1) > 0
