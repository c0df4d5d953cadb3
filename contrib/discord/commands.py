"""The slash commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import discord
from asked_for import Ask, Container, Quality, Sound, options_of, pieces_of
from components import press
from discord import app_commands
from replies import Interaction, answer, texts_of
from texts import STANDARD, languages, texts_for
from words import about_reactor, about_settings, about_stats, name_of, place_of, safe, sentence

from reactor.errors import ReactorError
from reactor.options import merged
from reactor.row_options import over_defaults

LINK = re.compile(r"(?:https?://|magnet:\?)[^\s<>\"]{1,8000}", re.IGNORECASE)
LISTED_MAX = 20
Command = TypeVar("Command", bound=Callable[..., Any])
LANGUAGES = [
    app_commands.Choice(name=name, value=name) for name in ("auto", *(t("language") for t in languages().values()))
]


def text(name: str) -> app_commands.locale_str:
    """A text that Discord shows in the language of whoever looks: see Translator."""
    return app_commands.locale_str(languages()[STANDARD](name), text=name)


class Translator(app_commands.Translator):
    """Tells Discord what commands and options are called in each language."""

    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, context: app_commands.TranslationContextTypes
    ) -> str | None:
        t = languages().get(locale.value.partition("-")[0])
        return str(t.table[string.extras["text"]]) if t and "text" in string.extras else None


def options(*names: str) -> Callable[[Command], Command]:
    """What the options of a command say of themselves."""
    return app_commands.describe(**{name: text(f"option_{name}") for name in names})


@options("links", "torrent", "quality", "sound", "container", "audio_language", "subtitles")
@options("clip", "entries", "files", "preset", "ask")
async def get(
    interaction: Interaction,
    links: str = "",
    torrent: discord.Attachment | None = None,
    quality: Quality | None = None,
    sound: Sound | None = None,
    container: Container | None = None,
    audio_language: str | None = None,
    subtitles: str | None = None,
    clip: str | None = None,
    entries: str | None = None,
    files: str | None = None,
    preset: str | None = None,
    ask: Ask | None = None,
) -> None:
    """Put links and a `.torrent` into the table."""
    try:
        said = options_of(
            quality=quality,
            sound=sound,
            container=container,
            audio_language=audio_language,
            subtitles=subtitles,
            clip=clip,
            entries=entries,
            files=files,
            preset=preset,
            ask=ask,
        )
    except ReactorError as error:
        return await answer(interaction, sentence(error))
    await _add(interaction, links, [torrent] if torrent else [], said)


async def get_from(interaction: Interaction, message: discord.Message) -> None:
    """Put the links and the `.torrent` files of somebody's message into the table, also where it is forwarded."""
    said, files = message.content, list(message.attachments)
    for forwarded in message.message_snapshots:
        said, files = f"{said} {forwarded.content}", [*files, *forwarded.attachments]
    await _add(interaction, said, files, {})


async def _add(
    interaction: Interaction, text: str, files: Sequence[discord.Attachment], said: Mapping[str, Any]
) -> None:
    """Put what is linked and attached into the table; `StatusMessages` tells what becomes of it."""
    client, t, wanted = interaction.client, texts_of(interaction), list(dict.fromkeys(LINK.findall(text)))
    wanted += [file.url for file in files if file.filename.lower().endswith(".torrent")]
    asked = over_defaults(said) | pieces_of(client.limit_of(interaction.guild_id))
    room = max(0, client.config.max_waiting - await client.store.waiting_of(interaction.user.id))
    own = {
        "owner": str(interaction.user.id),
        "channel_id": interaction.channel_id,
        "user_id": interaction.user.id,
        "guild_id": interaction.guild_id,
        "language": t.language,
    }
    for link in wanted[:room]:
        await client.queue.add(link, options=asked, **own)
    left = f" {t('too_many', most=client.config.max_waiting)}" if len(wanted) > room else ""
    taken = t("taken", taken=min(len(wanted), room), n=len(wanted)) + left
    await answer(interaction, taken if wanted else t("no_link"))


@app_commands.choices(language=LANGUAGES)
@options("quality", "sound", "subtitles", "ask", "language", "reset")
async def settings(
    interaction: Interaction,
    quality: Quality | None = None,
    sound: Sound | None = None,
    subtitles: str | None = None,
    ask: Ask | None = None,
    language: str | None = None,
    reset: bool = False,
) -> None:
    """Show what somebody always wants, or change it."""
    queue, store, user_id = interaction.client.queue, interaction.client.store, interaction.user.id
    try:
        said = options_of(quality=quality, sound=sound, subtitles=subtitles, ask=ask)
    except ReactorError as error:
        return await answer(interaction, sentence(error))
    if said or reset:
        before = {} if reset else await queue.defaults(user_id)
        no_sound = {"want": None, "audio": None} if sound == "film" else {}
        await queue.set_defaults(user_id, merged([before, said, no_sound]))
    if language or reset:
        code = next((code for code, each in languages().items() if each("language") == language), None)
        await store.set_language(user_id, code, texts_for(interaction.locale.value).language)
    t, chosen = texts_of(interaction), store.language_of(user_id)
    await answer(interaction, about_settings(await queue.defaults(user_id), t, chosen))


async def queued(interaction: Interaction) -> None:
    """What is under way in this channel, and in which place what waits there stands."""
    client, t = interaction.client, texts_of(interaction)
    live, lines = await client.store.live_in(interaction.channel_id), []
    for row in [await client.queue.get(id) for id in live[:LISTED_MAX]]:
        if row is not None:
            position = await client.queue.position(row.id) if row.status == "pending" else None
            where = place_of(position, t) if position else row.stage or row.status
            lines.append(f"#{row.id} {safe(name_of(row))} ({where})")
    if len(live) > LISTED_MAX:
        lines.append(t("more", n=len(live) - LISTED_MAX))
    await answer(interaction, "\n".join(lines) or t("nothing_under_way"))


async def stats(interaction: Interaction) -> None:
    """What was fetched in this channel."""
    found = await interaction.client.store.stats_of(interaction.channel_id)
    await answer(interaction, about_stats(found, texts_of(interaction)))


@options("number")
async def cancel(interaction: Interaction, number: str) -> None:
    """Stop one, or all of this channel."""
    if number.strip().lower() == "all":
        client, channel = interaction.client, interaction.channel_id
        live = dict.fromkeys([*await client.store.live_in(channel), *await client.store.unsent_in(channel)])
        stopped = [id for id in live if await client.queue.cancel(id) or await client.store.stop_upload(id)]
        return await answer(interaction, texts_of(interaction)("stopped", n=len(stopped)))
    found = re.fullmatch(r"#?(\d{1,18})", number.strip())
    await press(interaction, "cancel", int(found[1]) if found else 0)


@options("number")
async def retry(interaction: Interaction, number: int) -> None:
    await press(interaction, "retry", number)


async def status(interaction: Interaction) -> None:
    """How the downloader is."""
    await answer(interaction, about_reactor(await interaction.client.runner.status(), texts_of(interaction)))


COMMANDS: tuple[tuple[str, Any], ...] = (
    ("get", get),
    ("settings", settings),
    ("queue", queued),
    ("cancel", cancel),
    ("retry", retry),
    ("stats", stats),
    ("status", status),
)
