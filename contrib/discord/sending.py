"""Sends the files of one download: up to ten in a message, each uploaded once. What the bot has sent before is
forwarded: Discord keeps no file of its own for a bot, and the addresses of attachments expire."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from io import BufferedReader, FileIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import anyio
import discord
from media import Card, NotSent, Part, albums_of, card_of, parts_of, unreadable
from replies import AWAY, insistently
from words import clock, plain, safe, size

from reactor.models import Download

if TYPE_CHECKING:
    from client import Fetcher
    from store import Where

UPLOAD_WAITS: tuple[float | None, ...] = (0.5, 2.0, 8.0, *[30.0] * 7, None)
"""Before another try, about four minutes altogether, when Discord is away; None: there is none."""
EXPLICIT = 20009
ABOUT_THE_CHANNEL = (50008, 50024, 50083)
"""Codes of Discord's: what it does not show, and places where nothing can be sent."""
REFUSED = (400, 403, 404)
NAMES_MAX = 3
PICTURE = "picture.jpg"
log = logging.getLogger("bot")


@dataclass
class Progress:
    """Bytes of a download that have been sent."""

    arrived: int = 0
    under_way: dict[Path, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return self.arrived + sum(self.under_way.values())


class Counted(BufferedReader):
    """A file that counts how far it has been read."""

    def __init__(self, path: Path, progress: Progress) -> None:
        super().__init__(FileIO(path))
        self._path, self._progress = path, progress

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._progress.under_way[self._path] = self.tell()
        return data


class Sender:
    """Sends downloads."""

    def __init__(self, client: Fetcher) -> None:
        self._client, self._store = client, client.store

    async def send(self, row: Download, progress: Progress) -> None:
        """Send the files of a download that have not been sent; one that cannot be keeps back no other. Raises NotSent
        and discord.RateLimited."""
        parts, limit, refused = parts_of(row), self._client.limit_of(row.extra["guild_id"]), list[NotSent]()
        sent = await self._store.sent_parts(row.id)
        progress.arrived = sum(part.bytes for part in parts if part.name in sent)
        left = [part for part in parts if part.bytes <= limit and part.name not in sent]
        called = left[0].called if left else ""
        try:
            for album in albums_of(await self._forward(row, left, progress)):
                called = album[0].called
                await self._deliver(row, album, progress, refused)
        except discord.RateLimited:
            raise
        except AWAY as error:
            raise _failed(called, error) from error
        if refused:
            raise refused[0]
        if large := [plain(part.path.name, 60) for part in parts if part.bytes > limit]:
            raise NotSent("too_large", limit=size(limit), names=", ".join(large[:NAMES_MAX]))

    async def _forward(self, row: Download, parts: Sequence[Part], progress: Progress) -> list[Part]:
        """Forward the messages that have some of these files and no other. Returns the files that are left: a message
        may be deleted, or in a channel that the bot cannot read any more."""
        left = {part.name: part for part in parts}
        known = await self._store.messages_with(row.media_key, parts) if row.media_key else {}
        for where, names in known.items():
            try:
                await self._patiently(row, partial(self._send_again, row, where))
            except discord.HTTPException as error:
                if error.status not in REFUSED or error.code in ABOUT_THE_CHANNEL:
                    raise
                log.info("Download %s: message %s was not forwarded: %s", row.id, where.message_id, error)
                continue
            await self._arrived(row, [left.pop(name) for name in names], progress)
        return [*left.values()]

    async def _send_again(self, row: Download, where: Where) -> discord.Message:
        original = discord.MessageReference(type=discord.MessageReferenceType.forward, **where._asdict())
        return await self._channel(row).send(reference=original)

    async def _deliver(self, row: Download, album: Sequence[Part], progress: Progress, refused: list[NotSent]) -> None:
        """Upload one message. The files of an album that Discord refuses go alone; what it does not take alone either
        is added to `refused`."""
        try:
            if len(album) == 1:
                message = await self._alone(row, album[0], progress)
            else:
                message = await self._upload(row, album, progress)
        except NotSent as error:
            if len(album) == 1:
                return refused.append(error)
            log.info("Download %s: an album of %s files was not taken: %s", row.id, len(album), error)
            for part in album:
                await self._deliver(row, [part], progress, refused)
            return None
        return await self._arrived(row, album, progress, message)

    async def _alone(self, row: Download, part: Part, progress: Progress) -> discord.Message:
        """Upload a file with its card; without one where Discord refuses that: it takes a permission."""
        with TemporaryDirectory(prefix="upload-") as folder:
            card = await card_of(row, part, self._client.ffmpeg, Path(folder, PICTURE))
            try:
                return await self._upload(row, [part], progress, card)
            except (NotSent, discord.Forbidden) as error:
                if card is None:
                    raise
                log.info("Download %s: %s was not taken with a card: %s", row.id, part.called, error)
        return await self._upload(row, [part], progress)

    async def _upload(
        self, row: Download, album: Sequence[Part], progress: Progress, card: Card | None = None
    ) -> discord.Message:
        """Raises NotSent where other files may be taken, else what Discord says."""
        try:
            return await self._patiently(row, partial(self._try, row, album, progress, card))
        except discord.HTTPException as error:
            if _is_about_the_files(error):
                raise _failed(album[0].called, error) from error
            raise

    async def _try(
        self, row: Download, album: Sequence[Part], progress: Progress, card: Card | None
    ) -> discord.Message:
        progress.under_way = {}
        with ExitStack() as opened:
            files = [_file(part, progress, opened) for part in album]
            if card is not None and card.picture is not None:
                files.append(discord.File(card.picture, PICTURE))
            embeds = [_embed(card, album[0])] if card is not None else []
            return await self._channel(row).send(files=files, embeds=embeds)

    async def _patiently(self, row: Download, call: Callable[[], Awaitable[discord.Message]]) -> discord.Message:
        """The message that a call sends; it is made again for as long as that may help."""
        for wait in UPLOAD_WAITS:
            try:
                return await call()
            except AWAY as error:
                refused = isinstance(error, discord.HTTPException) and error.status < 500 and error.status != 429
                if refused or wait is None or isinstance(error, discord.RateLimited):
                    raise
                log.info("Download %s: %s; again in %.1f s", row.id, error, wait)
                await anyio.sleep(wait)
        raise AssertionError("no try at all")

    async def _arrived(
        self, row: Download, album: Sequence[Part], progress: Progress, message: discord.Message | None = None
    ) -> None:
        """These files are there, uploaded with a message or forwarded."""
        progress.arrived, progress.under_way = progress.arrived + sum(part.bytes for part in album), {}
        with anyio.CancelScope(shield=True):  # else it would be sent again
            await insistently(partial(self._store.parts_sent, row, album, message.id if message else None))

    def _channel(self, row: Download) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(row.extra["channel_id"])


def _file(part: Part, progress: Progress, opened: ExitStack) -> discord.File:
    """Raises NotSent."""
    try:
        content = Counted(part.path, progress)
    except OSError as error:
        raise unreadable(error) from error
    opened.callback(BufferedReader.close, content)  # discord.py takes `close` of an object away
    return discord.File(content, part.called)


def _embed(card: Card, part: Part) -> discord.Embed:
    """A card as Discord shows it: the cover of a sound is small, the picture of a film as wide as the message."""
    known = [
        safe(card.performer or ""),
        clock(round(card.duration_s)) if card.duration_s else "",
        "×".join(map(str, card.sides)) if card.sides and part.kind == "video" else "",
    ]
    embed = discord.Embed(title=safe(card.title), description=" · ".join(filter(None, known)))
    if card.picture is not None:
        place = embed.set_image if part.kind == "video" else embed.set_thumbnail
        place(url=f"attachment://{PICTURE}")
    return embed


def _failed(called: str, error: Exception) -> NotSent:
    return NotSent("failed", name=called, why=plain(str(error), 200))


def _is_about_the_files(error: discord.HTTPException) -> bool:
    """False where no other file would be taken in that channel either."""
    return error.code == EXPLICIT or (error.status in (400, 413) and error.code not in ABOUT_THE_CHANNEL)
