"""The Telegram bot as a person has it: it starts the reactor itself, by the guide's own commands, and says what is
wrong with its settings."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.bots.copied import CONTRIB, Place, telegram
from tests.bots.telegram import ANN, BotApi
from tests.real.harness import PATIENCE_S, Reactor, alive
from tests.servers import FileServer

BODY = random.Random(6).randbytes(400_000)
ROOT = CONTRIB.parent


async def status_of(place: Place) -> str:
    """What the bot says of the reactor just now."""
    asked = place.api.say("/status")
    await place.api.until(lambda: place.api.answers(asked))
    return place.api.answers(asked)[0]


def pid_in(status: str) -> int:
    found = re.search(r"process (\d+)", status)
    assert found is not None, status
    return int(found[1])


async def test_a_reactor_that_dies_is_started_again_and_the_download_goes_on(tmp_path: Path) -> None:
    async with telegram(tmp_path, serving=False, START_REACTOR="true") as place:
        api, server = place.api, place.server
        request = api.say(server.put("/film.bin", BODY, rate=100_000))
        await api.until(lambda: "▓" in api.told(request))
        status = await status_of(place)
        assert status.startswith("Downloader: running")
        assert "film.bin (fetching" in status
        assert "Queue: 1 running, 0 waiting." in status
        first = pid_in(status)
        os.kill(first, signal.SIGKILL)
        await api.until(lambda: "Downloaded" in api.about(request).text)
        assert (place.reactor.downloads / "film.bin").read_bytes() == BODY
        status = await status_of(place)
        assert "restarts 1" in status
        second = pid_in(status)
        assert second != first
        assert await place.bot.stop() == 0
        assert not alive(second), "the reactor ends with the bot"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"BOT_TOKEN": ""}, "bot: BOT_TOKEN: Telegram does not know this token."),
        ({"BOT_TOKEN": "123456789:another-token-of-somebody"}, "bot: BOT_TOKEN: Telegram does not know this token."),
        ({"ALLOWED_USERS": "@ann"}, "bot: ALLOWED_USERS: takes user ids (numbers)"),
        ({"EDIT_INTERVAL": "soon"}, "bot: EDIT_INTERVAL: "),
        ({"MAX_CONCURRENT_DOWNLOADS": "many"}, "bot: MAX_CONCURRENT_DOWNLOADS: "),
        ({"ARIA2C_PATH": "no-such-aria2c"}, "bot: "),
    ],
)
async def test_a_wrong_setting_ends_the_bot_with_one_sentence(
    tmp_path: Path, settings: dict[str, str], sentence: str
) -> None:
    async with telegram(tmp_path, local=False, serving=False, **{"START_REACTOR": "true", **settings}) as place:
        assert await place.bot.ended() == 1
        last = place.bot.printed.splitlines()[-1]
        assert last.startswith(sentence), place.bot.printed
        assert "Traceback" not in place.bot.printed
        assert place.bot.environment["BOT_TOKEN"] not in place.bot.printed or not settings.get("BOT_TOKEN")


def blocks(readme: Path) -> list[str]:
    """The commands of a guide, a string for each block."""
    return re.findall(r"```sh\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)


@asynccontextmanager
async def terminal(
    commands: str, folder: Path, environment: dict[str, str], log: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A person's terminal in which a block of commands runs, the last of them until Ctrl+C."""
    with log.open("ab") as shown:
        shell = await asyncio.create_subprocess_exec(
            *("bash", "-ec", commands),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=shown,
            stderr=shown,
            start_new_session=True,
        )
    try:
        yield shell
    finally:
        if shell.returncode is None:
            os.killpg(shell.pid, signal.SIGINT)
        async with asyncio.timeout(PATIENCE_S):
            await shell.wait()


@pytest.mark.nightly
@pytest.mark.timeout(300)
async def test_the_guide_followed_word_for_word_ends_with_a_file(tmp_path: Path) -> None:
    set_up, name_yourself, uploader = blocks(CONTRIB / "telegram" / "README.md")
    reactor = Reactor(tmp_path)
    async with BotApi() as api, FileServer() as server:
        environment = {name: value for name, value in reactor.environment.items() if not name.startswith("DOWNLOAD_")}
        environment |= {
            "HOME": str(tmp_path),
            "BOT_API_URL": api.url,
            # What is to be installed is taken from where the tests run, but for the program itself.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": next(path for path in sys.path if path.endswith("site-packages")),
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        log = tmp_path / "terminal.log"
        async with terminal(set_up, ROOT, environment, log) as shell:
            await api.until(lambda: api.called("setMyCommands") or shell.returncode is not None)
            assert shell.returncode is None, log.read_text()
            asked = api.say("/start")
            await api.until(lambda: api.answers(asked))
            assert api.answers(asked)[0].startswith(f"This bot serves nobody yet. Your user id is {ANN}:")
        home = tmp_path / "telegram-bot"
        async with terminal(name_yourself, home, environment, log), terminal(uploader, tmp_path, environment, log):
            request = api.say(server.put("/film.bin", BODY))
            await api.until(lambda: api.files_sent())
            await api.until(lambda: "Here it is" in api.about(request).text)
        assert [message.content for message in api.files_sent()] == [BODY]
        assert (home / "downloads" / "film.bin").read_bytes() == BODY
