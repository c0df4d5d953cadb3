"""A Discord bot: links in, files out. README.md tells how to set it up.

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
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import anyio
import discord
from discord import app_commands
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from store import Store
from words import about, name_of, plain, safe, size
from yarl import URL

from reactor import Queue, Runner
from reactor.database.engine import lock
from reactor.errors import ReactorError
from reactor.models import Download
from reactor.settings import Settings

LINK = re.compile(r"(?:https?://|magnet:\?)[^\s<>\"]{1,8000}", re.IGNORECASE)
LISTED_MAX, AGAIN_S = 20, 5.0
AWAY = (discord.DiscordException, aiohttp.ClientError, OSError)
TROUBLE = (*AWAY, ReactorError, sqlite3.Error)
UPLOAD_WAITS: tuple[float | None, ...] = (0.5, 2.0, 8.0, 30.0, None)  # before another try; None: there is none
STRANGER = "This bot serves only those its owner has named. Your user id is `{}`: its owner can add it to its list."
log = logging.getLogger("bot")


class Config(BaseSettings):
    """The bot's settings, from `.env` and the environment; README.md says what each is."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True)

    discord_token: SecretStr = SecretStr("")
    allowed_users: str = ""
    discord_api_url: str = ""
    upload_limit_mb: Annotated[int, Field(ge=1, le=500)] = 10
    edit_interval: Annotated[float, Field(ge=0.05, le=60)] = 3.0
    max_waiting: Annotated[int, Field(ge=1, le=10_000)] = 20
    start_reactor: bool = True

    @field_validator("allowed_users")
    @classmethod
    def _are_numbers(cls, value: str) -> str:
        if re.fullmatch(r"[\d,;\s]*", value) is None:
            raise ValueError("takes user ids (numbers) with commas between them; /queue tells yours")
        return value


# Telling and sending


class StatusMessages:
    """Keeps the messages up to date and sends what has arrived."""

    def __init__(self, client: Fetcher) -> None:
        self._client, self._queue, self._store, self._config = client, client.queue, client.store, client.config
        self._texts: dict[int, str] = {}  # what the messages of downloads under way say
        self._ends: dict[int, tuple[str, str | None]] = {}  # how a sending went: status and why, for the table

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
        """Bring all messages up to date; one of them in trouble holds up no other. discord.py itself waits where
        Discord says "later"."""
        moved, trouble = True, None
        while moved and trouble is None:
            moved = False
            for id, says in await self._store.untold():
                try:
                    moved = await self._tell(id, says) or moved
                except AWAY as error:
                    trouble = error
        if trouble is not None:
            raise trouble

    async def _tell(self, id: int, says: str) -> bool:
        row = await self._queue.get(id)
        text = about(row) if row else ""
        if row is None or (text == self._texts.get(id) and row.extra["shown"] == says):
            return False
        message_id, new = row.extra["message_id"], text != self._texts.get(id)
        if new:
            before, message_id = message_id, await self._say(row, message_id, text)
            if before and not message_id:  # it was deleted, or archived: news are told by a new one
                says, text = row.extra["shown"], ""
        self._texts[id] = text
        if row.status not in ("pending", "downloading"):
            self._texts.pop(id)
        await self._store.all("UPDATE downloads SET shown = ?, message_id = ? WHERE id = ?", says, message_id, id)
        if new:
            await anyio.sleep(self._config.edit_interval)
        return new

    async def _say(self, row: Download, message_id: int | None, text: str) -> int | None:
        """Edit the message of a row, or send one; its id. None when Discord takes no edit, or nobody can be told."""
        channel = self._client.get_partial_messageable(row.extra["channel_id"])
        try:
            if message_id is None:
                return (await channel.send(text, view=buttons(row) or discord.ui.View(), suppress_embeds=True)).id
            return (await channel.get_partial_message(message_id).edit(content=text, view=buttons(row))).id
        except discord.HTTPException as error:
            if error.status not in (400, 403, 404):
                raise
            log.warning("Download %s cannot be told: %s", row.id, error)
            return None

    async def send(self) -> None:
        """Send what has arrived, one download after the other."""
        while True:
            sql = "UPDATE downloads SET status = ?, upload_error = ? WHERE id = ? AND status = 'uploading'"
            for ended, (status, why) in list(self._ends.items()):
                await self._store.all(sql, status, why, ended)
                del self._ends[ended]
            if (id := await self._store.claim_upload()) is None:
                return
            self._ends[id] = "downloaded", None  # it is taken again, should we not get to the end of this
            if row := await self._queue.get(id):
                why = await self._send(row)
                self._ends[id] = ("downloaded", why) if why else ("uploaded", None)

    async def _send(self, row: Download) -> str | None:
        """Send the file of a row, or all files of its folder. Why something of it stays here, or None."""
        limit, name = self._config.upload_limit_mb * 1_000_000, ""
        try:
            files = files_of(row)
            for path in [path for path, count in files.items() if count <= limit]:
                name = plain(path.stem, 100) + plain(path.suffix, 20)
                await self._send_file(row, path, name)
        except AWAY as error:
            return f"It could not be sent: {plain(f'{name} {error}', 200)}"
        if large := [plain(path.name, 60) for path, count in files.items() if count > limit]:
            return (
                f"Too large for Discord, which takes {size(limit)} from a bot: {', '.join(large[:3])}. It stays here."
            )
        return None if files else "It is not on this machine any more."

    async def _send_file(self, row: Download, path: Path, name: str) -> None:
        for wait in UPLOAD_WAITS:
            try:
                await self._client.get_partial_messageable(row.extra["channel_id"]).send(file=discord.File(path, name))
                return
            except AWAY as error:
                refused = isinstance(error, discord.HTTPException) and error.status < 500 and error.status != 429
                if refused or wait is None:
                    raise
                log.info("Download %s: %s; again in %.1f s", row.id, error, wait)
                await anyio.sleep(wait)


def files_of(row: Download) -> dict[Path, int]:
    """The files of a download and their bytes."""
    place = Path(row.file_path or "-")
    inside = sorted(place.rglob("*")) if place.is_dir() else [place]
    return {path: path.stat().st_size for path in inside if path.is_file() and not path.is_symlink()}


def buttons(row: Download) -> discord.ui.View | None:
    """What can be done about a download."""
    again = row.status in ("failed", "cancelled") or (
        row.status == "downloaded" and (row.extra["upload_error"] or row.error_code == "partial")
    )
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
        try:
            await press(interaction, self.verb, self.download_id)
        except TROUBLE as error:
            await interaction.client.tree.on_error(interaction, error)


# What people say


class AllowlistTree(app_commands.CommandTree["Fetcher"]):
    """Lets in those who are named. Tells a stranger their id, so that the owner can name them."""

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        if interaction.user.id in self.client.users_allowed:
            # Discord waits for 3 s, and the database may be locked for longer.
            await interaction.response.defer(ephemeral=True, thinking=True)
            return True
        await answer(interaction, STRANGER.format(interaction.user.id))
        return False

    async def on_error(self, interaction: Interaction, error: Exception, /) -> None:
        cause = getattr(error, "original", error)
        log.warning("A command could not be carried out: %s", cause, exc_info=cause)
        why = safe(str(cause)) if isinstance(cause, ReactorError) else ""
        with suppress(*TROUBLE):
            await answer(interaction, f"That does not work just now. Try it again later. {why}")


class Fetcher(discord.Client):
    """The bot's connection to Discord. It needs no privileged intent."""

    def __init__(self, config: Config, queue: Queue, store: Store, runner: Runner) -> None:
        super().__init__(intents=discord.Intents.default(), allowed_mentions=discord.AllowedMentions.none())
        self.config, self.queue, self.store, self.runner = config, queue, store, runner
        self.users_allowed = {int(word) for word in re.findall(r"\d+", config.allowed_users)}
        self.tree = AllowlistTree(self)

    async def setup_hook(self) -> None:
        self.add_dynamic_items(Press)
        for word, what, callback in COMMANDS:
            self.tree.add_command(app_commands.Command(name=word, description=what, callback=callback))
        await self.tree.sync()


Interaction = discord.Interaction[Fetcher]


async def answer(interaction: Interaction, text: str) -> None:
    """Say something that only the one who asked can see."""
    if interaction.response.is_done():
        await interaction.edit_original_response(content=text[:2000])
    else:
        await interaction.response.send_message(text[:2000], ephemeral=True)


async def get(interaction: Interaction, links: str = "", torrent: discord.Attachment | None = None) -> None:
    """Put links and a `.torrent` into the table; `StatusMessages` tells what becomes of them."""
    client, wanted = interaction.client, list(dict.fromkeys(LINK.findall(links)))
    if torrent and torrent.filename.lower().endswith(".torrent"):
        wanted.append(torrent.url)
    sql = "SELECT id FROM downloads WHERE user_id = ? AND status IN ('pending', 'downloading')"
    room = max(0, client.config.max_waiting - len(await client.store.all(sql, interaction.user.id)))
    for link in wanted[:room]:
        await client.queue.add(link, channel_id=interaction.channel_id, user_id=interaction.user.id)
    left = f" You can have {client.config.max_waiting} waiting at once." if len(wanted) > room else ""
    taken = f"Taken: {min(len(wanted), room)} of {len(wanted)}.{left}"
    await answer(interaction, taken if wanted else "There is no link in that.")


async def live_in(interaction: Interaction) -> list[int]:
    """The downloads of this channel that are not over."""
    sql = "SELECT id FROM downloads WHERE channel_id = ? AND status IN ('pending', 'downloading') ORDER BY id"
    return [id for (id,) in await interaction.client.store.all(sql, interaction.channel_id)]


async def queued(interaction: Interaction) -> None:
    rows = [await interaction.client.queue.get(id) for id in (await live_in(interaction))[:LISTED_MAX]]
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


async def cancel(interaction: Interaction, number: str) -> None:
    """Stop one, or all of this channel."""
    if number.strip().lower() == "all":
        stopped = [id for id in await live_in(interaction) if await interaction.client.queue.cancel(id)]
        return await answer(interaction, f"Stopped: {len(stopped)}.")
    found = re.fullmatch(r"#?(\d{1,18})", number.strip())
    await press(interaction, "cancel", int(found[1]) if found else 0)


async def retry(interaction: Interaction, number: int) -> None:
    await press(interaction, "retry", number)


async def status(interaction: Interaction) -> None:
    """How the downloader is."""
    now = await interaction.client.runner.status()
    said = f"Downloader: **{now.state}**, process {now.pid}, reactor {now.version}, aria2 {now.aria2}, "
    await answer(interaction, f"{said}{now.restarts} restarts, {len(now.under_way)} under way. {safe(now.error or '')}")


COMMANDS: tuple[tuple[str, str, Any], ...] = (
    ("get", "Fetch these links, or what a .torrent file describes", get),
    ("queue", "What is under way here and what waits", queued),
    ("cancel", "Stop a download: its number, or `all`", cancel),
    ("retry", "Try one again that failed", retry),
    ("status", "How the downloader is", status),
)


async def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    config, path = Config(), Settings.load().download_db
    if config.discord_api_url:
        discord.http.Route.BASE = config.discord_api_url
    with lock(path, "bot"):  # another one would send the same files
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
                messages = StatusMessages(client)
                tasks.start_soon(messages.follow, messages.tell)
                tasks.start_soon(messages.follow, messages.send)
                await client.connect()


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)  # where .env is, and the database
    discord.utils.setup_logging(level=logging.INFO)
    try:
        anyio.run(main)
    except KeyboardInterrupt:
        pass
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        sys.exit(f"bot: {str(first['loc'][0]).upper()}: {first['msg'].removeprefix('Value error, ')}.")
    except (ReactorError, aiohttp.ClientError) as error:
        sys.exit(f"bot: {error}")
    except discord.LoginFailure:
        sys.exit("bot: DISCORD_TOKEN: Discord does not know this token. Put your application's into .env.")
