"""A real aria2c behind the guard: where it gets to, and what of a row's credentials goes where."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from reactor.aria2.methods import tell_status
from reactor.aria2.options import TransferPolicy, addition, through
from reactor.core.events import TransferReport, TransferStatus
from reactor.daemon.egress import Egress
from reactor.egress.addresses import ANYWHERE, Exceptions
from reactor.egress.proxy import DENY_ALL, Guard
from reactor.net.jar import Jar
from reactor.net.session import open_session
from reactor.plan import Cookie, Fetch, Header, Torrent
from tests.aria2.conftest import Running
from tests.aria2.servers import make_torrent, some_bytes
from tests.ftp import FtpServer
from tests.servers import FileServer, ThreadedFileServer

DATA = some_bytes(3_000_000)
POLICY = TransferPolicy(user_agent="reactor/test", tries=1, connect_timeout_s=5)
SESSION = Cookie(name="session", value="c00kie", domain="127.0.0.1", host_only=True)
LOGIN = Header(name="Authorization", value="Bearer t0ken")
SECRETS = ("authorization", "cookie", "x-api-key", "proxy-authorization")


@pytest.fixture
async def home() -> AsyncIterator[FileServer]:
    """A server whose address may be dialed."""
    async with FileServer() as server:
        server.put("/file", DATA)
        yield server


@pytest.fixture
async def private() -> AsyncIterator[FileServer]:
    """Another one, that must not be reached where only 127.0.0.1 is allowed."""
    async with FileServer(host="127.0.0.2") as server:
        server.put("/file", DATA)
        yield server


@pytest.fixture
async def guard() -> AsyncIterator[Guard]:
    async with Guard(Exceptions.parse("127.0.0.1")) as guarding:
        yield guarding


async def fetch(aria2: Running, guard: Guard, folder: Path, url: str, n: int = 1, **more: Any) -> TransferReport:
    """Have one row fetched as the reactor does it: its report, with what the guard knows."""
    gid, egress = f"{n:016x}", Egress(guard)
    headers, jar = more.pop("headers", ()), Jar(more.pop("cookies", ()))
    wanted = Fetch(**{"urls": (url,), "name": f"file-{n}", **more})
    extra = egress.options(wanted, gid, headers, jar)
    method = addition(wanted, gid=gid, directory=str(folder), policy=POLICY, extra=extra, headers=headers, jar=jar)
    await aria2.connection.call(method)
    return egress.explained(await aria2.over(gid))


def word(report: TransferReport) -> str | None:
    return report.failure.code if report.failure else None


def sent(server: FileServer) -> set[str]:
    """Everything secret that the server was sent."""
    return {request.headers[name] for request in server.log for name in SECRETS if request.headers.get(name)}


async def test_a_file_comes_through(aria2: Running, guard: Guard, home: FileServer, tmp_path: Path) -> None:
    report = await fetch(aria2, guard, tmp_path, home.url("/file"))
    assert report.status is TransferStatus.COMPLETE
    assert (tmp_path / "file-1").read_bytes() == DATA
    assert sent(home) == set(), "what is for the guard is not for the server"


@pytest.mark.parametrize("host", ["127.0.0.2", "127.2", "0x7f000002", "2130706434", "[::ffff:127.0.0.2]", "127.0.0.02"])
async def test_what_the_guard_refuses_is_not_reached(
    aria2: Running, guard: Guard, private: FileServer, tmp_path: Path, host: str
) -> None:
    report = await fetch(aria2, guard, tmp_path, private.url("/file", host=host))
    assert (report.status, word(report)) == (TransferStatus.ERROR, "refused_address")
    assert report.failure is not None
    assert not report.failure.retryable
    assert private.log == []


@pytest.mark.fault(37)
async def test_a_redirect_on_the_way(
    aria2: Running, guard: Guard, home: FileServer, private: FileServer, tmp_path: Path
) -> None:
    home.put("/away", redirect=private.url("/file"))
    home.put("/further", redirect=home.url("/away"))
    assert word(await fetch(aria2, guard, tmp_path, home.url("/further"))) == "refused_address"
    assert [request.path for request in home.log] == ["/further", "/away"]
    assert private.log == []


@pytest.mark.fault(37)
@pytest.mark.parametrize("scheme", ["ftp", "sftp", "file", "gopher", "data"])
async def test_a_redirect_to_another_protocol(
    aria2: Running, guard: Guard, home: FileServer, tmp_path: Path, scheme: str
) -> None:
    entries = 0

    async def come(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal entries
        entries += 1
        writer.close()

    async with await asyncio.start_server(come, "127.0.0.1", 0) as other:
        home.put("/away", redirect=f"{scheme}://127.0.0.1:{other.sockets[0].getsockname()[1]}/etc/passwd")
        report = await fetch(aria2, guard, tmp_path, home.url("/away"))
    assert report.status is TransferStatus.ERROR
    if scheme == "ftp":
        assert word(report) == "bad_redirect"
    assert entries == 0
    assert not (tmp_path / "file-1").exists()


@pytest.mark.fault(40)
@pytest.mark.parametrize("torrent", ["metainfo", "magnet"])
async def test_trackers_and_web_seeds(
    aria2: Running, guard: Guard, home: FileServer, private: FileServer, tmp_path: Path, torrent: str
) -> None:
    """Those that may be asked are, the other ones are not."""
    gid, egress = "00000000000000aa", Egress(guard)
    urls: tuple[str, ...]
    metainfo, magnet = make_torrent(private.url(""), "film", {"film": DATA})
    assert b"announce" in metainfo
    urls = (f"{magnet}&tr={home.url('/announce')}&ws={private.url('/film')}",)
    if torrent == "metainfo":
        urls = (private.url("/film"), home.url("/film"))
    wanted = Fetch(urls=urls, name="film", torrent=Torrent(metainfo=metainfo if torrent == "metainfo" else None))
    extra = egress.options(wanted, gid)
    await aria2.connection.call(addition(wanted, gid=gid, directory=str(tmp_path), policy=POLICY, extra=extra))
    await home.until(lambda: bool(home.log))
    async with asyncio.timeout(30):
        while (failure := guard.why(gid)) is None:
            await aria2.connection.call(tell_status(gid))
            await asyncio.sleep(0.02)
    assert failure.code == "refused_address"
    assert private.log == []


# Credentials


@pytest.mark.both_aria2c
@pytest.mark.fault(38)
@pytest.mark.parametrize("anywhere", [False, True])
@pytest.mark.parametrize("how", ["cookie", "header", "own header", "user info"])
async def test_credentials_do_not_go_along_with_a_redirect(
    aria2: Running, home: FileServer, tmp_path: Path, how: str, anywhere: bool
) -> None:
    """To the same host they do; neither to another host, nor to another port of this one."""
    ways: dict[str, dict[str, Any]] = {
        "cookie": {"cookies": (SESSION,)},
        "header": {"headers": (LOGIN,)},
        "own header": {"headers": (Header(name="X-Api-Key", value="k3y"),)},
        "user info": {},
    }
    more = ways[how]
    user = "anna:pa55" if how == "user info" else None
    async with (
        FileServer() as beside,
        FileServer(host="127.0.0.2") as other,
        Guard(ANYWHERE if anywhere else Exceptions.parse("127.0.0.0/8")) as guard,
    ):
        login = ("anna", "pa55") if how == "user info" else None
        home.put("/file", DATA, user=login)
        home.put("/same", redirect="/file", user=login)
        for n, server in enumerate((beside, other)):
            server.put("/file", DATA)
            home.put(f"/away-{n}", redirect=server.url("/file"), user=login)
        stayed = await fetch(aria2, guard, tmp_path, home.url("/same", user=user), 1, **more)
        assert stayed.status is TransferStatus.COMPLETE
        assert len(sent(home)) == 1
        for n in range(2):
            left = await fetch(aria2, guard, tmp_path, home.url(f"/away-{n}", user=user), 10 + n, **more)
            assert (left.status, word(left)) == (TransferStatus.ERROR, "bad_redirect")
        assert beside.log == []
        assert other.log == []
        # A row without any may follow; it meets no tunnel and no secret of those before it.
        home.put("/free", redirect=other.url("/file"))
        assert (await fetch(aria2, guard, tmp_path, home.url("/free"), 20)).status is TransferStatus.COMPLETE
    assert other.log
    assert sent(other) == set()


@pytest.mark.fault(39)
async def test_a_cookie_of_one_row_is_not_sent_for_another(
    aria2: Running, guard: Guard, home: FileServer, tmp_path: Path
) -> None:
    """aria2 has one jar for all: what a server sets for one row is not sent for the next, on no path of its server."""
    home.put("/login", redirect="/file", headers=(("Set-Cookie", "user=anna; Path=/"),))
    home.put("/first", DATA, headers=(("Set-Cookie", "first=anna; Path=/; Max-Age=3600"),))
    for n, path in enumerate(("/login", "/first"), 1):
        done = await fetch(aria2, guard, tmp_path, home.url(path), n, cookies=(SESSION,))
        assert done.status is TransferStatus.COMPLETE
    assert sent(home) == {"session=c00kie"}
    home.log.clear()
    for n, path in enumerate(("/file", "/login", "/first"), 10):
        assert (await fetch(aria2, guard, tmp_path, home.url(path), n)).status is TransferStatus.COMPLETE
    assert len(home.log) >= 4
    assert sent(home) == set()
    home.log.clear()
    bobs = (Cookie(name="session", value="b0b", domain="127.0.0.1", host_only=True),)
    assert (await fetch(aria2, guard, tmp_path, home.url("/first"), 20, cookies=bobs)).status is TransferStatus.COMPLETE
    assert sent(home) == {"session=b0b"}


@pytest.mark.fault(39)
async def test_a_login_of_one_row_is_not_sent_for_another(
    aria2: Running, guard: Guard, home: FileServer, tmp_path: Path
) -> None:
    home.put("/closed", DATA, user=("anna", "pa55"))
    done = await fetch(aria2, guard, tmp_path, home.url("/closed", user="anna:pa55"), 1)
    assert done.status is TransferStatus.COMPLETE
    home.log.clear()
    denied = await fetch(aria2, guard, tmp_path, home.url("/closed"), 2)
    assert (denied.status, denied.error_code) == (TransferStatus.ERROR, 24)
    assert sent(home) == set()


async def test_a_configuration_does_not_lead_past_the_guard(
    aria2: Running, guard: Guard, private: FileServer, tmp_path: Path
) -> None:
    """Somebody's own aria2.conf may name other proxies, and hosts that need none."""
    gid = "00000000000000bb"
    ways = through(guard.route(gid), guard.route(gid, DENY_ALL))
    assert set(ways) == {"http-proxy", "https-proxy", "ftp-proxy", "no-proxy", "proxy-method"}
    with ThreadedFileServer() as unwanted:
        other = {"all-proxy": unwanted.url(), "no-proxy": "127.0.0.0/8", "proxy-method": "get"}
        wanted = Fetch(urls=(private.url("/file"),), name="file")
        extra = other | Egress(guard).options(wanted, gid)
        await aria2.connection.call(addition(wanted, gid=gid, directory=str(tmp_path), policy=POLICY, extra=extra))
        assert (await aria2.over(gid)).status is TransferStatus.ERROR
        assert unwanted.log == []
    assert private.log == []


async def test_ftp_passes_the_guard_with_its_data(aria2: Running, guard: Guard, tmp_path: Path) -> None:
    async with FtpServer(DATA, login=("anna", "pa55")) as server:
        done = await fetch(aria2, guard, tmp_path, server.url_of("real.bin", "anna:pa55"))
        assert done.status is TransferStatus.COMPLETE, done
        assert (tmp_path / "file-1").read_bytes() == DATA
        assert server.asked.count("RETR") == 1
        denied = await fetch(aria2, guard, tmp_path, server.url, 2)
        assert denied.status is TransferStatus.ERROR
        missing = await fetch(aria2, guard, tmp_path, server.url_of("other.bin", "anna:pa55"), 3)
        assert missing.status is TransferStatus.ERROR


@pytest.mark.fault(38)
async def test_ftp_leads_to_no_private_address(aria2: Running, guard: Guard, tmp_path: Path) -> None:
    assert word(await fetch(aria2, guard, tmp_path, "ftp://127.0.0.2:9/real.bin")) == "refused_address"
    assert word(await fetch(aria2, guard, tmp_path, "sftp://127.0.0.2:9/real.bin", 2)) == "refused_address"


@pytest.mark.parametrize("how", [{}, {"chunked": True}, {"headers": (("Content-Encoding", "gzip"),)}])
async def test_an_answer_that_we_hold_is_handed_over(
    aria2: Running, guard: Guard, home: FileServer, tmp_path: Path, how: dict[str, Any]
) -> None:
    """As it was sent, in one answer; the server is asked nothing more."""
    url = home.put("/once", DATA, **how)
    async with open_session() as http:
        handed = guard.handed.add(await http.client.ask("GET", url, {}))
        done = await fetch(aria2, guard, tmp_path, handed)
    assert (done.status, done.total) == (TransferStatus.COMPLETE, len(DATA))
    assert (tmp_path / "file-1").read_bytes() == DATA
    assert [request.method for request in home.log] == ["GET"]
    assert guard.single(f"{1:016x}")
    assert guard.meter.passed >= len(DATA)


async def test_an_answer_that_breaks_off_is_handed_over_once(
    aria2: Running, guard: Guard, home: FileServer, tmp_path: Path
) -> None:
    url = home.put("/once", DATA, cut_after=1_000_000)
    async with open_session() as http:
        handed = guard.handed.add(await http.client.ask("GET", url, {}))
        assert (await fetch(aria2, guard, tmp_path, handed)).status is TransferStatus.ERROR
        again = await fetch(aria2, guard, tmp_path, handed, 2)
    assert word(again) == "connection_lost"
    assert len(home.log) == 1
