"""Every corpus is met: what is expected is found, and what is decided otherwise is what was decided, for a reason."""

from __future__ import annotations

import pytest

from tests.corpora.agreement import CORPORA, agreement, cases


@pytest.mark.parametrize("name", CORPORA)
def test_what_is_expected_is_found(name: str) -> None:
    told = agreement(name)
    assert [(case.label, case.expected, found) for case, found in told.wrong] == []
    assert told.agreeing + len(told.decided) == told.total >= 100


@pytest.mark.parametrize("name", CORPORA)
def test_each_decision_is_one_and_has_a_reason(name: str) -> None:
    labels = [case.label for case in cases(name)]
    assert len(set(labels)) == len(labels)
    for case in cases(name):
        assert (case.ours is None) == (not case.why), case.label
        assert case.ours != case.expected, case.label
