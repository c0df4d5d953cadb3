"""The reactor as a bot's child: started, watched, started again, gone with the bot."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import reactor
from reactor import runner as room
from reactor.errors import ReactorError, SettingsError
from reactor.programs import find_aria2c
from reactor.queue import Queue
from reactor.runner import Runner
from tests.real.harness import SETTINGS, alive, processes, running
from tests.servers import FileServer

DATA = random.Random(6).randbytes(300_000)
WAIT_S = 60.0
MARK = "TMPDIR"
"""What every child gets, aria2c too: its folder is inside of the bot's."""
BOT = """
import asyncio, multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
from reactor import Runner
async def main():
    async with Runner() as runner:
        if "forks" in sys.argv:
            workers = ProcessPoolExecutor(1, multiprocessing.get_context("fork"))
            print(workers.submit(os.getpid).result(), flush=True)
        print("ready", flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    own = {"download_db": str(tmp_path / "bot.db"), "download_dir": str(tmp_path / "downloads")}
    return {name.lower(): value for name, value in SETTINGS.items()} | own


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with FileServer() as server:
        yield server


def marked(mark: str) -> list[int]:
    """What runs with this mark in its environment."""
    found = []
    for pid in processes():
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if any(each.startswith(f"{MARK}={mark}".encode()) for each in environ.split(b"\0")) and alive(pid):
            found.append(pid)
    return found


async def downloaded(queue: Queue, id: int) -> None:
    async with asyncio.timeout(WAIT_S):
        async for row in queue.watch(id):
            last = row
    assert last.status == "downloaded", last.error


async def test_a_file_by_a_child_that_comes_and_goes(settings: dict[str, Any], server: FileServer) -> None:
    seen: list[Mapping[str, Any]] = []
    async with Runner(on_event=seen.append, **settings) as runner, Queue(settings["download_db"]) as queue:
        id = await queue.add(server.put("/a.bin", DATA, stall_after=1000))
        await server.until(lambda: any(request.sent == 1000 for request in server.log))
        async with asyncio.timeout(WAIT_S):
            while not (status := await runner.status()).aria2:
                await asyncio.sleep(0.02)
        assert (status.state, status.restarts, status.version) == ("running", 0, reactor.__version__)
        assert [row.id for row in status.under_way] == [id]
        assert status.pid
        assert alive(status.pid)
        server.release()
        await downloaded(queue, id)
        await runner.stop()
        status = await runner.status()
        assert (status.state, status.pid, status.under_way, status.error) == ("stopped", None, (), None)
        await runner.start()
        assert (await runner.status()).state == "running"
        await runner.restart()
    assert {"reactor_started", "aria2_connected", "download_completed", "reactor_stopped"} <= {
        event["event"] for event in seen
    }


async def test_killed_in_the_midst_it_is_started_again_and_goes_on(
    settings: dict[str, Any], server: FileServer
) -> None:
    async with Runner(**settings) as runner, Queue(settings["download_db"]) as queue:
        id = await queue.add(server.put("/a.bin", DATA, stall_after=200_000, etag='"1"'))
        await server.until(lambda: any(request.sent == 200_000 for request in server.log))
        first = (await runner.status()).pid
        assert first
        os.kill(first, signal.SIGKILL)
        await until(lambda: runner._restarts == 1 and runner._state == "running")
        server.release()
        await downloaded(queue, id)
        status = await runner.status()
        assert status.pid != first
        assert status.error == "It ended with -9."
    assert (Path(settings["download_dir"]) / "a.bin").read_bytes() == DATA


@pytest.mark.variants(1)
@pytest.mark.fault(19)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_nothing_outlives_the_bot(settings: dict[str, Any], number: signal.Signals, tmp_path: Path) -> None:
    mark = str(tmp_path)
    environment = os.environ | {name.upper(): value for name, value in settings.items()} | {MARK: mark}
    bot = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", BOT), env=environment, stdout=asyncio.subprocess.PIPE, cwd=tmp_path
    )
    assert bot.stdout is not None
    async with asyncio.timeout(WAIT_S):
        assert await bot.stdout.readline() == b"ready\n"
        assert len(marked(mark)) >= 3, "the bot, the reactor, its aria2c"
        bot.send_signal(number)
        await bot.wait()
    await until(lambda: not marked(mark))


@pytest.mark.fault(19)
async def test_the_reactor_does_not_outlive_a_bot_that_has_forked(settings: dict[str, Any], tmp_path: Path) -> None:
    """A forked worker holds whatever the bot held, the pipe to the reactor too."""
    mark = str(tmp_path)
    environment = os.environ | {name.upper(): value for name, value in settings.items()} | {MARK: mark}
    bot = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-c", BOT, "forks"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        cwd=tmp_path,
    )
    assert bot.stdout is not None
    async with asyncio.timeout(WAIT_S):
        worker = int(await bot.stdout.readline())
        assert await bot.stdout.readline() == b"ready\n"
    try:
        assert len(marked(mark)) >= 4, "the bot, its worker, the reactor, its aria2c"
        bot.send_signal(signal.SIGKILL)
        await until(lambda: marked(mark) == [worker])
    finally:
        os.kill(worker, signal.SIGKILL)
        async with asyncio.timeout(WAIT_S):
            await bot.communicate()


async def test_what_is_wrong_is_told_in_its_own_words_and_not_tried_again(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="MAX_CONCURRENT_DOWNLOADS"):
        Runner(**settings | {"max_concurrent_downloads": "many"})
    with pytest.raises(SettingsError, match="no setting DOWNLOADS_DIR"):
        Runner(downloads_dir="/")
    wrong = Runner(**settings | {"aria2c_path": "/no/such/aria2c"})
    with pytest.raises(ReactorError, match="/no/such/aria2c"):
        async with wrong:
            pass
    assert wrong._restarts == 0


@pytest.mark.nightly
async def test_a_second_one_on_the_same_database_is_refused(settings: dict[str, Any]) -> None:
    async with Runner(**settings):
        with pytest.raises(ReactorError, match="Another reactor"):
            async with Runner(**settings):
                pass


async def test_one_that_is_about_to_end_is_waited_for(settings: dict[str, Any], tmp_path: Path) -> None:
    """As that of a bot which was killed and is started again at once."""

    def waits() -> bool:
        fds = Path(f"/proc/{runner._process.pid}/fd").iterdir() if runner._process else ()
        with suppress(OSError):
            return any("pidfd" in str(fd.readlink()) for fd in fds)
        return False

    runner = Runner(launch=False, **settings)
    async with running(tmp_path) as theirs, runner, asyncio.TaskGroup() as tasks:
        start = tasks.create_task(runner.start())
        await until(waits)
        await theirs.stop()
        await start
        assert (await runner.status()).state == "running"
    assert runner._restarts == 0


async def test_it_lets_what_is_under_way_end_unless_it_is_stopped_once_more(
    settings: dict[str, Any], server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "STOP_DEADLINE_S", 0.0)  # all the time that it has is DRAIN_S
    seen: list[Mapping[str, Any]] = []

    def draining() -> int:
        return sum(event["event"] == "reactor_draining" for event in seen)

    async with Runner(on_event=seen.append, drain_s=600, **settings) as runner, Queue(settings["download_db"]) as queue:
        id = await queue.add(server.put("/a.bin", DATA, stall_after=1000, etag='"1"'))
        await server.until(lambda: any(request.sent == 1000 for request in server.log))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(runner.stop())
            await until(lambda: draining() == 1)
            await runner.stop()
        row = await queue.get(id)
        assert row is not None
        assert row.status == "downloading"
        await runner.start()
        await server.until(lambda: bool(server.under_way("/a.bin")))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(runner.stop())
            await until(lambda: draining() == 2)
            server.release()
        row = await queue.get(id)
        assert row is not None
        assert row.status == "downloaded"


async def test_a_start_that_is_called_off_says_so(settings: dict[str, Any]) -> None:
    async with Runner(launch=False, **settings) as runner:
        start = asyncio.create_task(runner.start())
        await until(lambda: runner._process)
        await runner.stop()
        with pytest.raises(ReactorError, match="stopped before it was ready"):
            await start
        assert (await runner.status()).state == "stopped"
        await runner.start()
    with pytest.raises(ReactorError, match="not open"):
        await runner.start()


async def test_one_that_cannot_go_on_is_told_in_the_log_and_the_status(
    settings: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "aria2c"
    program.symlink_to(find_aria2c().path)
    async with Runner(**settings | {"aria2c_path": str(program)}) as runner:
        program.unlink()
        first = (await runner.status()).pid
        assert first
        os.kill(first, signal.SIGKILL)
        await until(lambda: runner._state == "stopped")
        status = await runner.status()
        assert (status.state, status.pid, status.restarts) == ("stopped", None, 1)
        assert str(program) in (status.error or "")
        (told,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert str(program) in told


async def test_a_system_that_has_no_room_for_a_process_is_tried_again(
    settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with Runner(**settings) as runner:
        first = (await runner.status()).pid
        assert first
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))  # no file can be opened any more
            os.kill(first, signal.SIGKILL)
            await until(lambda: "could not be started: Too many open files" in caplog.text)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        await until(lambda: runner._state == "running")
        assert (await runner.status()).restarts >= 2


async def test_what_it_says_is_in_the_bots_log(
    settings: dict[str, Any], server: FileServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "reactor.runner")
    page = {"page_address": "127.0.0.1:0"}
    async with Runner(**settings | page) as runner, Queue(settings["download_db"]) as queue:
        assert re.search(r"the page is at http://127\.0\.0\.1:\d+/#token=[\w-]+", caplog.text)
        await downloaded(queue, await queue.add(server.put("/a.bin", DATA)))
        await until(lambda: "#1 downloaded" in caplog.text)
        first = (await runner.status()).pid
        assert first
        assert {record.levelno for record in caplog.records if record.name == "reactor.runner"} == {logging.INFO}
        os.kill(first, signal.SIGKILL)
        await until(lambda: runner._restarts == 1 and runner._state == "running")
        assert (await runner.status()).error == "It ended with -9.", "and not the address with its token"
    assert "#1 started: http://127.0.0.1" in caplog.text
    assert "stopped: " in caplog.text


async def test_one_that_dies_again_and_again_is_started_later_and_later(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its aria2c is a program that says its version, and nothing else."""
    monkeypatch.setattr(room, "READY_DEADLINE_S", 8.0)
    broken = tmp_path / "aria2c"
    broken.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'aria2 version 1.37.0'\nexit 1\n")
    broken.chmod(0o755)
    runner = Runner(**settings | {"aria2c_path": str(broken)})
    with pytest.raises(ReactorError, match="aria2c"):
        async with runner:
            pass
    assert (await runner.status()).state == "stopped"


async def test_the_status_of_one_that_somebody_else_runs(tmp_path: Path) -> None:
    async with Runner(launch=False, download_db=tmp_path / "bot.db") as watcher:
        assert (await watcher.status()).state == "stopped"
        async with running(tmp_path) as theirs:
            assert theirs.process is not None
            async with asyncio.timeout(WAIT_S):
                while not (status := await watcher.status()).aria2:
                    await asyncio.sleep(0.02)
            assert (status.state, status.pid) == ("running", theirs.process.pid)
            await theirs.stop(signal.SIGKILL)
            assert (await watcher.status()).state == "stopped", "though it had no time to say so"
            await theirs.start()
        assert ((await watcher.status()).state, (await watcher.status()).pid) == ("stopped", None)


async def test_a_callback_that_breaks_does_not_end_the_reactor(
    settings: dict[str, Any], server: FileServer, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(event: Mapping[str, Any]) -> None:
        raise KeyError("chat_id")

    async with Runner(on_event=breaks, **settings) as runner, Queue(settings["download_db"]) as queue:
        await downloaded(queue, await queue.add(server.put("/a.bin", DATA)))
        assert (await runner.status()).restarts == 0
    assert "on_event has raised an error at download_claimed" in caplog.text


FROZEN = """#!{python}
import asyncio, sys
sys.executable = {bot!r}
with open({starts!r}, "a") as file:
    file.write("start\\n")
from reactor import Runner
async def main():
    async with Runner(download_db="bot.db"):
        pass
asyncio.run(main())
"""


@pytest.mark.fault(56)
@pytest.mark.parametrize("name", ["bot", "python"])
async def test_a_bot_that_is_its_own_python_is_started_once(name: str, tmp_path: Path) -> None:
    """One that nothing marks as frozen, too: it may look like a Python."""
    starts, bot = tmp_path / "starts", tmp_path / name
    bot.write_text(FROZEN.format(python=sys.executable, bot=str(bot), starts=str(starts)))
    bot.chmod(0o755)
    (tmp_path / "main.py").symlink_to(bot)  # so that its name tells nothing
    started = [sys.executable, str(tmp_path / "main.py")] if name == "python" else [str(bot)]
    async with asyncio.timeout(WAIT_S):
        process = await asyncio.create_subprocess_exec(
            *started,
            cwd=tmp_path,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"PATH": "", "ARIA2C_PATH": "false"},
        )
        _, said = await process.communicate()
    assert process.returncode == 1
    many = len(starts.read_text().splitlines())
    if name == "python":
        assert many == 2, "the second one says what it is, and there is no third"
        assert "is no Python" in said.decode()
        assert "REACTOR_PYTHON=" in said.decode()
    else:
        assert many == 1, "the environment has a Python, which is started instead"


async def test_a_frozen_bot_is_told_what_to_do(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", "/srv/bot/bot")
    with pytest.raises(ReactorError, match=r"no Python to start reactor with.*Runner\(python="):
        async with Runner(**settings):
            pass
    async with Runner(launch=False, **settings) as runner:
        assert (await runner.status()).state == "stopped"


async def test_another_python_without_reactor_is_told_at_once(settings: dict[str, Any], tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    other.chmod(0o755)
    with pytest.raises(ReactorError, match=r"No module named reactor.*pip install aria2-reactor"):
        async with Runner(python=other, **settings):
            pass


@pytest.mark.fault(55)
@pytest.mark.execs
async def test_what_a_stranger_has_sent_is_no_code(
    settings: dict[str, Any], server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bot's working folder is its DOWNLOAD_DIR, and an empty entry of PYTHONPATH names it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep)
    settings |= {"download_dir": ".", "allow_executables": True}
    evil = b"import pathlib; pathlib.Path('PWNED').touch()\n"
    async with Runner(**settings) as runner, Queue(settings["download_db"]) as queue:
        for name in ("aiosqlite", "sitecustomize", "typing"):
            await downloaded(queue, await queue.add(server.put(f"/{name}.py", evil)))
            assert (tmp_path / f"{name}.py").read_bytes() == evil
        await runner.restart()
    assert not (tmp_path / "PWNED").exists()
