"""What holds for every test: those that need a program which is missing are skipped, and counted at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator

import pytest

from tests.simulation.base import told
from tests.tools import MISSING, NOT_INSTALLED, how_to_install, needed


def pytest_report_header() -> str:
    return told()


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            needed(name)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """A line for each program that tests wait for, after everything else."""
    yield
    waiting: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = str(report.longrepr[-1]) if isinstance(report.longrepr, tuple) else ""
        if MISSING in reason:
            waiting[reason.partition(MISSING)[2]] += 1
    for name, count in sorted(waiting.items()):
        tests = "1 test waits" if count == 1 else f"{count} tests wait"
        terminalreporter.write_line(f"{tests} for {name}, {NOT_INSTALLED}: {how_to_install(name)}")
