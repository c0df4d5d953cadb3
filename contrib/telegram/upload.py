"""Sends what has been downloaded: a process of its own beside the bot, which never has to wait for an upload.

    python upload.py

It takes rows that are `downloaded`, sets them to `uploading`, sends the file to the chat that asked, and sets them to
`uploaded`; the bot's message says so. What Telegram does not take stays `downloaded`, with a sentence.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple

import anyio
from aiogram import Bot
from aiogram.exceptions import (
    AiogramError,
    TelegramEntityTooLarge,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramUnauthorizedError,
)
from aiogram.methods import SendAudio, SendDocument, SendVideo, TelegramMethod
from aiogram.types import FSInputFile, Message, ReplyParameters
from config import Config, log_to_stderr, what_is_wrong
from patience import patiently
from store import Store
from words import plain, size

from reactor import Queue
from reactor.database.engine import lock
from reactor.errors import DatabaseError
from reactor.models import Download
from reactor.settings import Settings

UPLOAD_S = 3600
"""For one file."""
UPLOAD_TRIES = 12
"""About four minutes, when Telegram is away."""
AGAIN_S = 5.0
"""After the database could not be used."""
NAMES_MAX = 3
CAPTION_MAX, SUFFIX_MAX = 160, 20
VIDEO, AUDIO = {".mp4", ".m4v", ".mov"}, {".mp3", ".m4a"}
"""What Telegram plays in the chat; everything else is a document."""
log = logging.getLogger("upload")


class NotSent(Exception):
    """A file stays here; the message is a sentence for the person who asked for it."""


async def upload(bot: Bot, row: Download, limit: int, *, by_path: bool) -> None:
    """Send a download's file, or all files of its folder. Raises NotSent."""
    files = files_of(row)
    for file, count in files.items():
        if count <= limit:
            await _send(bot, row, file, by_path=by_path)
    if too_large := [f"{plain(file.name, 60)} ({size(count)})" for file, count in files.items() if count > limit]:
        names = ", ".join(too_large[:NAMES_MAX])
        raise NotSent(f"Too large for Telegram, which takes {size(limit)} from a bot: {names}. It stays on the server.")


def files_of(row: Download) -> dict[Path, int]:
    """The files of a download and their bytes. Raises NotSent."""
    place = Path(row.file_path or "")
    inside = sorted(place.rglob("*")) if place.is_dir() else [place]
    found = {path.absolute(): path.stat().st_size for path in inside if path.is_file() and not path.is_symlink()}
    if not row.file_path or not found:
        raise NotSent("The file is not on this machine any more.")
    full = {path: count for path, count in found.items() if count}
    if not full:
        raise NotSent("It is empty, and Telegram takes no empty files.")
    return full


async def _send(bot: Bot, row: Download, file: Path, *, by_path: bool) -> None:
    """Send one file, by its path where the Bot API server reads our disk. Raises NotSent."""
    name = plain(file.stem, CAPTION_MAX) + plain(file.suffix, SUFFIX_MAX)
    # The name stands in a header of the form as it is.
    content = file.as_uri() if by_path else FSInputFile(file, filename=name.replace('"', "'"))
    method: Any = {
        "chat_id": row.extra["chat_id"],
        "caption": plain(row.title or name, CAPTION_MAX),
        "parse_mode": None,
    }
    if request_id := row.extra["request_id"]:
        method["reply_parameters"] = ReplyParameters(message_id=request_id, allow_sending_without_reply=True)
    kind, alone = file.suffix.lower(), not row.files
    if kind in VIDEO:
        known: Any = {"duration": _whole(row.duration_s), "width": row.width, "height": row.height} if alone else {}
        call: TelegramMethod[Message] = SendVideo(video=content, supports_streaming=True, **method, **known)
    elif kind in AUDIO:
        call = SendAudio(audio=content, duration=_whole(row.duration_s) if alone else None, **method)
    else:
        call = SendDocument(document=content, **method)
    try:
        await patiently(lambda: bot(call, request_timeout=UPLOAD_S), UPLOAD_TRIES)
    except TelegramEntityTooLarge as error:
        raise NotSent(f"Too large for Telegram: {plain(name, 60)}. It stays on the server.") from error
    except (TelegramUnauthorizedError, TelegramMigrateToChat):
        raise
    except TelegramNetworkError as error:  # its text may hold the address, and with it the token
        raise NotSent(f"Telegram cannot be reached, or breaks off: {plain(name, 60)} stays on the server.") from error
    except AiogramError as error:
        raise NotSent(f"Telegram did not take {plain(name, 60)}: {error}") from error


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


async def serve(bot: Bot, queue: Queue, store: Store, config: Config) -> None:
    """Send what is finished, one after the other, as it comes."""
    ended: dict[int, End] = {}
    """What the table does not say yet: it may be that nobody can write to it just now."""
    returned = False
    while True:
        try:
            if not returned:
                await store.return_uploads()
                returned = True
            async with aclosing(queue.changes()) as beats:
                async for _ in beats:
                    while (id := await _next(store, ended)) is not None:
                        if (row := await queue.get(id)) is not None:
                            ended[id] = await _handle(bot, row, store, config)
        except (DatabaseError, sqlite3.Error) as error:
            log.warning("The downloads cannot be read or written just now: %s", error)
            await anyio.sleep(AGAIN_S)


class End(NamedTuple):
    """How sending a download ended: its status from now on, and why it stays here."""

    status: str
    why: str | None = None


async def _next(store: Store, ended: dict[int, End]) -> int | None:
    """Write down what has ended, and take the next finished download."""
    for done, end in list(ended.items()):
        await store.upload_ended(done, end.status, end.why)
        del ended[done]
    id = await store.claim_upload()
    if id is not None:
        ended[id] = End("downloaded")  # it is taken again, should we not get to the end of it
    return id


async def _handle(bot: Bot, row: Download, store: Store, config: Config) -> End:
    log.info("Download %s: sending %s", row.id, row.file_path)
    try:
        await upload(bot, row, config.upload_limit, by_path=config.bot_api_local)
    except TelegramMigrateToChat as error:
        await store.moved(row.extra["chat_id"], error.migrate_to_chat_id)
        return End("downloaded")
    except (NotSent, OSError) as error:
        why = str(error) if isinstance(error, NotSent) else f"The file cannot be read: {error.strerror}."
        log.warning("Download %s: %s", row.id, why)
        return End("downloaded", why)
    return End("uploaded")


async def main() -> None:
    """Send until SIGTERM or SIGINT."""
    config, path = Config.load(), Settings.load().download_db
    log_to_stderr(config.bot_token)
    with lock(path, "uploader"):  # another one would take our files for left over, and send them too
        async with config.bot() as bot, Queue(path) as queue, Store.open(path) as store:
            await patiently(bot.get_me)
            await serve(bot, queue, store, config)


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)  # where .env and the database are
    try:
        anyio.run(main)
    except KeyboardInterrupt:
        pass
    except Exception as error:
        if (sentence := what_is_wrong(error)) is None:
            raise
        sys.exit(f"upload: {sentence}")
