"""A real database and a real folder, with rows that have brought files."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from reactor.core import commands
from reactor.database.contract import RETRY_MAX_S
from reactor.database.engine import open_store
from reactor.database.store import Store
from reactor.files.kept import KeptFiles
from reactor.files.staging import KEPT, Staging
from reactor.retention.cleaner import Cleaner, Outcome
from reactor.retention.policy import Policy

NOW = 1_800_000_000.0


class Place:
    """One database, open for serving, and its DOWNLOAD_DIR."""

    def __init__(self, store: Store, folder: Path, db: Path) -> None:
        self.store = store
        self.folder = folder
        self.db = db
        self.kept = KeptFiles(folder, folder / KEPT, store.instance)
        self._staging = Staging(folder)

    async def bring(self, name: str = "a.bin", data: bytes = b"abc", age_s: float = 86_400.0) -> int:
        """A row that has brought a file, or a folder with one where the name ends with `/`."""
        path = self.folder / name.rstrip("/")
        if name.endswith("/"):
            path.mkdir()
            (path / "x").write_bytes(data)
        else:
            path.write_bytes(data)
        return await self.note(path, len(data), age_s)

    async def note(self, path: Path, size: int, age_s: float = 86_400.0) -> int:
        """A row that has brought what stands there."""
        self.sql("INSERT INTO downloads (url) VALUES ('http://host.example/a')")
        (claimed,) = (await self.store.poll(commands.PollRows((), 1), NOW, RETRY_MAX_S)).rows.claimed
        placed = self._staging.placed(path)
        assert placed is not None
        save = commands.SaveDownloaded(claimed.attempt, str(path), size, None, placed=placed)
        assert await self.store.save([save], NOW - age_s) == ()
        return claimed.attempt.download_id

    async def clean(self, dry_run: bool = False, now: float = NOW, **policy: Any) -> list[Outcome]:
        """What became of each file."""
        cleaner = self.cleaner(**policy)
        return [outcome async for outcome in cleaner.clean(now, dry_run=dry_run)]

    def cleaner(self, **policy: Any) -> Cleaner:
        """One with this policy."""
        return Cleaner(self.store.published, self.kept, Policy(**policy))

    def names(self) -> list[str]:
        """What is in the folder, but for what is private."""
        return sorted(path.name for path in self.folder.iterdir() if not path.name.startswith("."))

    def private(self) -> list[str]:
        """What waits to be deleted."""
        return sorted(path.name for path in (self.folder / KEPT).iterdir() if path.name != "folder-id")

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What a bot commits."""
        with closing(sqlite3.connect(self.db, timeout=30)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def entries(self) -> int:
        """How many files are known."""
        ((count,),) = self.sql("SELECT count(*) FROM reactor_published")
        return int(count)


@asynccontextmanager
async def place_in(folder: Path) -> AsyncIterator[Place]:
    """An empty one."""
    (folder / "downloads").mkdir()
    async with open_store(folder / "bot.db", owner="me") as store:
        yield Place(store, folder / "downloads", folder / "bot.db")
