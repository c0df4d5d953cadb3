"""Answers that only the one who asked can see, and what is done in trouble."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import anyio
import discord
from texts import Texts, texts_for

from reactor.errors import ReactorError

Interaction = discord.Interaction[Any]
AWAY = (discord.DiscordException, aiohttp.ClientError, OSError)
"""What is raised where Discord cannot be reached, or refuses."""
TROUBLE = (*AWAY, ReactorError, sqlite3.Error)
AGAIN_S = 5.0
"""After trouble with Discord or the database."""
log = logging.getLogger("bot")


def texts_of(interaction: Interaction) -> Texts:
    """In the language that somebody has chosen, or in that of their Discord."""
    chosen = interaction.client.store.language_of(interaction.user.id)
    return texts_for(chosen or interaction.locale.value)


async def answer(interaction: Interaction, text: str) -> None:
    """Say something that only the one who asked can see."""
    if interaction.response.is_done():
        await interaction.edit_original_response(content=text[:2000])
    else:
        await interaction.response.send_message(text[:2000], ephemeral=True)


async def insistently(write: Callable[[], Awaitable[Any]]) -> None:
    """Write what must not be lost, again and again until the database takes it."""
    while True:
        try:
            await write()
            return
        except sqlite3.Error as error:
            log.warning("The database cannot be written to: %s; going on in %.0f s", error, AGAIN_S)
            await anyio.sleep(AGAIN_S)
