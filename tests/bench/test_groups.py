"""Which figures of the bench are measured."""

from __future__ import annotations

import pytest

from contrib.bench.__main__ import FIGURES, GROUPS, NOT_QUICK, arguments


def test_each_figure_is_in_one_group() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(FIGURES)


def test_without_a_word_all_are_measured_and_groups_and_figures_go_together() -> None:
    assert arguments([]).only == [*FIGURES]
    assert arguments(["quick"]).only == [name for name in FIGURES if name not in NOT_QUICK]
    assert arguments(["quick", "idle", "parts"]).only == [*GROUPS["idle"], *GROUPS["parts"]]
    assert arguments(["idle", "--only", "guard"]).only == [*GROUPS["idle"], "guard"]
    assert [arguments(each).quick for each in ([], ["full"], ["quick"], ["react"], ["react", "quick"])] == [
        False, False, True, False, True,
    ]  # fmt: skip


def test_a_word_that_is_no_group_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(["fast"])
    assert "'fast' is none of full, quick, react, throughput, parts, scale, idle, machines" in capsys.readouterr().err
