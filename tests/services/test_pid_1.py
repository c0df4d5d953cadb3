"""reactor as a container has it: behind the image's entry point, which is pid 1 of its namespace."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import psutil
import pytest

from tests.cli.command import ROOT
from tests.real.harness import IDLE, PATIENCE_S, Reactor
from tests.servers import FileServer
from tests.tools import needed

pytestmark = [pytest.mark.needs("unshare", "chromium"), pytest.mark.nightly]
CONTAINERFILE = ROOT / "contrib" / "docker" / "Containerfile"
NAMESPACE = ("unshare", "--map-root-user", "--pid", "--mount-proc", "--fork", "--kill-child", "--")


def entry_point() -> list[str]:
    """What the image starts before `reactor`."""
    (line,) = [line for line in CONTAINERFILE.read_text().splitlines() if line.startswith("ENTRYPOINT ")]
    *before, name = json.loads(line.removeprefix("ENTRYPOINT "))
    assert name == "reactor"
    for program in before[:1]:
        needed(program)
    return [*before]


def inside(pid: int) -> list[psutil.Process]:
    """Every process of the namespace that `pid` is in."""
    wanted = Path(f"/proc/{pid}/ns/pid").readlink()
    found = []
    for process in psutil.process_iter():
        try:
            if Path(f"/proc/{process.pid}/ns/pid").readlink() == wanted:
                found.append(process)
        except OSError:  # gone
            continue
    return found


def told(process: psutil.Process) -> str:
    """What it is: its command line, or that it is a zombie."""
    try:
        zombie = process.status() == psutil.STATUS_ZOMBIE
        return f"zombie {process.name()}" if zombie else " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


@pytest.fixture
async def contained(tmp_path: Path) -> AsyncIterator[tuple[Reactor, int]]:
    """A reactor in a namespace of its own, and the pid of that namespace's first process as it is seen here."""
    reactor = Reactor(tmp_path, HTTP_TIMEOUT_S="30")
    reactor.before = (*NAMESPACE, *entry_point())
    await reactor.start()
    assert reactor.process is not None
    (first,) = psutil.Process(reactor.process.pid).children()
    try:
        yield reactor, first.pid
    finally:
        if reactor.process.returncode is None:
            reactor.process.send_signal(signal.SIGKILL)  # and with it all that is in there
            await reactor.process.wait()


async def test_what_a_killed_browser_leaves_is_reaped(contained: tuple[Reactor, int]) -> None:
    reactor, first = contained
    lasting = {process.pid for process in inside(first)}
    async with FileServer() as server:
        url = server.put("/page", b"<!doctype html><video></video>", content_type="text/html")
        for _ in range(2):
            (one,) = reactor.add(url)
            await reactor.until(lambda: any("--type=renderer" in told(process) for process in inside(first)))
            reactor.execute("UPDATE downloads SET cancelled = 1 WHERE id = ?", one)
            await reactor.until_final(one)
            assert reactor.row(one)["status"] == "cancelled"
    left = [""]
    with anyio.move_on_after(PATIENCE_S / 2):
        while left:
            now = [told(each) for each in inside(first) if each.pid not in lasting]
            left = [line for line in now if line and IDLE not in line]
            await anyio.sleep(0.05)
    assert left == []


async def test_a_stop_by_the_engine_is_one_in_order(contained: tuple[Reactor, int]) -> None:
    reactor, first = contained
    os.kill(first, signal.SIGTERM)
    assert reactor.process is not None
    async with asyncio.timeout(PATIENCE_S):
        await reactor.process.wait()
    assert reactor.process.returncode == 0
    assert reactor.events()[-1]["event"] == "reactor_stopped"
    assert not psutil.pid_exists(first)
