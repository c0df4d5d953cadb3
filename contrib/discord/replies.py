"""Answers that only the one who asked can see."""

from __future__ import annotations

import sqlite3
from typing import Any

import aiohttp
import discord

from reactor.errors import ReactorError

Interaction = discord.Interaction[Any]
AWAY = (discord.DiscordException, aiohttp.ClientError, OSError)
"""What is raised where Discord cannot be reached, or refuses."""
TROUBLE = (*AWAY, ReactorError, sqlite3.Error)


async def answer(interaction: Interaction, text: str) -> None:
    """Say something that only the one who asked can see."""
    if interaction.response.is_done():
        await interaction.edit_original_response(content=text[:2000])
    else:
        await interaction.response.send_message(text[:2000], ephemeral=True)
