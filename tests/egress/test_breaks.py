"""What cannot be understood, and what goes wrong inside, ends one connection and nothing else."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.egress.proxy import Guard
from tests.egress.asking import DATA, ask, asking, connected, guarding, server, tunnel, until


async def send(guard: Guard, raw: bytes) -> None:
    """Say something, and wait until the guard is done with whoever said it."""
    async with connected(guard.route("stranger")) as (reader, writer):
        writer.write(raw)
        writer.write_eof()
        with anyio.fail_after(30), suppress(ConnectionError):
            await reader.read(-1)
    await until(lambda: guard.tunnels == 0)


async def test_a_host_that_is_no_text_is_a_bad_request_and_no_more() -> None:
    async with server() as far, guarding() as guard:
        await send(guard, b"GET http://a/ HTTP/1.1\r\nHost: \xff\r\n\r\n")
        assert guard.broken == 0
        assert await ask(guard.route("one"), f"127.0.0.1:{far.port}") == 200


@settings(deadline=None, max_examples=25)
@given(raws=st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_whatever_bytes_are_thrown_at_it_it_goes_on(raws: list[bytes]) -> None:
    starts = (b"", b"CONNECT ", b"GET http://a/ HTTP/1.1\r\nHost: ", b"GET http://a/ HTTP/1.1\r\nHost: a\r\n")

    async def throw() -> None:
        async with server() as far, guarding() as guard:
            for raw in raws:
                for start in starts:
                    await send(guard, start + raw + b"\r\n\r\n")
            assert guard.broken == 0
            assert await ask(guard.route("one"), f"127.0.0.1:{far.port}") == 200

    anyio.run(throw)


@pytest.mark.parametrize(
    "part", ["RequestReader.take", "Guard._carry_out", "Dialer.dial", "join", "relay._relay", "pass_answer"]
)
async def test_an_error_in_one_connection_ends_no_other(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with server() as far, guarding() as guard:
        way, place = guard.route("one"), f"127.0.0.1:{far.port}"
        through, plain = asking("CONNECT", place, way), asking("GET", far.url("/file"), way)
        async with connected(way) as before:
            assert await tunnel(before, way, place) == 200
            with monkeypatch.context() as broken:
                broken.setattr(f"reactor.egress.{part if part.startswith('relay') else f'proxy.{part}'}", failing)
                raws = {"pass_answer": [plain], "join": [through]}.get(part, [through, plain])
                for raw in raws * 2:
                    async with connected(way) as (reader, writer):
                        writer.write(raw)
                        with suppress(ConnectionError):
                            await reader.read(-1)
            await until(lambda: guard.tunnels == 1)
            assert guard.broken == 2 * len(raws)
            assert [type(context["exception"]) for context in told] in ([ZeroDivisionError], [ExceptionGroup]), "once"
            before[1].write(b"GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await before[0].read(-1)).endswith(DATA), "who was there goes on"
        failure = guard.why("one")
        assert failure is None if part == "RequestReader.take" else failure is not None and failure.retryable
        assert await ask(guard.route("one"), place) == 200


def failing(*_: object) -> None:
    raise ZeroDivisionError
