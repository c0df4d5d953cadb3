"""The bot's connection to Discord, its settings, and who may use it."""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from typing import Annotated

import discord
from commands import COMMANDS
from components import COMPONENTS
from discord import app_commands
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from replies import TROUBLE, answer
from store import Store
from words import safe

from reactor import Queue, Runner
from reactor.errors import ReactorError

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


class AllowlistTree(app_commands.CommandTree["Fetcher"]):
    """Lets in those who are named. Tells a stranger their id, so that the owner can name them."""

    async def interaction_check(self, interaction: discord.Interaction[Fetcher], /) -> bool:
        if interaction.user.id in self.client.users_allowed:
            # Discord waits for 3 s, and the database may be locked for longer.
            await interaction.response.defer(ephemeral=True, thinking=True)
            return True
        await answer(interaction, STRANGER.format(interaction.user.id))
        return False

    async def on_error(self, interaction: discord.Interaction[Fetcher], error: Exception, /) -> None:
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
        self.add_dynamic_items(*COMPONENTS)
        for word, what, callback in COMMANDS:
            self.tree.add_command(app_commands.Command(name=word, description=what, callback=callback))
        await self.tree.sync()
