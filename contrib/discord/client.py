"""The bot's connection to Discord, its settings, and who may use it."""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import discord
from commands import COMMANDS, Translator, get_from, text
from components import COMPONENTS
from discord import app_commands
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from replies import TROUBLE, answer, texts_of
from store import Store
from words import safe

from reactor import Queue, Runner
from reactor.errors import ReactorError

FLOOD_S = 30.0
"""Longer waits that Discord asks for are not slept through: the channel is left alone, and others go on."""
log = logging.getLogger("bot")


class Config(BaseSettings):
    """The bot's settings, from `.env` and the environment; README.md says what each is."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True)

    discord_token: SecretStr = SecretStr("")
    allowed_users: str = ""
    discord_api_url: str = ""
    uploads: Annotated[int, Field(ge=1, le=50)] = 3
    upload_limit_mb: Annotated[int, Field(ge=1, le=500)] | None = None
    edit_interval: Annotated[float, Field(ge=0.05, le=60)] = 3.0
    max_waiting: Annotated[int, Field(ge=1, le=10_000)] = 20
    start_reactor: bool = True

    @field_validator("allowed_users")
    @classmethod
    def _are_numbers(cls, value: str) -> str:
        if re.fullmatch(r"[\d,;\s]*", value) is None:
            raise ValueError("takes user ids (numbers) with commas between them; /queue tells yours")
        return value


class AllowlistTree(app_commands.CommandTree["Fetcher"]):
    """Lets in those who are named. Tells a stranger their id, so that the owner can name them."""

    async def interaction_check(self, interaction: discord.Interaction[Fetcher], /) -> bool:
        if interaction.user.id in self.client.users_allowed:
            # Discord waits for 3 s, and the database may be locked for longer.
            await interaction.response.defer(ephemeral=True, thinking=True)
            return True
        await answer(interaction, texts_of(interaction)("stranger", id=interaction.user.id))
        return False

    async def on_error(self, interaction: discord.Interaction[Fetcher], error: Exception, /) -> None:
        cause = getattr(error, "original", error)
        log.warning("A command could not be carried out: %s", cause, exc_info=cause)
        why = safe(str(cause)) if isinstance(cause, ReactorError) else ""
        with suppress(*TROUBLE):
            await answer(interaction, f"{texts_of(interaction)('not_now')} {why}")


class Fetcher(discord.Client):
    """The bot's connection to Discord. It needs no privileged intent. `ffmpeg` is reactor's setting."""

    def __init__(self, config: Config, queue: Queue, store: Store, runner: Runner, ffmpeg: Path | None) -> None:
        super().__init__(
            intents=discord.Intents.default(),
            allowed_mentions=discord.AllowedMentions.none(),
            max_ratelimit_timeout=FLOOD_S,
        )
        self.config, self.queue, self.store, self.runner, self.ffmpeg = config, queue, store, runner, ffmpeg
        self.users_allowed = {int(word) for word in re.findall(r"\d+", config.allowed_users)}
        self.tree = AllowlistTree(self)

    def limit_of(self, guild_id: int | None) -> int:
        """Bytes of the largest file that Discord takes in a guild, by its boosts; outside of guilds the smallest."""
        if self.config.upload_limit_mb is not None:
            return self.config.upload_limit_mb * 1_000_000
        guild = self.get_guild(guild_id) if guild_id is not None else None
        return guild.filesize_limit if guild else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES

    async def setup_hook(self) -> None:
        self.add_dynamic_items(*COMPONENTS)
        await self.tree.set_translator(Translator())
        for word, callback in COMMANDS:
            command: app_commands.Command[Any, ..., Any] = app_commands.Command(
                name=word, description=text(f"command_{word}"), callback=callback
            )
            self.tree.add_command(command)
        self.tree.add_command(app_commands.ContextMenu(name=text("command_message"), callback=get_from))
        await self.tree.sync()
