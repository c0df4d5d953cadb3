"""A systemd that runs, in namespaces of its own: what README pages have root do can be done there, word for word."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import psutil

from tests.real.harness import LOOK_S, PATIENCE_S
from tests.tools import needed

BOOT = Path(__file__).with_name("boot.sh")
NAMESPACES = ("--mount", "--pid", "--ipc", "--uts", "--cgroup")
INSTALL_S = 400.0
HOME = {"HOME": "/root", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


@dataclass(frozen=True)
class Booted:
    """Its first process, as it is seen here."""

    pid: int

    async def run(self, script: str, *, folder: str = "/") -> str:
        """What root's shell prints there. Raises AssertionError where it fails."""
        inside = ("nsenter", f"--target={self.pid}", *NAMESPACES, "/bin/sh", "-ec", f"cd {folder}\n{script}")
        process = await asyncio.create_subprocess_exec(
            *inside, env=HOME, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        async with asyncio.timeout(INSTALL_S):
            printed, _ = await process.communicate()
        assert process.returncode == 0, printed.decode()
        return printed.decode()


@asynccontextmanager
async def booted(folder: Path) -> AsyncIterator[Booted]:
    """One on this machine's own system, of which nothing is changed; /var/lib/reactor is `folder`/state. For root."""
    root, state = folder / "root", folder / "state"
    root.mkdir()
    state.mkdir()
    begin = (needed("unshare"), "--fork", "--kill-child", *NAMESPACES, "/bin/sh", str(BOOT), str(root), str(state))
    with (folder / "boot.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*begin, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not (found := _first(process.pid)):
                assert process.returncode is None, (folder / "boot.log").read_text()
                await asyncio.sleep(LOOK_S)
            there = Booted(found)
            await there.run("until systemctl is-system-running --wait; do sleep 0.1; done")
        try:
            yield there
        except BaseException:
            with anyio.CancelScope(shield=True):
                (folder / "journal.log").write_text(await there.run("journalctl --no-pager -o short-precise"))
            raise
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _first(pid: int) -> int:
    """The process that is systemd by now; 0 before."""
    children = psutil.Process(pid).children() if psutil.pid_exists(pid) else []
    return next((child.pid for child in children if child.name() == "systemd"), 0)
