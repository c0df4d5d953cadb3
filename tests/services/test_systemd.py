"""The units of contrib/systemd: what systemd says of them, and that nothing is taken away that the reactor needs."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from reactor.aria2 import methods
from reactor.aria2.connection import Aria2Connection
from reactor.cli import WRONG
from reactor.settings import NAMES
from tests.aria2.conftest import system_aria2c
from tests.cli.command import ROOT
from tests.real.elsewhere import listening
from tests.real.swarm import free_port
from tests.tools import needed

FOLDER = ROOT / "contrib" / "systemd"
BOTS = {"telegram-bot": "telegram", "telegram-uploader": "telegram", "discord-bot": "discord"}
"""Units of the example bots, and whose folder they run."""
UNITS = ("reactor", "aria2c", *BOTS)
EXPOSURE_MAX = 3.0


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze, which needs no systemd that runs."""
    program = needed("systemd-analyze")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)


def directives(unit: str) -> dict[str, list[str]]:
    """Every value of every directive in a unit's [Service], in order."""
    found = defaultdict(list)
    section = (FOLDER / f"{unit}.service").read_text().partition("[Service]")[2].partition("\n[")[0]
    for line in section.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[name].append(value)
    return found


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_hardened(unit: str) -> None:
    limit = f"--threshold={EXPOSURE_MAX * 10:.0f}"
    done = analyze("security", "--offline=true", "--no-pager", limit, str(FOLDER / f"{unit}.service"))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) < EXPOSURE_MAX
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_one_that_systemd_understands(unit: str, tmp_path: Path) -> None:
    """With a program that is there on every machine."""
    text = (FOLDER / f"{unit}.service").read_text()
    (program,) = re.findall(r"^ExecStart=(\S+)", text, re.MULTILINE)
    tried = tmp_path / f"{unit}.service"
    tried.write_text(text.replace(program, "/bin/true"))
    done = analyze("verify", "--man=no", str(tried))
    assert (done.returncode, done.stderr) == (0, "")
    tried.write_text(text.replace(program, "/bin/true") + "\n[Service]\nProtectSytem=strict\n")
    assert "ProtectSytem" in analyze("verify", "--man=no", str(tried)).stderr, "it would not have noticed"


def test_what_the_reactor_needs_is_left_to_it() -> None:
    service = directives("reactor")
    assert {"user", "pid", "net"} <= set(service["RestrictNamespaces"][-1].split()), "Chromium's sandbox"
    assert "chroot" in service["SystemCallFilter"][0].split(), "Chromium's sandbox"
    assert {"AF_INET", "AF_INET6", "AF_UNIX"} <= set(service["RestrictAddressFamilies"][-1].split())
    assert not {"MemoryDenyWriteExecute", "ProcSubset", "IPAddressDeny"} & service.keys(), "JavaScript, loopback"
    assert service["Type"] == ["notify"]
    assert service["RestartPreventExitStatus"] == [str(WRONG)]
    assert "WatchdogSec" in service


def test_the_settings_of_a_unit_are_settings() -> None:
    names = [pair.partition("=")[0] for pair in directives("reactor")["Environment"][0].split()]
    assert set(names) - {"HOME"} <= {name.upper() for name in NAMES}


@pytest.mark.parametrize("unit", UNITS)
def test_all_write_to_the_same_folder_as_the_same_user(unit: str) -> None:
    reactor, other = directives("reactor"), directives(unit)
    for name in ("User", "Group", "UMask", "StateDirectory", "StateDirectoryMode"):
        assert reactor[name] == other[name]


@pytest.mark.parametrize(("unit", "folder"), BOTS.items())
def test_a_bot_finds_its_program_and_the_reactor_beside_it(unit: str, folder: str) -> None:
    service = directives(unit)
    python, program = service["ExecStart"][0].split()
    assert python == "/usr/local/lib/reactor/bin/python", "the README installs both there"
    prefix, name = f"/usr/local/lib/{folder}-bot/", Path(program).name
    assert program == prefix + name
    assert (ROOT / "contrib" / folder / name).is_file()
    said = " ".join(service["Environment"])
    assert directives("reactor")["Environment"][0] in said, "the same database and files"
    assert "START_REACTOR=false" in said.split()
    assert "reactor.service" in (FOLDER / f"{unit}.service").read_text().partition("After=")[2].splitlines()[0]


async def test_the_systems_aria2c_takes_the_configuration_for_one_apart(tmp_path: Path) -> None:
    port = free_port()
    lines = (ROOT / "aria2.conf").read_text() + (FOLDER / "aria2c.conf").read_text()
    conf = tmp_path / "aria2c.conf"
    conf.write_text(f"{lines}\nrpc-listen-port={port}\ndir={tmp_path}\nenable-dht=false\nlisten-port=40000-49999\n")
    process = await asyncio.create_subprocess_exec(
        str(system_aria2c().path), f"--conf-path={conf}", stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        await listening("127.0.0.1", port)
        async with Aria2Connection(f"ws://127.0.0.1:{port}/jsonrpc", "CHANGE-ME") as aria2:
            await aria2.wait_connected()
            options = await aria2.call(methods.get_global_option())
        assert options["max-concurrent-downloads"] == "32"
        assert options["follow-torrent"] == "false"
    finally:
        process.kill()
        _, said = await process.communicate()
    assert b"Unknown option" not in said
