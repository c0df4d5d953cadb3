"""`reactor run` with metrics and the page: the real process, seen from outside."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import anyio
import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.command import reactor as command
from tests.cli.command import refused
from tests.real.harness import PATIENCE_S
from tests.servers import FileServer
from tests.web.visitor import TOKEN, Served, served

DATA = random.Random(8).randbytes(300_000)


async def metrics(reactor: Served) -> dict[str, float]:
    """Every sample of the reactor's own, by its name and labels."""
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"{reactor.address}metrics")).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {" ".join([sample.name, *sample.labels.values()]): sample.value for sample in samples}


async def ready(reactor: Served) -> tuple[int, str]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        answer = await client.get(f"{reactor.address}readyz")
    return answer.status_code, answer.text


async def test_numbers_of_a_real_night(tmp_path: Path) -> None:
    both = {"METRICS_ADDRESS": "127.0.0.1:0", "MAX_DOWNLOAD_RETRIES": "0"}
    async with FileServer() as server, served(tmp_path, **both) as reactor:
        reactor.add(server.put("/a.bin", DATA), server.put("/b.bin", DATA), server.url("/lost.bin"))
        await reactor.until_final()
        reactor.add(server.put("/slow.bin", DATA, stall_after=50_000))
        await server.until(lambda: any(request.sent == 50_000 for request in server.log))
        with anyio.fail_after(PATIENCE_S):
            while "reactor_queue_rows downloading" not in (found := await metrics(reactor)):
                await anyio.sleep(0.05)  # for the moment between the start and the table's being open
    assert found["reactor_downloads_total direct completed"] == 2
    assert found["reactor_downloads_total direct failed"] == 1
    assert found["reactor_failures_total not_found"] == 1
    assert found["reactor_received_bytes_total direct"] >= 2 * len(DATA)
    assert found["reactor_pickup_seconds_count"] == 4
    assert found["reactor_completion_seconds_count"] == 2
    assert found["reactor_extraction_seconds_count direct"] >= 2
    assert found["reactor_aria2_rpc_seconds_count"] >= 4
    assert found["reactor_change_wakes_total file"] + found["reactor_change_wakes_total poll"] >= 1
    assert (found["reactor_aria2_connected"], found["reactor_database_usable"]) == (1, 1)
    assert found["reactor_queue_rows downloading"] == 1
    assert found["process_resident_memory_bytes"] > 0


async def test_ready_is_what_it_says(tmp_path: Path) -> None:
    async with served(tmp_path) as reactor:
        assert await ready(reactor) == (200, "It serves: aria2 answers, the database can be used.\n")
        (pid,) = reactor.children()
        aria2 = psutil.Process(pid)
        aria2.suspend()  # the socket stands, and nobody is there
        try:
            code, sentence = await ready(reactor)
        finally:
            aria2.resume()
        assert code == 503
        assert "aria2 did not answer" in sentence
        assert (await ready(reactor))[0] == 200
        reactor.db.rename(tmp_path / "away.db")
        code, sentence = await ready(reactor)
        assert (code, "is gone" in sentence) == (503, True)
        (tmp_path / "away.db").rename(reactor.db)
        with anyio.fail_after(PATIENCE_S):
            while (await ready(reactor))[0] != 200:
                await anyio.sleep(0.05)


@pytest.mark.nightly
async def test_stalled_readers_slow_down_no_download(tmp_path: Path) -> None:
    """Of the page and the metrics: they ask, again and again, and never read."""
    both = {"METRICS_ADDRESS": "127.0.0.1:0", "PROGRESS_INTERVAL": "0.1", "MAX_CONCURRENT_DOWNLOADS": "3"}
    async with FileServer() as server, served(tmp_path, **both) as reactor:
        host, port = reactor.settings["PAGE_ADDRESS"].split(":")
        with ExitStack() as stack:
            for path in ("/api/events", "/metrics") * 10:
                stalled = stack.enter_context(socket.socket())
                stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
                stalled.connect((host, int(port)))
                request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
                stalled.sendall(request.encode() * (1 if path.startswith("/api") else 50))
            ids = reactor.add(*(server.put(f"/{n}.bin", DATA) for n in range(30)))
            await reactor.until_final(*ids)
            assert (await ready(reactor))[0] == 200
    assert [row["status"] for row in reactor.rows()] == ["downloaded"] * 30
    assert all(data == DATA for data in reactor.files().values())


@pytest.mark.parametrize("flag", ["--metrics", "--page", "--http"])
def test_a_port_that_is_taken_is_said_and_nothing_begins(tmp_path: Path, flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        assert f"nothing can be served at {address}" in refused(command("run", flag, address, cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_page_for_everybody_needs_a_token(tmp_path: Path) -> None:
    assert "needs a token of your own" in refused(command("run", "--page", "0.0.0.0:0", cwd=tmp_path))


def test_who_asks_for_neither_pays_for_neither() -> None:
    code = (
        "import json, sys\n"
        "import reactor.cli.run, reactor.daemon.service, reactor.daemon.probes, reactor.web.app\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert {"starlette", "uvicorn", "prometheus_client"} & set(json.loads(done.stdout)) == set()
