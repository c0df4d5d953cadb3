"""`/settings`: what somebody always wants. It stands as options in the bot's own table, and goes with each of their
links; what is said with a link counts more."""

from __future__ import annotations

import re

from aiogram import F, Router
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, Message
from asked_for import NotUnderstood, Said, options_in
from keyboards import settings_keyboard
from replies import Replies
from store import Store
from words import about_settings, sentence

from reactor.errors import ReactorError
from reactor.options import merged

KEPT = {"want", "audio", "quality", "subtitles", "container", "language", "ask"}
"""What can be wanted of any link."""
router = Router()


@router.message(Command("settings"))
async def settings(message: Message, command: CommandObject, replies: Replies, store: Store) -> None:
    """Show them, or change what is said."""
    user_id = message.from_user.id if message.from_user else message.chat.id
    words = (command.args or "").split()
    try:
        if words:
            await _settle(store, user_id, words)
    except (NotUnderstood, ReactorError) as error:
        replies.send(message, sentence(error))
        return
    replies.send(message, about_settings(await store.settings_of(user_id)), settings_keyboard(user_id))


@router.callback_query(F.data.regexp(r"^set:(\d{1,18}):([a-z0-9 ]{1,30})$").as_("pressed"))
async def pressed(callback: CallbackQuery, pressed: re.Match[str], replies: Replies, store: Store) -> None:
    """A button below them."""
    user_id = int(pressed[1])
    if callback.from_user.id != user_id:
        replies.answer(callback, "These are somebody else's. Yours: /settings")
        return
    await _settle(store, user_id, pressed[2].split())
    replies.answer(callback, "")
    replies.edit(callback, about_settings(await store.settings_of(user_id)), settings_keyboard(user_id))


async def _settle(store: Store, user_id: int, words: list[str]) -> None:
    """Keep what the words say beside what was said before. Raises NotUnderstood, ReactorError."""
    if words == ["reset"]:
        await store.settle(user_id, {})
        return
    said: Said = options_in(words)
    if others := said.keys() - KEPT:
        raise NotUnderstood(f"That goes with a single link, it is no setting: {', '.join(sorted(others))}.")
    before = await store.settings_of(user_id)
    no_sound = {"want": None, "audio": None} if said.get("want") == "video" else {}
    await store.settle(user_id, merged([before, said, no_sound]))
