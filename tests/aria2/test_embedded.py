"""Our own aria2c: it comes, comes back, and goes without a trace."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from reactor.aria2 import connection as connection_room
from reactor.aria2 import embedded as room
from reactor.aria2.connection import Aria2Connection
from reactor.aria2.embedded import EmbeddedAria2, default_conf
from reactor.aria2.methods import add_uri, get_global_option, get_version
from reactor.core import events
from reactor.errors import Aria2Error, SettingsError
from reactor.programs import Program
from tests.aria2.conftest import Recorder, Running, Start, fetched, for_tests
from tests.aria2.servers import FileServer, until


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def proc(pid: int | None, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


def folders(parent: Path) -> list[Path]:
    return list(parent.glob("reactor-aria2c-*"))


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.both_aria2c
async def test_it_runs_and_goes_without_a_trace(program: Program, scratch: Path) -> None:
    async with EmbeddedAria2(program, options=for_tests()) as embedded:
        pid = embedded.pid
        assert pid is not None
        assert alive(pid)
        assert os.getsid(pid) == pid, "a Ctrl-C in our terminal must not reach it"
        assert resource.prlimit(pid, resource.RLIMIT_DATA)[0] == room.MEMORY_MAX
        async with Aria2Connection(embedded.url, embedded.secret) as aria2:
            await aria2.wait_connected()
        (folder,) = folders(scratch)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert not (folder / "aria2.conf").exists(), "the secret is off the disk once it has been read"
        assert embedded.secret not in proc(pid, "cmdline")
        assert embedded.secret not in repr(embedded)
    assert not alive(pid)
    assert folders(scratch) == []


@pytest.mark.fault(57)
async def test_nothing_of_the_users_reaches_it(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".aria2").mkdir()
    (tmp_path / ".aria2" / "aria2.conf").write_text("user-agent=somebody\nrpc-listen-port=1\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("BOT_TOKEN", "s3cret")
    async with (
        EmbeddedAria2(program, options=for_tests()) as embedded,
        Aria2Connection(embedded.url, embedded.secret) as aria2,
    ):
        await aria2.wait_connected()
        options = await aria2.call(get_global_option())
        environment = proc(embedded.pid, "environ")
    assert "somebody" not in options["user-agent"]
    assert "_proxy" not in environment.lower()
    assert "s3cret" not in environment
    assert "http-proxy" not in options
    assert options["no-netrc"] == "true"


@pytest.mark.both_aria2c
async def test_the_shipped_configuration_is_honoured(aria2: Running) -> None:
    options = await aria2.connection.call(get_global_option())
    wanted = {
        line.partition("=")[0]: line.partition("=")[2]
        for line in default_conf().read_text().splitlines()
        if line and not line.startswith("#")
    }
    wanted |= {"rpc-max-request-size": str(64 * 2**20), "disk-cache": str(16 * 2**20)}
    wanted |= for_tests() | {"listen-port": options["listen-port"]}
    # What aria2 reports in other words or not at all.
    for name in ("dht-entry-point", "dht-entry-point6", "dht-listen-port", "bt-enable-lpd"):
        wanted.pop(name)
    assert {name: options.get(name) for name in wanted} == wanted


async def test_it_comes_back_when_it_is_killed(start: Start) -> None:
    aria2 = await start()
    first = aria2.embedded.pid, aria2.embedded.url
    assert first[0] is not None
    os.kill(first[0], signal.SIGKILL)
    await aria2.inbox.until(lambda seen: sum(isinstance(e, events.Aria2Connected) for e in seen) == 2)
    connects = [e for e in aria2.inbox.events if isinstance(e, events.Aria2Connected)]
    assert [type(e) for e in aria2.inbox.events] == [events.Aria2Connected, events.Aria2Lost, events.Aria2Connected]
    assert connects[0].session != connects[1].session
    assert connects[0].url != connects[1].url, "another port: the old one may be somebody else's by now"
    assert (aria2.embedded.pid, aria2.embedded.url) != first
    await aria2.connection.call(get_version())


@pytest.mark.fault(25)
@pytest.mark.parametrize("hangs", [True, False], ids=["for-good", "for-a-while"])
async def test_one_that_hangs_for_good_is_started_again_and_one_that_stalls_is_left_alone(
    program: Program, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    for name, value in {"PING_INTERVAL_S": 0.1, "PING_TIMEOUT_S": 0.5, "OPEN_DEADLINE_S": 0.5}.items():
        monkeypatch.setattr(connection_room, name, value)
    inbox = Recorder()
    async with (
        EmbeddedAria2(program, options=for_tests()) as embedded,
        Aria2Connection(
            lambda: embedded.url,
            embedded.secret,
            post=inbox.post,
            deadline_s=0.5,
            when_silent=embedded.kill,
            silence_max_s=1.0 if hangs else 3600.0,
        ) as connection,
    ):
        await connection.wait_connected()
        pid = embedded.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        await inbox.until(lambda seen: any(isinstance(event, events.Aria2Lost) for event in seen))
        if not hangs:
            os.kill(pid, signal.SIGCONT)
        await inbox.until(lambda seen: sum(isinstance(event, events.Aria2Connected) for event in seen) == 2)
        assert (embedded.pid != pid) is hangs
        assert alive(pid) is not hangs
        sessions = {event.session for event in inbox.events if isinstance(event, events.Aria2Connected)}
        assert len(sessions) == (2 if hangs else 1)


async def test_a_port_that_was_taken_meanwhile(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))  # bound and not listening: a connect is refused, as before aria2c listens
        taken = holder.getsockname()[1]
        ports, probed = iter([taken]), room._free_port
        monkeypatch.setattr(room, "_free_port", lambda: next(ports, None) or probed())
        async with EmbeddedAria2(program, options=for_tests()) as embedded:
            assert embedded.url != f"ws://127.0.0.1:{taken}/jsonrpc"


@pytest.mark.both_aria2c
async def test_a_configuration_it_does_not_take(program: Program, tmp_path: Path, scratch: Path) -> None:
    conf = tmp_path / "mine.conf"
    conf.write_text("split=many\n")
    with pytest.raises(Aria2Error, match=r"ended 3 times .*exit code 28.*split.* many") as caught:
        async with EmbeddedAria2(program, conf):
            raise AssertionError("it cannot have started")
    assert "ARIA2C_CONF" in str(caught.value)
    assert not caught.value.retryable
    assert folders(scratch) == []


async def test_a_program_that_is_none(tmp_path: Path) -> None:
    script = tmp_path / "aria2c"
    script.write_text("#!/bin/sh\necho this is not aria2 >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(Aria2Error, match=r"exit code 3\). It said: this is not aria2"):
        async with EmbeddedAria2(Program("aria2c", script, "setting")):
            raise AssertionError("it cannot have started")
    script.write_bytes(b"\x7fELF nonsense")
    with pytest.raises(Aria2Error, match="does not start"):
        async with EmbeddedAria2(Program("aria2c", script, "setting")):
            raise AssertionError("it cannot have started")


async def test_entering_need_not_wait_until_it_listens(program: Program) -> None:
    async with EmbeddedAria2(program, options=for_tests(), waits=False) as embedded:
        await embedded.wait_listening()
        async with Aria2Connection(embedded.url, embedded.secret) as connection:
            await connection.wait_connected()


async def test_waiting_for_one_that_never_listens_ends(tmp_path: Path, scratch: Path) -> None:
    script = tmp_path / "aria2c"
    script.write_text("#!/bin/sh\necho this is not aria2 >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(Aria2Error, match="this is not aria2"):
        async with EmbeddedAria2(Program("aria2c", script, "setting"), waits=False) as embedded:
            await embedded.wait_listening()
    assert folders(scratch) == []


async def test_a_configuration_that_is_not_there(program: Program, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ARIA2C_CONF: .*gone\.conf"):
        async with EmbeddedAria2(program, tmp_path / "gone.conf"):
            raise AssertionError("it cannot have started")


async def test_an_option_cannot_carry_another_line(program: Program) -> None:
    with pytest.raises(ValueError, match="line break"):
        async with EmbeddedAria2(program, options={"dir": "/x\non-download-start=/bin/sh"}):
            raise AssertionError("it cannot have started")


async def test_a_failing_body_is_not_hidden(program: Program) -> None:
    pids = []

    async def body() -> None:
        async with EmbeddedAria2(program, options=for_tests()) as embedded:
            pids.append(embedded.pid)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await body()
    assert pids[0] is not None
    assert not alive(pids[0])


@pytest.mark.both_aria2c
async def test_a_transfer_under_way_is_left_resumable(program: Program, server: FileServer, tmp_path: Path) -> None:
    url = server.add("/file", bytes(2**20), hold_at=2**19)
    async with (
        EmbeddedAria2(program, options=for_tests(**{"auto-save-interval": "60"})) as embedded,
        Aria2Connection(embedded.url, embedded.secret) as aria2,
    ):
        await aria2.wait_connected()
        gid = await aria2.call(add_uri([url], {"dir": str(tmp_path), "out": "file"}))
        await fetched(aria2, gid, 2**19)
    assert (tmp_path / "file").stat().st_size == 2**19
    assert (tmp_path / "file.aria2").exists()


PARENT = """
import sys, anyio
from pathlib import Path
from reactor.aria2.embedded import EmbeddedAria2
from reactor.programs import Program

async def main():
    async with EmbeddedAria2(Program("aria2c", Path(sys.argv[1]), "setting"), options={"enable-dht": "false"}) as aria2:
        print(aria2.pid, flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.mark.fault(19)
async def test_it_ends_when_we_are_killed(program: Program, scratch: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(program.path)]
    parent = await anyio.open_process(command, stderr=subprocess.DEVNULL, env=os.environ | {"TMPDIR": str(scratch)})
    async with parent:
        assert parent.stdout is not None
        with anyio.fail_after(30):
            pid = int(await parent.stdout.receive())
        assert alive(pid)
        parent.kill()
        await parent.wait()
    await until(lambda: not alive(pid))
