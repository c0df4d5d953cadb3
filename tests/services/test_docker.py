"""What contrib/docker describes: no engine is needed to see that it fits the program, and is as closed as promised."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from reactor.aria2 import methods
from reactor.aria2.connection import Aria2Connection
from reactor.settings import NAMES
from tests.aria2.conftest import system_aria2c
from tests.bots.modules import settings
from tests.cli.command import ROOT
from tests.real.elsewhere import elsewhere, listening
from tests.real.harness import running
from tests.real.swarm import free_port
from tests.services.image import FOLDER, instructions, services

COMPOSE = ("compose.yaml", "compose.aria2c.yaml", "compose.metrics.yaml", "compose.shared.yaml")
MACHINES = "compose.postgres.yaml"
BOTS = {"compose.telegram.yaml": "telegram", "compose.discord.yaml": "discord"}
FOREIGN = {"HOME", "PATH"}
"""Variables that are no settings."""


def test_the_image_is_made_of_what_there_is_and_runs_as_nobody() -> None:
    made = instructions()
    for name, arguments in made:
        if name == "COPY" and not arguments.startswith("--from"):
            *sources, _ = arguments.replace("${BOT}", "telegram").split()
            assert [source for source in sources if not list(ROOT.glob(source))] == []
            assert not {"contrib/telegram", "contrib/telegram/*"} & set(sources), "nobody's .env, nor a database"
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", (FOLDER / "Containerfile").read_text())
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras.split(",")) <= known.keys()
    users = [arguments for name, arguments in made if name == "USER"]
    assert users == ["reactor", "root", "reactor"], "root only to install a bot"
    assert made[-1] == ("FROM", "reactor"), "what is built without a target"
    environment = " ".join(arguments for name, arguments in made if name == "ENV")
    names = set(re.findall(r"(\w+)=", environment))
    assert names - FOREIGN - {"START_REACTOR"} <= {name.upper() for name in NAMES}


@pytest.mark.variants(1)
@pytest.mark.parametrize(("name", "folder"), BOTS.items())
def test_one_command_runs_a_bot_beside_the_reactor(name: str, folder: str) -> None:
    ours, reactor = services(name), services("compose.yaml")["reactor"]
    own = settings(folder, "config" if folder == "telegram" else "client")
    known = {each.upper() for each in (*NAMES, *own)}
    built = ours["bot"]["build"]
    assert (built["target"], built["args"]) == ("bot", {"BOT": folder})
    assert ("FROM", "reactor AS bot") in instructions()
    for service in ours.values():
        assert set(service["environment"]) <= known
        assert service["image"] == ours["bot"]["image"]
        assert service["volumes"] == reactor["volumes"], "the same database and files"
        assert "reactor" in service["depends_on"]
        program = Path((service.get("command") or [dict(instructions())["CMD"].strip('["]')])[0])
        assert program.parent == Path("/usr/local/lib/bot")
        assert (ROOT / "contrib" / folder / program.name).is_file()
    assert f"COMPOSE_FILE=compose.yaml:{name}" in (FOLDER / "README.md").read_text() or folder == "discord"


@pytest.mark.parametrize("name", COMPOSE)
def test_the_settings_of_a_container_are_settings(name: str) -> None:
    for service in services(name).values():
        assert set(service["environment"]) <= {name.upper() for name in NAMES}


def test_three_machines_serve_one_queue_and_each_has_its_own_name_and_disk() -> None:
    there = services(MACHINES)
    server = there.pop("postgres")
    assert len(there) == 3
    known = {name.upper() for name in NAMES}
    alone = services("compose.yaml")["reactor"]
    for name, service in there.items():
        assert set(service["environment"]) <= known
        assert service["environment"]["MACHINE_NAME"] == name
        assert service["environment"]["DOWNLOAD_DIR"] == f"/data/{name}", "a row's path says on whose disk it is"
        same = ("image", "build", "restart", "read_only", "tmpfs", "cap_drop", "security_opt", "mem_limit")
        assert {key: service[key] for key in same} == {key: alone[key] for key in same}
        assert service["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    (database,) = {service["environment"]["DOWNLOAD_DB"] for service in there.values()}
    inside = server["environment"]
    user, secret, name = (inside[f"POSTGRES_{each}"] for each in ("USER", "PASSWORD", "DB"))
    assert database == f"postgresql://{user}:{secret}@postgres/{name}"
    assert secret.startswith("${POSTGRES_PASSWORD:?"), "none is in the file"
    assert server["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]
    assert not any("ports" in service for service in (server, *there.values()))
    volumes = [volume for service in there.values() for volume in service["volumes"]]
    assert len(set(volumes)) == 3
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", (FOLDER / "Containerfile").read_text())
    assert "postgres" in extras.split(",")


def test_beside_another_file_their_files_are_on_one_disk() -> None:
    there, shared = services(MACHINES), services("compose.shared.yaml")
    assert shared.keys() == there.keys() - {"postgres"}
    (folder,) = {service["environment"]["DOWNLOAD_DIR"] for service in shared.values()}
    assert {tuple(service["volumes"]) for service in shared.values()} == {(f"files:{folder}",)}
    (made,) = [arguments for name, arguments in instructions() if name == "RUN" and "install -d" in arguments]
    assert folder in made.split(), "a folder that is the user's, or the volume would not be"


def test_a_container_may_do_no_more_than_it_needs() -> None:
    bots = [service for name in BOTS for service in services(name).values()]
    for service in (services("compose.yaml")["reactor"], services("compose.aria2c.yaml")["aria2c"], *bots):
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert {"mem_limit", "pids_limit", "stop_grace_period", "tmpfs"} <= service.keys()
        assert "ports" not in service


def test_the_seccomp_profile_leaves_what_the_sandbox_of_a_browser_is_made_of() -> None:
    profile = json.loads((FOLDER / "seccomp.json").read_text())
    refused = {name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ERRNO" for name in rule["names"]}
    assert not refused & {"clone", "clone3", "unshare", "chroot", "seccomp", "capset", "prctl"}
    assert {"mount", "bpf", "init_module", "kexec_load", "setns", "keyctl"} <= refused


def test_metrics_for_a_neighbour_are_at_the_port_that_the_check_asks() -> None:
    inside = re.search(r"METRICS_ADDRESS=\S+:(\d+)", (FOLDER / "Containerfile").read_text())
    (service,) = services("compose.metrics.yaml").values()
    assert inside is not None
    assert service == {"environment": {"METRICS_ADDRESS": f"0.0.0.0:{inside[1]}"}}


@pytest.mark.nightly
async def test_its_health_is_whether_it_serves(tmp_path: Path) -> None:
    """The check of the image, at another port: with an aria2c, after its death, with it again."""
    (line,) = [arguments for name, arguments in instructions() if name == "HEALTHCHECK"]
    address = re.search(r"METRICS_ADDRESS=(\S+)", (FOLDER / "Containerfile").read_text())
    assert address
    assert f"http://{address[1]}/readyz" in line
    port = free_port()
    check = json.loads(line.partition("CMD ")[2].replace(address[1], f"127.0.0.1:{port}"))

    async def healthy() -> bool:
        process = await asyncio.create_subprocess_exec(sys.executable, *check[1:], stderr=subprocess.DEVNULL)
        return await process.wait() == 0

    assert not await healthy()
    metrics = {"METRICS_ADDRESS": f"127.0.0.1:{port}"}
    async with elsewhere(tmp_path / "there") as aria2c, running(tmp_path, **aria2c.settings(**metrics)) as reactor:
        assert await healthy()
        await aria2c.kill()
        await reactor.until(lambda: reactor.events("aria2_lost"))
        assert not await healthy()
        await aria2c.start()
        await reactor.until(lambda: len(reactor.events("aria2_connected")) == 2)
        assert await healthy()


@pytest.mark.nightly
async def test_the_aria2c_apart_keeps_its_secret_out_of_its_command_line(tmp_path: Path) -> None:
    """Its entry point, with other paths and another port; without the program that is pid 1."""
    entry = services("compose.aria2c.yaml")["aria2c"]["entrypoint"]
    assert entry[:2] == ["tini", "--"]
    *shell, script = entry[2:]
    port = free_port()
    script = script.replace("$$", "$").replace("/etc/reactor/aria2.conf", str(ROOT / "aria2.conf"))
    script = script.replace("/run/aria2c", str(tmp_path)).replace("/data/files", str(tmp_path))
    script = script.replace("rpc-listen-port=6800", f"rpc-listen-port={port}\nenable-dht=false")
    script = script.replace("exec aria2c", f"exec {system_aria2c().path}")
    secret = "kept-to-ourselves"
    process = await asyncio.create_subprocess_exec(
        *(*shell, script), env=os.environ | {"ARIA2C_RPC_SECRET": secret}, stdin=subprocess.DEVNULL
    )
    try:
        await listening("127.0.0.1", port)
        async with Aria2Connection(f"ws://127.0.0.1:{port}/jsonrpc", secret) as aria2:
            await aria2.wait_connected()
            assert (await aria2.call(methods.get_global_option()))["rpc-listen-all"] == "true"
        assert secret not in Path(f"/proc/{process.pid}/cmdline").read_text()
        assert (tmp_path / "aria2c.conf").stat().st_mode & 0o077 == 0
    finally:
        process.kill()
        await process.wait()
