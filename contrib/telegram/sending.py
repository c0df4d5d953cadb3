"""Sends the files of one download: alone or as albums, each once, by Telegram's own id of what was sent before."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
from aiogram import Bot
from aiogram.exceptions import (
    AiogramError,
    TelegramBadRequest,
    TelegramEntityTooLarge,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.methods import SendAnimation, SendAudio, SendDocument, SendMediaGroup, SendPhoto, SendVideo
from aiogram.types import (
    FSInputFile,
    InputFile,
    InputMediaAudio,
    InputMediaDocument,
    InputMediaPhoto,
    InputMediaVideo,
    Message,
    ReplyParameters,
)
from config import Config
from media import Details, Ids, NotSent, Part, albums_of, details_of, parts_of
from patience import insistently, patiently
from store import Store, whole
from words import plain, size

from reactor.models import Download

UPLOAD_S = 3600
"""For one message."""
UPLOAD_TRIES = 12
"""About four minutes, when Telegram is away."""
NAMES_MAX = 3
CAPTION_MAX, SUFFIX_MAX = 160, 20
METHODS: dict[str, Any] = {
    "video": SendVideo,
    "audio": SendAudio,
    "photo": SendPhoto,
    "document": SendDocument,
    "animation": SendAnimation,
}
ALBUM: dict[str, Any] = {
    "video": InputMediaVideo,
    "audio": InputMediaAudio,
    "photo": InputMediaPhoto,
    "document": InputMediaDocument,
}
SAID_OF_IT = (
    *(TelegramBadRequest, TelegramEntityTooLarge, TelegramMigrateToChat, TelegramRetryAfter),
    TelegramUnauthorizedError,
)
"""What is told by whoever asks; of anything else `NotSent` is made."""
ABOUT_THE_CHAT = re.compile(r"\b(chat|rights|topic|thread|user)\b", re.IGNORECASE)
"""What another form of the same file would not change."""
log = logging.getLogger("upload")


class Counted(FSInputFile):
    """A file that counts what has been read of it."""

    def __init__(self, path: Path, name: str, progress: Progress) -> None:
        super().__init__(path, filename=name)
        self._progress = progress

    async def read(self, bot: Bot) -> AsyncGenerator[bytes, None]:
        async for chunk in super().read(bot):
            yield chunk
            self._progress.under_way += len(chunk)


class Progress:
    """Bytes of a download that have been sent."""

    def __init__(self) -> None:
        self.arrived = 0
        self.under_way = 0

    @property
    def bytes(self) -> int:
        return self.arrived + self.under_way


class Sender:
    """Sends downloads. `ffmpeg` is reactor's setting."""

    def __init__(self, bot: Bot, store: Store, config: Config, ffmpeg: Path | None) -> None:
        self._bot, self._store, self._config, self._ffmpeg = bot, store, config, ffmpeg

    async def send(self, row: Download, progress: Progress) -> None:
        """Send the files of a download that have not been sent; one that cannot be keeps back no other. Raises NotSent,
        TelegramRetryAfter, TelegramMigrateToChat, TelegramUnauthorizedError, OSError."""
        parts, limit, refused = parts_of(row), self._config.upload_limit, list[NotSent]()
        sent = await self._store.sent_parts(row.id)
        progress.arrived = sum(part.bytes for part in parts if part.name in sent)
        for album in albums_of([part for part in parts if part.bytes <= limit and part.name not in sent], limit):
            await self._deliver(row, album, progress, refused)
        if refused:
            raise refused[0]
        if large := [f"{plain(part.shown, 60)} ({size(part.bytes)})" for part in parts if part.bytes > limit]:
            raise NotSent("too_large", limit=size(limit), names=", ".join(large[:NAMES_MAX]))

    async def _deliver(
        self,
        row: Download,
        album: Sequence[Part],
        progress: Progress,
        refused: list[NotSent],
        *,
        again: bool = True,
        plainly: bool = False,
    ) -> None:
        """Send one message. What Telegram refuses goes in another form: not by its id, not in an album, as a
        document; what it takes in none of them is added to `refused`. With `again` ids may be used. Raises NotSent
        where no other file would be taken."""
        ids = await self._store.file_ids(row.media_key, album) if again and row.media_key else {}
        if len(album) > 1:
            ids = {name: known for name, known in ids.items() if known[0] in ALBUM}
        try:
            messages = await self._call(row, album, ids, progress, plainly=plainly)
        except (TelegramBadRequest, TelegramEntityTooLarge, OSError) as error:
            why = error.strerror or "?" if isinstance(error, OSError) else error.message
            log.info("Download %s: %s was not taken: %s", row.id, album[0].shown, why)
            name, by_its_form = plain(album[0].shown, CAPTION_MAX), isinstance(error, TelegramBadRequest)
            if ids and by_its_form:
                await self._store.forget_ids(row.media_key, ids)
                return await self._deliver(row, album, progress, refused, again=False, plainly=plainly)
            if by_its_form and ABOUT_THE_CHAT.search(why):
                raise NotSent("refused", name=name, why=why) from error
            if len(album) == 1 and isinstance(error, OSError):
                refused.append(NotSent("unreadable", why=why))
            elif len(album) == 1 and isinstance(error, TelegramEntityTooLarge):
                refused.append(NotSent("refused_large", name=name))
            elif len(album) == 1 and (plainly or album[0].kind == "document"):
                refused.append(NotSent("refused", name=name, why=why))
            else:
                for part in album:
                    await self._deliver(row, [part], progress, refused, again=False, plainly=len(album) == 1)
            return None
        progress.arrived, progress.under_way = progress.arrived + sum(part.bytes for part in album), 0
        with anyio.CancelScope(shield=True):  # else it would be sent again
            new = {part.name: id for part, message in zip(album, messages, strict=True) if (id := id_in(message))}
            await insistently(lambda: self._store.part_sent(row, album, new))
        return None

    async def _call(
        self, row: Download, album: Sequence[Part], ids: Ids, progress: Progress, *, plainly: bool
    ) -> list[Message]:
        """Have a message sent. Raises what Telegram says of it, OSError, and NotSent."""
        method: dict[str, Any] = {"chat_id": row.extra["chat_id"]}
        if request_id := whole(row.extra["request_id"]):
            method["reply_parameters"] = ReplyParameters(message_id=request_id, allow_sending_without_reply=True)
        name = plain(album[0].shown, CAPTION_MAX)
        with TemporaryDirectory(prefix="upload-") as folder:
            pictures = [Path(folder, f"{n}.jpg") for n in range(len(album))]  # names of files may be equal
            fields = [
                await self._fields(row, part, ids, progress, picture, plainly=plainly)
                for part, picture in zip(album, pictures, strict=True)
            ]
            if len(album) == 1:
                kind, said = fields[0]
                method[kind] = said.pop("media")
                call = METHODS[kind](**method, **said)
            else:
                call = SendMediaGroup(media=[ALBUM[kind](**said) for kind, said in fields], **method)
            try:
                sent = await patiently(lambda: self._try(call, progress), UPLOAD_TRIES, flood_s=0)
            except SAID_OF_IT:
                raise
            except TelegramNetworkError as error:  # its text may hold the address, and with it the token
                raise NotSent("away", name=name) from error
            except AiogramError as error:
                raise NotSent("refused", name=name, why=str(error)) from error
        return sent if isinstance(sent, list) else [sent]

    async def _try(self, call: Any, progress: Progress) -> Any:
        progress.under_way = 0
        return await self._bot(call, request_timeout=UPLOAD_S)

    async def _fields(
        self, row: Download, part: Part, ids: Ids, progress: Progress, picture: Path, *, plainly: bool
    ) -> tuple[str, dict[str, Any]]:
        """The kind of a file, and what is said of it."""
        caption = plain(part.name or row.title or part.shown, CAPTION_MAX)
        said: dict[str, Any] = {"caption": caption, "parse_mode": None}
        if part.name in ids:
            kind, said["media"] = ids[part.name]
            return kind, said
        said["media"], kind = self._content(part, progress), "document" if plainly else part.kind
        about = await details_of(row, part, self._ffmpeg, picture) if kind == part.kind else Details()
        said["thumbnail"] = FSInputFile(about.thumbnail, filename="thumbnail.jpg") if about.thumbnail else None
        if kind == "video":
            known = {"duration": about.duration, "width": about.width, "height": about.height}
            said |= known | {"supports_streaming": True}
        elif kind == "audio":
            said |= {"duration": about.duration, "title": about.title, "performer": about.performer}
        return kind, {name: value for name, value in said.items() if value is not None or name == "parse_mode"}

    def _content(self, part: Part, progress: Progress) -> str | InputFile:
        """The file, or its path where the Bot API server reads our disk. Raises OSError."""
        if self._config.bot_api_local:
            try:
                return Path(self._config.paths.to_server(part.path)).as_uri()
            except ValueError:  # it is elsewhere than where the two see the same
                log.info("%s is outside of BOT_API_PATH_MAP: its bytes are sent", part.path)
        part.path.open("rb").close()  # else aiogram would take a file that is gone for a Telegram that is away
        name = plain(part.path.stem, CAPTION_MAX) + plain(part.path.suffix, SUFFIX_MAX)
        return Counted(part.path, name.replace('"', "'"), progress)  # the name stands in a header of the form as it is


def id_in(message: Message) -> tuple[str, str] | None:
    """(kind, id) of the file that was sent: what Telegram has made of it. An animation is a document, too."""
    for kind in ("animation", "video", "audio", "photo", "document"):
        found = getattr(message, kind)
        if found:
            return kind, (found[-1] if kind == "photo" else found).file_id
    return None
