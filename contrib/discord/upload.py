"""Sends what has been downloaded."""

from __future__ import annotations

import logging
from pathlib import Path

import anyio
import discord
from client import Fetcher
from replies import AWAY
from words import plain, size

from reactor.models import Download

UPLOAD_WAITS: tuple[float | None, ...] = (0.5, 2.0, 8.0, 30.0, None)  # before another try; None: there is none
log = logging.getLogger("bot")


class Uploads:
    """The files of finished downloads."""

    def __init__(self, client: Fetcher) -> None:
        self._client, self._queue, self._store, self._config = client, client.queue, client.store, client.config
        self._ends: dict[int, tuple[str, str | None]] = {}  # how a sending went: status and why, for the table

    async def send(self) -> None:
        """Send what has arrived, one download after the other."""
        while True:
            for ended, (status, why) in list(self._ends.items()):
                await self._store.upload_ended(ended, status, why)
                del self._ends[ended]
            if (id := await self._store.claim_upload()) is None:
                return
            self._ends[id] = "downloaded", None  # it is taken again, should we not get to the end of this
            if row := await self._queue.get(id):
                why = await self._send(row)
                self._ends[id] = ("downloaded", why) if why else ("uploaded", None)

    async def _send(self, row: Download) -> str | None:
        """Send the file of a row, or all files of its folder. Why something of it stays here, or None."""
        limit, name = self._config.upload_limit_mb * 1_000_000, ""
        try:
            files = files_of(row)
            for path in [path for path, count in files.items() if count <= limit]:
                name = plain(path.stem, 100) + plain(path.suffix, 20)
                await self._send_file(row, path, name)
        except AWAY as error:
            return f"It could not be sent: {plain(f'{name} {error}', 200)}"
        if large := [plain(path.name, 60) for path, count in files.items() if count > limit]:
            return (
                f"Too large for Discord, which takes {size(limit)} from a bot: {', '.join(large[:3])}. It stays here."
            )
        return None if files else "It is not on this machine any more."

    async def _send_file(self, row: Download, path: Path, name: str) -> None:
        for wait in UPLOAD_WAITS:
            try:
                await self._client.get_partial_messageable(row.extra["channel_id"]).send(file=discord.File(path, name))
                return
            except AWAY as error:
                refused = isinstance(error, discord.HTTPException) and error.status < 500 and error.status != 429
                if refused or wait is None:
                    raise
                log.info("Download %s: %s; again in %.1f s", row.id, error, wait)
                await anyio.sleep(wait)


def files_of(row: Download) -> dict[Path, int]:
    """The files of a download and their bytes."""
    place = Path(row.file_path or "-")
    inside = sorted(place.rglob("*")) if place.is_dir() else [place]
    return {path: path.stat().st_size for path in inside if path.is_file() and not path.is_symlink()}
