"""A Discord bot in one file: links in, files out. README.md tells how to set it up.

All it has to know is in the table `downloads`, so it may be killed and started again at any time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path, PurePath
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import aiohttp
import aiosqlite
import anyio
import discord
from discord import app_commands
from discord.utils import escape_markdown
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from yarl import URL

from reactor import Queue, Runner
from reactor.errors import ReactorError
from reactor.models import Download
from reactor.settings import Settings

LINK = re.compile(r"(?:https?://|magnet:\?)[^\s<>\"]{1,8000}", re.IGNORECASE)
LISTED_MAX, SENTENCE_MAX, BAR, AGAIN_S = 20, 600, 12, 5.0
TROUBLE = (ReactorError, sqlite3.Error, discord.DiscordException, aiohttp.ClientError, OSError)
STRANGER = "This bot serves only those its owner has named. Your user id is `{}`: its owner can add it to its list."
log = logging.getLogger("bot")


class Config(BaseSettings):
    """The bot's settings, from `.env` and the environment; README.md says what each is."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True)

    discord_token: SecretStr = SecretStr("")
    allowed_users: str = ""
    discord_api_url: str = ""
    upload_limit_mb: int = 10
    edit_interval: float = 3.0
    max_waiting: int = 20
    start_reactor: bool = True


# What a message says


def about(row: Download) -> str:
    """The text of a row's message: what it is, and how it goes."""
    return f"**{safe(name_of(row))}**\n{_state(row)}"


def name_of(row: Download) -> str:
    """The title, or what the link says; clean and short, not escaped."""
    try:
        parts = urlsplit(row.url)
        named = PurePath(unquote(parts.path)).name or parts.hostname or ""
    except ValueError:
        named = ""
    return plain(row.title or named, 120) or f"Download {row.id}"


def plain(text: str, most: int) -> str:
    """One line of at most `most` characters, without signs that cannot be seen or turn the text around."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 4 * most]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def safe(text: str) -> str:
    """A stranger's text that Discord shows as it is."""
    return escape_markdown(text, ignore_links=False).replace("<", "\\<")


def size(count: float) -> str:
    """Bytes for a person."""
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def _state(row: Download) -> str:
    done = f" ({size(row.file_size)})" if row.file_size else ""
    why = plain(str(row.extra.get("upload_error") or ""), SENTENCE_MAX)
    if row.status in ("pending", "downloading") and row.cancelled:
        return "✋ Stopping …"
    if row.status == "downloading":
        looking = row.stage in ("detecting", "extracting")
        return "🔎 Finding out what there is to fetch …" if looking else _moving(row)
    known = {
        "pending": "🕑 It is tried again soon." if row.stage == "waiting" else "🕑 In the queue",
        "downloaded": f"✅ Downloaded{done}" + (f".\n⚠️ {safe(why)}" if why else ""),
        "uploading": f"⬆️ Sending{done} …",
        "uploaded": f"📨 Here it is{done}",
        "cancelled": "✋ Cancelled",
        "failed": f"❌ {safe(plain(row.error or 'It failed.', SENTENCE_MAX))}",
    }
    return known.get(row.status) or safe(plain(row.status, 40))


def _moving(row: Download) -> str:
    percent, eta = min(100.0, max(0.0, row.progress or 0.0)), row.eta_seconds
    full = round(percent / 100 * BAR)
    drawn = f"{'🧩 Joining' if row.stage == 'finishing' else '⬇️'} {'▓' * full}{'░' * (BAR - full)} {percent:.0f} %"
    speed = f" · {size(row.download_speed * 1024 * 1024)}/s" if row.download_speed else ""
    return drawn + speed + (f" · {eta // 60}:{eta % 60:02} left" if eta is not None else "")


# The bot's own columns


class Store:
    """Who asked (`channel_id`, `user_id`), where it is told (`message_id`) and what that message says (`shown`), and
    why a file could not be sent (`upload_error`)."""

    COLUMNS = ("channel_id", "user_id", "message_id", "shown", "upload_error")
    SAYS = "(coalesce(status, '') || coalesce(stage, '') || coalesce(cancelled, '') || coalesce(upload_error, ''))"
    INDEXES = (
        f"bot_untold ON downloads (channel_id) WHERE channel_id IS NOT NULL AND shown IS NOT {SAYS}",
        "bot_waiting ON downloads (user_id) WHERE status IN ('pending', 'downloading')",
        "bot_unsent ON downloads (id) WHERE status = 'downloaded' AND upload_error IS NULL",
    )

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator[Self]:
        """Add what the table of an open Queue lacks. What was being sent when the bot ended is to be sent again."""
        async with aiosqlite.connect(path, isolation_level=None, timeout=120) as connection:
            connection.text_factory = lambda text: text.decode("utf-8", "replace")
            store = cls(connection)
            there = {column[1] for column in await store.all("PRAGMA table_info(downloads)")}
            missing = [f"ALTER TABLE downloads ADD COLUMN {column}" for column in cls.COLUMNS if column not in there]
            for statement in [*missing, *(f"CREATE INDEX IF NOT EXISTS {index}" for index in cls.INDEXES)]:
                await store.all(statement)
            await store.all("UPDATE downloads SET status = 'downloaded' WHERE status = 'uploading'")
            yield store

    async def all(self, sql: str, *values: Any) -> list[Any]:
        return list(await self._connection.execute_fetchall(sql, values))

    async def untold(self) -> list[tuple[int, str]]:
        """(download, what its message has to say) where a message may be out of date; news first."""
        return await self.all(
            f"""SELECT id, {self.SAYS} FROM downloads WHERE channel_id IS NOT NULL AND shown IS NOT {self.SAYS}
            UNION ALL SELECT id, {self.SAYS} FROM downloads
            WHERE status = 'downloading' AND channel_id IS NOT NULL AND shown IS {self.SAYS}"""
        )

    async def claim_upload(self) -> int | None:
        """Take the next finished download that nobody has sent."""
        sql = """UPDATE downloads SET status = 'uploading' WHERE status = 'downloaded' AND id = (SELECT min(id) FROM
            downloads WHERE status = 'downloaded' AND upload_error IS NULL AND channel_id IS NOT NULL) RETURNING id"""
        return next((id for (id,) in await self.all(sql)), None)


# Telling and sending


class Board:
    """Keeps the messages up to date and sends what has arrived."""

    def __init__(self, client: Fetcher) -> None:
        self._client, self._queue, self._store, self._config = client, client.queue, client.store, client.config
        self._texts: dict[int, str] = {}  # what the messages of downloads under way say

    async def follow(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do this work now and after every change of the database, until cancelled."""
        while True:
            try:
                async with aclosing(self._queue.changes()) as beats:
                    async for _ in beats:
                        await work()
            except TROUBLE as error:
                log.warning("%s; going on in %.0f s", error, AGAIN_S)
                await anyio.sleep(AGAIN_S)

    async def tell(self) -> None:
        """Bring all messages up to date. discord.py itself waits where Discord says "later"."""
        while [id for id, says in await self._store.untold() if await self._tell(id, says)]:
            pass

    async def _tell(self, id: int, says: str) -> bool:
        row = await self._queue.get(id)
        text = about(row) if row else ""
        if row is None or (text == self._texts.get(id) and row.extra["shown"] == says):
            return False
        message_id, new = row.extra["message_id"], text != self._texts.get(id)
        if new:
            before, message_id = message_id, await self._say(row, message_id, text)
            if before and not message_id:  # it was deleted: news are told by a new one
                says, text = row.extra["shown"], ""
        self._texts[id] = text
        if row.status not in ("pending", "downloading"):
            self._texts.pop(id)
        await self._store.all("UPDATE downloads SET shown = ?, message_id = ? WHERE id = ?", says, message_id, id)
        if new:
            await anyio.sleep(self._config.edit_interval)
        return new

    async def _say(self, row: Download, message_id: int | None, text: str) -> int | None:
        """Edit the message of a row, or send one; its id. None when that was deleted, or nobody can be told."""
        channel = self._client.get_partial_messageable(row.extra["channel_id"])
        try:
            if message_id is None:
                return (await channel.send(text, view=buttons(row) or discord.ui.View(), suppress_embeds=True)).id
            return (await channel.get_partial_message(message_id).edit(content=text, view=buttons(row))).id
        except (discord.NotFound, discord.Forbidden) as error:
            log.warning("Download %s cannot be told: %s", row.id, error)
            return None

    async def send(self) -> None:
        """Send what has arrived, one file after the other."""
        while (id := await self._store.claim_upload()) is not None:
            why = await self._send(row) if (row := await self._queue.get(id)) else None
            status = "downloaded" if why else "uploaded"
            await self._store.all("UPDATE downloads SET status = ?, upload_error = ? WHERE id = ?", status, why, id)

    async def _send(self, row: Download) -> str | None:
        """Send the file of a row. Why it stays here, or None."""
        path, limit = anyio.Path(row.file_path or "-"), self._config.upload_limit_mb * 1_000_000
        try:
            if not await path.is_file():
                return "There is no single file of it on this machine, and Discord takes nothing else."
            if (await path.stat()).st_size > limit:
                return f"Too large for Discord, which takes {size(limit)} from a bot. It stays on the server."
            file = discord.File(path, plain(path.stem, 100) + plain(path.suffix, 20))
            await self._client.get_partial_messageable(row.extra["channel_id"]).send(file=file)
        except (discord.HTTPException, OSError) as error:
            return f"It could not be sent: {plain(str(error), 200)}"
        return None


def buttons(row: Download) -> discord.ui.View | None:
    """What can be done about a download."""
    again = row.status in ("failed", "cancelled") or (row.status == "downloaded" and row.extra["upload_error"])
    if not again and row.status not in ("pending", "downloading"):
        return None
    return discord.ui.View(timeout=None).add_item(Press("retry" if again else "cancel", row.id))


class Press(discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"(?P<verb>cancel|retry):(?P<id>\d{1,18})"):
    """A button below a download's message. It works after a restart, too: all it needs is in its id."""

    def __init__(self, verb: str, id: int) -> None:
        label = {"cancel": "Cancel", "retry": "Try again"}[verb]
        super().__init__(discord.ui.Button(label=label, custom_id=f"{verb}:{id}"))
        self.verb, self.download_id = verb, id

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: Any, match: re.Match[str], /) -> Press:
        return cls(match["verb"], int(match["id"]))

    async def interaction_check(self, interaction: Any, /) -> bool:
        return bool(await interaction.client.tree.interaction_check(interaction))

    async def callback(self, interaction: Any) -> None:
        await press(interaction, self.verb, self.download_id)


# What people say


class Door(app_commands.CommandTree["Fetcher"]):
    """Lets in those who are named. Tells a stranger their id, so that the owner can name them."""

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        if interaction.user.id in self.client.users_allowed:
            return True
        await answer(interaction, STRANGER.format(interaction.user.id))
        return False


class Fetcher(discord.Client):
    """The bot's connection to Discord. It needs no privileged intent."""

    def __init__(self, config: Config, queue: Queue, store: Store, runner: Runner) -> None:
        super().__init__(intents=discord.Intents.default(), allowed_mentions=discord.AllowedMentions.none())
        self.config, self.queue, self.store, self.runner = config, queue, store, runner
        self.users_allowed = {int(word) for word in re.findall(r"\d+", config.allowed_users)}
        self.tree = Door(self)

    async def setup_hook(self) -> None:
        self.add_dynamic_items(Press)
        for word, what, callback in COMMANDS:
            self.tree.add_command(app_commands.Command(name=word, description=what, callback=callback))
        await self.tree.sync()


Interaction = discord.Interaction[Fetcher]


async def answer(interaction: Interaction, text: str) -> None:
    """Say something that only the one who asked can see."""
    await interaction.response.send_message(text[:2000], ephemeral=True)


async def get(interaction: Interaction, links: str) -> None:
    """Put links into the table; their messages come from the board."""
    client, wanted = interaction.client, list(dict.fromkeys(LINK.findall(links)))
    sql = "SELECT id FROM downloads WHERE user_id = ? AND status IN ('pending', 'downloading')"
    room = max(0, client.config.max_waiting - len(await client.store.all(sql, interaction.user.id)))
    for link in wanted[:room]:
        await client.queue.add(link, channel_id=interaction.channel_id, user_id=interaction.user.id)
    left = f" You can have {client.config.max_waiting} waiting at once." if len(wanted) > room else ""
    taken = f"Taken: {min(len(wanted), room)} of {len(wanted)}.{left}"
    await answer(interaction, taken if wanted else "There is no link in that.")


async def queued(interaction: Interaction) -> None:
    """The downloads of this channel that are not over."""
    sql = "SELECT id FROM downloads WHERE channel_id = ? AND status IN ('pending', 'downloading') ORDER BY id LIMIT ?"
    ids = [id for (id,) in await interaction.client.store.all(sql, interaction.channel_id, LISTED_MAX)]
    rows = [await interaction.client.queue.get(id) for id in ids]
    lines = [f"#{row.id} {safe(name_of(row))} ({row.stage or row.status})" for row in rows if row]
    await answer(interaction, "\n".join(lines) or "Nothing is under way here.")


async def press(interaction: Interaction, verb: str, number: int) -> None:
    """Stop a download of this channel, or try it again, or to send its file."""
    client, row = interaction.client, await interaction.client.queue.get(number)
    if row is None or row.extra["channel_id"] != interaction.channel_id:
        await answer(interaction, "There is no such download in this channel: `/queue` tells their numbers.")
    elif verb == "cancel":
        stopped = await client.queue.cancel(number)
        await answer(interaction, f"Stopping: {safe(name_of(row))}" if stopped else f"#{number} is not under way.")
    else:
        sql = "UPDATE downloads SET upload_error = NULL WHERE id = ? AND status = 'downloaded' RETURNING id"
        again = await client.queue.retry(number) or (row.extra["upload_error"] and await client.store.all(sql, number))
        await answer(interaction, f"Trying again: {safe(name_of(row))}" if again else f"#{number} has not failed.")


async def cancel(interaction: Interaction, number: int) -> None:
    await press(interaction, "cancel", number)


async def retry(interaction: Interaction, number: int) -> None:
    await press(interaction, "retry", number)


async def status(interaction: Interaction) -> None:
    """How the downloader is."""
    now = await interaction.client.runner.status()
    said = f"Downloader: **{now.state}**, process {now.pid}, reactor {now.version}, aria2 {now.aria2}, "
    await answer(interaction, f"{said}{now.restarts} restarts, {len(now.under_way)} under way. {safe(now.error or '')}")


COMMANDS: tuple[tuple[str, str, Any], ...] = (
    ("get", "Fetch these links", get),
    ("queue", "What is under way here and what waits", queued),
    ("cancel", "Stop a download", cancel),
    ("retry", "Try one again that failed", retry),
    ("status", "How the downloader is", status),
)


async def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    config, path = Config(), Settings.load().download_db
    if config.discord_api_url:
        discord.http.Route.BASE = config.discord_api_url
    async with (
        Queue(path) as queue,
        Store.open(path) as store,
        Runner(launch=config.start_reactor) as runner,
        Fetcher(config, queue, store, runner) as client,
    ):
        await client.login(config.discord_token.get_secret_value())
        if config.discord_api_url:
            discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = URL((await client.http.get_bot_gateway())[1])
        async with anyio.create_task_group() as tasks:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, tasks.cancel_scope.cancel)
            board = Board(client)
            tasks.start_soon(board.follow, board.tell)
            tasks.start_soon(board.follow, board.send)
            await client.connect()


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)  # where .env is, and the database
    discord.utils.setup_logging(level=logging.INFO)
    try:
        anyio.run(main)
    except (ReactorError, ValidationError, aiohttp.ClientError) as error:
        sys.exit(f"bot: {error}")
    except discord.LoginFailure:
        sys.exit("bot: DISCORD_TOKEN: Discord does not know this token. Put your application's into .env.")
