"""Two versions of a file behind one address: aria2 never puts bytes of both into one file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from reactor.aria2.methods import force_remove, remove_download_result
from reactor.aria2.options import TransferPolicy, addition
from reactor.core.events import TransferReport, TransferStatus
from reactor.core.retry import FROM_ZERO
from reactor.plan import Fetch
from tests.aria2.conftest import Running, fetched
from tests.servers import FileServer

OLD, NEW = b"A" * (24 * 2**20), b"B" * (24 * 2**20)
GID = "2089b05ecca3d829"
DATE = "Sat, 01 Nov 2025 00:00:00 GMT"
LATER = "Sat, 01 Nov 2025 00:00:09 GMT"


@pytest.fixture
async def versions() -> AsyncIterator[FileServer]:
    """A server that knows If-Range."""
    async with FileServer() as server:
        yield server


async def add(aria2: Running, folder: Path, url: str, validator: str, **more: Any) -> None:
    wanted = Fetch(urls=(url,), name="file", validator=validator, strong=True)
    policy = TransferPolicy(retry_wait_s=1)
    await aria2.connection.call(addition(wanted, gid=GID, directory=str(folder), policy=policy, **more))


def began_anew(report: TransferReport) -> bool:
    return report.failure is not None and report.failure.code in FROM_ZERO


@pytest.mark.fault(32)
@pytest.mark.parametrize("known", [{"etag": '"1"'}, {"last_modified": DATE}])
async def test_further_connections_take_no_other_version(
    aria2: Running, versions: FileServer, tmp_path: Path, known: dict[str, str]
) -> None:
    url = versions.put("/file", OLD, stall_after=2**20, **known)
    await add(aria2, tmp_path, url, *known.values())
    await versions.until(lambda: len(versions.requests("/file")) == 1)
    versions.put("/file", NEW, etag='"2"', last_modified=LATER)
    await versions.until(lambda: len(versions.requests("/file")) == 4)
    versions.release()
    assert (await aria2.over(GID)).status is TransferStatus.COMPLETE
    assert (tmp_path / "file").read_bytes() == OLD, "the first connection has fetched it alone"
    asked = [(request.range is not None, request.headers["if-range"]) for request in versions.requests("/file")]
    (value,) = known.values()
    assert sorted(asked) == [(False, value), (True, value), (True, value), (True, value)]


@pytest.mark.fault(32)
@pytest.mark.parametrize("how", [{}, {"chunked": True}, {"ranges": False}])
async def test_a_connection_that_broke_does_not_go_on_with_another_version(
    aria2: Running, versions: FileServer, tmp_path: Path, how: dict[str, Any]
) -> None:
    url = versions.put("/file", OLD, etag='"1"', cut_after=5 * 2**20)
    await add(aria2, tmp_path, url, '"1"', single=True)
    await versions.until(lambda: len(versions.requests("/file")) == 1)
    versions.put("/file", NEW, etag='"2"', **how)
    report = await aria2.over(GID)
    # Of a chunked answer it only tells that it has no server left: as with one that broke the connection.
    assert began_anew(report) or ("chunked" in how and report.error_code == 1)
    assert NEW[:1] not in (tmp_path / "file").read_bytes()


@pytest.mark.both_aria2c
@pytest.mark.fault(32)
@pytest.mark.parametrize("by_head", [True, False])
async def test_a_partial_file_does_not_go_on_with_another_version(
    aria2: Running, versions: FileServer, tmp_path: Path, by_head: bool
) -> None:
    url = versions.put("/file", OLD, etag='"1"', stall_after=2**20)
    await add(aria2, tmp_path, url, '"1"')
    await fetched(aria2.connection, GID, 4 * 2**20)
    await aria2.connection.call(force_remove(GID))
    await aria2.inbox.notified(GID, "stop")
    await aria2.connection.call(remove_download_result(GID))
    aria2.inbox.events.clear()
    versions.put("/file", NEW, etag='"2"')
    await add(aria2, tmp_path, url, '"1"', resuming=by_head)
    assert began_anew(await aria2.over(GID))
    assert (tmp_path / "file.aria2").exists()
    await aria2.connection.call(remove_download_result(GID))
    aria2.inbox.events.clear()
    await add(aria2, tmp_path, url, '"2"', from_zero=True)
    assert (await aria2.over(GID)).status is TransferStatus.COMPLETE
    assert (tmp_path / "file").read_bytes() == NEW


async def test_a_validator_that_never_fits_costs_no_more_than_the_further_connections(
    aria2: Running, versions: FileServer, tmp_path: Path
) -> None:
    await add(aria2, tmp_path, versions.put("/file", OLD, etag='"of another node"', rate=60_000_000), '"1"')
    assert (await aria2.over(GID)).status is TransferStatus.COMPLETE
    assert (tmp_path / "file").read_bytes() == OLD
