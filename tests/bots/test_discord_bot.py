"""The Discord bot, end to end: people, a server that speaks its API and gateway, the reactor, aria2c and files."""

from __future__ import annotations

import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bots.copied import Program, copied
from tests.bots.discord_api import ANN, BOB, OTHER_CHANNEL, TOKEN, Discord, Message
from tests.real.harness import Reactor, running
from tests.servers import FileServer

BODY = random.Random(6).randbytes(400_000)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Place:
    discord: Discord
    server: FileServer
    reactor: Reactor
    bot: Program

    def about(self, *words: str) -> Message:
        message = self.discord.about(*words)
        assert message is not None
        return message


@asynccontextmanager
async def discord(folder: Path, *, serving: bool = True, **settings: str) -> AsyncIterator[Place]:
    """The Discord bot, ready for Ann, beside a reactor of its own."""
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(Discord())
        server = await stack.enter_async_context(FileServer())
        reactor = (
            await stack.enter_async_context(running(folder, **settings)) if serving else Reactor(folder, **settings)
        )
        own = {
            "DISCORD_TOKEN": TOKEN,
            "DISCORD_API_URL": api.url,
            "ALLOWED_USERS": f"{ANN}",
            "EDIT_INTERVAL": "0.1",
            "START_REACTOR": "false",
        }
        bot = Program(copied("discord", folder), "bot.py", reactor.environment | own | settings)
        await bot.start()
        stack.push_async_callback(_stopped, bot)
        yield Place(api, server, reactor, bot)


async def _stopped(program: Program) -> None:
    if program.runs:
        await program.stop()


async def test_links_become_messages_that_move_and_then_files(tmp_path: Path) -> None:
    async with discord(tmp_path, UPLOAD_LIMIT_MB="1") as place:
        api, server = place.discord, place.server
        await api.until(lambda: api.ready)
        assert {command["name"] for command in api.commands} == {"get", "queue", "cancel", "retry", "status"}
        api.later = 1
        film = server.put("/film.bin", BODY, rate=200_000)
        hostile = server.put("/_x_**y**[z](http:a).bin", BODY)
        api.command("get", links=f"{film} and {server.url('/none')} {film} {hostile}")
        await api.until(lambda: api.replies == ["Taken: 3 of 3."])
        await api.until(lambda: api.about("film.bin", "Here it is"))
        assert [text for text in place.about("film.bin").history if "▓" in text]
        await api.until(lambda: api.about("none", "❌", "404"))
        await api.until(lambda: api.about("Here it is", "\\_x\\_"))
        assert api.files()[0] == ("film.bin", BODY)
        assert len(api.files()) == 2

        server.put("/none", BODY * 4)
        failed = place.about("none", "❌")
        api.press(failed, "Try again")
        await api.until(lambda: "Too large for Discord" in failed.content)
        assert [row["status"] for row in place.reactor.rows()] == ["uploaded", "downloaded", "uploaded"]

        api.command("get", links=server.put("/stalls.bin", BODY, stall_after=50_000))
        await api.until(lambda: api.about("stalls.bin", "▓"))
        api.command("queue")
        await api.until(lambda: api.replies[-1] == "#4 stalls.bin (fetching)")
        api.press(place.about("stalls.bin"), "Cancel")
        await api.until(lambda: api.about("stalls.bin", "Cancelled"))
        assert place.about("stalls.bin").buttons.keys() == {"Try again"}
        api.command("cancel", number=4)
        await api.until(lambda: api.replies[-1] == "#4 is not under way.")
        api.command("get", links="nothing")
        await api.until(lambda: api.replies[-1] == "There is no link in that.")


async def test_strangers_and_other_channels_change_nothing(tmp_path: Path) -> None:
    async with discord(tmp_path, MAX_WAITING="1") as place:
        api, server = place.discord, place.server
        await api.until(lambda: api.ready)
        url = server.put("/film.bin", BODY, stall_after=1000)
        api.command("get", by=BOB, links=url)
        await api.until(lambda: len(api.replies) == 1)
        assert f"`{BOB}`" in api.replies[0]
        assert place.reactor.rows() == []
        api.command("get", links=f"{url} {url}?2")
        await api.until(lambda: len(api.replies) == 2)
        assert api.replies[1] == "Taken: 1 of 2. You can have 1 waiting at once."
        await api.until(lambda: api.about("film.bin"))
        api.press(place.about("film.bin"), "Cancel", by=BOB)
        await api.until(lambda: len(api.replies) == 3)
        assert f"`{BOB}`" in api.replies[2]
        api.command("cancel", channel=OTHER_CHANNEL, number=1)
        await api.until(lambda: len(api.replies) == 4)
        assert "no such download in this channel" in api.replies[3]
        assert place.reactor.row(1)["cancelled"] == 0


async def test_a_bot_and_a_reactor_that_were_killed_go_on(tmp_path: Path) -> None:
    async with discord(tmp_path, serving=False, START_REACTOR="true") as place:
        api, server = place.discord, place.server
        await api.until(lambda: api.ready)
        api.command("get", links=server.put("/film.bin", BODY, stall_after=100_000))
        await api.until(lambda: api.about("film.bin", "▓"))
        api.command("status")
        await api.until(lambda: len(api.replies) == 2)
        assert "**running**" in api.replies[1]
        await place.bot.stop(signal.SIGKILL)
        await api.until(lambda: not api.ready)
        await place.bot.start()
        await api.until(lambda: api.ready)
        server.release()
        await api.until(lambda: api.about("film.bin", "Here it is"))
        assert len([m for m in api.messages.values() if m.content]) == 1
        assert api.files() == [("film.bin", BODY)]
        assert await place.bot.stop() == 0


async def test_a_wrong_setting_ends_the_bot_with_one_sentence(tmp_path: Path) -> None:
    async with discord(tmp_path, serving=False, DISCORD_TOKEN="another") as place:
        assert await place.bot.ended() == 1
        assert place.bot.printed.splitlines()[-1].startswith("bot: DISCORD_TOKEN: Discord does not know this token.")
        place.bot.environment |= {"DOWNLOAD_DIR": str(tmp_path / "bot.db"), "START_REACTOR": "true"}
        await place.bot.start()
        assert await place.bot.ended() == 1
        assert place.bot.printed.splitlines()[-1].startswith("bot: ")
        assert "Traceback" not in place.bot.printed
