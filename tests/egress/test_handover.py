"""Files that only a browser could fetch, handed out once more: whole and in parts, to nobody else, and not for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from reactor.egress import handover as module
from reactor.egress.addresses import ANYWHERE
from reactor.egress.handover import HOST, Handover, span
from reactor.egress.proxy import Guard
from reactor.errors import DownloadError
from reactor.net.client import Client

DATA = bytes(range(256)) * 12_000


@pytest.fixture
async def handover() -> AsyncIterator[Handover]:
    async with Handover() as handover:
        yield handover


@pytest.fixture
async def client(handover: Handover) -> AsyncIterator[Client]:
    """One that gets there as all of reactor does."""
    async with Guard(ANYWHERE) as guard:
        guard.serve_inside(HOST, handover.connect, handover.endpoint)
        async with Client(user_agent="test", dial=guard.dialer.dial) as client:
            yield client


def offered(handover: Handover, folder: Path, data: bytes = DATA) -> str:
    path = folder / "file"
    path.write_bytes(data)
    file = path.open("rb")
    path.unlink()
    return handover.offer(file, len(data))


async def got(client: Client, url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    response = await client.ask(method, url, headers)
    body = b"" if method == "HEAD" else b"".join([piece async for piece in response.pieces()])
    return response.status, response.headers, body


async def test_a_file_without_a_name_is_handed_out(handover: Handover, client: Client, tmp_path: Path) -> None:
    url = offered(handover, tmp_path)
    status, headers, body = await got(client, url)
    assert (status, headers["content-length"], body == DATA) == (200, str(len(DATA)), True)
    assert headers["etag"].strip('"') == url.rpartition("/")[2]
    assert list(tmp_path.iterdir()) == []
    status, headers, body = await got(client, url, "HEAD")
    assert (status, headers["content-length"], body) == (200, str(len(DATA)), b"")


async def test_several_parts_at_once(handover: Handover, client: Client, tmp_path: Path) -> None:
    url, step = offered(handover, tmp_path), len(DATA) // 3
    parts: dict[int, bytes] = {}

    async def fetch(n: int) -> None:
        status, headers, parts[n] = await got(client, url, Range=f"bytes={n * step}-{(n + 1) * step - 1}")
        assert (status, headers["content-range"]) == (206, f"bytes {n * step}-{(n + 1) * step - 1}/{len(DATA)}")

    async with anyio.create_task_group() as tasks:
        for n in range(3):
            tasks.start_soon(fetch, n)
    assert b"".join(parts[n] for n in range(3)) == DATA


async def test_an_empty_file(handover: Handover, client: Client, tmp_path: Path) -> None:
    status, headers, body = await got(client, offered(handover, tmp_path, b""))
    assert (status, headers["content-length"], body) == (200, "0", b"")


async def test_nobody_gets_what_they_were_not_told_of(handover: Handover, client: Client, tmp_path: Path) -> None:
    offered(handover, tmp_path)
    for path in ("", "x", "../file"):
        assert (await got(client, f"http://{HOST}/{path}"))[0] == 404


async def test_its_own_port_is_no_way_to_it(handover: Handover) -> None:
    async with Guard(ANYWHERE) as guard:
        guard.serve_inside(HOST, handover.connect, handover.endpoint)
        with pytest.raises(DownloadError) as caught:
            await guard.dialer.dial(*handover.endpoint)
    assert caught.value.code == "refused_address"


async def test_of_too_many_the_oldest_is_forgotten(handover: Handover, client: Client, tmp_path: Path) -> None:
    urls = [offered(handover, tmp_path, b"%d" % n) for n in range(module.FILES_MAX + 2)]
    assert [(await got(client, url))[0] for url in urls] == [404, 404, *[200] * module.FILES_MAX]


async def test_what_nobody_asks_for_is_forgotten(
    handover: Handover, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_S", 0.01)
    async with Handover() as short:
        file = (tmp_path / "file").open("w+b")
        short.offer(file, 0)
        with anyio.fail_after(30):
            while not file.closed:
                await anyio.sleep(0.001)


async def test_files_are_closed_with_it(tmp_path: Path) -> None:
    file = (tmp_path / "file").open("w+b")
    async with Handover() as handover:
        handover.offer(file, 0)
    assert file.closed


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("bytes=0-4", (0, 5)),
        ("bytes=3-", (3, 10)),
        ("bytes=3-99", (3, 10)),
        ("bytes=10-", None),
        ("bytes=-3", None),
        ("bytes=1-2,4-5", None),
        ("items=0-4", None),
        ("bytes=9-1", None),
        ("", None),
        (f"bytes={'9' * 5000}-", None),
    ],
)
def test_ranges(told: str, found: tuple[int, int] | None) -> None:
    assert span(told, 10) == found
