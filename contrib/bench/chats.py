"""Chats with the Telegram bot as its README has it: its own folder and `.env`, reactor as its child, and the process
that sends files. Telegram is a server on loopback, which keeps of a file no more than its size."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrib.bench.servers import PATIENCE_S
from contrib.bench.subjects import LINES, write_conf
from contrib.bench.validity import Invalid
from reactor.settings import SETTING_NAMES
from tests.bots.copied import Program, copied
from tests.bots.telegram import TOKEN, BotApi

LOOK_S = 0.05


class Telegram(BotApi):
    """What has arrived there."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived: Counter[tuple[int, str]] = Counter()
        """Bytes by chat and name up to the first dot, so that the pieces of a file are one."""

    def _file_sent(self, kind: str, parameters: dict[str, Any], album: int | None = None) -> Any:
        result = super()._file_sent(kind, parameters, album)
        message = self.messages[result["message_id"]]
        self.arrived[message.chat_id, (message.file_name or "").partition(".")[0]] += len(message.content or b"")
        message.content = None
        self.known.clear()
        return result


@dataclass(frozen=True)
class Chats:
    """A bot that answers."""

    telegram: Telegram
    database: Path
    programs: tuple[Program, ...]

    def check(self) -> None:
        """Raises Invalid, with their last words, when one of its processes has ended."""
        for program in self.programs:
            if not program.runs:
                said = program.printed.splitlines()[-LINES:]
                raise Invalid("\n  ".join([f"{program.name} has ended, and said last:", *said]))


@asynccontextmanager
async def chats(folder: Path, users: Iterable[int], settings: Mapping[str, str]) -> AsyncIterator[Chats]:
    """A bot for these people, ready, in a folder of its own."""
    async with Telegram() as telegram, AsyncExitStack() as stack:
        place = copied("telegram", folder)
        written = {
            "BOT_TOKEN": TOKEN,
            "BOT_API_URL": telegram.url,
            "ALLOWED_USERS": ",".join(map(str, users)),
            "ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
            "ARIA2C_CONF": str(write_conf(folder, log=False)),
            **settings,
        }
        (place / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in written.items()))
        programs = tuple(Program(place, name, _environment(written)) for name in ("bot.py", "upload.py"))
        for program in programs:
            await program.start()
            stack.push_async_callback(_stopped, program)
            there = Chats(telegram, place / "downloads.db", tuple(each for each in programs if each.process))
            await _until_greeted(there)
        yield there


def _environment(written: Iterable[str]) -> dict[str, str]:
    """Ours, without what says something else than the bot's `.env`, and what changes how Python runs."""
    ours = {*(name.upper() for name in SETTING_NAMES), *written}
    return {name: value for name, value in os.environ.items() if name not in ours and not name.startswith("PYTHON")}


async def _until_greeted(there: Chats) -> None:
    """Wait until each of the processes has asked who it is."""
    deadline = time.monotonic() + PATIENCE_S
    while len(there.telegram.called("getMe")) < len(there.programs):
        there.check()
        if time.monotonic() > deadline:
            raise Invalid(f"{there.programs[-1].name} does not come to serve")
        await asyncio.sleep(LOOK_S)


async def _stopped(program: Program) -> None:
    if program.runs:
        await program.stop()
