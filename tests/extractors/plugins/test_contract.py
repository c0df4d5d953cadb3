"""The tests for authors: they pass for one that keeps to it, and say what is wrong with one that does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reactor.extractors.plugins.contract import ExtractorContract


class TestGood(ExtractorContract):
    entry = "sample_extractors:good"
    name = "good"
    matching = ("http://h.example/good/file", "h.example/good/prints")
    others = ("http://h.example/bad/file",)

    @pytest.fixture(autouse=True)
    def _importable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "path", [str(Path(__file__).parent), *sys.path])

    def test_what_is_wrong_is_said(self) -> None:
        class Wrong(ExtractorContract):
            entry, name = "sample_extractors:good", "good"
            matching = ("http://h.example/bad/file",)
            others = ("http://h.example/good/raises",)

        class Crashes(Wrong):
            matching = ("http://h.example/good/raises",)

        class Broken(Wrong):
            entry = "sample_extractors:missing"

        with pytest.raises(AssertionError, match="these are to be for it"):
            Wrong().test_links_that_are_for_it_and_links_that_are_not()
        with pytest.raises(AssertionError, match="KeyError"):
            Crashes().test_without_a_network_each_link_ends_in_a_sentence()
        with pytest.raises(AssertionError, match=r"good cannot be used: .*missing"):
            Broken().test_links_that_are_for_it_and_links_that_are_not()
