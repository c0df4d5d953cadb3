"""What one side says before the other one is there is not lost."""

from __future__ import annotations

import asyncio
import gc
import socket
from asyncio import selector_events
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from reactor.egress.meter import Meter
from reactor.egress.relay import Tunnel, join

DEADLINE_S = 10.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def reads_although_paused(self: Any, fd: int, callback: Callable[..., object], *arguments: object) -> None:
    """As of the transports of Python 3.11.2: a pause before the first read is not kept."""
    if not self._closing:
        self._loop._add_reader(fd, callback, *arguments)


@pytest.mark.parametrize("metered", [False, True])
async def test_a_request_that_came_before_the_server_was_there(metered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selector_events._SelectorTransport, "_add_reader", reads_although_paused)  # type: ignore[attr-defined]
    loop = asyncio.get_running_loop()
    (client, inner), (outer, server) = socket.socketpair(), socket.socketpair()
    for end in (client, inner, outer, server):
        end.setblocking(False)
    request, answer = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with client, server, anyio.fail_after(DEADLINE_S):
        await loop.sock_sendall(client, request)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(join, Tunnel(inner, meter=Meter() if metered else None), outer)
            assert await loop.sock_recv(server, 1000) == request
            await loop.sock_sendall(server, answer)
            assert await loop.sock_recv(client, 1000) == answer
            client.close()


async def test_one_that_is_cancelled_before_both_are_there_leaves_nothing() -> None:
    """What nobody waits for any more is no exception that nobody has retrieved: that would end this test."""
    (client, inner), (outer, server) = socket.socketpair(), socket.socketpair()
    with client, server:
        for end in (inner, outer):
            end.setblocking(False)
        relay = asyncio.ensure_future(join(Tunnel(inner), outer))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        relay.cancel()
        await asyncio.wait([relay])
        assert relay.cancelled()
        await anyio.wait_all_tasks_blocked()
        inner.close()
        outer.close()
        del relay
        gc.collect()
