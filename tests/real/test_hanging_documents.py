"""A document at which its reader hangs: nobody else waits for it, and it is gone with its row."""

from __future__ import annotations

import os
import signal
import urllib.request
from pathlib import Path

import anyio
import pytest

from tests.pages.site import Site
from tests.real.harness import alive
from tests.web.visitor import Served, served

LIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:4711\n#EXTINF:2.0,\none.ts\n"


async def hanging(reactor: Served, site: Site, name: str) -> tuple[int, int]:
    """A row whose manifest hangs its reader, and that process: one that is stopped is, from outside, one that hangs."""
    (one,) = reactor.add(site.put(f"/{name}-first.m3u8", LIST))
    await reactor.until_final(one)
    assert reactor.row(one)["error_code"] == "live"
    (pid,) = reactor.readers()
    os.kill(pid, signal.SIGSTOP)
    (stuck,) = reactor.add(site.put(f"/{name}.m3u8", LIST))
    await reactor.until(lambda: any(request.sent == len(LIST) for request in site.requests(f"/{name}.m3u8")))
    return stuck, pid


@pytest.mark.fault(60)
async def test_others_are_served_and_a_cancel_and_sigterm_work_at_once(tmp_path: Path) -> None:
    async with Site() as site, served(tmp_path, MAX_CONCURRENT_DOWNLOADS="2", MAX_DOWNLOAD_RETRIES="0") as reactor:
        stuck, pid = await hanging(reactor, site, "one")
        (good,) = reactor.add(site.put("/good.bin", b"good" * 999))
        await reactor.until_final(good)
        assert reactor.row(good)["status"] == "downloaded"
        assert reactor.row(stuck)["stage"] == "extracting"
        assert await anyio.to_thread.run_sync(answer, f"{reactor.address}healthz") == 200
        reactor.execute("UPDATE downloads SET cancelled = 1 WHERE id = ?", stuck)
        await reactor.until_final(stuck)
        assert reactor.row(stuck)["status"] == "cancelled"
        await reactor.until(lambda: not alive(pid))
        stuck, pid = await hanging(reactor, site, "two")
        await reactor.stop()
        assert reactor.process is not None
        assert reactor.process.returncode == 0
        assert reactor.row(stuck)["status"] != "failed"
        assert not alive(pid)


def answer(url: str) -> int:
    with urllib.request.urlopen(url, timeout=60) as response:
        return int(response.status)
