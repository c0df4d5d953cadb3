"""What holds for every test: those that need a program which is missing are skipped, and counted at the end. What
takes longest comes first, so that no long test runs alone at the end, and each worker has rooms of its own; compiled
modules are kept, for the hundreds of processes that tests start.

Fixtures that several packages use: a server on loopback, and the context that extractors are given."""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Generator
from contextlib import nullcontext
from importlib import import_module

import pytest
from hypothesis import HealthCheck, settings

from reactor.extractors.base import Context
from reactor.extractors.context import open_context
from reactor.net.session import open_session
from tests.servers import FileServer
from tests.simulation.base import told
from tests.tools import MISSING, NOT_INSTALLED, how_to_install, needed, wheels_ffmpeg_first
from tests.warm import ALL_EXEC, all_exec, install

SHARES = (
    ("bots", "media", "test_guides.py", "retention"),
    ("real", "faults"),
    ("extractors/browser", "extractors/ytdlp", "services", "bench", "extractors", "web"),
    ("chaos", "database/postgres", "test_runner.py", "fuzz", "database"),
    ("cli", "simulation", "aria2", "files", "journal", "daemon"),
)
"""The parts of the suite that take time, the longest first. With five workers each of them begins with one share: what
its tests need (a bot's library, samples of media, a PostgreSQL) is made by one worker and not by all, and those that
wait for others run beside those that compute."""

# A machine that is slow, or does something else meanwhile, is no failure.
settings.register_profile("reactor", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("reactor")

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


install()
if not os.environ.get(ALL_EXEC):
    wheels_ffmpeg_first()


def pytest_report_header() -> str:
    return told()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    seen = Counter[str]()
    for item in items:
        if marker := item.get_closest_marker("variants"):
            name = item.nodeid.partition("[")[0]
            seen[name] += 1
            if seen[name] > marker.args[0]:
                item.add_marker(pytest.mark.nightly)
    yield  # in which those are left out that are marked so
    items[:] = _shared_out(items)


def _shared_out(items: list[pytest.Item]) -> list[pytest.Item]:
    """Each worker is given as many as the others, one behind the other: of its share first, then of what is left."""
    shares: list[list[pytest.Item]] = []
    left = items
    for parts in SHARES:
        place = {item: n for item in left if (n := _place(item, parts)) is not None}
        shares.append(sorted(place, key=place.__getitem__))
        left = [item for item in left if item not in place]
    for number, share in enumerate(shares):
        room = max(0, len(items) * (number + 1) // len(shares) - len(items) * number // len(shares) - len(share))
        share += left[:room]
        left = left[room:]
    return [item for share in shares for item in share] + left


def _place(item: pytest.Item, parts: tuple[str, ...]) -> int | None:
    return next((n for n, part in enumerate(parts) if item.nodeid.startswith(f"tests/{part}")), None)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Nothing of what is imported and collected is garbage: neither now is it looked through, nor with each test."""
    gc.disable()
    try:
        _import_a_share(session.config)
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def _import_a_share(config: pytest.Config) -> None:
    """Of several workers that collect everything each rewrites the assertions of its share; of the others' files it
    finds what they have kept. Rewritten in every worker, they cost each of them ten seconds of processor time."""
    worker, workers = os.environ.get("PYTEST_XDIST_WORKER", ""), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1 and config.args == config.getini("testpaths"):
        files = sorted((config.rootpath / "tests").rglob("test_*.py"))
        for file in files[int(worker.removeprefix("gw")) :: workers]:
            import_module(".".join(file.relative_to(config.rootpath).with_suffix("").parts))


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
    async with open_context(open_session(timeout_s=1.5)) as context:
        yield context


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    with all_exec() if item.get_closest_marker("execs") else nullcontext():
        return (yield)


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
