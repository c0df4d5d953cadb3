"""sd_notify(3): tells the service manager READY, STOPPING, WATCHDOG and a STATUS line.

Without NOTIFY_SOCKET nothing is sent; without WATCHDOG_USEC there is no timer.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress

import anyio

from reactor import notices
from reactor.daemon import clock
from reactor.daemon.probes import Probes
from reactor.daemon.run import serve
from reactor.journal.journal import Journal
from reactor.journal.recording import Recorder
from reactor.notices import Entry
from reactor.settings import Settings

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
STATUS_CHARS_MAX = 300
LEAVE_S = 10.0
"""What the end may take once nothing is under way any more."""


class Service:
    """Reports the journal to the manager at `address`: a path, `@name` for an abstract socket, or None for no manager.

    `watchdog_s`: the watchdog timeout; None for no watchdog."""

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        self._address = _understood(address or "")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if self._address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self._watchdog_s = watchdog_s if self._socket else None
        self._ready = False
        self._status = ""
        self._untold: dict[str, str] = {}
        """The lines that the manager has not taken yet, by what they are about."""
        self._trouble: dict[str, str] = {}
        self._under_way = set[int]()
        self._waiting = set[int]()
        self._ended: Counter[str] = Counter()

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()

    def offer(self, entry: Entry) -> None:
        """Take a notice: a sink of the journal."""
        if self._socket is None:
            return
        self._learn(entry.notice)
        lines = []
        if isinstance(entry.notice, notices.Aria2Connected) and not self._ready:
            self._ready = True  # the database was opened before
            lines.append("READY=1")
        if isinstance(entry.notice, notices.ReactorDraining):  # it may take longer than TimeoutStopSec
            drain_s = max(0.0, entry.notice.until - clock.wall()) + LEAVE_S
            lines += ["STOPPING=1", f"EXTEND_TIMEOUT_USEC={round(drain_s * 1e6)}"]
        if isinstance(entry.notice, notices.ReactorStopped):
            lines.append("STOPPING=1")
        status = self._sentence()
        if status != self._status:
            self._status = status
            lines.append(f"STATUS={status}")
        self._tell(lines)

    async def keep_alive(self) -> None:
        """Ping the watchdog twice per timeout, as long as the event loop runs."""
        while self._watchdog_s is not None:
            self._tell(["WATCHDOG=1"])
            await anyio.sleep(self._watchdog_s / 2)

    def _tell(self, lines: list[str]) -> None:
        """Tell, and what could not be told before: a manager that does not read is no reason not to go on."""
        if self._socket is None or not lines:
            return
        self._untold |= {line.partition("=")[0]: line for line in lines}
        with suppress(OSError):
            self._socket.sendto("\n".join(self._untold.values()).encode(), self._address)
            self._untold.clear()
        self._untold.pop("WATCHDOG", None)

    def _learn(self, notice: notices.Notice) -> None:
        match notice:
            case notices.DownloadClaimed() | notices.DownloadResumed():
                self._waiting.discard(notice.download_id)
                self._under_way.add(notice.download_id)
            case notices.DownloadRetryScheduled():
                self._under_way.discard(notice.download_id)
                self._waiting.add(notice.download_id)
            case notices.DownloadAsked() | notices.DownloadYielded() | notices.ListExpanded():
                self._under_way.discard(notice.download_id)
            case notices.DownloadCompleted() | notices.DownloadFailed() | notices.DownloadCancelled():
                self._under_way.discard(notice.download_id)
                self._waiting.discard(notice.download_id)
                self._ended[notice.event.removeprefix("download_")] += 1
            case notices.Aria2Lost():
                self._trouble["aria2"] = f"aria2c cannot be reached: {notice.reason}."
            case notices.Aria2Connected():
                self._trouble.pop("aria2", None)
            case notices.DatabaseTroubled():
                self._trouble["database"] = notice.reason
            case notices.DatabaseRecovered():
                self._trouble.pop("database", None)
                if notice.replaced:
                    self._under_way.clear()
                    self._waiting.clear()
            case _:
                pass

    def _sentence(self) -> str:
        """The STATUS line."""
        if self._trouble:
            sentence = next(iter(self._trouble.values()))
        elif not self._ready:
            sentence = "Waiting for aria2c."
        else:
            now = f"{len(self._under_way)} under way" if self._under_way else "Idle"
            now += f", {len(self._waiting)} waiting for a retry" if self._waiting else ""
            ended = (f"{self._ended[how]} {how}" for how in ("completed", "failed", "cancelled"))
            sentence = f"{now}; since the start {', '.join(ended)}."
        return " ".join(sentence.split())[:STATUS_CHARS_MAX]


@contextmanager
def open_service(environment: MutableMapping[str, str]) -> Iterator[Service]:
    """The manager that `environment` names. Removes its variables, so that child processes do not inherit them."""
    address, microseconds, pid = (environment.pop(name, "") for name in VARIABLES)
    asked = microseconds.isdecimal() and int(microseconds) > 0 and pid in ("", str(os.getpid()))
    service = Service(address, int(microseconds) / 1e6 if asked else None)
    try:
        yield service
    finally:
        service.close()


async def serve_as(
    service: Service,
    settings: Settings,
    journal: Journal,
    *,
    probes: Probes | None = None,
    stop: anyio.Event | None = None,
    recorder: Recorder | None = None,
) -> None:
    """`serve`, with watchdog pings. Raises as it does."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service.keep_alive)
        await serve(settings, journal, probes=probes, stop=stop, recorder=recorder)
        tasks.cancel_scope.cancel()


def _understood(address: str) -> str:
    """The address for the socket module; "" for an unsupported kind."""
    return f"\0{address[1:]}" if address.startswith("@") else address if address.startswith("/") else ""
