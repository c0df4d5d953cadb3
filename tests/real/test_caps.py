"""What one owner and one site may have at once, by rows that run."""

from __future__ import annotations

from pathlib import Path

import pytest

from reactor.queue import Queue
from tests.real.harness import running
from tests.servers import FileServer

BODY = b"x" * 200_000


@pytest.mark.parametrize(
    ("cap", "word", "owner"), [("OWNER_MAX", "owner_max", "somebody"), ("HOST_MAX", "host_max", "another")]
)
async def test_what_is_full_lets_others_pass(tmp_path: Path, cap: str, word: str, owner: str) -> None:
    settings = {
        "MAX_CONCURRENT_DOWNLOADS": "3",
        "STALL_TIMEOUT_S": "0",
        "ALLOWED_PRIVATE_HOSTS": "127.0.0.0/8, ::1, localhost",
        cap: "1",
    }
    async with FileServer() as server, running(tmp_path, **settings) as reactor:
        slow = server.put("/slow.bin", BODY, stall_after=50_000)
        insert = "INSERT INTO downloads (url, owner) VALUES (?, ?)"
        reactor.execute(insert, slow, "somebody")
        await server.until(lambda: any(request.sent == 50_000 for request in server.log))
        server.put("/passes.bin", BODY)
        reactor.execute(insert, server.put("/waits.bin", BODY), owner)
        reactor.execute(insert, server.url("/passes.bin", host="localhost"), "a third")
        await reactor.until(lambda: reactor.row(3)["status"] == "downloaded")
        assert reactor.row(2)["status"] == "pending"
        assert not server.requests("/waits.bin")
        async with Queue(reactor.db) as queue:
            position = await queue.position(2)
        assert position is not None
        assert (position.why, position.ahead) == (word, 0)
        reactor.execute("UPDATE downloads SET cancelled = 1 WHERE id = 1")
        await reactor.until_final()
        assert [row["status"] for row in reactor.rows()] == ["cancelled", "downloaded", "downloaded"]
