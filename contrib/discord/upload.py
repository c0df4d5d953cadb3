"""Sends what has been downloaded: several downloads at once, and channels take turns."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from functools import partial
from io import BufferedReader, FileIO
from pathlib import Path

import anyio
import discord
from anyio.abc import TaskGroup
from client import Fetcher
from replies import AGAIN_S, AWAY, TROUBLE, insistently
from words import plain, size

from reactor.models import Download

UPLOAD_WAITS: tuple[float | None, ...] = (0.5, 2.0, 8.0, 30.0, None)  # before another try; None: there is none
EXPLICIT = 20009
ABOUT_THE_CHANNEL = (50008, 50024, 50083)
"""Codes of Discord's: what it does not show, and places where nothing can be sent."""
log = logging.getLogger("bot")


@dataclass
class Progress:
    """Bytes of a download that have been sent."""

    arrived: int = 0
    under_way: int = 0

    @property
    def bytes(self) -> int:
        return self.arrived + self.under_way


class Counted(BufferedReader):
    """A file that counts how far it has been read."""

    def __init__(self, path: Path, progress: Progress) -> None:
        super().__init__(FileIO(path))
        self._progress = progress

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._progress.under_way = self.tell()
        return data


@dataclass
class Sending:
    """A download that is under way."""

    channel_id: int
    progress: Progress = field(default_factory=Progress)
    told: int = 0
    """Bytes that the table says."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Uploads:
    """The files of finished downloads."""

    def __init__(self, client: Fetcher, tasks: TaskGroup) -> None:
        self._client, self._queue, self._store, self._config = client, client.queue, client.store, client.config
        self._tasks = tasks
        self._under_way: dict[int, Sending] = {}
        self._turns: list[int] = []
        """Channels that have had a turn, the latest last."""
        self._news = anyio.Event()

    async def look(self) -> None:
        """There may be something new to send, or to stop."""
        self._news.set()

    async def run(self) -> None:
        """Send until cancelled."""
        self._tasks.start_soon(self._tell)
        while True:
            self._news = anyio.Event()
            try:
                pause = await self._go_on()
            except TROUBLE as error:
                log.warning("%s; going on in %.0f s", error, AGAIN_S)
                pause = AGAIN_S
            with anyio.move_on_after(pause):
                await self._news.wait()

    async def _tell(self) -> None:
        """Write down how much is sent, as often as a message can say so."""
        while True:
            await anyio.sleep(self._config.edit_interval)
            for id, upload in list(self._under_way.items()):
                if (count := upload.progress.bytes) != upload.told:
                    await insistently(partial(self._store.sending, id, count))
                    upload.told = count

    async def _go_on(self) -> float:
        """Stop what is to be stopped, and begin what can be. Returns when to look again, in seconds."""
        for id in await self._store.stopped_uploads():
            if id in self._under_way:
                self._under_way[id].scope.cancel()
        while len(self._under_way) < self._config.uploads:
            waiting = await self._store.unsent()
            if (channel_id := self._next(waiting)) is None:
                break
            id = waiting[channel_id]
            if await self._store.claim_upload(id):
                self._under_way[id] = Sending(channel_id)
                self._tasks.start_soon(self._upload, id)
        return await self._store.next_sound()

    def _next(self, waiting: dict[int, int]) -> int | None:
        """The channel whose turn it is: with the fewest under way, then the one whose last turn was longest ago. None
        of them gets the last place, unless it is the only one."""
        mine = [upload.channel_id for upload in self._under_way.values()]
        free = [channel_id for channel_id in waiting if mine.count(channel_id) < max(1, self._config.uploads - 1)]
        turns = {channel_id: turn for turn, channel_id in enumerate(self._turns)}
        found = min(free, key=lambda channel_id: (mine.count(channel_id), turns.get(channel_id, -1)), default=None)
        if found is not None:
            self._turns = [*(each for each in self._turns if each in waiting and each != found), found]
        return found

    async def _upload(self, id: int) -> None:
        """Send a download, and write down how that went."""
        upload, status, why = self._under_way[id], "downloaded", None
        with upload.scope:
            try:
                row = await self._queue.get(id)
                why = await self._send(row, upload.progress) if row else None
                status = "downloaded" if why else "uploaded"
            except discord.RateLimited as error:
                await insistently(partial(self._store.hush, upload.channel_id, error.retry_after))
            except TROUBLE as error:
                log.warning("Download %s: %s; going on in %.0f s", id, error, AGAIN_S)
                await anyio.sleep(AGAIN_S)
        if upload.scope.cancelled_caught:
            why = self._store.STOPPED
        await insistently(partial(self._store.upload_ended, id, status, why))
        del self._under_way[id]
        self._news.set()

    async def _send(self, row: Download, progress: Progress) -> str | None:
        """Send the file of a row, or all files of its folder that have not been sent. Why something of it stays here,
        or None. Raises discord.RateLimited."""
        limit, name = self._client.limit_of(row.extra["guild_id"]), ""
        sent, refused = await self._store.sent_parts(row.id), list[str]()
        try:
            files = files_of(row)
        except OSError as error:
            return unreadable(error)
        progress.arrived = sum(count for path, count in files.items() if str(path) in sent)
        try:
            for path in [path for path, count in files.items() if count <= limit and str(path) not in sent]:
                name = plain(path.stem, 100) + plain(path.suffix, 20)
                try:
                    await self._send_file(row, path, name, progress)
                except NotSent as error:
                    refused.append(str(error))
                    continue
                with anyio.CancelScope(shield=True):  # else it would be sent again
                    await insistently(partial(self._store.part_sent, row.id, str(path)))
                progress.arrived, progress.under_way = progress.arrived + files[path], 0
        except discord.RateLimited:
            raise
        except AWAY as error:
            return not_sent("failed", name=name, why=plain(str(error), 200))
        if refused:
            return refused[0]
        if large := [plain(path.name, 60) for path, count in files.items() if count > limit]:
            return not_sent("too_large", limit=size(limit), names=", ".join(large[:3]))
        return None if files else not_sent("gone")

    async def _send_file(self, row: Download, path: Path, name: str, progress: Progress) -> None:
        """Send one file. Raises NotSent where another could be, else what Discord says."""
        for wait in UPLOAD_WAITS:
            try:
                content = Counted(path, progress)
            except OSError as error:
                raise NotSent(unreadable(error)) from error
            try:
                file = discord.File(content, name)
                await self._client.get_partial_messageable(row.extra["channel_id"]).send(file=file)
                return
            except AWAY as error:
                if isinstance(error, discord.HTTPException) and is_about_the_file(error):
                    raise NotSent(not_sent("failed", name=name, why=plain(str(error), 200))) from error
                refused = isinstance(error, discord.HTTPException) and error.status < 500 and error.status != 429
                if refused or wait is None or isinstance(error, discord.RateLimited):
                    raise
                log.info("Download %s: %s; again in %.1f s", row.id, error, wait)
                await anyio.sleep(wait)
            finally:
                BufferedReader.close(content)  # discord.py takes `close` of an object away


class NotSent(Exception):
    """A file stays here; others may go. The message is for the column `upload_error`."""


def is_about_the_file(error: discord.HTTPException) -> bool:
    """False where no other file would be taken in that channel either."""
    return error.code == EXPLICIT or (error.status in (400, 413) and error.code not in ABOUT_THE_CHANNEL)


def unreadable(error: OSError) -> str:
    """Why a file stays here that cannot be read; its path is nobody's business."""
    return not_sent("unreadable", why=error.strerror or "?")


def not_sent(code: str, **values: str) -> str:
    """Why a file stays here, for the column `upload_error`: a text of words.py and its values."""
    return json.dumps({"code": code} | values, ensure_ascii=False)


def files_of(row: Download) -> dict[Path, int]:
    """The files of a download and their bytes."""
    place = Path(row.file_path or "-")
    inside = sorted(place.rglob("*")) if place.is_dir() else [place]
    return {path: path.stat().st_size for path in inside if path.is_file() and not path.is_symlink()}
