"""Real transfers under our options: the bytes are right, or the transfer has failed."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from reactor.aria2.methods import force_remove, remove_download_result, tell_status
from reactor.aria2.options import TransferPolicy, addition
from reactor.core import events
from reactor.core.events import TransferReport, TransferStatus
from reactor.errors import Aria2Refused
from reactor.net.jar import Jar
from reactor.plan import Cookie, Fetch, Header
from tests.aria2.conftest import Running, Start, fetched
from tests.aria2.servers import FileServer, serving, some_bytes, until

DATA = some_bytes(24 * 2**20)
GID = "2089b05ecca3d829"
POLICY = TransferPolicy(user_agent="reactor/test")


async def add(aria2: Running, folder: Path, *urls: str, gid: str = GID, **more: Any) -> str:
    headers, jar = more.pop("headers", ()), Jar(more.pop("cookies", ()))
    wanted = Fetch(**{"urls": urls, "name": "file", **more})
    method = addition(wanted, gid=gid, directory=str(folder), policy=POLICY, headers=headers, jar=jar)
    return await aria2.connection.call(method)


async def fetch(aria2: Running, folder: Path, *urls: str, **more: Any) -> TransferReport:
    return await aria2.over(await add(aria2, folder, *urls, **more))


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture
async def other() -> AsyncIterator[FileServer]:
    """A second server."""
    server = FileServer()
    async with serving(server):
        yield server


@pytest.mark.both_aria2c
async def test_a_file(aria2: Running, server: FileServer, tmp_path: Path) -> None:
    report = await fetch(aria2, tmp_path, server.add("/file", DATA))
    assert (tmp_path / "file").read_bytes() == DATA
    assert report.status == TransferStatus.COMPLETE
    assert (report.completed, report.total, report.files) == (len(DATA), len(DATA), (str(tmp_path / "file"),))
    assert names(tmp_path) == ["file"]
    assert len(server.asked) > 1, "several connections"
    assert aria2.inbox.words(GID) == ["complete"]
    assert [asked.values("user-agent") for asked in server.asked[:1]] == [["reactor/test"]]
    assert server.asked[0].values("accept") == ["*/*"]


@pytest.mark.fault(32)
async def test_an_empty_file(aria2: Running, server: FileServer, tmp_path: Path) -> None:
    report = await fetch(aria2, tmp_path, server.add("/empty"))
    assert (report.status, report.total) == (TransferStatus.COMPLETE, 0)
    assert (tmp_path / "file").read_bytes() == b""


async def test_a_name_in_any_script(aria2: Running, server: FileServer, tmp_path: Path) -> None:
    name = "ü 漢字 🎬 %2e\"'$(x).bin"
    await fetch(aria2, tmp_path, server.add("/file", b"x"), name=name)
    assert names(tmp_path) == [name]


@pytest.mark.both_aria2c
async def test_a_partial_file_goes_on_after_a_kill(aria2: Running, server: FileServer, tmp_path: Path) -> None:
    url = server.add("/file", DATA, hold_at=3 * 2**20)
    gid = await add(aria2, tmp_path, url)
    await fetched(aria2.connection, gid, 12 * 2**20)
    # auto-save-interval is 1 s here; the data is written before the control file that speaks of it
    await until(lambda: (tmp_path / "file").stat().st_blocks * 512 >= 12 * 2**20)
    saved = (tmp_path / "file.aria2").stat().st_mtime_ns
    await until(lambda: (tmp_path / "file.aria2").stat().st_mtime_ns > saved)
    assert aria2.embedded.pid is not None
    os.kill(aria2.embedded.pid, signal.SIGKILL)
    await aria2.inbox.until(lambda seen: sum(isinstance(e, events.Aria2Connected) for e in seen) == 2)
    server.resources["/file"].hold_at = None
    server.asked.clear()
    assert (await fetch(aria2, tmp_path, url)).status == TransferStatus.COMPLETE
    assert (tmp_path / "file").read_bytes() == DATA
    # Four quarters of 6 MiB had 3 MiB each. The first request is one without a range, which aria2 cuts off.
    starts = [asked.range[0] for asked in server.asked[1:] if asked.range]
    assert starts
    assert all(start % (6 * 2**20) >= 3 * 2**20 for start in starts)
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("size", [2**20, 20 * 2**20, len(DATA), len(DATA) + 1])
async def test_a_file_without_control_file_is_not_trusted(
    aria2: Running, server: FileServer, tmp_path: Path, size: int
) -> None:
    (tmp_path / "file").write_bytes(bytes(size))
    assert (await fetch(aria2, tmp_path, server.add("/file", DATA))).status == TransferStatus.COMPLETE
    assert (tmp_path / "file").read_bytes() == DATA


@pytest.mark.fault(32)
async def test_a_server_that_takes_no_ranges_any_more(aria2: Running, server: FileServer, tmp_path: Path) -> None:
    url = server.add("/file", DATA, hold_at=2**20)
    pid, gid = aria2.embedded.pid, await add(aria2, tmp_path, url)
    await fetched(aria2.connection, gid, 4 * 2**20)
    await aria2.connection.call(force_remove(gid))
    await aria2.inbox.notified(gid, "stop")
    await aria2.connection.call(remove_download_result(gid))
    aria2.inbox.events.clear()
    server.add("/file", DATA, ranges=False)
    report = await fetch(aria2, tmp_path, url)
    assert (report.status, report.error_code) == (TransferStatus.ERROR, 8)
    assert aria2.embedded.pid == pid, "with always-resume=false 1.36 aborts here"


@pytest.mark.parametrize("size", [len(DATA) - 1, len(DATA) + 1])
async def test_a_file_of_another_length_does_not_go_on(
    aria2: Running, server: FileServer, tmp_path: Path, size: int
) -> None:
    url = server.add("/file", DATA, hold_at=2**20)
    gid = await add(aria2, tmp_path, url)
    await fetched(aria2.connection, gid, 4 * 2**20)
    await aria2.connection.call(force_remove(gid))
    await aria2.inbox.notified(gid, "stop")
    await aria2.connection.call(remove_download_result(gid))
    aria2.inbox.events.clear()
    server.add("/file", (DATA + b"x")[:size])
    report = await fetch(aria2, tmp_path, url)
    assert report.status == TransferStatus.ERROR
    assert report.failure is not None
    assert report.failure.code == "changed"


@pytest.mark.fault(32)
@pytest.mark.parametrize(
    ("how", "codes"),
    [
        ({"ranges": False, "truncate_at": 2**20}, {8}),
        ({"truncate_at": 2**18}, {1}),
        ({"chunked": True, "truncate_at": 2**20, "ranges": False}, {1}),
    ],
)
async def test_a_body_shorter_than_promised(
    aria2: Running, server: FileServer, tmp_path: Path, how: dict[str, Any], codes: set[int]
) -> None:
    report = await fetch(aria2, tmp_path, server.add("/file", DATA, **how))
    assert report.status == TransferStatus.ERROR
    assert report.error_code in codes


@pytest.mark.both_aria2c
@pytest.mark.parametrize(
    ("status", "code"),
    [("401 No", 24), ("403 No", 22), ("404 No", 3), ("429 No", 22), ("500 No", 22), ("503 No", 29)],
)
async def test_an_answer_that_is_an_error(
    aria2: Running, server: FileServer, tmp_path: Path, status: str, code: int
) -> None:
    report = await fetch(aria2, tmp_path, server.add("/file", b"page", status=status))
    assert (report.status, report.error_code) == (TransferStatus.ERROR, code)
    assert not (tmp_path / "file").exists()


async def test_a_mirror_stands_in(aria2: Running, server: FileServer, tmp_path: Path) -> None:
    urls = [server.url + "/gone", server.add("/broken", DATA, status="500 No"), server.add("/file", DATA)]
    assert (await fetch(aria2, tmp_path, *urls)).status == TransferStatus.COMPLETE
    assert (tmp_path / "file").read_bytes() == DATA
    assert server.asked[0].path == "/gone"


async def test_a_checksum(aria2: Running, server: FileServer, tmp_path: Path) -> None:
    url = server.add("/file", DATA)
    right = f"sha-256={hashlib.sha256(DATA).hexdigest()}"
    assert (await fetch(aria2, tmp_path, url, checksum=right)).status == TransferStatus.COMPLETE
    wrong = f"sha-256={hashlib.sha256(b'').hexdigest()}"
    report = await fetch(aria2, tmp_path, url, checksum=wrong, gid=GID[::-1], name="other")
    assert (report.status, report.error_code) == (TransferStatus.ERROR, 32)


@pytest.mark.fault(40)
async def test_what_a_server_names_is_not_fetched(aria2: Running, server: FileServer, tmp_path: Path) -> None:
    inner = server.add("/inner", b"secret")
    metalink = f'<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="x"><url>{inner}</url></file></metalink>'
    kinds = ("Content-Type: application/metalink4+xml", f'Link: <{inner}>; rel=describedby; type="application/x"')
    report = await fetch(aria2, tmp_path, server.add("/file.meta4", metalink.encode(), headers=kinds))
    assert (report.status, report.followed_by) == (TransferStatus.COMPLETE, ())
    assert [asked.path for asked in server.asked] == ["/file.meta4"]
    assert names(tmp_path) == ["file"]


async def test_headers_and_cookies_reach_the_server(aria2: Running, server: FileServer, tmp_path: Path) -> None:
    cookies = (Cookie(name="a", value="b", domain="127.0.0.1"), Cookie(name="c", value="d", domain="else.example"))
    headers = (Header(name="X-One", value="1"), Header(name="Range", value="bytes=0-1"))
    await fetch(aria2, tmp_path, server.add("/file", DATA), cookies=cookies, headers=headers)
    assert (tmp_path / "file").read_bytes() == DATA
    assert {tuple(asked.values("cookie")) for asked in server.asked} == {("a=b",)}
    assert {tuple(asked.values("x-one")) for asked in server.asked} == {("1",)}


async def test_a_password_in_the_url_stays_with_its_host(
    aria2: Running, server: FileServer, other: FileServer, tmp_path: Path
) -> None:
    target = other.add("/file", b"x")
    url = server.add("/moved", status="302 Found", headers=(f"Location: {target}",))
    await fetch(aria2, tmp_path, url.replace("//", "//user:word@"))
    assert len(server.asked[0].values("authorization")) == 1
    assert [asked.values("authorization") for asked in other.asked] == [[]]


@pytest.mark.fault(22)
async def test_a_gid_that_is_taken(aria2: Running, server: FileServer, tmp_path: Path) -> None:
    url = server.add("/file", b"x")
    await fetch(aria2, tmp_path, url)
    with pytest.raises(Aria2Refused):
        await add(aria2, tmp_path, url)
    assert await aria2.connection.call(force_remove(GID)) is False, "it is over"
    assert await aria2.connection.call(remove_download_result(GID)) is True
    assert await aria2.connection.call(remove_download_result(GID)) is False
    assert (await aria2.connection.call(tell_status(GID))).status == TransferStatus.UNKNOWN
    await add(aria2, tmp_path, url)
    # To its end: what is under way while the server goes may come to a port that is just being closed.
    await aria2.inbox.until(lambda _: aria2.inbox.words(GID) == ["complete"] * 2)


async def test_removing_one_that_waits_tells_nobody(start: Start, server: FileServer, tmp_path: Path) -> None:
    aria2 = await start(max_concurrent_downloads="1")
    url = server.add("/file", DATA, hold_at=2**20)
    first = await add(aria2, tmp_path, url)
    second = await add(aria2, tmp_path, url, gid=GID[::-1], name="other")
    assert (await aria2.connection.call(tell_status(second))).status == TransferStatus.WAITING
    assert await aria2.connection.call(force_remove(second)) is True
    assert (await aria2.connection.call(tell_status(second))).status == TransferStatus.UNKNOWN
    assert await aria2.connection.call(force_remove(first)) is True
    await aria2.inbox.notified(first, "stop")
    assert (await aria2.connection.call(tell_status(first))).status == TransferStatus.REMOVED
    assert aria2.inbox.words(second) == []
