"""The containers of contrib/docker, of the images that its Containerfile makes, started as the compose files say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.bots import discord_api
from tests.bots.discord_api import Discord
from tests.bots.evening import BODY, evening
from tests.bots.telegram import ANN, BOB, TOKEN, BotApi
from tests.media.samples import Samples
from tests.real.swarm import free_port, swarm_in
from tests.servers import FileServer
from tests.services.image import Container, Machine, machine, services
from tests.services.test_systemd_runs import rows_of

OURS = {
    "ALLOWED_PRIVATE_HOSTS": "127.0.0.0/8",
    "MAX_CONCURRENT_DOWNLOADS": "1",
    "HOST_MAX": "0",
    "YTDLP_FORMAT": "best",
}
ENDED = (0, 143)
"""In order: by itself, or by SIGTERM as tini says it."""


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.needs("unshare", "tini")
async def test_they_serve_the_people_of_both_bots(tmp_path: Path, samples: Samples) -> None:
    async with FileServer() as server, machine(tmp_path / "machine") as there:
        await an_evening_of_telegram(tmp_path, there, server, samples)
        await a_file_of_discord(tmp_path, there, server)


async def an_evening_of_telegram(folder: Path, there: Machine, server: FileServer, samples: Samples) -> None:
    async with BotApi() as api, swarm_in(folder / "swarm") as swarm:
        place, beside = folder / "telegram", services("compose.telegram.yaml")
        reactor = await the_reactor(there, place)
        image = await there.build("bot", BOT="telegram")
        known = {"BOT_TOKEN": TOKEN, "ALLOWED_USERS": f"{ANN},{BOB}"}
        bot, uploader = [
            await there.start(image, beside[name], place, known, BOT_API_URL=api.url, EDIT_INTERVAL="0.1")
            for name in ("bot", "uploader")
        ]
        await evening(api, server, swarm, samples, lambda: rows_of(place / "data" / "downloads.db"))
        for container in (uploader, bot, reactor):
            await check(container)
            assert await container.stop() in ENDED, container.log.read_text()


async def a_file_of_discord(folder: Path, there: Machine, server: FileServer) -> None:
    async with Discord() as discord:
        place = folder / "discord"
        reactor = await the_reactor(there, place)
        image = await there.build("bot", BOT="discord")
        known = {"DISCORD_TOKEN": discord_api.TOKEN, "ALLOWED_USERS": f"{discord_api.ANN}"}
        service = services("compose.discord.yaml")["bot"]
        bot = await there.start(image, service, place, known, DISCORD_API_URL=discord.url)
        await discord.until(lambda: discord.ready)
        discord.command("get", links=server.put("/sent.bin", BODY))
        await discord.until(lambda: discord.files() == [("sent.bin", BODY)])
        for container in (bot, reactor):
            await check(container)
            assert await container.stop() in ENDED, container.log.read_text()


async def the_reactor(there: Machine, place: Path) -> Container:
    """It serves, by what its image calls healthy, and has all programs, by what its README asks."""
    image = await there.build("reactor")
    address = f"127.0.0.1:{free_port()}"
    container = await there.start(
        image, services("compose.yaml")["reactor"], place, {}, **OURS, METRICS_ADDRESS=address
    )
    health = [re.sub(r"127\.0\.0\.1:\d+", address, word) for word in image.health]
    while (await container.run(*health))[0]:
        assert container.process.returncode is None, container.log.read_text()
    code, said = await container.run("reactor", "doctor")
    assert code == 0, said
    assert "shows pages" in said, "in the sandbox of its browser"
    return container


async def check(container: Container) -> None:
    """It is as closed as its service says."""
    tried = "cat /proc/1/status; id -u; touch /data/a; cd /tmp; touch b; touch /etc/c"
    _, said = await container.run("sh", "-c", tried)
    assert "CapBnd:\t0000000000000000\n" in said
    assert "NoNewPrivs:\t1\n" in said
    assert said.endswith("10001\ntouch: cannot touch '/etc/c': Read-only file system\n"), said
