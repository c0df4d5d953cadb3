"""An aria2c elsewhere: with a shared disk, without one, with others on it, and when it or the line to it breaks."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from tests.chaos.wire import Wire
from tests.real.elsewhere import SECRET, elsewhere, gids
from tests.real.harness import running
from tests.servers import FileServer

DATA = random.Random(3).randbytes(400_000)


async def test_without_a_shared_disk_the_file_stays_where_the_other_side_put_it(tmp_path: Path) -> None:
    there = tmp_path / "there"
    async with (
        FileServer() as server,
        elsewhere(there) as aria2c,
        running(tmp_path, **aria2c.settings()) as reactor,
    ):
        (one,) = reactor.add(server.put("/a.bin", DATA))
        await reactor.until_final()
        row = reactor.row(one)
    assert row["status"] == "downloaded"
    assert Path(row["file_path"]).is_relative_to(there)
    assert Path(row["file_path"]).read_bytes() == DATA
    assert not (tmp_path / "downloads").exists()


async def test_without_a_shared_disk_what_comes_in_parts_is_refused_before_any_is_fetched(tmp_path: Path) -> None:
    manifest = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n1.ts\n#EXT-X-ENDLIST\n"
    async with (
        FileServer() as server,
        elsewhere(tmp_path / "there") as aria2c,
        running(tmp_path, **aria2c.settings()) as reactor,
    ):
        server.put("/1.ts", DATA)
        (one,) = reactor.add(server.put("/a.m3u8", manifest, content_type="application/vnd.apple.mpegurl"))
        await reactor.until_final()
        row = reactor.row(one)
    assert (row["status"], row["error_code"], row["retry_count"]) == ("failed", "unsupported", 0)
    assert "DOWNLOAD_PATH_MAP" in row["error"]
    assert server.requests("/1.ts") == []


async def test_with_a_shared_disk_it_is_published_here(tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "mounted").symlink_to(tmp_path / "downloads")
    path_map = f"{tmp_path / 'mounted'}={tmp_path / 'downloads'}"
    async with (
        FileServer() as server,
        elsewhere(tmp_path / "there") as aria2c,
        running(tmp_path, **aria2c.settings(DOWNLOAD_PATH_MAP=path_map)) as reactor,
    ):
        (one,) = reactor.add(server.put("/a.bin", DATA))
        await reactor.until_final()
        assert reactor.row(one)["file_path"] == str(tmp_path / "downloads" / "a.bin")
        await reactor.until(lambda: reactor.files() == {"a.bin": DATA})


@pytest.mark.fault(27)
async def test_what_others_have_there_is_never_touched(tmp_path: Path) -> None:
    """What runs, waits, is paused, failed and is done; and how that aria2c is set."""
    async with FileServer() as server, elsewhere(tmp_path / "there", "--max-concurrent-downloads=3") as aria2c:
        active = aria2c.rpc("aria2.addUri", [server.put("/active.bin", DATA, stall_after=1000)])
        paused = aria2c.rpc("aria2.addUri", [server.put("/paused.bin", DATA)], {"pause": "true"})
        failed = aria2c.rpc("aria2.addUri", [server.url("/gone.bin")])
        done = aria2c.rpc("aria2.addUri", [server.put("/done.bin", DATA)])
        await server.until(lambda: bool(server.requests("/done.bin") and server.requests("/gone.bin")))
        other = aria2c.rpc("aria2.addUri", [server.put("/other.bin", DATA, stall_after=1000)])
        await server.until(lambda: sum(request.sent == 1000 for request in server.log) == 2)
        options = aria2c.rpc("aria2.getGlobalOption")
        async with running(tmp_path, **aria2c.settings(MAX_CONCURRENT_DOWNLOADS="3")) as reactor:
            fine, bad, slow = reactor.add(
                server.put("/a.bin", DATA),
                server.put("/b.bin", status=404),
                server.put("/c.bin", DATA, stall_after=1000),
            )
            await reactor.until_final(fine, bad)
            await server.until(lambda: any(request.sent == 1000 for request in server.requests("/c.bin")))
            reactor.execute("UPDATE downloads SET cancelled = 1 WHERE id = ?", slow)
            await reactor.until_final()
            await reactor.until(lambda: len(aria2c.rpc("aria2.tellStopped", 0, 10)) == 2)  # ours are forgotten
            await reactor.stop()
        assert [row["status"] for row in reactor.rows()] == ["downloaded", "failed", "cancelled"]
        assert set(gids(aria2c.rpc("aria2.tellActive", ["gid"]))) == {active, other}
        assert gids(aria2c.rpc("aria2.tellWaiting", 0, 10, ["gid"])) == [paused]
        assert set(gids(aria2c.rpc("aria2.tellStopped", 0, 10, ["gid"]))) == {failed, done}
        assert aria2c.rpc("aria2.getGlobalOption") == options


async def test_a_transfer_over_there_is_adopted_after_a_crash_here(tmp_path: Path) -> None:
    async with (
        FileServer() as server,
        elsewhere(tmp_path / "there") as aria2c,
        running(tmp_path, **aria2c.settings()) as reactor,
    ):
        (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=200_000))
        await server.until(lambda: any(request.sent == 200_000 for request in server.log))
        await reactor.stop(signal.SIGKILL)
        asked = len(server.log)
        await reactor.start()
        await reactor.until(lambda: len(reactor.events("download_resumed")) == 1)
        server.release()
        await reactor.until_final()
        assert reactor.row(one)["status"] == "downloaded"
        assert len(server.log) == asked, "nothing was asked for twice"


@pytest.mark.fault(23)
@pytest.mark.parametrize("shared", [False, True], ids=["apart", "shared"])
async def test_an_aria2c_that_is_started_again_is_told_again(tmp_path: Path, shared: bool) -> None:
    there = tmp_path / ("downloads" if shared else "there")
    path_map = {"DOWNLOAD_PATH_MAP": f"{there}={there}"} if shared else {}
    async with (
        FileServer() as server,
        elsewhere(there) as aria2c,
        running(tmp_path, **aria2c.settings(**path_map)) as reactor,
    ):
        url = server.put("/a.bin", DATA, stall_after=200_000)
        (one, two) = reactor.add(url, server.put("/b.bin", DATA))
        await server.until(lambda: any(request.sent == 200_000 for request in server.log))
        await aria2c.kill()
        await reactor.until(lambda: reactor.events("aria2_lost"))
        server.release()
        await aria2c.start()
        await reactor.until_final()
        assert [row["status"] for row in reactor.rows()] == ["downloaded"] * 2
        assert [Path(reactor.row(each)["file_path"]).read_bytes() for each in (one, two)] == [DATA] * 2
        assert [row["retry_count"] for row in reactor.rows()] == [0, 0], "it is nobody's fault"
        assert [event["restarted"] for event in reactor.events("aria2_connected")] == [False, True]


@pytest.mark.fault(21)
async def test_a_line_that_breaks_every_second_costs_no_byte(tmp_path: Path) -> None:
    async with FileServer() as server, elsewhere(tmp_path / "there") as aria2c:
        wire = Wire(aria2c.port)
        async with wire.laid() as port:
            url = f"ws://127.0.0.1:{port}/jsonrpc"
            async with running(tmp_path, **aria2c.settings(ARIA2C_RPC_URL=url)) as reactor:
                (one, two) = reactor.add(server.put("/a.bin", DATA, stall_after=200_000), server.put("/b.bin", DATA))
                await reactor.until(lambda: wire.cuts >= 3)
                server.release()
                await reactor.until_final()
                assert [row["status"] for row in reactor.rows(one, two)] == ["downloaded"] * 2
                assert [Path(row["file_path"]).read_bytes() for row in reactor.rows()] == [DATA] * 2
                assert [row["retry_count"] for row in reactor.rows()] == [0, 0]
        assert sum(request.sent for request in server.log if request.method == "GET") == 2 * len(DATA)
        # A result may stay: what asks aria2 to forget it got lost with the line, and is not worth a second try.
        assert aria2c.rpc("aria2.tellActive") == aria2c.rpc("aria2.tellWaiting", 0, 10) == []


@pytest.mark.fault(26)
async def test_a_secret_that_is_changed_ends_it_with_a_sentence_and_the_next_run_goes_on(tmp_path: Path) -> None:
    async with (
        FileServer() as server,
        elsewhere(tmp_path / "there") as aria2c,
        running(tmp_path, **aria2c.settings()) as reactor,
    ):
        (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=200_000))
        await server.until(lambda: any(request.sent == 200_000 for request in server.log))
        await aria2c.kill()
        aria2c.secret = "another-secret"
        await aria2c.start()
        assert reactor.process is not None
        await reactor.process.wait()
        last = reactor.printed.splitlines()[-1]
        assert last.startswith("reactor: ")
        assert "secret" in last
        assert not any(secret in reactor.printed for secret in (SECRET, aria2c.secret))
        assert reactor.process.returncode == 2, "starting it again is no use"
        assert reactor.row(one)["status"] == "downloading"
        server.release()
        reactor.settings["ARIA2C_RPC_SECRET"] = aria2c.secret
        await reactor.start()
        await reactor.until_final()
        assert reactor.row(one)["status"] == "downloaded"
        assert Path(reactor.row(one)["file_path"]).read_bytes() == DATA
