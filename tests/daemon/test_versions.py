"""Whether what is on the disk is the beginning of what the server has, asked of a real one."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from reactor.daemon.versions import SAMPLE_BYTES, Version, Versions
from reactor.errors import DownloadError
from reactor.extractors.context import open_context
from reactor.net.jar import Jar
from reactor.net.session import open_session
from reactor.plan import Cookie, Fetch, Header
from tests.servers import FileServer

PIECE = 2**20
OLD = bytes(range(256)) * (8 * PIECE // 256)
NEW = OLD[::-1]
DATE, LATER = "Sat, 01 Nov 2025 00:00:00 GMT", "Sat, 01 Nov 2025 00:00:09 GMT"


@pytest.fixture
async def versions() -> AsyncIterator[Versions]:
    async with open_context(open_session(timeout_s=5.0)) as context:
        yield Versions(context)


def staged(folder: Path, *pieces: int, data: bytes = OLD) -> Path:
    """A partial file with these pieces of a mebibyte, as aria2 has it."""
    path = folder / "a.bin"
    part = bytearray(len(data))
    bits = bytearray(1)
    for n in pieces:
        part[n * PIECE : (n + 1) * PIECE] = data[n * PIECE : (n + 1) * PIECE]
        bits[0] |= 0x80 >> n
    path.write_bytes(part)
    control = struct.pack(">HIIIQQI", 1, 0, 0, PIECE, len(data), 0, 1) + bytes(bits) + struct.pack(">I", 0)
    (folder / "a.bin.aria2").write_bytes(control)
    return path


def fetch(url: str, **known: Any) -> Fetch:
    return Fetch(urls=(url,), name="a.bin", size=len(OLD), **known)


async def of_part(versions: Versions, path: Path, wanted: Fetch) -> Version:
    return await versions.of_part(path, wanted, (), Jar())


@pytest.mark.fault(32)
@pytest.mark.parametrize(
    ("known", "served", "version"),
    [
        ({"validator": '"1"', "strong": True}, {"data": OLD, "etag": '"1"'}, Version.SAME),
        ({"validator": '"1"', "strong": True}, {"data": NEW, "etag": '"2"'}, Version.OTHER),
        ({"validator": DATE, "strong": True}, {"data": OLD, "last_modified": DATE}, Version.SAME),
        ({"validator": DATE, "strong": True}, {"data": NEW, "last_modified": LATER}, Version.OTHER),
        ({"validator": 'W/"1"'}, {"data": OLD, "etag": 'W/"1"'}, Version.SAME),
        ({"validator": 'W/"1"'}, {"data": NEW, "etag": 'W/"1"'}, Version.OTHER),
        ({"validator": 'W/"1"'}, {"data": OLD, "etag": 'W/"2"'}, Version.OTHER),
        ({}, {"data": OLD}, Version.SAME),
        ({}, {"data": NEW}, Version.OTHER),
        ({}, {"data": OLD + b"x"}, Version.OTHER),
        ({}, {"data": OLD[:PIECE]}, Version.OTHER),
        ({}, {"data": OLD[: 2 * PIECE] + NEW[2 * PIECE :]}, Version.OTHER),
        ({}, {"data": OLD, "ranges": False}, Version.UNKNOWN),
    ],
)
async def test_a_part_goes_on_with_the_same_bytes_only(
    server: FileServer,
    versions: Versions,
    tmp_path: Path,
    known: dict[str, Any],
    served: dict[str, Any],
    version: Version,
) -> None:
    path = staged(tmp_path, 0, 1, 5)
    assert await of_part(versions, path, fetch(server.put("/a.bin", **served), **known)) is version
    assert sum(request.sent for request in server.log) <= 2 * SAMPLE_BYTES or served.get("ranges") is False


async def test_the_bytes_that_are_there_are_compared(server: FileServer, versions: Versions, tmp_path: Path) -> None:
    path = staged(tmp_path, 3, 6)
    assert await of_part(versions, path, fetch(server.put("/a.bin", OLD))) is Version.SAME
    first, last = (request.range for request in server.log)
    assert (first, last) == (
        f"bytes={3 * PIECE}-{3 * PIECE + SAMPLE_BYTES - 1}",
        f"bytes={7 * PIECE - SAMPLE_BYTES}-{7 * PIECE - 1}",
    )


async def test_what_is_not_there_is_not_asked_about(server: FileServer, versions: Versions, tmp_path: Path) -> None:
    path = staged(tmp_path)
    url = server.put("/a.bin", OLD)
    assert await of_part(versions, path, fetch(url)) is Version.UNKNOWN
    (tmp_path / "a.bin.aria2").write_bytes(b"nonsense")
    assert await of_part(versions, path, fetch(url)) is Version.UNKNOWN
    assert not server.log


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.daemon.versions.BUSY_PAUSES_S", (0.0, 0.0))


async def test_a_server_that_is_busy_is_asked_again(server: FileServer, versions: Versions, tmp_path: Path) -> None:
    """It may allow one connection, and count that of the fetch still; each question comes by another one."""
    (path := tmp_path / "a.bin").write_bytes(OLD)
    wanted = fetch(server.put("/a.bin", OLD, failures=2))
    assert await versions.of_whole(path, wanted, (), Jar()) is Version.SAME
    assert [request.status for request in server.log[:3]] == [503, 503, 206]
    assert len({request.peer for request in server.log[:3]}) == 3
    assert await versions.of_whole(path, fetch(server.put("/a.bin", OLD, failures=3)), (), Jar()) is Version.UNKNOWN


async def test_a_server_that_does_not_answer(server: FileServer, versions: Versions, tmp_path: Path) -> None:
    path, url = staged(tmp_path, 0, 1), server.put("/a.bin", status=503)
    with pytest.raises(DownloadError, match="503"):
        await of_part(versions, path, fetch(url))
    strong = fetch(url, validator='"1"', strong=True)
    assert await of_part(versions, path, strong) is Version.SAME, "aria2 asks under it, and mixes nothing"
    assert await versions.of_whole(path, strong, (), Jar()) is Version.UNKNOWN


@pytest.mark.fault(32)
async def test_a_whole_file_of_two_versions_is_found_out(
    server: FileServer, versions: Versions, tmp_path: Path
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(OLD[:PIECE] + NEW[PIECE:])
    assert await versions.of_whole(path, fetch(server.put("/a.bin", NEW)), (), Jar()) is Version.OTHER
    path.write_bytes(NEW)
    assert await versions.of_whole(path, fetch(server.put("/a.bin", NEW)), (), Jar()) is Version.SAME
    path.write_bytes(b"")
    assert await versions.of_whole(path, fetch(server.url("/nothing")), (), Jar()) is Version.SAME


@pytest.mark.fault(32)
@pytest.mark.parametrize("start", [PIECE, 3 * PIECE, 5 * PIECE, 7 * PIECE - SAMPLE_BYTES - 1])
async def test_a_middle_of_another_version_is_found_out(
    server: FileServer, versions: Versions, tmp_path: Path, start: int
) -> None:
    """What aria2's four connections brought, and what begins where a part went on."""
    path, wanted = staged(tmp_path, *range(start // PIECE)), fetch(server.put("/a.bin", OLD))
    assert await of_part(versions, path, wanted) is Version.SAME
    assert versions.went_on(str(path))
    mixed = OLD[:start] + NEW[start : start + 2 * PIECE] + OLD[start + 2 * PIECE :]
    path.write_bytes(mixed)
    server.log.clear()
    assert await versions.of_whole(path, wanted, (), Jar()) is Version.OTHER
    path.write_bytes(OLD)
    assert await versions.of_whole(path, wanted, (), Jar()) is Version.SAME
    assert sum(request.sent for request in server.log) < PIECE
    versions.begins(str(path))
    assert versions.went_on(str(path)) is False


async def test_a_server_that_takes_no_ranges_sent_the_whole_in_one(
    server: FileServer, versions: Versions, tmp_path: Path
) -> None:
    (path := tmp_path / "a.bin").write_bytes(OLD)
    wanted = fetch(server.put("/a.bin", OLD, ranges=False))
    assert await versions.of_whole(path, wanted, (), Jar()) is Version.NO_RANGES
    wanted = fetch(server.put("/a.bin", NEW, ranges=False))
    assert await versions.of_whole(path, wanted, (), Jar()) is Version.OTHER


@pytest.mark.fault(38)
async def test_it_asks_as_the_fetch_does_and_leaks_nothing(
    server: FileServer, versions: Versions, tmp_path: Path
) -> None:
    path, jar = staged(tmp_path, 0, 1), Jar([Cookie(name="a", value="1", domain="127.0.0.1")])
    headers = (Header(name="Referer", value="http://page.example/"), Header(name="Authorization", value="Basic x"))
    async with FileServer(host="127.0.0.2") as other:
        other.put("/a.bin", OLD)
        server.put("/a.bin", redirect=other.url("/a.bin"))
        wanted = fetch(server.url("/a.bin"))
        assert await versions.of_part(path, wanted, headers, jar) is Version.SAME
        asked = server.log[0].headers
        assert (asked["cookie"], asked["authorization"]) == ("a=1", "Basic x")
        assert not {"cookie", "authorization"} & other.log[0].headers.keys()


@pytest.mark.parametrize(
    ("served", "code", "waits"),
    [
        ({"status": 429, "headers": (("Retry-After", "8"),)}, "rate_limited", 8),
        ({"status": 503, "headers": (("Retry-After", "9"),)}, "server_error", 9),
        ({"status": 429}, "rate_limited", None),
        ({"status": 503}, None, None),
        ({"status": 403}, None, None),
        ({"data": OLD}, None, None),
        ({"hang": True}, None, None),
    ],
)
async def test_how_long_a_server_wants_to_be_left_alone(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, served: dict[str, Any], code: str | None, waits: float | None
) -> None:
    """It is asked once; what it says of anything else is not what was asked."""
    monkeypatch.setattr("reactor.daemon.versions.REFUSAL_S", 1.0)
    async with open_context(open_session(timeout_s=5.0)) as context:
        failure = await Versions(context).refusal(fetch(server.put("/a.bin", **served)), (), Jar())
    assert (failure and failure.code, failure and failure.retry_after_s) == (code, waits)
    assert [request.range for request in server.log] == ["bytes=0-0"]
