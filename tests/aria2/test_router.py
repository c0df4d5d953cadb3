"""Two aria2c behind one face: each transfer is asked after where it is; one that dies takes nothing else with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import anyio
import pytest

from reactor.aria2 import methods
from reactor.aria2.connection import Aria2Connection, Post
from reactor.aria2.embedded import EmbeddedAria2
from reactor.aria2.methods import add_uri, tell_status
from reactor.aria2.options import TransferPolicy
from reactor.aria2.router import Aria2Router, routed
from reactor.core import commands, events
from reactor.core.events import TransferStatus
from reactor.core.job import Attempt
from reactor.daemon.effects.aria2 import Downloading
from reactor.daemon.egress import Egress
from reactor.errors import Aria2Error, Aria2Lost
from reactor.files.staging import Staging
from reactor.plan import Fetch
from reactor.programs import Program, find_aria2c
from tests.aria2.conftest import DEADLINE_S, Recorder, for_tests
from tests.aria2.servers import FileServer, until

ROW = Attempt(1, 1)
FILE, PART = "1" * 16, "2" * 16
LIMIT = "max-overall-download-limit"
DATA = b"0123456789" * 50_000


class Two:
    """Both, as a reactor has them."""

    def __init__(self, program: Program | None = None, options: dict[str, str] | None = None) -> None:
        self.inbox, self.main, self.parts = Recorder(), list[EmbeddedAria2](), list[EmbeddedAria2]()
        self._program, self._options = program or find_aria2c(), options or {}

    @asynccontextmanager
    async def running(self, *, idle_s: float = 60.0) -> AsyncIterator[Aria2Router]:
        main = partial(self._open, self.main, find_aria2c(), self._options)
        parts = partial(self._open, self.parts, self._program, {"auto-save-interval": "0"})
        async with routed(main, parts, self.inbox.post, idle_s=idle_s) as router:
            await router.wait_connected()
            yield router

    @asynccontextmanager
    async def _open(
        self, those: list[EmbeddedAria2], program: Program, options: dict[str, str], post: Post
    ) -> AsyncIterator[Aria2Connection]:
        async with AsyncExitStack() as stack:
            embedded = await stack.enter_async_context(EmbeddedAria2(program, options=for_tests(**options)))
            those.append(embedded)
            stack.callback(those.remove, embedded)
            url: Callable[[], str] = lambda: embedded.url  # noqa: E731
            yield await stack.enter_async_context(Aria2Connection(url, embedded.secret, post=post))


def adding(url: str, folder: Path, gid: str) -> methods.Method[str]:
    return add_uri([url], {"gid": gid, "dir": str(folder), "allow-overwrite": "true"})


async def becomes(router: Aria2Router, gid: str, status: TransferStatus) -> None:
    with anyio.fail_after(DEADLINE_S):
        while (await router.call(tell_status(gid))).status is not status:
            await anyio.sleep(0.01)


async def test_parts_have_an_aria2c_of_their_own_which_ends_when_it_is_idle(tmp_path: Path, server: FileServer) -> None:
    two = Two()
    async with two.running(idle_s=0.2) as router:
        assert await router.batch([adding(server.add("/file", DATA, hold_at=1000), tmp_path, FILE)]) == [FILE]
        assert two.parts == []
        assert await router.batch([adding(server.add("/part", DATA), tmp_path, PART)], of_many=True) == [PART]
        assert len(two.parts) == 1
        await two.inbox.notified(PART, "complete")
        first, second = await router.batch([tell_status(FILE), tell_status(PART)])
        assert not isinstance(first, Aria2Error)
        assert not isinstance(second, Aria2Error)
        assert (first.status, second.status) == (TransferStatus.ACTIVE, TransferStatus.COMPLETE)
        assert await router.batch([methods.remove_download_result(PART)]) == [True]
        with anyio.fail_after(DEADLINE_S):
            while two.parts:
                await anyio.sleep(0.01)
        assert (await router.call(tell_status(PART))).status is TransferStatus.UNKNOWN
        assert await router.batch([adding(f"{server.url}/part", tmp_path, PART)], of_many=True) == [PART]
        await becomes(router, PART, TransferStatus.COMPLETE)
    assert [type(event) for event in two.inbox.events].count(events.Aria2Connected) == 1
    assert not [event for event in two.inbox.events if isinstance(event, events.Aria2Lost)]


@pytest.mark.fault(18)
async def test_one_that_dies_counts_as_aria2_started_anew_and_the_other_goes_on(
    tmp_path: Path, server: FileServer
) -> None:
    two = Two()
    async with two.running() as router:
        file, part = (server.add(path, DATA, hold_at=1000) for path in ("/file", "/part"))
        await router.batch([adding(file, tmp_path, FILE)])
        await router.batch([adding(part, tmp_path, PART)], of_many=True)
        for each, left in ((two.parts, FILE), (two.main, PART)):
            await becomes(router, left, TransferStatus.ACTIVE)
            before = len(two.inbox.events)
            each[0].kill()
            await two.inbox.until(lambda seen, since=before: any(  # type: ignore[misc]
                isinstance(event, events.Aria2Connected) for event in seen[since:]
            ))  # fmt: skip
            lost = [event for event in two.inbox.events[before:] if isinstance(event, events.Aria2Lost)]
            assert len(lost) == 1
            assert (await router.call(tell_status(left))).status is TransferStatus.ACTIVE
            gone = {FILE, PART} - {left}
            assert (await router.call(tell_status(gone.pop()))).status is TransferStatus.UNKNOWN
            await router.batch([adding(part, tmp_path, PART)], of_many=True)
        sessions = [event.session for event in two.inbox.events if isinstance(event, events.Aria2Connected)]
        assert len(set(sessions)) == len(sessions) == 3


async def test_where_no_second_one_can_be_started_the_first_does_it(tmp_path: Path, server: FileServer) -> None:
    two = Two(Program("aria2c", Path("/bin/false"), "path"))
    async with two.running() as router:
        assert await router.batch([adding(server.add("/part", DATA), tmp_path, PART)], of_many=True) == [PART]
        await becomes(router, PART, TransferStatus.COMPLETE)
        assert two.parts == []


async def test_a_limit_of_the_speed_holds_for_both_together(tmp_path: Path, server: FileServer) -> None:
    two = Two()
    part = server.add("/part", DATA, hold_at=1000)
    async with two.running(idle_s=0.2) as router:
        await router.batch([adding(part, tmp_path, PART)], of_many=True)
        await router.limit_speed(2 * 2**20)
        limits = [(await router.call(each)).get(LIMIT) for each in (methods.get_global_option(),)]
        assert limits == [str(2**20)]
        await router.batch([adding(part, tmp_path, FILE)], of_many=True)
        assert (await router._main.call(tell_status(FILE))).status is TransferStatus.ACTIVE
        await router.batch([methods.force_remove(PART)])
        with anyio.fail_after(DEADLINE_S):
            while await router.batch([methods.remove_download_result(PART)]) != [True]:
                await anyio.sleep(0.01)
            while (await router.call(methods.get_global_option()))[LIMIT] != str(2 * 2**20):
                await anyio.sleep(0.01)


async def test_a_limit_of_its_configuration_is_left_to_one(tmp_path: Path, server: FileServer) -> None:
    two = Two(options={LIMIT: "3M"})
    async with two.running() as router:
        await router.batch([adding(server.add("/part", DATA, hold_at=1000), tmp_path, PART)], of_many=True)
        assert (await router._main.call(tell_status(PART))).status is TransferStatus.ACTIVE


@pytest.mark.fault(14)
async def test_what_was_cancelled_leaves_nothing_in_the_second_one(tmp_path: Path, server: FileServer) -> None:
    """Neither what came, nor what comes, nor what waits; and so it ends when it is idle."""
    two, heard, count = Two(), list[events.Event](), 60
    urls = [server.add(f"/part{n}", DATA, **({} if n < 20 else {"hold_at": 1000})) for n in range(count)]
    gids = tuple(f"{n:016x}" for n in range(1, count + 1))
    additions = tuple(commands.Addition(n, gids[n], Fetch(urls=(url,), name=f"{n}.ts")) for n, url in enumerate(urls))
    async with two.running(idle_s=0.2) as router:
        staging = Staging(tmp_path, instance="test")
        effects = Downloading(router, staging, TransferPolicy(), Egress(None), heard.append)
        await effects.add(commands.AddTransfers(ROW, additions, False, alone=False, of_many=True))
        assert heard == [events.TransfersAdded(ROW, tuple(range(count)))]
        (second,) = two.parts
        await until(lambda: len({asked.path for asked in server.asked}) > 20)
        await two.inbox.notified(gids[19], "complete")
        async with Aria2Connection(second.url, second.secret) as connection:
            await connection.wait_connected()
            before = {(await connection.call(tell_status(gid))).status for gid in gids}
            assert before == {TransferStatus.COMPLETE, TransferStatus.ACTIVE, TransferStatus.WAITING}
            await effects.remove(commands.RemoveTransfers(ROW, gids))
            assert heard[1:] == [events.TransfersRemoved(ROW)]
            with suppress(Aria2Lost):  # it has ended already, and has nothing
                after = {(await connection.call(tell_status(gid))).status for gid in gids}
                assert after == {TransferStatus.UNKNOWN}
        staging.discard(ROW.download_id)
        with anyio.fail_after(DEADLINE_S):
            while two.parts:
                await anyio.sleep(0.01)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
