"""`/settings`: what somebody always wants. Reactor keeps it as the defaults of that owner; what is said with a link
counts more. The language in which they want to be spoken to is kept by the bot."""

from __future__ import annotations

import re

from aiogram import F, Router
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, Message
from asked_for import NotUnderstood, Said, options_in
from keyboards import settings_keyboard
from replies import Replies
from store import Store
from texts import Texts, languages, texts_for
from words import about_settings, sentence

from reactor import Queue
from reactor.errors import ReactorError
from reactor.options import merged

KEPT = {"want", "audio", "quality", "subtitles", "container", "language", "ask"}
"""What can be wanted of any link."""
router = Router()


@router.message(Command("settings"))
async def settings(
    message: Message, command: CommandObject, replies: Replies, queue: Queue, store: Store, t: Texts
) -> None:
    """Show them, or change what is said."""
    user_id = message.from_user.id if message.from_user else message.chat.id
    words = (command.args or "").split()
    try:
        if len(words) == 1 and (code := _named(words[0])):
            await store.set_language(user_id, code)
            t = texts_for(code)
        elif words:
            await _settle(queue, user_id, words)
    except (NotUnderstood, ReactorError) as error:
        replies.send(message, sentence(error, t))
        return
    replies.send(message, *await _shown(queue, store, user_id, t))


@router.callback_query(F.data.regexp(r"^(set):(\d{1,18}):([a-z0-9 ]{1,30})$").as_("pressed"))
@router.callback_query(F.data.regexp(r"^(lang):(\d{1,18}):([a-z]{0,8})$").as_("pressed"))
async def pressed(
    callback: CallbackQuery, pressed: re.Match[str], replies: Replies, queue: Queue, store: Store, t: Texts
) -> None:
    """A button below them."""
    kind, user_id, said = pressed[1], int(pressed[2]), pressed[3]
    if callback.from_user.id != user_id:
        replies.answer(callback, t("settings_not_yours"))
        return
    if kind == "set":
        await _settle(queue, user_id, said.split())
    else:
        t = texts_for(said or callback.from_user.language_code)
        await store.set_language(user_id, said or None, t.language)
    replies.answer(callback, "")
    replies.edit(callback, *await _shown(queue, store, user_id, t))


async def _shown(queue: Queue, store: Store, user_id: int, t: Texts) -> tuple[str, InlineKeyboardMarkup]:
    chosen = store.language_of(user_id)
    return about_settings(await queue.defaults(user_id), t, chosen), settings_keyboard(user_id, t)


def _named(word: str) -> str | None:
    """The language of that name, as a code."""
    return next((code for code, each in languages().items() if each("language").lower() == word.lower()), None)


async def _settle(queue: Queue, user_id: int, words: list[str]) -> None:
    """Keep what the words say beside what was said before. Raises NotUnderstood, ReactorError."""
    if words == ["reset"]:
        await queue.set_defaults(user_id, {})
        return
    said: Said = options_in(words)
    if others := said.keys() - KEPT:
        raise NotUnderstood("no_setting", names=", ".join(sorted(others)))
    before = await queue.defaults(user_id)
    no_sound = {"want": None, "audio": None} if said.get("want") == "video" else {}
    await queue.set_defaults(user_id, merged([before, said, no_sound]))
