"""Two machines: reactor on one, an aria2c on the other, a cable between them and, unless told, nothing shared.

    unshare --map-root-user --net --mount python -m tests.real.machines SCENE FOLDER

The process it runs in is one machine; another network and mount namespace is the other. A scene that does not play
as it should ends in an AssertionError.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trustme

from tests.cli.command import reactor as run_reactor
from tests.real.elsewhere import SECRET, command, listening
from tests.real.harness import running
from tests.real.swarm import free_port
from tests.servers import FileServer

HERE, THERE = "10.77.0.1", "10.77.0.2"
DATA = random.Random(8).randbytes(400_000)
SETTINGS = {"ARIA2C_RPC_SECRET": SECRET, "ALLOWED_PRIVATE_HOSTS": f"{HERE}/24"}


class Machine:
    """The other one. `folder` is an empty disk of its own, of which nothing is seen from here."""

    def __init__(self, folder: Path, holder: asyncio.subprocess.Process) -> None:
        self.folder = folder
        self.port = free_port()
        self.pid = holder.pid

    async def run(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start a program there."""
        inside = ("nsenter", f"--target={self.pid}", "--net", "--mount", "--")
        return await asyncio.create_subprocess_exec(*inside, *arguments, stdin=subprocess.DEVNULL)

    async def done(self, *arguments: str) -> None:
        """Run a program there to its end."""
        process = await self.run(*arguments)
        assert await process.wait() == 0, arguments

    def sees(self, path: str | Path) -> Path:
        """A file of that machine, as a path on this one."""
        return Path(f"/proc/{self.pid}/root{path}")

    @asynccontextmanager
    async def aria2c(self, *more: str) -> AsyncIterator[dict[str, str]]:
        """An aria2c there, with further arguments; what reactor is told of it."""
        process = await self.run(*command(self.folder, self.port, "--rpc-listen-all", *more))
        try:
            await listening(THERE, self.port)
            yield SETTINGS | {"ARIA2C_RPC_URL": f"ws://{THERE}:{self.port}/jsonrpc"}
        finally:
            process.kill()
            await process.wait()


@asynccontextmanager
async def another_machine(folder: Path) -> AsyncIterator[Machine]:
    """Build it, join it to this one, and switch it off."""
    folder.mkdir()
    holder = await asyncio.create_subprocess_exec(
        *("unshare", "--net", "--mount", "--", "sh", "-c", "echo up; exec cat"),  # it ends with our end of the pipe
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"up\n"
    machine = Machine(folder, holder)
    try:
        await plug(machine)
        await machine.done("mount", "-t", "tmpfs", "tmpfs", str(folder))
        yield machine
    finally:
        holder.kill()
        await holder.wait()


async def plug(machine: Machine) -> None:
    """Lay the cable."""
    await ip("link", "set", "lo", "up")
    await ip("link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(machine.pid))
    await ip("address", "add", f"{HERE}/24", "dev", "cable")
    await ip("link", "set", "cable", "up")
    for line in ("address add 127.0.0.1/8 dev lo", "link set lo up", f"address add {THERE}/24 dev cable"):
        await machine.done("ip", *line.split())
    await machine.done("ip", "link", "set", "cable", "up")


async def ip(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec("ip", *arguments)
    assert await process.wait() == 0, arguments


async def doctor(folder: Path, **settings: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Its exit code and findings."""
    told = SETTINGS | {"BROWSER_PATH": "none"} | settings
    done = await asyncio.to_thread(lambda: run_reactor("doctor", "--json", cwd=folder, stdin=b"", **told))
    return done.returncode, {finding["name"]: finding for finding in json.loads(done.stdout)}


# The scenes


async def apart(folder: Path) -> None:
    """Nothing is shared: the file stays there, and its path is the one that it has there."""
    async with (
        another_machine(folder / "there") as machine,
        machine.aria2c() as settings,
        FileServer(host=HERE) as server,
        running(folder, **settings) as reactor,
    ):
        (one,) = reactor.add(server.put("/a.bin", DATA))
        await reactor.until_final()
        row = reactor.row(one)
        assert row["status"] == "downloaded", row
        assert Path(row["file_path"]).is_relative_to(machine.folder), row
        assert not Path(row["file_path"]).exists(), "it is seen from here"
        assert machine.sees(row["file_path"]).read_bytes() == DATA
        assert {request.peer[0] for request in server.log if request.method == "GET"} == {THERE}
        code, findings = await doctor(folder, ARIA2C_RPC_URL=settings["ARIA2C_RPC_URL"])
        assert (code, findings["aria2 disk"]["state"]) == (0, "ok"), findings["aria2 disk"]
        assert findings["aria2 disk"]["what"].startswith("not shared"), findings["aria2 disk"]
        assert machine.sees(findings["aria2 disk"]["where"]).is_dir()
        assert list(machine.folder.iterdir()) == []


async def mapped(folder: Path) -> None:
    """One folder is shared, under another name there: the file is published here."""
    downloads = folder / "downloads"
    downloads.mkdir()
    async with another_machine(folder / "there") as machine, FileServer(host=HERE) as server:
        shared = machine.folder / "shared"
        await machine.done("mkdir", str(shared))
        await machine.done("mount", "--bind", str(downloads), str(shared))
        path_map = f"{shared}={downloads}"
        async with machine.aria2c() as settings:
            code, findings = await doctor(
                folder,
                ARIA2C_RPC_URL=settings["ARIA2C_RPC_URL"],
                DOWNLOAD_PATH_MAP=path_map,
                DOWNLOAD_DIR=str(downloads),
            )
            assert (code, findings["aria2 disk"]["what"]) == (0, "shared: a file went both ways"), findings
            assert list(downloads.iterdir()) == []
            async with running(folder, **settings, DOWNLOAD_PATH_MAP=path_map) as reactor:
                (one,) = reactor.add(server.put("/a.bin", DATA))
                await reactor.until_final()
                assert reactor.row(one)["file_path"] == str(downloads / "a.bin"), reactor.row(one)
                await reactor.until(lambda: reactor.files() == {"a.bin": DATA})


async def secure(folder: Path) -> None:
    """By wss, with a certificate of a CA of their own."""
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    stranger.cert_pem.write_to_path(str(folder / "stranger.pem"))
    issued = authority.issue_cert(THERE)
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    for part in issued.cert_chain_pems:
        part.write_to_path(str(folder / "cert.pem"), append=True)
    certificate = (f"--rpc-certificate={folder / 'cert.pem'}", f"--rpc-private-key={folder / 'key.pem'}")
    async with (
        another_machine(folder / "there") as machine,
        FileServer(host=HERE) as server,
        machine.aria2c("--rpc-secure", *certificate) as settings,
    ):
        url = f"https://{THERE}:{machine.port}/jsonrpc"
        code, findings = await doctor(folder, ARIA2C_RPC_URL=url, ARIA2C_RPC_CA=str(folder / "stranger.pem"))
        assert (code, findings["aria2 RPC"]["state"]) == (1, "missing"), findings["aria2 RPC"]
        assert "is not trusted" in findings["aria2 RPC"]["what"]
        assert findings["aria2 RPC"]["advice"] == "Set ARIA2C_RPC_CA."
        own = {"ARIA2C_RPC_URL": url, "ARIA2C_RPC_CA": str(folder / "ca.pem")}
        code, findings = await doctor(folder, **own)
        assert (code, findings["aria2 RPC"]["state"]) == (0, "ok"), findings["aria2 RPC"]
        async with running(folder, **settings | own) as reactor:
            (one,) = reactor.add(server.put("/a.bin", DATA))
            await reactor.until_final()
            assert machine.sees(reactor.row(one)["file_path"]).read_bytes() == DATA
            (connected,) = reactor.events("aria2_connected")
            assert connected["url"] == f"wss://{THERE}:{machine.port}/jsonrpc"


async def unplugged(folder: Path) -> None:
    """The cable is pulled while a file comes, and a row is added meanwhile."""
    async with (
        another_machine(folder / "there") as machine,
        machine.aria2c() as settings,
        FileServer(host=HERE) as server,
        running(folder, **settings) as reactor,
    ):
        (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=200_000))
        await server.until(lambda: any(request.sent == 200_000 for request in server.log))
        await ip("link", "set", "cable", "down")
        (two,) = reactor.add(server.put("/b.bin", DATA))
        server.release()
        await ip("link", "set", "cable", "up")
        await reactor.until_final()
        for row in reactor.rows(one, two):
            assert row["status"] == "downloaded", row
            assert machine.sees(row["file_path"]).read_bytes() == DATA


SCENES = {scene.__name__: scene for scene in (apart, mapped, secure, unplugged)}

if __name__ == "__main__":
    asyncio.run(SCENES[sys.argv[1]](Path(sys.argv[2])))
