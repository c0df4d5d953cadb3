"""No answer, or a bad one: the word, the sentence, and whether it may pass."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import trustme

from reactor.errors import DownloadError
from reactor.net.failures import retry_after_s
from reactor.net.probe import probe
from reactor.net.session import HttpSession, open_session
from tests.servers import FileServer

DATA = b"0123456789" * 1000


async def fails(url: str, http: HttpSession) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        await probe(url, http)
    assert "secret" not in str(caught.value)
    assert caught.value.message.endswith(".")
    return caught.value


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (202, "server_error", True),
        (400, "refused", False),
        (401, "needs_login", False),
        (403, "forbidden", False),
        (404, "not_found", False),
        (410, "not_found", False),
        (418, "refused", False),
        (429, "rate_limited", True),
        (451, "blocked", False),
        (500, "server_error", True),
        (503, "server_error", True),
        (304, "refused", False),
    ],
)
async def test_statuses(server: FileServer, http: HttpSession, status: int, code: str, retryable: bool) -> None:
    url = server.put("/a?key=secret", b"no", status=status, headers=(("Retry-After", "7"),))
    error = await fails(url.replace("//", "//user:secret@"), http)
    assert (error.code, error.retryable, error.retry_after_s) == (code, retryable, 7.0)
    assert f"127.0.0.1 answered {status} (" in error.message
    assert len(server.log) == {429: 1, 400: 3, 403: 3}.get(status, 2)


async def test_no_answer(server: FileServer, hasty: HttpSession) -> None:
    error = await fails(server.put("/a", hang=True), hasty)
    assert (error.code, error.retryable) == ("timeout", True)


async def test_broken_answers(server: FileServer, http: HttpSession) -> None:
    error = await fails(server.put("/a", close=True), http)
    assert (error.code, error.retryable) == ("connection_lost", True)
    error = await fails(server.put("/a", raw=b"SSH-2.0-OpenSSH_9\r\n\r\n"), http)
    assert (error.code, error.retryable) == ("bad_answer", False)
    error = await fails(server.put("/a", raw=b"HTTP/1.1 200 OK\r\nContent-Le"), http)
    assert (error.code, error.retryable) == ("connection_lost", True)


async def test_a_refused_port(http: HttpSession) -> None:
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        error = await fails(f"http://user:secret@127.0.0.1:{taken.getsockname()[1]}/secret", http)
    assert (error.code, error.retryable) == ("unreachable", True)


async def test_a_host_that_does_not_exist(http: HttpSession) -> None:
    error = await fails("http://reactor.invalid/", http)
    assert (error.code, error.retryable) == ("dns", True)
    assert "reactor.invalid does not exist" in error.message


async def test_certificates(http: HttpSession) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    async with FileServer(tls=tls) as server:
        url = server.put("/a.bin", DATA)
        error = await fails(url, http)
        assert (error.code, error.retryable) == ("tls", False)
        assert "certificate of 127.0.0.1 is not valid" in error.message
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        async with open_session(tls=trusting) as knowing:
            assert (await probe(url, knowing)).size == len(DATA)
            error = await fails(url.replace("127.0.0.1", "localhost"), knowing)
            assert error.code == "tls"


async def test_plain_http_behind_https(http: HttpSession) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as plain:
        error = await fails(f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}/", http)
    assert (error.code, error.retryable) == ("tls", True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("9" * 40, 86400.0),
        ("soon", None),
        ("-1", None),
        ("", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        (None, None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value) == seconds


def test_retry_after_as_a_date_is_read_by_the_servers_clock() -> None:
    wrong_clock = datetime(2001, 1, 1, tzinfo=UTC)
    later = format_datetime(wrong_clock + timedelta(minutes=5), usegmt=True)
    assert retry_after_s(later, format_datetime(wrong_clock, usegmt=True)) == 300.0
    assert retry_after_s(later) == 0.0
