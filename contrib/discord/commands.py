"""The slash commands."""

from __future__ import annotations

import re
from typing import Any

import discord
from asked_for import Ask, Quality, Sound, options_of
from components import press
from discord import app_commands
from replies import Interaction, answer
from words import about_settings, name_of, safe, sentence

from reactor.errors import ReactorError
from reactor.options import merged
from reactor.row_options import over_defaults

LINK = re.compile(r"(?:https?://|magnet:\?)[^\s<>\"]{1,8000}", re.IGNORECASE)
LISTED_MAX = 20
WHAT = {
    "quality": "Lines of the picture",
    "sound": "The sound alone, in which format; film: none of that",
    "subtitles": "Languages of subtitles, such as de,en; none: without",
    "ask": "Ask first: about all there is to choose from, or never",
}


@app_commands.describe(
    links="Links and magnet links",
    torrent="A .torrent file",
    clip="Only these parts, such as 1:30-2:10",
    entries="Entries of a list: 1-20, 3,5,-1, all or one",
    files="Files of a torrent: 1,4, or *.mkv, or largest",
    **WHAT,
)
async def get(
    interaction: Interaction,
    links: str = "",
    torrent: discord.Attachment | None = None,
    quality: Quality | None = None,
    sound: Sound | None = None,
    subtitles: str | None = None,
    clip: str | None = None,
    entries: str | None = None,
    files: str | None = None,
    ask: Ask | None = None,
) -> None:
    """Put links and a `.torrent` into the table; `StatusMessages` tells what becomes of them."""
    client, wanted = interaction.client, list(dict.fromkeys(LINK.findall(links)))
    if torrent and torrent.filename.lower().endswith(".torrent"):
        wanted.append(torrent.url)
    try:
        said = options_of(
            quality=quality, sound=sound, subtitles=subtitles, clip=clip, entries=entries, files=files, ask=ask
        )
    except ReactorError as error:
        return await answer(interaction, sentence(error))
    options = over_defaults(said)
    room = max(0, client.config.max_waiting - await client.store.waiting_of(interaction.user.id))
    own = {
        "owner": str(interaction.user.id),
        "channel_id": interaction.channel_id,
        "user_id": interaction.user.id,
    }
    for link in wanted[:room]:
        await client.queue.add(link, options=options, **own)
    left = f" You can have {client.config.max_waiting} waiting at once." if len(wanted) > room else ""
    taken = f"Taken: {min(len(wanted), room)} of {len(wanted)}.{left}"
    await answer(interaction, taken if wanted else "There is no link in that.")


@app_commands.describe(reset="Forget all of it", **WHAT)
async def settings(
    interaction: Interaction,
    quality: Quality | None = None,
    sound: Sound | None = None,
    subtitles: str | None = None,
    ask: Ask | None = None,
    reset: bool = False,
) -> None:
    """Show what somebody always wants, or change it."""
    queue, user_id = interaction.client.queue, interaction.user.id
    try:
        said = options_of(quality=quality, sound=sound, subtitles=subtitles, ask=ask)
    except ReactorError as error:
        return await answer(interaction, sentence(error))
    if said or reset:
        before = {} if reset else await queue.defaults(user_id)
        no_sound = {"want": None, "audio": None} if sound == "film" else {}
        await queue.set_defaults(user_id, merged([before, said, no_sound]))
    await answer(interaction, about_settings(await queue.defaults(user_id)))


async def queued(interaction: Interaction) -> None:
    """What is under way in this channel."""
    live = await interaction.client.store.live_in(interaction.channel_id)
    rows = [await interaction.client.queue.get(id) for id in live[:LISTED_MAX]]
    lines = [f"#{row.id} {safe(name_of(row))} ({row.stage or row.status})" for row in rows if row]
    await answer(interaction, "\n".join(lines) or "Nothing is under way here.")


async def cancel(interaction: Interaction, number: str) -> None:
    """Stop one, or all of this channel."""
    if number.strip().lower() == "all":
        live = await interaction.client.store.live_in(interaction.channel_id)
        stopped = [id for id in live if await interaction.client.queue.cancel(id)]
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
    ("settings", "What you always want: quality, sound, subtitles, to be asked", settings),
    ("queue", "What is under way here and what waits", queued),
    ("cancel", "Stop a download: its number, or `all`", cancel),
    ("retry", "Try one again that failed", retry),
    ("status", "How the downloader is", status),
)
