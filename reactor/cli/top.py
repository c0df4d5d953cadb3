"""`reactor top`: a dashboard on one screen."""

from __future__ import annotations

import os
import signal
import sys
import termios
import time
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import typer

from reactor.cli.options import Db

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from reactor.database.table import Overview
    from reactor.queue import Queue
    from reactor.settings import Settings

SHOWN_MAX = 200
"""Rows of each kind that are read; no screen has more lines."""
PRINTED_LINES = 60
GATHER_S = 0.1
"""After a change: for what comes with it."""
BEAT_S = 1.0
"""How often what the clock alone changes is drawn anew; the database is not asked for it."""
AGAIN_S = 1.0
"""How long to wait with the next look when the database could not be read."""
QUIT = (b"q", b"Q")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP, signal.SIGWINCH)


def top(db: Db = None) -> None:
    """Show a live dashboard: running, queued and finished downloads.

    Read-only, and needs only the database. q or Ctrl-C quits. Without a terminal, prints it once.
    """
    from rich.console import Console

    from reactor.cli.runtime import run_async
    from reactor.settings import Settings

    console = Console(highlight=False, emoji=False)
    live = console.is_terminal and not console.is_dumb_terminal
    show = _follow if live else _print
    code = run_async(partial(show, Settings.load(download_db=db), console))
    raise typer.Exit(code)


async def _print(settings: Settings, console: Console) -> int:
    from reactor.queue import Queue

    async with Queue(settings.download_db, read_only=True) as queue:
        picture = Picture(console, height=PRINTED_LINES)
        picture.take(await queue.overview(SHOWN_MAX))
        console.print(picture.drawn())
    return 0


async def _follow(settings: Settings, console: Console) -> int:
    """Show it until somebody ends it; the exit code."""
    import anyio

    from reactor.queue import Queue

    code = 0
    async with Queue(settings.download_db, read_only=True) as queue:
        picture = Picture(console)
        picture.take(await queue.overview(SHOWN_MAX))  # what cannot be read is said before the screen is taken
        with anyio.open_signal_receiver(*SIGNALS) as signals, Screen(console, picture.drawn) as screen:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_look, queue, picture, screen)
                tasks.start_soon(_beat, screen)
                tasks.start_soon(_until_quit, tasks.cancel_scope.cancel)
                code = await _until_signal(signals, screen)
                tasks.cancel_scope.cancel()
    return code


async def _look(queue: Queue, picture: Picture, screen: Screen) -> None:
    """Read the table whenever it has changed."""
    import anyio

    from reactor.errors import DatabaseError

    async with aclosing(queue.changes()) as beats:
        async for _ in beats:
            while True:
                try:
                    picture.take(await queue.overview(SHOWN_MAX))
                    break
                except DatabaseError as error:
                    if not error.retryable:
                        raise
                    picture.trouble = error.message
                    await anyio.sleep(AGAIN_S)
            screen.draw()
            await anyio.sleep(GATHER_S)


async def _beat(screen: Screen) -> None:
    import anyio

    while True:
        await anyio.sleep(BEAT_S)
        screen.draw()


async def _until_quit(end: Callable[[], None]) -> None:
    """Until somebody presses q, or the keyboard is gone. Where there is none, never."""
    import anyio

    if not sys.stdin.isatty():
        return
    fd = sys.stdin.fileno()
    while True:
        await anyio.wait_readable(fd)
        pressed = os.read(fd, 64)
        if not pressed or any(key in pressed for key in QUIT):
            return end()


async def _until_signal(signals: AsyncIterator[signal.Signals], screen: Screen) -> int:
    """Until one that ends it; the exit code. The terminal's own ones change what is shown."""
    async for number in signals:
        if number == signal.SIGTSTP:
            screen.stop()
        elif number == signal.SIGWINCH:
            screen.draw()
        else:
            return 128 + number
    return 0


class Picture:
    """What is known, and how it looks now."""

    def __init__(self, console: Console, *, height: int | None = None) -> None:
        from reactor.cli.dashboard import Speeds

        self._console = console
        self._height = height
        self._speeds = Speeds()
        self._seen: Overview | None = None
        self.trouble = ""
        """Why the database cannot be read; "" when it can."""

    def take(self, seen: Overview) -> None:
        """The table as it is now."""
        self._seen, self.trouble = seen, ""

    def drawn(self) -> RenderableType:
        """As large as the terminal is now."""
        from reactor.cli.dashboard import frame, speed_of

        assert self._seen is not None  # taken before it is drawn
        now = time.monotonic()
        self._speeds.tell(now, speed_of(self._seen))
        width, height = self._console.size
        return frame(self._seen, self._speeds, now, time.time(), width, self._height or height, self.trouble)


class Screen:
    """The terminal as a canvas: keys come one by one and unseen. It is given back as it was, whatever happens."""

    def __init__(self, console: Console, drawn: Callable[[], RenderableType]) -> None:
        self._console = console
        self._drawn = drawn

    def __enter__(self) -> Self:
        self._take()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # a terminal that is gone
            self._give_back()

    def draw(self) -> None:
        """Show it as it is now."""
        self._live.update(self._drawn(), refresh=True)

    def stop(self) -> None:
        """Ctrl-Z: the terminal is the shell's until it lets us go on."""
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()

    def _take(self) -> None:
        from rich.live import Live

        self._before: list[Any] | None = None
        if sys.stdin.isatty():
            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        self._live = Live(self._drawn(), console=self._console, screen=True, auto_refresh=False)
        try:
            self._live.start(refresh=True)
        except BaseException:
            self.__exit__()
            raise

    def _give_back(self) -> None:
        try:
            self._live.stop()
        finally:
            if self._before is not None:
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)
