"""An aria2c elsewhere: with a shared disk, without one, and with others on it."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from reactor.programs import find_aria2c
from tests.real.harness import running
from tests.real.swarm import free_port
from tests.servers import FileServer

DATA = random.Random(3).randbytes(400_000)
SECRET = "between-us"


@asynccontextmanager
async def aria2c(folder: Path) -> AsyncIterator[int]:
    """An aria2c that knows nothing of reactor, with a secret; its port."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(str(find_aria2c().path), "--no-conf", "--enable-rpc", f"--rpc-secret={SECRET}", f"--rpc-listen-port={port}"),
        *("--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false", f"--dir={folder}", "--quiet"),
        stdin=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                except OSError:
                    await asyncio.sleep(0.02)
        yield port
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


def rpc(port: int, method: str, *params: Any) -> Any:
    """One call by somebody else."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": [f"token:{SECRET}", *params]}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/jsonrpc", body, timeout=30) as answer:
        return json.load(answer)["result"]


def settings(port: int, **more: str) -> dict[str, str]:
    return {"ARIA2C_RPC_URL": f"http://127.0.0.1:{port}/jsonrpc", "ARIA2C_RPC_SECRET": SECRET} | more


async def test_without_a_shared_disk_the_file_stays_where_the_other_side_put_it(tmp_path: Path) -> None:
    there = tmp_path / "there"
    async with FileServer() as server, aria2c(there) as port, running(tmp_path, **settings(port)) as reactor:
        (one,) = reactor.add(server.put("/a.bin", DATA))
        await reactor.until_final()
        row = reactor.row(one)
    assert row["status"] == "downloaded"
    assert Path(row["file_path"]).is_relative_to(there)
    assert Path(row["file_path"]).read_bytes() == DATA
    assert not (tmp_path / "downloads").exists()


async def test_with_a_shared_disk_it_is_published_here(tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "mounted").symlink_to(tmp_path / "downloads")
    path_map = f"{tmp_path / 'mounted'}={tmp_path / 'downloads'}"
    async with (
        FileServer() as server,
        aria2c(tmp_path / "there") as port,
        running(tmp_path, **settings(port, DOWNLOAD_PATH_MAP=path_map)) as reactor,
    ):
        (one,) = reactor.add(server.put("/a.bin", DATA))
        await reactor.until_final()
        assert reactor.row(one)["file_path"] == str(tmp_path / "downloads" / "a.bin")
    assert reactor.files() == {"a.bin": DATA}


async def test_what_others_download_there_is_never_touched(tmp_path: Path) -> None:
    async with FileServer() as server, aria2c(tmp_path / "there") as port:
        theirs = rpc(port, "aria2.addUri", [server.put("/theirs.bin", DATA, stall_after=1000)])
        async with running(tmp_path, **settings(port, STALL_TIMEOUT="60")) as reactor:
            (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=1000))
            await server.until(lambda: sum(request.sent == 1000 for request in server.log) == 2)
            reactor.execute("UPDATE downloads SET cancelled = 1")
            await reactor.until_final()
            assert reactor.row(one)["status"] == "cancelled"
            active = rpc(port, "aria2.tellActive", ["gid"])
            assert active == [{"gid": theirs}]
            assert rpc(port, "aria2.tellStopped", 0, 10, ["gid"]) == []


async def test_a_transfer_over_there_is_adopted_after_a_crash_here(tmp_path: Path) -> None:
    async with (
        FileServer() as server,
        aria2c(tmp_path / "there") as port,
        running(tmp_path, **settings(port, STALL_TIMEOUT="60")) as reactor,
    ):
        (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=200_000))
        await server.until(lambda: any(request.sent == 200_000 for request in server.log))
        await reactor.stop(signal.SIGKILL)
        asked = len(server.log)
        await reactor.start()
        await reactor.until(lambda: len(reactor.events("download_resumed")) == 1)
        server.release()
        await reactor.until_final()
        assert reactor.row(one)["status"] == "downloaded"
        assert len(server.log) == asked, "nothing was asked for twice"
