"""`/settings`: what somebody always wants. Reactor keeps it as the defaults of that owner; what is said with a link
counts more."""

from __future__ import annotations

import re

from aiogram import F, Router
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, Message
from asked_for import NotUnderstood, Said, options_in
from keyboards import settings_keyboard
from replies import Replies
from words import about_settings, sentence

from reactor import Queue
from reactor.errors import ReactorError
from reactor.options import merged

KEPT = {"want", "audio", "quality", "subtitles", "container", "language", "ask"}
"""What can be wanted of any link."""
router = Router()


@router.message(Command("settings"))
async def settings(message: Message, command: CommandObject, replies: Replies, queue: Queue) -> None:
    """Show them, or change what is said."""
    user_id = message.from_user.id if message.from_user else message.chat.id
    words = (command.args or "").split()
    try:
        if words:
            await _settle(queue, user_id, words)
    except (NotUnderstood, ReactorError) as error:
        replies.send(message, sentence(error))
        return
    replies.send(message, about_settings(await queue.defaults(user_id)), settings_keyboard(user_id))


@router.callback_query(F.data.regexp(r"^set:(\d{1,18}):([a-z0-9 ]{1,30})$").as_("pressed"))
async def pressed(callback: CallbackQuery, pressed: re.Match[str], replies: Replies, queue: Queue) -> None:
    """A button below them."""
    user_id = int(pressed[1])
    if callback.from_user.id != user_id:
        replies.answer(callback, "These are somebody else's. Yours: /settings")
        return
    await _settle(queue, user_id, pressed[2].split())
    replies.answer(callback, "")
    replies.edit(callback, about_settings(await queue.defaults(user_id)), settings_keyboard(user_id))


async def _settle(queue: Queue, user_id: int, words: list[str]) -> None:
    """Keep what the words say beside what was said before. Raises NotUnderstood, ReactorError."""
    if words == ["reset"]:
        await queue.set_defaults(user_id, {})
        return
    said: Said = options_in(words)
    if others := said.keys() - KEPT:
        raise NotUnderstood(f"That goes with a single link, it is no setting: {', '.join(sorted(others))}.")
    before = await queue.defaults(user_id)
    no_sound = {"want": None, "audio": None} if said.get("want") == "video" else {}
    await queue.set_defaults(user_id, merged([before, said, no_sound]))
