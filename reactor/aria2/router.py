"""One or two aria2c behind one face: what comes in many small parts has a second one of its own.

    async with routed(open_main, open_parts, post) as aria2:
        await aria2.batch([…], of_many=True)         to the second one, which is started for it
        await aria2.batch([tell_status(gid), …])     each question to the one that has the transfer

With `auto-save-interval` above 0 each file that is finished costs aria2c three fsyncs in its one thread, with 0 one. It
is an option of the process: a large file needs the saves, for it goes on from them; a small part is fetched anew.

To whoever is told of it there is one aria2: it is connected while all that run are, and has been restarted when one of
them was.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

import anyio
from anyio.abc import TaskStatus

from reactor.aria2 import methods
from reactor.aria2.beside import run_beside
from reactor.aria2.connection import Aria2Connection, Post
from reactor.aria2.methods import FORGET, Method
from reactor.core import events
from reactor.errors import Aria2Error, SettingsError

T = TypeVar("T")
Open = Callable[[Post], AbstractAsyncContextManager[Aria2Connection]]
"""Starts an aria2c, or finds one, and connects."""

IDLE_S = 30.0
"""The second aria2c ends when it has had nothing to do for so long."""


class Aria2Router:
    """Made by `routed`. Raises what `Aria2Connection` does."""

    def __init__(self, open_parts: Open | None, post: Post, idle_s: float) -> None:
        self._open_parts = open_parts
        self._post = post
        self._idle_s = idle_s
        self._main: Aria2Connection
        self._parts: Aria2Connection | None = None
        self._gids: dict[str, None] = {}
        """The transfers that the second one has, or may have. A set of 20 000 that has grown takes 2 MiB, this 0.4."""
        self._wanted, self._settled = anyio.Event(), anyio.Event()
        self._moved = anyio.Event()
        self._limit: int | None = None
        """Bytes/s, as the first one was last told, or has it in its configuration; 0: any; None: not asked yet."""
        self._sessions: dict[str, events.Aria2Connected] = {}
        """Of those that are connected."""
        self._second = ""
        """The last session of the second one."""
        self._restarts = 0
        """How often the second one was lost and came back, or did not."""
        self._on_answer: Callable[[float], None] | None = None

    @property
    def on_answer(self) -> Callable[[float], None] | None:
        """Called, if set, with the response time of each request in seconds."""
        return self._on_answer

    @on_answer.setter
    def on_answer(self, told: Callable[[float], None] | None) -> None:
        self._on_answer = told
        for each in self._running():
            each.on_answer = told

    def _running(self) -> Iterable[Aria2Connection]:
        return (each for each in (self._main, self._parts) if each is not None)

    async def wait_connected(self) -> None:
        """See `Aria2Connection`."""
        await self._main.wait_connected()

    async def call(self, method: Method[T], *, deadline_s: float | None = None) -> T:
        """See `Aria2Connection`."""
        return await self._with(method).call(method, deadline_s=deadline_s)

    async def batch(self, wanted: Sequence[Method[T]], *, of_many: bool = False) -> list[T | Aria2Error]:
        """See `Aria2Connection`. `of_many`: they add small parts."""
        if of_many and await self._unlimited() and await self._has_parts():
            self._gids |= dict.fromkeys(each.gid for each in wanted)
        there = [n for n, each in enumerate(wanted) if self._parts is not None and each.gid in self._gids]
        if self._parts is None or not there:
            return await self._main.batch(wanted)
        if len(there) == len(wanted):
            outcomes = await self._parts.batch(wanted)
        else:
            outcomes = await self._in_both(wanted, there)
        self._forget(wanted, outcomes)
        return outcomes

    def forget(self, gids: Iterable[str]) -> None:
        """Neither has these any more. Of what waited when it was stopped there is no result, by which that is told."""
        for gid in gids:
            self._gids.pop(gid, None)
        self._moved.set()

    async def limit_speed(self, limit: int) -> None:
        """So many bytes/s at most for all together; 0: any. While two run each has half of it; with a limit nothing
        more is given to the second."""
        self._limit, those = limit, [*self._running()]
        for each in those:
            await each.limit_speed(max(1, limit // len(those)) if limit else 0)

    async def _unlimited(self) -> bool:
        """Whether nothing limits the speed of all together, its configuration included."""
        if self._limit is None:
            options = await self._main.call(methods.get_global_option())
            if self._limit is None:  # it may have been told one meanwhile
                self._limit = int(options.get("max-overall-download-limit", "0"))
        return not self._limit

    # Who has what

    def _with(self, method: Method[Any]) -> Aria2Connection:
        return self._parts if self._parts is not None and method.gid in self._gids else self._main

    async def _in_both(self, wanted: Sequence[Method[T]], there: Sequence[int]) -> list[T | Aria2Error]:
        assert self._parts is not None
        apart = set(there)
        here = [n for n in range(len(wanted)) if n not in apart]
        outcomes: dict[int, T | Aria2Error] = {}
        for connection, places in ((self._main, here), (self._parts, there)):
            try:
                outcomes.update(zip(places, await connection.batch([wanted[n] for n in places]), strict=True))
            except Aria2Error as error:
                outcomes.update(dict.fromkeys(places, error))
        return [outcomes[n] for n in range(len(wanted))]

    def _forget(self, wanted: Sequence[Method[T]], outcomes: Sequence[T | Aria2Error]) -> None:
        """What aria2 has forgotten is nobody's."""
        told = zip(wanted, outcomes, strict=True)
        forgotten = [each.gid for each, done in told if each.name == FORGET and done is True]
        if forgotten:
            self.forget(forgotten)

    # The second one

    async def _has_parts(self) -> bool:
        """Start it unless it runs. False where it cannot be had: then the first does it."""
        if self._parts is None and self._open_parts is not None:
            self._wanted.set()
            await self._settled.wait()
        return self._parts is not None

    async def _serve(self, status: TaskStatus[None]) -> None:
        """Run the second one whenever it is wanted."""
        status.started()
        while self._open_parts is not None:
            await self._wanted.wait()
            try:
                async with self._open_parts(self._of_parts) as connection:
                    await connection.wait_connected()
                    connection.on_answer, self._parts = self._on_answer, connection
                    self._settled.set()
                    await self._until_idle()
                    self._part_with()
                    if self._limit:
                        with suppress(Aria2Error):  # it is told when it is there
                            await self._main.limit_speed(self._limit)
            except (Aria2Error, SettingsError, OSError):  # the first one does it from now on
                self._open_parts = None
                if self._parts is not None:
                    self._part_with(lost=True)
                self._settled.set()

    def _part_with(self, *, lost: bool = False) -> None:
        """The second one ends, or cannot be started again: what it had, if anything, nobody has any more, and whoever
        asks is told so by the first."""
        was_whole = self._is_whole()
        self._parts = None
        self._sessions.pop("parts", None)
        self._gids.clear()
        self._wanted, self._settled = anyio.Event(), anyio.Event()
        self._restarts += lost
        if "main" in self._sessions and (lost or not was_whole):
            if was_whole:
                self._post(events.Aria2Lost("what fetches parts cannot be started again"))
            self._post(self._joined())

    async def _until_idle(self) -> None:
        idle = False
        while not idle:
            self._moved = anyio.Event()
            with anyio.move_on_after(self._idle_s):
                await self._moved.wait()
            idle = not self._gids and not self._moved.is_set()

    # What is told

    def of_main(self, event: events.Aria2Connected | events.Aria2Lost | events.TransferNotified) -> None:
        """From the first one."""
        if isinstance(event, events.Aria2Connected):
            self._limit = None  # it may be another one
        self._of("main", event)

    def _of_parts(self, event: events.Aria2Connected | events.Aria2Lost | events.TransferNotified) -> None:
        if isinstance(event, events.Aria2Connected):
            began = self._parts is None  # nobody has to know: it has nothing yet
            self._restarts += not began and event.session != self._second
            self._second = event.session
            if began:
                self._sessions["parts"] = event
                return
        self._of("parts", event)

    def _of(self, which: str, event: events.Aria2Connected | events.Aria2Lost | events.TransferNotified) -> None:
        if isinstance(event, events.TransferNotified):
            self._post(event)
            return
        if isinstance(event, events.Aria2Lost):
            whole = self._is_whole()
            self._sessions.pop(which, None)
            if whole:
                self._post(event)
            return
        self._sessions[which] = event
        if self._is_whole():
            self._post(self._joined())

    def _is_whole(self) -> bool:
        return "main" in self._sessions and (self._parts is None or "parts" in self._sessions)

    def _joined(self) -> events.Aria2Connected:
        first = self._sessions["main"]
        return replace(first, session=f"{first.session}.{self._restarts}") if self._restarts else first


@asynccontextmanager
async def routed(
    open_main: Open, open_parts: Open | None, post: Post, *, idle_s: float = IDLE_S
) -> AsyncIterator[Aria2Router]:
    """A connected face. `open_parts`: None where there is to be no second one."""
    router = Aria2Router(open_parts, post, idle_s)
    async with open_main(router.of_main) as router._main, run_beside(router._serve):
        yield router
