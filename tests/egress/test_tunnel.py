"""Connections by way of the guard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote, urlsplit

import pytest

from reactor.egress.addresses import Exceptions
from reactor.egress.proxy import Guard
from reactor.egress.tunnel import connect_by
from reactor.errors import DownloadError


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer.startswith(b"HTTP"):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(accepted, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_what_the_other_end_says_at_once_is_not_lost() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\nhello") as port:
        with await connect_by("127.0.0.1", port, "u", "s", "::1", 80) as connection:
            assert await asyncio.get_running_loop().sock_recv(connection, 99) == b"hello"


async def test_the_guard_lets_through_and_refuses() -> None:
    async with answering(b"x") as port:
        for allowed in ("127.0.0.1", ""):
            async with Guard(Exceptions.parse(allowed)) as guard:
                parts = urlsplit(guard.route("plug-1"))
                login = (parts.username or "", unquote(parts.password or ""))
                there = ("127.0.0.1", parts.port or 0, *login, "127.0.0.1", port)
                if allowed:
                    (await connect_by(*there)).close()
                else:
                    with pytest.raises(DownloadError) as caught:
                        await connect_by(*there)
                    assert caught.value.code == "refused_address"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 502 x\r\n\r\n", b"nonsense\r\n\r\n", b"x" * 40_000])
async def test_a_proxy_that_does_not_connect(answer: bytes) -> None:
    async with answering(answer) as port:
        with pytest.raises(OSError, match=r"the proxy does not answer|no connection to h|reset by peer"):
            await connect_by("127.0.0.1", port, "u", "s", "h.example", 80)
