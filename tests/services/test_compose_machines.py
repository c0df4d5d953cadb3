"""Three reactors and a PostgreSQL server, as contrib/docker's compose files start them: one is killed in the middle."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.database.postgres.server import Server, program, serving
from tests.real.harness import LOOK_S
from tests.real.swarm import free_port
from tests.servers import FileServer
from tests.services.image import Container, Machine, filled, machine, services

FILES = ("compose.postgres.yaml",)
NAMES = ("reactor-1", "reactor-2", "reactor-3")
KILLED = "reactor-2"
OURS = {"ALLOWED_PRIVATE_HOSTS": "127.0.0.0/8", "HOST_MAX": "0"}
ENV = {"POSTGRES_PASSWORD": "kept_to-ourselves"}
"""The file `.env`."""
ADDRESS = "127.54.32.15"
"""Where the server listens, at its usual port, as in a container of its own: nobody else is there."""
STALL = 100_000
UNDER_WAY = 6
"""Two at each."""
DEADLINE_S = 240.0
ENDED = (0, 143)
"""In order: by itself, or by SIGTERM as tini says it."""


class Together:
    """The containers that run, and what is seen of them from outside."""

    def __init__(self, there: Machine, folder: Path, url: str, *files: str) -> None:
        self._there, self._url, self.folder = there, url, folder
        self.services = services(*files)
        self.containers: dict[str, Container] = {}
        self._up = set[str]()
        there.names["postgres"] = ADDRESS

    async def start(self, name: str) -> None:
        """As `up` does it. Each has a network of its own there, so a port for metrics cannot be taken."""
        image = await self._there.build("reactor")
        apart = {"METRICS_ADDRESS": f"127.0.0.1:{free_port()}"}
        service = self.services[name]
        self.containers[name] = await self._there.start(image, service, self.folder, ENV, **OURS, **apart)
        self._up.add(name)

    async def kill(self, name: str) -> None:
        """All of a container, at once."""
        self._up.discard(name)
        await self.containers[name].stop(signal.SIGKILL)

    async def machines(self) -> dict[str, str]:
        """The states that `reactor machines` prints, asked in the first container."""
        code, printed = await self.containers["reactor-1"].run("reactor", "machines")
        return {} if code else {words[0]: words[1] for words in map(str.split, printed.splitlines())}

    def rows(self) -> list[dict[str, Any]]:
        with psycopg.connect(self._url, autocommit=True, row_factory=dict_row) as db:
            return db.execute("SELECT * FROM downloads ORDER BY id").fetchall()

    def completed(self) -> list[tuple[int, str]]:
        """Which rows were told to be there, and by which machine: the journal in each container's log."""
        told = [(name, each.log.read_text().splitlines()) for name, each in self.containers.items()]
        events = [(name, json.loads(line)) for name, lines in told for line in lines if line.startswith("{")]
        return sorted((each["download_id"], name) for name, each in events if each["event"] == "download_completed")

    def here(self, name: str, path: str) -> Path:
        """A path of a container, as one of this machine: below one of its volumes."""
        for volume in self.services[name]["volumes"]:
            source, _, target = str(volume).partition(":")
            if Path(path).is_relative_to(target):
                return self.folder / source / Path(path).relative_to(target)
        raise AssertionError(f"{path} is gone with the container")

    def goal(self, name: str) -> str:
        """The folder that a machine publishes to, as its container has it."""
        return str(self.services[name]["environment"]["DOWNLOAD_DIR"])

    def found(self) -> Counter[Path]:
        """Everything there, but for what reactor keeps for itself."""
        disks = {self.here(name, self.goal(name)) for name in NAMES}
        files = [(disk, path) for disk in disks for path in disk.rglob("*") if path.is_file()]
        return Counter(path for disk, path in files if not path.relative_to(disk).parts[0].startswith(".reactor"))

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not holds():
                for each in map(self.containers.__getitem__, self._up):
                    assert each.process.returncode is None, each.log.read_text()
                await asyncio.sleep(LOOK_S * 4)

    async def until_serving(self, *names: str) -> None:
        """Those, by `reactor machines`."""
        async with asyncio.timeout(DEADLINE_S):
            while [name for name, state in (await self.machines()).items() if state == "serving"] != [*names]:
                await asyncio.sleep(LOOK_S)


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.needs("unshare", "tini", "pg_ctlcluster")
async def test_of_three_reactors_one_is_killed_and_every_file_is_there(tmp_path: Path) -> None:
    with as_the_service(services(*FILES)["postgres"]) as database:
        async with machine(tmp_path / "machine") as there:
            await one_is_killed(Together(there, tmp_path / "volumes", database.url("bot"), *FILES))


async def one_is_killed(all_three: Together) -> None:
    bytes_of: dict[str, bytes] = {}
    for name in NAMES:
        await all_three.start(name)
    await all_three.until_serving(*NAMES)
    async with FileServer() as server:
        await add(all_three, server, bytes_of, UNDER_WAY)
        await all_three.until(lambda: len(stalled(server)) == UNDER_WAY)
        server.release()
        await all_three.until(lambda: len(all_three.completed()) == UNDER_WAY)
    assert {name for _, name in all_three.completed()} == {*NAMES}, "each has published something"
    async with FileServer() as server:
        await add(all_three, server, bytes_of, UNDER_WAY + 2)
        await all_three.until(lambda: len(stalled(server)) == UNDER_WAY)
        await all_three.kill(KILLED)
        server.release()
        await all_three.until(lambda: all(row["status"] == "downloaded" for row in all_three.rows()))
    states = await all_three.machines()
    assert states == {name: "lost" if name == KILLED else "serving" for name in NAMES}
    look(all_three, bytes_of)
    await all_three.start(KILLED)
    await all_three.until_serving(*NAMES)
    look(all_three, bytes_of)
    for container in all_three.containers.values():
        assert await container.stop() in ENDED, container.log.read_text()


async def add(all_three: Together, server: FileServer, bytes_of: dict[str, bytes], count: int) -> None:
    """By the command of the README; each file stops in its middle."""
    urls = []
    for _ in range(count):
        data, number = random.Random(len(bytes_of)).randbytes(2 * STALL), len(bytes_of)
        urls.append(server.put(f"/file-{number:02}.bin", data, stall_after=STALL))
        bytes_of[urls[-1]] = data
    code, printed = await all_three.containers["reactor-1"].run("reactor", "add", *urls)
    assert code == 0, printed


def stalled(server: FileServer) -> set[str]:
    return {request.path for request in server.log if request.sent == STALL}


def look(all_three: Together, bytes_of: Mapping[str, bytes]) -> None:
    """Every file is where its row says, on the disk of the machine that has told so; and there is no other."""
    rows = {row["id"]: row for row in all_three.rows()}
    assert {row["url"] for row in rows.values()} == bytes_of.keys()
    completed = all_three.completed()
    assert [id for id, _ in completed] == sorted(rows), "each once"
    for id, name in completed:
        assert str(Path(rows[id]["file_path"]).parent) == all_three.goal(name), "a row's path says where it is"
    paths = {id: all_three.here(name, rows[id]["file_path"]) for id, name in completed}
    assert all_three.found() == Counter(paths.values())
    for id, path in paths.items():
        assert path.read_bytes() == bytes_of[rows[id]["url"]], path


@contextmanager
def as_the_service(service: Mapping[str, Any]) -> Iterator[Server]:
    """A server as the image of PostgreSQL makes it of its variables: that user is its administrator, and whoever comes
    over the network needs the password. It is there when the service's own check says so."""
    told = service["environment"]
    user, password, name = (filled(told[f"POSTGRES_{each}"], ENV) for each in ("USER", "PASSWORD", "DB"))
    with serving(listen_addresses=ADDRESS) as server:
        server.sql(f"CREATE ROLE {user} SUPERUSER LOGIN PASSWORD '{password}'")
        server.sql(f"CREATE DATABASE {name} OWNER {user}")
        access = "local all all trust\nhost all all all scram-sha-256\n"
        (server.folder / "data" / "pg_hba.conf").write_text(access)
        server.sql("SELECT pg_reload_conf()")
        check = [program("pg_isready"), *service["healthcheck"]["test"][2:]]
        subprocess.run(check, env={**os.environ, "PGHOST": str(server.folder)}, check=True)
        yield server
