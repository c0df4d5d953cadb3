"""Answers to what a download asks: presses on the buttons of its message, see keyboards.py."""

from __future__ import annotations

import re

from aiogram import F, Router
from aiogram.types import CallbackQuery
from keyboards import label_of, marked_after
from replies import Replies
from store import Store
from texts import Texts
from words import picked

from reactor import Queue
from reactor.choices import Choices
from reactor.models import Download

router = Router()


@router.callback_query(F.data.regexp(r"^(choose|mark):(\d{1,18}):([a-z]\d{1,4})$").as_("pressed"))
@router.callback_query(F.data.regexp(r"^(page):(\d{1,18}):(\d{1,3})$").as_("pressed"))
@router.callback_query(F.data.regexp(r"^(marked|usual):(\d{1,18})()$").as_("pressed"))
async def answered(
    callback: CallbackQuery, pressed: re.Match[str], replies: Replies, queue: Queue, store: Store, t: Texts
) -> None:
    """An answer, or a step to one."""
    verb, id, said = pressed[1], int(pressed[2]), pressed[3]
    row = await queue.get(id)
    if row is None or (refusal := _refusal(callback, row)) is not None:
        replies.answer(callback, t("over" if row is None else refusal or "over"))
    elif verb == "page":
        await store.marked(id, row.extra["picked"], int(said))
        replies.answer(callback, "")
    elif verb == "mark":
        marked = marked_after(row, said)
        await store.marked(id, ",".join(marked) or None, row.extra["page"])
        replies.answer(callback, t("marked", n=len(marked)))
    else:
        replies.answer(callback, await _taken(queue, store, row, verb, said, t))


def _refusal(callback: CallbackQuery, row: Download) -> str | None:
    """The text of why a press counts for nothing; None when it does."""
    message = callback.message
    if message is None or row.extra["chat_id"] != message.chat.id:
        return "gone"
    if row.extra["user_id"] != callback.from_user.id:
        return "only_asker"
    if row.extra["message_id"] not in (None, message.message_id):
        return "old_message"
    return None if row.answerable else "over"


async def _taken(queue: Queue, store: Store, row: Download, verb: str, code: str, t: Texts) -> str:
    """Answer the download; what the person is told."""
    codes = {"choose": [code, *picked(row)], "marked": picked(row), "usual": ()}[verb]
    if verb == "marked" and not codes:
        return t("nothing_marked")
    known = {each.c: each for each in (row.choices or Choices()).all}
    if any(each not in known for each in codes) or not await queue.choose(row.id, codes):
        return t("over")
    await store.marked(row.id, None, None)
    return ", ".join(label_of(known[each], t) for each in codes) or t("as_usual")
