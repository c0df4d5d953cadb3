"""A command in a terminal: a pseudo-terminal (pty(7)) whose screen pyte draws as a person would see it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyte

from tests.cli.command import REACTOR, WAIT_S, environment

ALTERNATE_ON, ALTERNATE_OFF = b"\x1b[?1049h", b"\x1b[?1049l"
"""The screen that full-screen programs draw on, and back to the shell's."""


class Terminal:
    """What stands on the screen of a running command."""

    def __init__(self, process: subprocess.Popen[bytes], fd: int, slave: int, width: int, height: int) -> None:
        self.process = process
        self._fd, self._slave = fd, slave
        self._screen = pyte.Screen(width, height)
        self._stream = pyte.ByteStream(self._screen)
        self.written = b""
        """Everything that was written to it."""

    @property
    def lines(self) -> list[str]:
        """What can be read, line by line."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def mode(self) -> list[Any]:
        """How the terminal treats keys, as tcgetattr(3) tells."""
        return termios.tcgetattr(self._slave)

    def until(self, condition: Callable[[list[str]], bool]) -> list[str]:
        """Wait until the lines are as wanted; they."""
        end = time.monotonic() + WAIT_S
        while not condition(self.lines):
            over = self.process.poll()
            self._read(0.5 if over is None else 0)
            hopeless = time.monotonic() > end or over is not None
            assert not hopeless or condition(self.lines), f"exit code {over}: {self.written[-2000:]!r}"
        return self.lines

    def press(self, keys: bytes) -> None:
        """As from the keyboard."""
        os.write(self._fd, keys)

    def resize(self, width: int, height: int) -> None:
        """As a person does with the mouse."""
        self._screen.resize(height, width)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def ended(self) -> int:
        """Wait for the end of the command; its exit code."""
        end = time.monotonic() + WAIT_S
        while self.process.poll() is None:
            assert time.monotonic() < end, "\n".join(self.lines)
            self._read(0.05)
        self._read(0)
        return self.process.returncode

    def _read(self, wait_s: float) -> None:
        while select.select([self._fd], [], [], wait_s)[0]:
            data = os.read(self._fd, 65536)
            self.written += data
            self._stream.feed(data)
            wait_s = 0


@contextmanager
def terminal(*arguments: object, cwd: Path, width: int = 100, height: int = 30, **more: str) -> Iterator[Terminal]:
    """Run a command in a terminal of its own; it is killed at the end if it still runs."""
    fd, slave = pty.openpty()
    try:
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        process = subprocess.Popen(
            [*REACTOR, *(str(argument) for argument in arguments)],
            cwd=cwd,
            env=environment(**more),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        try:
            yield Terminal(process, fd, slave, width, height)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(WAIT_S)
    finally:
        os.close(fd)
        os.close(slave)
