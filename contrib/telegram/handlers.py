"""What people say to the bot.

Updates are handled one after the other, and Telegram counts one as received when the next is asked for: by then its
links are in the table. Whatever is answered goes out beside that, by `Replies`.
"""

from __future__ import annotations

import io
import logging
import re
import time
from collections.abc import Awaitable, Callable
from html import escape
from typing import Any

import aiohttp
import anyio
from aiogram import BaseMiddleware, Bot, F, Router
from aiogram.exceptions import AiogramError
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, ErrorEvent, Message, TelegramObject, User
from asked_for import NotUnderstood, Said, options_beside, options_in
from links import TORRENT_BYTES_MAX, NotATorrent, is_for, links_in, magnet_of, words_in
from replies import Replies
from store import Store
from texts import Texts, texts_for
from words import about_reactor, about_stats, in_short, name_of, place_of, plain, sentence

from reactor import Queue, Runner
from reactor.errors import ReactorError
from reactor.models import Download
from reactor.row_options import over_defaults

LISTED_MAX = 20
COMMANDS = ("get", "queue", "cancel", "retry", "settings", "stats", "status", "start")
FILE_S = 20
"""For a `.torrent` to come from Telegram; what else people say waits for that."""
router = Router()
log = logging.getLogger(__name__)


class NotFetched(Exception):
    """A file did not come from Telegram."""


class Allowlist(BaseMiddleware):
    """Lets in those who are named, to be spoken to in their language (`t`). Tells a stranger their id, so that the
    owner can name them."""

    def __init__(self, users: frozenset[int], replies: Replies, store: Store) -> None:
        self._users, self._replies, self._store = users, replies, store

    async def __call__(
        self,
        handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
        event: TelegramObject,
        data: dict[str, Any],
    ) -> Any:
        user: User | None = data.get("event_from_user")
        t = texts_for(user and user.language_code)
        if user is not None and user.id in self._users:
            chosen = self._store.language_of(user.id)
            return await handler(event, data | {"t": texts_for(chosen) if chosen else t})
        if isinstance(event, CallbackQuery):
            self._replies.answer(event, t("stranger_button"))
        elif isinstance(event, Message) and event.chat.type == "private" and user is not None:
            self._replies.send(event, t("stranger" if self._users else "stranger_nobody", id=user.id))
        return None


# Commands


@router.message(Command("start", "help"))
async def start(message: Message, replies: Replies, t: Texts) -> None:
    """What this is."""
    known = "\n".join(f"/{command}: {t(f'command_{command}')}" for command in COMMANDS)
    replies.send(message, f"{t('help')}\n{t('help_words', examples=t('examples'))}\n\n{known}")


@router.message(Command("queue"))
async def queued(message: Message, replies: Replies, queue: Queue, store: Store, t: Texts) -> None:
    """What this chat is waiting for, and in which place that stands."""
    ids, lines = await store.live_in(message.chat.id), []
    for row in [await queue.get(id) for id in ids[:LISTED_MAX]]:
        if row is not None:
            position = await queue.position(row.id) if row.status == "pending" else None
            lines.append(in_short(row, place_of(position, t) if position else ""))
    if len(ids) > LISTED_MAX:
        lines.append(t("more", n=len(ids) - LISTED_MAX))
    replies.send(message, "\n".join(lines) or t("nothing_under_way"))


@router.message(Command("stats"))
async def stats(message: Message, replies: Replies, store: Store, t: Texts) -> None:
    """What was fetched in this chat."""
    replies.send(message, about_stats(await store.stats_of(message.chat.id), t))


@router.message(Command("cancel"))
async def cancel(
    message: Message, command: CommandObject, replies: Replies, queue: Queue, store: Store, t: Texts
) -> None:
    """Stop one, or all of this chat."""
    if (command.args or "").strip().lower() == "all":
        live = dict.fromkeys([*await store.live_in(message.chat.id), *await store.unsent_in(message.chat.id)])
        stopped = [id for id in live if await queue.cancel(id) or await store.stop_upload(id)]
        replies.send(message, t("stopped", n=len(stopped)))
        return
    row = await _meant(message, command, queue, store)
    replies.send(message, await _cancelled(queue, store, row, t) if row else t("which", verb="cancel"))


@router.message(Command("retry"))
async def retry(
    message: Message, command: CommandObject, replies: Replies, queue: Queue, store: Store, t: Texts
) -> None:
    """Try again what failed, or was not sent."""
    row = await _meant(message, command, queue, store)
    replies.send(message, await _retried(queue, store, row, t) if row else t("which", verb="retry"))


@router.message(Command("status"))
async def status(message: Message, replies: Replies, store: Store, runner: Runner, t: Texts) -> None:
    """How the downloader is."""
    counts = await store.counts()
    waiting, going = counts.get("pending", 0), counts.get("downloading", 0)
    said = about_reactor(await runner.status(), time.time(), t)
    replies.send(message, f"{said}\n{t('counts', going=going, waiting=waiting)}")


@router.callback_query(F.data.regexp(r"^(cancel|retry):(\d{1,18})$").as_("pressed"))
async def pressed(
    callback: CallbackQuery, pressed: re.Match[str], replies: Replies, queue: Queue, store: Store, t: Texts
) -> None:
    """A button below a download's message."""
    chat_id = callback.message.chat.id if callback.message else None
    row = await _in_chat(queue, int(pressed[2]), chat_id)
    if row is None:
        replies.answer(callback, t("gone"))
    elif pressed[1] == "cancel":
        replies.answer(callback, await _cancelled(queue, store, row, t))
    else:
        replies.answer(callback, await _retried(queue, store, row, t))


# Links


async def spoken_to(message: Message, bot: Bot) -> bool:
    """True for what is said to the bot: alone with it, by its name, or as an answer to it."""
    answered = message.reply_to_message.from_user if message.reply_to_message else None
    if message.chat.type == "private" or (answered and answered.id == bot.id):
        return True
    return is_for(message, (await bot.me()).username or "")


@router.message(Command("get"))
@router.message(spoken_to)
async def links(
    message: Message,
    bot: Bot,
    replies: Replies,
    queue: Queue,
    store: Store,
    max_waiting: int,
    pieces: dict[str, int],
    t: Texts,
    command: CommandObject | None = None,
) -> None:
    """Put the links of a message into the table, or, for `/get`, those of the one it answers."""
    try:
        wanted = await _wanted_by(message, bot)
        if not wanted and command is not None:
            wanted = await _wanted_by(_somebodys(message.reply_to_message, bot), bot)
    except NotATorrent:
        replies.send(message, t("no_torrent"))
        return
    except NotFetched:
        replies.send(message, t("not_fetched"))
        return
    if not wanted:
        replies.send(message, f"{t('no_link')} {t('help')}")
        return
    user_id = message.from_user.id if message.from_user else message.chat.id
    try:
        said = _said_in(message, meant=command is not None)
    except (NotUnderstood, ReactorError) as error:
        replies.send(message, sentence(error, t))
        return
    options = over_defaults(said) | pieces
    before = await store.asked_already(message.chat.id, message.message_id)
    new = [link for link in wanted if link not in before]
    room = max(0, max_waiting - await store.waiting_of(user_id))
    for link in new[:room]:
        own = {"chat_id": message.chat.id, "user_id": user_id, "request_id": message.message_id, "language": t.language}
        await queue.add(link, options=options, owner=str(user_id), **own)
    if len(new) > room:
        replies.send(message, t("too_many", most=max_waiting, n=len(new) - room))


def _somebodys(answered: Message | None, bot: Bot) -> Message | None:
    """The message that is answered, unless it is one of ours: Telegram makes links of the names in those."""
    ours = answered is not None and answered.from_user is not None and answered.from_user.id == bot.id
    return None if ours else answered


def _said_in(message: Message, *, meant: bool) -> Said:
    """What the words beside the links ask for: all those of a command, else what follows a link. Of what somebody else
    has written nothing. Raises NotUnderstood, ReactorError."""
    if meant:
        return options_in(words_in(message, after_links=False))
    return {} if message.forward_origin else options_beside(words_in(message, after_links=True), talk=True)


async def _wanted_by(message: Message | None, bot: Bot) -> list[str]:
    """What one message asks for. Raises NotATorrent, NotFetched."""
    if message is None:
        return []
    document = message.document
    if document is None or not (document.file_name or "").lower().endswith(".torrent"):
        return links_in(message)
    if (document.file_size or 0) > TORRENT_BYTES_MAX:
        raise NotATorrent
    content = io.BytesIO()
    try:
        with anyio.fail_after(FILE_S):
            await bot.download(document, content)
    except (aiohttp.ClientError, AiogramError, OSError) as error:
        # Its text may hold the address, and with it the token.
        log.warning("A file did not come from Telegram: %s %s", type(error).__name__, getattr(error, "status", ""))
        raise NotFetched from None
    return [magnet_of(content.getvalue())]


@router.error()
async def trouble(event: ErrorEvent, replies: Replies, store: Store) -> None:
    """What cannot be done just now is said; the bot goes on."""
    log.warning("An update could not be handled: %s", event.exception, exc_info=event.exception)
    said = event.update.message or event.update.callback_query
    if said is None:
        return
    user = said.from_user
    t = texts_for(user and (store.language_of(user.id) or user.language_code))
    why = f" {event.exception}" if isinstance(event.exception, ReactorError) else ""
    text = plain(f"{t('not_now')}{why}", 600)
    if isinstance(said, CallbackQuery):
        replies.answer(said, text)
    else:
        replies.send(said, escape(text))


# Which download is meant


async def _meant(message: Message, command: CommandObject, queue: Queue, store: Store) -> Download | None:
    """The download of this chat whose number is given, or whose message is answered."""
    number = re.fullmatch(r"#?(\d{1,18})", (command.args or "").strip())
    id = int(number[1]) if number else None
    if id is None and message.reply_to_message:
        id = await store.told_by(message.chat.id, message.reply_to_message.message_id)
    return None if id is None else await _in_chat(queue, id, message.chat.id)


async def _in_chat(queue: Queue, id: int, chat_id: int | None) -> Download | None:
    row = await queue.get(id)
    return row if row is not None and row.extra["chat_id"] == chat_id else None


async def _cancelled(queue: Queue, store: Store, row: Download, t: Texts) -> str:
    stopped = await queue.cancel(row.id) or await store.stop_upload(row.id)
    return t("stopping_one", name=escape(name_of(row))) if stopped else t("not_under_way", id=row.id)


async def _retried(queue: Queue, store: Store, row: Download, t: Texts) -> str:
    again = [await queue.retry(row.id), await store.upload_again(row.id)]  # of a list it may be both
    return t("retrying_one", name=escape(name_of(row))) if any(again) else t("not_failed", id=row.id)
