"""What holds for every test: those that need a program which is missing are skipped, and counted at the end.

Fixtures that several packages use: a server on loopback, and the context that extractors are given."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Generator

import pytest

from reactor.extractors.base import Context
from reactor.net.redirects import open_context
from tests.servers import FileServer
from tests.simulation.base import told
from tests.tools import MISSING, NOT_INSTALLED, how_to_install, needed


def pytest_report_header() -> str:
    return told()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with FileServer() as server:
        yield server


@pytest.fixture
async def context() -> AsyncIterator[Context]:
    async with open_context() as context:
        yield context


@pytest.fixture
async def hasty() -> AsyncIterator[Context]:
    """For servers that never answer."""
    async with open_context(http_timeout_s=1.5) as context:
        yield context


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
