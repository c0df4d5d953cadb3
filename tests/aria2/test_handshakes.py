"""TLS handshakes that fail, with both aria2c's: what they say of each, and what that means."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET

import pytest
import trustme

from reactor.aria2.connection import Aria2Connection
from reactor.aria2.embedded import EmbeddedAria2
from reactor.programs import Program
from tests.aria2.conftest import Recorder, Running, for_tests
from tests.aria2.servers import FileServer, serving
from tests.aria2.test_transfers import fetch

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@asynccontextmanager
async def trusting(program: Program, authority: trustme.CA, folder: Path) -> AsyncIterator[Running]:
    """An aria2c that trusts this authority."""
    bundle = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    options = for_tests(**{"ca-certificate": str(bundle)})
    inbox = Recorder()
    async with (
        EmbeddedAria2(program, options=options) as embedded,
        Aria2Connection(lambda: embedded.url, embedded.secret, post=inbox.post) as connection,
    ):
        await connection.wait_connected()
        yield Running(embedded, connection, inbox)


def certified(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.mark.both_aria2c
@pytest.mark.fault(30)
@pytest.mark.parametrize("flaw", ["none", "nobody-knows-who", "another-name", "expired"])
async def test_a_certificate(program: Program, tmp_path: Path, flaw: str) -> None:
    authority = trustme.CA()
    certificate = {
        "none": lambda: authority.issue_cert("127.0.0.1"),
        "nobody-knows-who": lambda: trustme.CA().issue_cert("127.0.0.1"),
        "another-name": lambda: authority.issue_cert("host.example"),
        "expired": lambda: authority.issue_cert(
            "127.0.0.1", not_before=LONG_AGO, not_after=LONG_AGO + datetime.timedelta(days=9)
        ),
    }[flaw]()
    server = FileServer()
    async with serving(server, tls=certified(certificate)), trusting(program, authority, tmp_path) as aria2:
        report = await fetch(aria2, tmp_path, server.add("/file", b"x"))
    if flaw == "none":
        assert (tmp_path / "file").read_bytes() == b"x"
        return
    failure = report.failure
    assert failure is not None
    assert (failure.code, failure.retryable) == ("tls", False), report.error_message


@pytest.mark.both_aria2c
@pytest.mark.fault(30)
@pytest.mark.parametrize("how", ["closed", "reset", "no-tls"])
async def test_a_handshake_that_is_broken_off_may_succeed_later(aria2: Running, tmp_path: Path, how: str) -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if how == "no-tls":
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        if how == "reset":
            writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    async with await asyncio.start_server(break_off, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        report = await fetch(aria2, tmp_path, f"https://127.0.0.1:{port}/file")
    failure = report.failure
    assert failure is not None
    assert (failure.code, failure.retryable) == ("unreachable", True), report.error_message
