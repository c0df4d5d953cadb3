"""Wrong tokens are answered late, and told; the right one opens."""

from __future__ import annotations

from pathlib import Path

import anyio
import httpx
import pytest

from reactor import notices as n
from reactor.web.attempts import PLACES_MAX, WAITING_MAX, Attempts
from tests.web.test_app import BEARER, PATIENCE_S, TOKEN, Served, serving

NEAR, FAR = "127.0.0.1", "203.0.113.7"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each wrong one had to wait, which passes at once."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("reactor.web.attempts.sleep", sleep)
    return waited


async def test_each_wrong_one_waits_longer_up_to_a_limit(waits: list[float]) -> None:
    attempts = Attempts()
    for _ in range(6):
        await attempts.wrong(FAR)
    assert waits == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]
    await attempts.wrong(NEAR)
    attempts.right(FAR)
    await attempts.wrong(FAR)
    assert waits[6:] == [0.25, 0.25], "of another place, and of one who knew it after all"


async def test_one_network_of_ipv6_is_one_place(waits: list[float]) -> None:
    attempts = Attempts()
    for address in ("2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1", "::ffff:127.0.0.1", "127.0.0.1", "fe80::1%lo"):
        await attempts.wrong(address)
    assert waits == [0.25, 0.5, 0.25, 0.25, 0.5, 0.25]


async def test_it_is_told_at_once_and_then_once_a_minute(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    now, told = 100.0, list[tuple[str, int]]()
    monkeypatch.setattr("reactor.web.attempts.current_time", lambda: now)
    attempts = Attempts()
    attempts.tell = lambda address, count: told.append((address, count))
    for _ in range(30):
        await attempts.wrong(FAR)
    assert told == [(FAR, 1)]
    now += 60
    await attempts.wrong(NEAR)
    assert told == [(FAR, 1), (NEAR, 30)]


async def test_many_places_take_no_memory(waits: list[float]) -> None:
    attempts = Attempts()
    for number in range(3 * PLACES_MAX):
        await attempts.wrong(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(attempts._places) <= PLACES_MAX


async def wrong(served: Served, client: httpx.AsyncClient, token: str = "guessed") -> int:
    origin = {"Origin": served.urls[0]}
    return (await client.post("/api/session", json={"token": token}, headers=origin)).status_code


@pytest.mark.fault(64)
async def test_whoever_guesses_is_held_up_and_told_and_others_are_not(tmp_path: Path) -> None:
    told: list[n.Notice] = []
    async with serving(tmp_path) as served:
        served.site.tell = told.append
        assert await wrong(served, served.client) == 401
        assert await wrong(served, served.client, TOKEN) == 204
        codes: list[int] = []
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S, base_url=served.urls[0]) as client:

            async def guess(_: int) -> None:
                how = {"Authorization": "Bearer guessed"}
                codes.append((await client.get("/api/session", headers=how)).status_code)

            async with anyio.create_task_group() as tasks:
                for number in range(3 * WAITING_MAX):
                    tasks.start_soon(guess, number)
                with anyio.fail_after(PATIENCE_S):
                    while 429 not in codes:
                        await anyio.sleep(0.01)
                # A session is not looked at so: who is in stays in.
                assert (await served.client.get("/api/session")).status_code == 204
        assert set(codes) == {401, 429}
        assert codes.count(401) >= WAITING_MAX
        assert (await served.client.get("/api/session", headers=BEARER)).status_code == 204
    assert told == [n.TokenRefused(address="127.0.0.1", count=1)]
