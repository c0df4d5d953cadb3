"""A bot as a person has it: its folder copied from contrib/, its own processes, the real reactor beside it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bots import discord_api
from tests.bots.discord_api import Discord
from tests.bots.telegram import ANN, TOKEN, BotApi
from tests.real.harness import PATIENCE_S, Reactor, running
from tests.servers import FileServer

CONTRIB = Path(__file__).parents[2] / "contrib"


@dataclass
class Program:
    """One program of a copied folder, and what it has printed."""

    folder: Path
    name: str
    environment: dict[str, str]
    process: asyncio.subprocess.Process | None = field(default=None, init=False)
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / f"{self.name}.log"

    async def start(self) -> None:
        """Start it; it goes on printing to the same file."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, str(self.folder / self.name)),
                cwd=self.folder.parent,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it, unless it has ended, and wait for its end; its exit code."""
        assert self.process is not None
        if self.runs:
            self.process.send_signal(number)
        return await self.ended()

    async def ended(self) -> int:
        """Wait until it ends by itself; its exit code."""
        assert self.process is not None
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()

    @property
    def printed(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


@dataclass
class Place:
    """Everything together: who talks, what serves, what downloads, what sends."""

    api: BotApi
    server: FileServer
    reactor: Reactor
    bot: Program
    uploader: Program

    async def until_row(self, id: int, status: str) -> None:
        """Wait until a row has this status."""
        await self.api.until(lambda: [row for row in self.reactor.rows(id) if row["status"] == status])


def copied(name: str, folder: Path) -> Path:
    """A copy of a bot's folder, without what a run leaves in it."""
    place = folder / f"my-{name}-bot"
    shutil.copytree(CONTRIB / name, place, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return place


@asynccontextmanager
async def telegram(folder: Path, *, local: bool = False, serving: bool = True, **settings: str) -> AsyncIterator[Place]:
    """The Telegram bot, ready for Ann, beside a reactor of its own; its uploader is not started."""
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(BotApi(local=local))
        server = await stack.enter_async_context(FileServer())
        reactor = (
            await stack.enter_async_context(running(folder, **settings)) if serving else Reactor(folder, **settings)
        )
        own = {
            "BOT_TOKEN": TOKEN,
            "BOT_API_URL": api.url,
            "ALLOWED_USERS": str(ANN),
            "EDIT_INTERVAL": "0.1",
            "START_REACTOR": "false",
        }
        environment = reactor.environment | own | settings
        place = copied("telegram", folder)
        bot, uploader = Program(place, "bot.py", environment), Program(place, "upload.py", environment)
        await bot.start()
        for program in (uploader, bot):
            stack.push_async_callback(_stopped, program)
        yield Place(api, server, reactor, bot, uploader)


@dataclass
class DiscordPlace:
    """The same of the Discord bot, which sends files itself."""

    discord: Discord
    server: FileServer
    reactor: Reactor
    bot: Program

    def about(self, *words: str) -> discord_api.Message:
        """The latest message in which all these words stand."""
        message = self.discord.about(*words)
        assert message is not None
        return message


@asynccontextmanager
async def discord(
    folder: Path, *, serving: bool = True, guilds: Mapping[int, int] = {}, **settings: str
) -> AsyncIterator[DiscordPlace]:
    """The Discord bot, ready for Ann, beside a reactor of its own; `guilds` are those of channels."""
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(Discord())
        api.guilds = dict(guilds)
        server = await stack.enter_async_context(FileServer())
        reactor = (
            await stack.enter_async_context(running(folder, **settings)) if serving else Reactor(folder, **settings)
        )
        own = {
            "DISCORD_TOKEN": discord_api.TOKEN,
            "DISCORD_API_URL": api.url,
            "ALLOWED_USERS": f"{ANN}",
            "EDIT_INTERVAL": "0.1",
            "START_REACTOR": "false",
        }
        bot = Program(copied("discord", folder), "bot.py", reactor.environment | own | settings)
        await bot.start()
        stack.push_async_callback(_stopped, bot)
        yield DiscordPlace(api, server, reactor, bot)


async def _stopped(program: Program) -> None:
    if program.runs:
        await program.stop()
