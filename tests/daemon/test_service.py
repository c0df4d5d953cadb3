"""What a service manager hears: over a real socket, from the sink alone and from the whole reactor."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from reactor import notices
from reactor.daemon.service import Service, open_service
from reactor.journal.journal import Journal
from tests.real.harness import running
from tests.servers import FileServer

WAIT_S = 60.0
CONNECTED = notices.Aria2Connected(version="1.37.0", url="ws://127.0.0.1:6800/jsonrpc")


class Manager:
    """What a service manager has: a datagram socket, and what came there so far."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.setblocking(False)

    def close(self) -> None:
        self._socket.close()

    def hear(self) -> list[str]:
        """All lines that came since the last time."""
        lines: list[str] = []
        while True:
            try:
                lines += self._socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                self.heard += lines
                return lines

    async def until(self, line: str) -> None:
        """Wait until a line that begins so has come."""
        async with asyncio.timeout(WAIT_S):
            while not any(heard.startswith(line) for heard in [*self.hear(), *self.heard]):
                await asyncio.sleep(0.02)


@contextmanager
def listening(address: str) -> Iterator[Manager]:
    manager = Manager(address)
    try:
        yield manager
    finally:
        manager.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@{tmp_path.name}-{os.getpid()}"
    with listening(address) as manager:
        yield manager


@contextmanager
def told(address: str) -> Iterator[Journal]:
    """A journal whose notices go to the manager at `address`."""
    with open_service({"NOTIFY_SOCKET": address}) as service:
        yield Journal([service.offer], now=lambda: 0.0)


def claimed(download_id: int) -> notices.DownloadClaimed:
    return notices.DownloadClaimed(download_id=download_id, url="http://example.com/a")


def test_it_is_ready_once_and_says_how_it_is(manager: Manager) -> None:
    with told(manager.address) as journal:
        journal.tell(notices.ReactorStarted(version="1", pid=1, database="a.db", download_dir="files"))
        assert manager.hear() == ["STATUS=Waiting for aria2c."]
        journal.tell(CONNECTED)
        idle = "STATUS=Idle; since the start 0 completed, 0 failed, 0 cancelled."
        assert manager.hear() == ["READY=1", idle]
        journal.tell(notices.Aria2Lost(reason="Connection\nrefused"))
        assert manager.hear() == ["STATUS=aria2c cannot be reached: Connection refused."]
        journal.tell(CONNECTED)
        assert manager.hear() == [idle]
        journal.tell(notices.DatabaseTroubled(reason="The disk is full."))
        assert manager.hear() == ["STATUS=The disk is full."]
        journal.tell(notices.DatabaseRecovered())
        assert manager.hear() == [idle]
        journal.tell(notices.ReactorStopped(reason="SIGTERM"))
        assert manager.hear() == ["STOPPING=1"]


def test_it_asks_for_the_time_that_what_is_under_way_has(manager: Manager) -> None:
    with told(manager.address) as journal:
        journal.tell(CONNECTED)
        manager.hear()
        journal.tell(notices.ReactorDraining(reason="SIGTERM", under_way=1, until=time.time() + 3600))
        stopping, asked = manager.hear()
        name, _, microseconds = asked.partition("=")
        assert (stopping, name) == ("STOPPING=1", "EXTEND_TIMEOUT_USEC")
        assert 3000e6 < int(microseconds) <= 3611e6


def test_it_counts_what_is_under_way(manager: Manager) -> None:
    with told(manager.address) as journal:
        journal.tell(CONNECTED)
        for download_id in (1, 2, 3, 4):
            journal.tell(claimed(download_id))
        journal.tell(notices.DownloadCompleted(download_id=1, path="a", size=1, took_s=1))
        journal.tell(notices.DownloadFailed(download_id=2, code="not_found", error="Not found."))
        journal.tell(
            notices.DownloadRetryScheduled(
                download_id=3, code="timeout", error="Late.", retry=1, retries_max=5, delay_s=30
            )
        )
        assert manager.hear()[-1] == (
            "STATUS=1 under way, 1 waiting for a retry; since the start 1 completed, 1 failed, 0 cancelled."
        )
        journal.tell(notices.DownloadResumed(download_id=3, url="http://example.com/a", stage="fetching"))
        journal.tell(notices.DownloadCancelled(download_id=4, how="asked"))
        assert manager.hear()[-1] == "STATUS=1 under way; since the start 1 completed, 1 failed, 1 cancelled."
        journal.tell(notices.DownloadProgressed(download_id=3, completed=1, speed=1))
        assert manager.hear() == [], "nothing is said twice"
        journal.tell(notices.DatabaseRecovered(replaced=True))
        assert manager.hear() == ["STATUS=Idle; since the start 1 completed, 1 failed, 1 cancelled."]


@pytest.mark.parametrize(
    "notice",
    [
        notices.DownloadAsked(download_id=1, formats=1, subtitles=0, items=0, files=0, wait_s=60),
        notices.DownloadYielded(download_id=1, used_s=60),
        notices.ListExpanded(download_id=1, entries=3),
    ],
    ids=lambda notice: notice.event,
)
def test_what_has_given_up_its_place_is_not_under_way(manager: Manager, notice: notices.Notice) -> None:
    with told(manager.address) as journal:
        journal.tell(CONNECTED)
        journal.tell(claimed(1))
        assert manager.hear()[-1] == "STATUS=1 under way; since the start 0 completed, 0 failed, 0 cancelled."
        journal.tell(notice)
        assert manager.hear() == ["STATUS=Idle; since the start 0 completed, 0 failed, 0 cancelled."]


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "/no/such/folder/notify", "@nobody-listens-here"])
async def test_without_a_manager_nothing_happens(address: str) -> None:
    with told(address) as journal:
        journal.tell(CONNECTED)
    with open_service({"WATCHDOG_USEC": "1000"}) as service:
        await asyncio.wait_for(service.keep_alive(), WAIT_S)


def test_a_manager_that_does_not_read_holds_up_nobody(tmp_path: Path) -> None:
    with listening(str(tmp_path / "notify")) as manager, told(manager.address) as journal:
        journal.tell(CONNECTED)
        for download_id in range(5000):  # more than a socket takes
            journal.tell(claimed(download_id))
        assert 0 < len(manager.hear()) < 5000


def test_what_a_manager_could_not_take_is_told_again(manager: Manager) -> None:
    """As many messages wait for one that does not read as the kernel holds."""
    address = f"\0{manager.address[1:]}" if manager.address.startswith("@") else manager.address
    with told(manager.address) as journal, ExitStack() as senders:
        sent = 1
        while sent:  # what one sender has under way is bounded, too
            one, sent = senders.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)), 0
            one.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    one.sendto(b"WATCHDOG=1", address)
                    sent += 1
        journal.tell(CONNECTED)
        assert set(manager.hear()) == {"WATCHDOG=1"}
        journal.tell(notices.Aria2Lost(reason="refused"))
        assert manager.hear() == ["READY=1", "STATUS=aria2c cannot be reached: refused."]


def test_our_children_do_not_hear_of_it(tmp_path: Path) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "HOME": "/"}
    with open_service(environment):
        assert environment == {"HOME": "/"}


@pytest.mark.parametrize(
    ("microseconds", "pid", "alive"),
    [("20000", "", True), ("20000", "ours", True), ("20000", "1", False), ("0", "", False), ("x", "", False)],
)
async def test_signs_of_life_go_on_while_they_are_asked_for(
    tmp_path: Path, microseconds: str, pid: str, alive: bool
) -> None:
    with listening(str(tmp_path / "notify")) as manager:
        asked = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": microseconds}
        asked["WATCHDOG_PID"] = str(os.getpid()) if pid == "ours" else pid
        with open_service(asked) as service:
            living = asyncio.create_task(service.keep_alive())
            try:
                if alive:
                    await manager.until("WATCHDOG=1")
                    manager.heard.clear()
                    await manager.until("WATCHDOG=1")
                else:
                    await asyncio.wait_for(living, WAIT_S)
                    assert manager.hear() == []
            finally:
                living.cancel()


def test_no_signs_of_life_come_from_a_loop_that_stands_still(tmp_path: Path) -> None:
    async def stand_still(manager: Manager, service: Service) -> None:
        living = asyncio.create_task(service.keep_alive())
        await manager.until("WATCHDOG=1")
        manager.hear()
        signal.sigtimedwait([], 0.2)  # ten periods
        assert manager.hear() == []
        living.cancel()

    address = str(tmp_path / "notify")
    asked = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000"}
    with listening(address) as manager, open_service(asked) as service:
        asyncio.run(stand_still(manager, service))


async def test_the_whole_reactor_as_a_service(tmp_path: Path, manager: Manager) -> None:
    notify = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "200000"}
    async with FileServer() as server, running(tmp_path, **notify) as reactor:
        await manager.until("READY=1")
        await manager.until("WATCHDOG=1")
        (one,) = reactor.add(server.put("/a.bin", b"a" * 100_000))
        await manager.until("STATUS=1 under way")
        await manager.until("STATUS=Idle; since the start 1 completed")
        assert reactor.row(one)["status"] == "downloaded"
        await reactor.stop()
        assert reactor.process is not None
        assert reactor.process.returncode == 0
        manager.hear()
        assert manager.heard.count("READY=1") == manager.heard.count("STOPPING=1") == 1


async def test_a_reactor_without_an_aria2c_is_not_ready(tmp_path: Path) -> None:
    with listening(str(tmp_path / "notify")) as manager:
        environment = {"NOTIFY_SOCKET": manager.address, "ARIA2C_PATH": "false"}
        with pytest.raises(AssertionError, match="reactor ended with 2"):
            async with running(tmp_path, **environment):
                pass
        assert "READY=1" not in manager.hear()
