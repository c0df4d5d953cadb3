"""The socket to a real aria2c."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import anyio
import pytest
import trustme

from reactor.aria2 import connection as room
from reactor.aria2.connection import Aria2Connection
from reactor.aria2.embedded import EmbeddedAria2
from reactor.aria2.methods import (
    Method,
    add_torrent,
    add_uri,
    force_remove,
    get_session_info,
    get_version,
    tell_status,
)
from reactor.core import events
from reactor.core.events import TransferReport, TransferStatus
from reactor.errors import Aria2Error, Aria2Lost, Aria2Refused, Aria2Timeout, Aria2Unauthorized, SettingsError
from reactor.programs import Program
from tests.aria2.conftest import Recorder, Running, Start, for_tests
from tests.aria2.servers import FileServer, make_torrent

NOBODY = "ws://127.0.0.1:1/jsonrpc"


def gid_of(n: int) -> str:
    return f"{n + 1:016x}"


@pytest.mark.both_aria2c
async def test_it_says_who_is_there(aria2: Running) -> None:
    (connected,) = aria2.inbox.events
    version = await aria2.connection.call(get_version())
    assert isinstance(connected, events.Aria2Connected)
    assert (connected.version, connected.url) == (version.version, aria2.embedded.url)
    assert len(connected.session) == 40
    assert "BitTorrent" in version.features


async def test_many_calls_in_flight(aria2: Running) -> None:
    reports: dict[int, TransferReport] = {}

    async def ask(n: int) -> None:
        reports[n] = await aria2.connection.call(tell_status(gid_of(n)))

    async with anyio.create_task_group() as group:
        for n in range(300):
            group.start_soon(ask, n)
    assert {n: report.gid for n, report in reports.items()} == {n: gid_of(n) for n in range(300)}
    statistics = aria2.connection.statistics()
    assert (statistics.calls["aria2.tellStatus"], statistics.requests, statistics.pending) == (300, 301, 0)


async def test_a_batch_has_one_outcome_each_in_order(aria2: Running) -> None:
    wanted: list[Method[object]] = [
        get_version(),
        Method("aria2.noSuchThing", (), lambda result: result),
        tell_status(gid_of(1)),
        Method("aria2.tellStatus", ("\ud800",), lambda result: result),
        get_session_info(),
    ]
    version, refused, unknown, unwritable, session = await aria2.connection.batch(wanted)
    assert [type(refused), type(unwritable)] == [Aria2Refused, Aria2Refused]
    assert "No such method" in str(refused)
    assert unknown == TransferReport(gid_of(1), TransferStatus.UNKNOWN)
    assert version == await aria2.connection.call(get_version())
    assert session == await aria2.connection.call(get_session_info())
    assert await aria2.connection.batch([]) == []


async def test_a_batch_is_sent_in_pieces_by_size(start: Start) -> None:
    aria2 = await start(rpc_max_request_size="2M")
    outcomes = await aria2.connection.batch([add_torrent(bytes(300_000), [], {}) for _ in range(12)])
    assert [(type(o), str(o)) for o in outcomes] == [(Aria2Refused, "Bencode decoding failed")] * 12
    assert aria2.connection.statistics().calls["system.multicall"] == 1 + 6, "the greeting, and two at a time"


@pytest.mark.both_aria2c
async def test_a_request_larger_than_aria2_takes(start: Start) -> None:
    aria2 = await start(rpc_max_request_size="2M")
    with pytest.raises(Aria2Refused, match=r"aria2\.addTorrent of 3\.8 MiB is more .* \(2\.0 MiB\)") as caught:
        await aria2.connection.call(add_torrent(bytes(3_000_000), [], {}))
    assert "--rpc-max-request-size=8M" in str(caught.value)
    wanted: list[Method[object]] = [add_torrent(bytes(3_000_000), [], {}), get_version()]
    large, small = await aria2.connection.batch(wanted)
    assert isinstance(large, Aria2Refused)
    assert not isinstance(small, Aria2Error)


@pytest.mark.fault(28)
async def test_our_own_takes_large_requests(aria2: Running) -> None:
    with pytest.raises(Aria2Refused, match="Bencode decoding failed"):
        await aria2.connection.call(add_torrent(bytes(30_000_000), [], {}))


@pytest.mark.fault(28)
async def test_a_torrent_of_10_000_files(aria2: Running, tmp_path: Path) -> None:
    files = {f"a name that is not short {n:05}": b"x" for n in range(10_000)}
    metainfo, _ = make_torrent("http://127.0.0.1:1", "folder", files)
    gid = await aria2.connection.call(add_torrent(metainfo, [], {"dir": str(tmp_path), "pause": "true"}))
    short = await aria2.connection.call(tell_status(gid))
    report = await aria2.connection.call(tell_status(gid, files=True))
    assert (short.files, len(report.files), report.info_name) == ((), 10_000, "folder")
    assert aria2.connection.statistics().connects == 1


async def test_pings_are_answered_with_noise(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PING_INTERVAL_S", 0.02)
    aria2 = await start()
    with anyio.fail_after(30):
        while aria2.connection.statistics().ignored.get("null id", 0) < 3:
            await aria2.connection.call(get_version())
    assert aria2.connection.statistics().connects == 1


async def test_notifications_come_to_the_inbox(aria2: Running, server: FileServer, tmp_path: Path) -> None:
    url = server.add("/file", bytes(2**20), hold_at=2**18)
    gid = await aria2.connection.call(add_uri([url], {"dir": str(tmp_path)}))
    await aria2.connection.call(force_remove(gid))
    await aria2.inbox.notified(gid, "stop")
    assert aria2.inbox.words(gid) == ["stop"]
    assert aria2.connection.statistics().notifications == 1


@pytest.mark.fault(26)
@pytest.mark.parametrize("secret", ["wrong", None])
async def test_a_wrong_secret_ends_it(program: Program, secret: str | None) -> None:
    inbox = Recorder()
    async with EmbeddedAria2(program, options=for_tests()) as embedded:
        with pytest.raises(Aria2Unauthorized, match="ARIA2C_RPC_SECRET"):
            async with Aria2Connection(embedded.url, secret, post=inbox.post) as aria2:
                await aria2.wait_connected(60)
    assert inbox.events == []


async def test_another_path_is_another_server(program: Program) -> None:
    async with EmbeddedAria2(program, options=for_tests()) as embedded:
        url = embedded.url.replace("/jsonrpc", "/else")
        with pytest.raises(Aria2Error, match=r"/else is not aria2's RPC: HTTP 404\..*ARIA2C_RPC_URL"):
            async with Aria2Connection(url, embedded.secret) as aria2:
                await aria2.wait_connected(60)


async def test_calls_while_nobody_is_there_fail_at_once() -> None:
    async with Aria2Connection(NOBODY, "s3cret") as aria2:
        with pytest.raises(Aria2Lost):
            await aria2.call(get_version())
        with pytest.raises(Aria2Lost):
            await aria2.batch([get_version()])
        with pytest.raises(Aria2Timeout, match=r"127\.0\.0\.1:1/jsonrpc cannot be reached: .*refused.*enable-rpc"):
            await aria2.wait_connected(1)
        assert not aria2.connected
        assert "s3cret" not in repr(aria2)


async def test_it_finds_an_aria2_that_comes_later(program: Program) -> None:
    where = NOBODY
    inbox = Recorder()
    async with (
        EmbeddedAria2(program, options=for_tests()) as embedded,
        Aria2Connection(lambda: where, embedded.secret, post=inbox.post) as aria2,
    ):
        with pytest.raises(Aria2Timeout):
            await aria2.wait_connected(0.1)
        where = embedded.url
        await aria2.wait_connected(60)
        await aria2.call(get_version())
    assert isinstance(inbox.events[0], events.Aria2Connected)


async def test_a_password_in_the_address_is_not_shown() -> None:
    async with Aria2Connection(NOBODY.replace("//", "//user:pass@"), "s3cret") as aria2:
        with pytest.raises(Aria2Timeout) as caught:
            await aria2.wait_connected(0.1)
        assert "pass" not in str(caught.value) + repr(aria2)


class TestTls:
    """wss, as a remote aria2c with --rpc-secure serves it."""

    @pytest.fixture
    def certificate(self, tmp_path: Path) -> tuple[Path, Path]:
        key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(str(key))
        for part in (*issued.cert_chain_pems, authority.cert_pem):
            part.write_to_path(str(cert), append=True)
        return key, cert

    @pytest.mark.both_aria2c
    async def test_with_its_own_certificate(self, program: Program, certificate: tuple[Path, Path]) -> None:
        key, cert = certificate
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [
            str(program.path), "--no-conf", "--enable-rpc", f"--rpc-listen-port={port}", "--rpc-secret=s3cret",
            "--rpc-secure", f"--rpc-certificate={cert}", f"--rpc-private-key={key}",
            f"--stop-with-process={os.getpid()}",
        ]  # fmt: skip
        url = f"wss://127.0.0.1:{port}/jsonrpc"
        async with await anyio.open_process(command, stdout=subprocess.DEVNULL, cwd=cert.parent) as process:
            try:
                async with Aria2Connection(url, "s3cret", ca=cert) as aria2:
                    await aria2.wait_connected(60)
                    await aria2.call(get_version())
                with pytest.raises(Aria2Error, match=r"certificate of wss://.* is not trusted: .*ARIA2C_RPC_CA"):
                    async with Aria2Connection(url, "s3cret") as aria2:
                        await aria2.wait_connected(60)
                with pytest.raises(SettingsError, match="ARIA2C_RPC_CA"):
                    async with Aria2Connection(url, "s3cret", ca=Path("/gone")) as aria2:
                        await aria2.wait_connected(60)
            finally:
                process.kill()
