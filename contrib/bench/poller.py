"""The rival: a downloader that polls, as bots commonly have it, and as this project's first plan had it.

    python -m contrib.bench.poller DATABASE FOLDER RPC_PORT RPC_SECRET

Rows are looked for every second and aria2 is asked about a download every two seconds, through aria2p over HTTP.
Each time the progress is written, and `cancelled` read. One download at a time.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path

import aria2p

POLL_INTERVAL_S = 1
MONITOR_INTERVAL_S = 2
MAX_CONCURRENT = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS downloads (
    id INTEGER PRIMARY KEY, url TEXT NOT NULL, status TEXT DEFAULT 'pending', cancelled BOOLEAN DEFAULT 0,
    added_date TEXT DEFAULT CURRENT_TIMESTAMP, title TEXT, file_size INTEGER, file_path TEXT,
    progress REAL, download_speed REAL, eta_seconds INTEGER, error TEXT)
"""


class DatabaseManager:
    """The rows."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, timeout=30)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(SCHEMA)
        self._db.execute("CREATE INDEX IF NOT EXISTS by_status ON downloads (status)")

    def pending(self, limit: int) -> list[tuple[int, str]]:
        """The oldest rows that wait."""
        return self._db.execute(
            "SELECT id, url FROM downloads WHERE status = 'pending' ORDER BY added_date, id LIMIT ?", (limit,)
        ).fetchall()

    def is_cancelled(self, download_id: int) -> bool:
        """What the bot wants."""
        (cancelled,) = self._db.execute("SELECT cancelled FROM downloads WHERE id = ?", (download_id,)).fetchone()
        return bool(cancelled)

    def update(self, download_id: int, **values: object) -> None:
        """Write columns of a row."""
        columns = ", ".join(f"{name} = :{name}" for name in values)
        with self._db:
            self._db.execute(f"UPDATE downloads SET {columns} WHERE id = :id", {**values, "id": download_id})


class Aria2cDownloader:
    """One download after it was found."""

    def __init__(self, database: DatabaseManager, api: aria2p.API, folder: Path) -> None:
        self._database = database
        self._api = api
        self._folder = folder

    async def download(self, download_id: int, url: str) -> None:
        """Hand it to aria2 and ask until it is over."""
        self._database.update(download_id, status="downloading")
        gid = self._api.add_uris([url], options={"dir": str(self._folder)}).gid
        while True:
            download = self._api.get_download(gid)
            self._database.update(
                download_id,
                title=download.name,
                file_size=download.total_length,
                progress=download.progress,
                download_speed=download.download_speed / 1024 / 1024,
                eta_seconds=min(int(download.eta.total_seconds()), 10**9),
            )
            if self._database.is_cancelled(download_id):
                download.remove(force=True, files=True)
                return self._database.update(download_id, status="cancelled")
            if download.is_complete:
                path = str(download.files[0].path)
                return self._database.update(download_id, status="downloaded", progress=100, file_path=path)
            if download.has_failed:
                return self._database.update(download_id, status="failed", error=download.error_message)
            await asyncio.sleep(MONITOR_INTERVAL_S)


async def poll(database: DatabaseManager, downloader: Aria2cDownloader) -> None:
    """Look for rows, for ever."""
    active: set[asyncio.Task[None]] = set()
    while True:
        for download_id, url in database.pending(MAX_CONCURRENT - len(active)):
            task = asyncio.create_task(downloader.download(download_id, url))
            active.add(task)
            task.add_done_callback(active.discard)
        await asyncio.sleep(POLL_INTERVAL_S)


def main(path: str, folder: str, port: str, secret: str) -> None:
    """Serve until killed."""
    api = aria2p.API(aria2p.Client(host="http://127.0.0.1", port=int(port), secret=secret))
    database = DatabaseManager(path)
    print("ready", flush=True)
    asyncio.run(poll(database, Aria2cDownloader(database, api, Path(folder))))


if __name__ == "__main__":
    main(*sys.argv[1:])
