"""Those who reach a port and mean no good, or nothing at all: they hold sockets, and everybody else is served."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from anyio import to_thread

from reactor import notices as n
from reactor.database.contract import COUNT_MAX
from reactor.journal.stderr_log import LINES_MAX
from reactor.web import live, server
from tests.servers import FileServer
from tests.web.test_app import BEARER, PATIENCE_S, Served, reading, serving
from tests.web.test_run import ready
from tests.web.visitor import served as running

HEAD = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
BODY = (
    b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 1000\r\n\r\n{"token'
)
RANDOM = bytes(range(256)) * 500


def port_of(url: str) -> int:
    return int(url.rstrip("/").rpartition(":")[2])


@contextmanager
def held(port: int, count: int, said: bytes) -> Iterator[list[socket.socket]]:
    """So many connections on which this was said and nothing more."""
    with ExitStack() as stack:
        sockets = []
        for _ in range(count):
            held = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
            held.sendall(said)
            sockets.append(held)
        yield sockets


def ended(held: socket.socket) -> bytes:
    """What came until the other end was closed."""
    said = b""
    try:
        while data := held.recv(65536):
            said += data
    except ConnectionResetError:
        pass
    return said


async def until_broken(talking: socket.socket, said: bytes) -> None:
    """Say it again and again, until the other end has broken the connection off."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            try:
                await to_thread.run_sync(talking.sendall, said)
            except (ConnectionResetError, BrokenPipeError):
                return
            await anyio.sleep(0.01)


async def answers(served: Served) -> None:
    """A person of this machine is answered."""
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S, base_url=served.urls[-1]) as fresh:
        for path in ("/healthz", "/readyz", "/metrics", "/"):
            assert (await fresh.get(path)).status_code == 200, path


@pytest.mark.parametrize("said", [b"", HEAD, BODY], ids=["nothing", "half a head", "half a body"])
async def test_more_connections_than_there_may_be(tmp_path: Path, said: bytes) -> None:
    async with serving(tmp_path) as served, reading(served) as events:
        await anext(events)
        most = server.connections_max()
        with ExitStack() as stack:
            sockets = await to_thread.run_sync(
                lambda: stack.enter_context(held(port_of(served.urls[0]), most + 50, said))
            )
            await answers(served)
            assert all([await to_thread.run_sync(ended, each) == b"" for each in sockets[:40]]), "the oldest went"
            await answers(served)
        await served.add("http://host/a")
        assert len((await anext(events))["rows"]) == 1, "who is being answered stays"


@pytest.mark.parametrize("said", [HEAD, BODY], ids=["a head", "a body"])
async def test_a_request_that_does_not_come_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(server, "REQUEST_S", 1.0)
    async with serving(tmp_path) as served:
        with held(port_of(served.urls[0]), 1, said) as (slow,):
            await until_broken(slow, b"x")  # a byte now and then is no request
        await answers(served)


async def test_a_reader_of_metrics_that_does_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STALL_S", 1.0)
    async with serving(tmp_path) as served:
        with socket.socket() as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            stalled.settimeout(PATIENCE_S)
            stalled.connect(("127.0.0.1", port_of(served.urls[0])))
            await until_broken(stalled, HEAD + b"\r\n")


@pytest.mark.parametrize(("descriptors", "most"), [(64, 8), (256, 25), (1024, 100), (1 << 20, 100)])
def test_connections_leave_descriptors_to_downloads(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert server.connections_max() == most


@pytest.mark.nightly
async def test_a_flood_costs_no_download_and_the_end_is_in_order(tmp_path: Path) -> None:
    """More sockets than the process may have descriptors, and nobody who reads what it says of them."""
    async with FileServer() as files, running(tmp_path) as reactor:
        await reactor.stop()
        reactor.before = ("sh", "-c", 'ulimit -n 256 && exec "$@"', "sh")
        await reactor.start()
        with ExitStack() as stack:
            await to_thread.run_sync(lambda: stack.enter_context(held(port_of(reactor.address), 500, BODY)))
            assert (await ready(reactor))[0] == 200
            reactor.add(files.put("/film.bin", RANDOM))
            await reactor.until_final()
            printed = await reactor.stop()
        assert reactor.process is not None
        assert reactor.process.returncode == 0
    (row,) = reactor.rows()
    assert (row["status"], row["retry_count"]) == ("downloaded", 0)
    assert "Traceback" not in printed
    assert len([line for line in printed.splitlines() if line.startswith("reactor: ")]) <= LINES_MAX


async def test_absurd_numbers_in_a_row(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, reading(served) as events:
        await anext(events)
        number = await served.add(
            "u",
            **{"status": "downloading", "download_speed": 1.7e308, "progress": -1e300, "eta_seconds": 1e300},
            **{"file_size": -5, "next_attempt_at": 1e300, "retry_count": 1e300},
        )
        (row,) = (await anext(events))["rows"]
        assert row["id"] == number
        assert [row[name] for name in ("speed", "progress", "eta", "size")] == [None] * 4
        assert row["retries"] == COUNT_MAX


async def test_what_breaks_for_those_who_look_is_said_and_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [ValueError("a row of a new kind")] * 2
    view = live.view

    def breaking(row: object) -> object:
        if broken:
            raise broken.pop()
        return view(row)  # type: ignore[arg-type]

    monkeypatch.setattr(live, "view", breaking)
    async with serving(tmp_path) as served, reading(served) as events:
        await anext(events)
        number = await served.add("http://host/a")
        assert [row["id"] for row in (await anext(events))["rows"]] == [number]
    assert broken == []


async def test_a_sink_that_breaks_is_said_and_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaking(*_: object) -> None:
        raise ValueError("a notice of a new kind")

    monkeypatch.setattr(live.LiveRows, "offer", breaking)
    async with serving(tmp_path) as served:
        served.tell(n.Aria2Lost(reason="closed."))
        assert (await served.client.get("/readyz")).status_code == 503, "the others have heard of it"
    assert "The page failed to take a notice" in caplog.text


async def test_an_id_of_thousands_of_digits_and_an_accept_of_nonsense(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        for digits in ("9" * 5000, "٣", "-1"):
            assert (await served.client.post(f"/api/downloads/{digits}/cancel", headers=BEARER)).status_code == 404
        for accept in ("application/openmetrics-text;version=x.y", "text/plain;version=1.a.b", ";;=,", "x" * 900):
            answer = await served.client.get("/metrics", headers={"Accept": accept})
            assert answer.status_code == 200, accept
            assert "reactor_queue_rows" in answer.text


async def test_health_names_no_place(tmp_path: Path) -> None:
    folder = tmp_path / "a secret folder"
    folder.mkdir()
    async with serving(folder) as served:
        served.tell(
            n.DatabaseTroubled(reason=f"The database {folder / 'bot.db'} is gone."),
            n.Aria2Lost(reason="ws://10.0.0.7:6800/jsonrpc was closed (see /var/log/x)"),
        )
        said = (await served.client.get("/readyz")).text
    assert said == "aria2 cannot be reached: … was closed (see …). The database is gone.\n"
