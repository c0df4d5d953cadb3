"""The server is started anew, and one machine takes long to come back to it: what each has under way stays its own."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from reactor.core.lease import BEAT_S
from reactor.database.postgres.connection import ALIVE, how_alive
from reactor.database.postgres.machines import DEAD_S
from reactor.server_address import ServerAddress
from tests.chaos.wire import Wire
from tests.database.postgres.bot import Bot
from tests.database.postgres.server import USER, Server
from tests.database.postgres.together import machine, until
from tests.servers import FileServer

NAMES = "ab"


def test_a_server_that_is_gone_without_a_word_is_found_out_unless_the_address_has_its_own_way() -> None:
    plain, told = (ServerAddress(f"postgresql://db.example/bot{more}") for more in ("", "?tcp_user_timeout=5000"))
    assert how_alive(plain) == ALIVE
    assert how_alive(told) == {name: value for name, value in ALIVE.items() if name != "tcp_user_timeout"}


@pytest.mark.nightly
@pytest.mark.fault(75, 76)
@pytest.mark.timeout(300)
async def test_one_that_is_slow_to_come_back_keeps_its_rows(
    server: FileServer, bot: Bot, postgres: Server, tmp_path: Path
) -> None:
    """Until then it has stopped its transfers; and the others have seen nothing of it for longer than a lease lasts."""
    data = {f"/{name}.bin": random.Random(name).randbytes(300_000) for name in NAMES}
    database = bot.url.partition("?")[0].rpartition("/")[2]

    def whose() -> list[tuple[str, str, int]]:
        return bot.sql("SELECT claimed_by, status, attempt FROM downloads ORDER BY claimed_by")

    def seen(name: str) -> tuple[float, float]:
        """How long ago it renewed its lease, and how long ago it missed a beat."""
        ((seen, held),) = bot.sql(
            "SELECT extract(epoch FROM clock_timestamp()) - seen_at, extract(epoch FROM clock_timestamp()) - held_since"
            " FROM reactor_machines WHERE name = %s",
            name,
        )
        return float(seen), float(held)

    async with AsyncExitStack() as stack:
        wires, machines = {}, {}
        for name in NAMES:
            wires[name] = Wire(postgres.socket, every_s=None)
            port = await stack.enter_async_context(wires[name].laid())
            url = f"postgresql://{USER}@127.0.0.1:{port}/{database}"
            machines[name] = await stack.enter_async_context(machine(tmp_path, url, name, 1))
        for path, content in data.items():
            link = server.put(path, content, etag='"1"', stall_after=100_000)
            bot.sql("INSERT INTO downloads (url) VALUES (%s)", link)
        under_way = [(name, "downloading", 1) for name in NAMES]
        await until(lambda: whose() == under_way, whose)
        (of_b,) = bot.sql("SELECT url FROM downloads WHERE claimed_by = 'b'")
        path = "/" + of_b[0].rpartition("/")[2]
        await server.until(lambda: any(each.sent == 100_000 for each in server.requests(path, "GET")))
        with wires["b"].refused():
            with postgres.stopped():
                pass
            # As if it had been away for longer.
            bot.sql("UPDATE reactor_machines SET seen_at = seen_at - %s", DEAD_S / 2)
            await until(lambda: bool(machines["b"].events("lease_lost")), lambda: machines["b"].events())
            await server.until(lambda: all(each.ended != "open" for each in server.requests(path, "GET")))
            await until(lambda: seen("b")[0] > DEAD_S and seen("a")[0] < BEAT_S, lambda: (seen("a"), seen("b")))
            assert whose() == under_way
        await until(lambda: seen("b")[0] < BEAT_S, lambda: seen("b"))
        assert whose() == under_way
        for each, content in data.items():
            server.put(each, content, etag='"1"')
        server.release()
        await until(lambda: {status for _, status, _ in whose()} == {"downloaded"}, whose)
        assert {attempt for *_, attempt in whose()} == {1}
        assert bot.sql("SELECT * FROM reactor_takeovers") == []
        rows = bot.sql("SELECT url, file_path FROM downloads")
        assert machines["b"].events("lease_regained")
    for url, file in rows:
        assert Path(file).read_bytes() == data["/" + url.rpartition("/")[2]]
    assert sorted(len(one.files()) for one in machines.values()) == [1, 1]
    assert server.requests(path, "GET")[-1].range, "it goes on where it was"
