"""`reactor.database.published` in SQL. `store` is part of the save that ends a download."""

from __future__ import annotations

import secrets
from pathlib import PurePath

from reactor.core.commands import SaveDownloaded
from reactor.database import contract
from reactor.database.published import Published
from reactor.database.sql import errors
from reactor.database.sql.connection import Connection, Runner, has_table, transaction
from reactor.database.sql.statements import fitted
from reactor.models import Placed

TABLE = "reactor_published"
STORE = f"""INSERT INTO {TABLE} (id, download_id, attempt, folder, name, bytes, content, at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
PAGE = f"""SELECT p.id, p.download_id, p.attempt, p.name, p.bytes, p.content, p.at, d.status, d.attempt, d.file_path
    FROM {TABLE} AS p LEFT JOIN downloads AS d ON d.id = p.download_id
    WHERE p.folder = ? AND (p.at, p.id) > (?, ?) AND p.at < 9e999 ORDER BY p.at, p.id LIMIT ?"""
"""A moment that is text is above all numbers, and would be read for ever."""
TOTAL = (
    f"SELECT coalesce(sum(b), 0) FROM (SELECT max(bytes) AS b FROM {TABLE} WHERE folder = ? GROUP BY content) AS sizes"
)
FORGET = f"DELETE FROM {TABLE} WHERE id = ? RETURNING download_id, attempt"
NOTE = """notes = CASE WHEN coalesce(notes, '') = '' THEN :note ELSE notes || :line || :note END,
    file_url = NULL"""
NOTED = "id = :id AND attempt = :attempt AND status = 'downloaded'"


def store(connection: Connection, save: SaveDownloaded, placed: Placed, now_wall: float) -> None:
    """Note what was published."""
    name, size = contract.storable(placed.name), contract.size(save.size)
    of_row = save.attempt.download_id, save.attempt.number
    connection.execute(STORE, (secrets.randbits(62), *of_row, placed.folder, name, size, placed.content, now_wall))


class PublishedRows:
    """PublishedFiles on an open database."""

    def __init__(self, run: Runner, instance: str) -> None:
        self._run = run
        self._instance = instance

    @property
    def instance(self) -> str:
        return self._instance

    async def page(self, folder: str, after: tuple[float, int] | None, limit: int) -> tuple[Published, ...]:
        return await self._run(_page, folder, after or (float("-inf"), 0), limit)

    async def total(self, folder: str) -> int:
        return await self._run(_total, folder)

    async def forget(self, id: int, note: str | None = None) -> bool:
        return await self._run(_forget, id, note)


def _page(connection: Connection, folder: str, after: tuple[float, int], limit: int) -> tuple[Published, ...]:
    if not has_table(connection, TABLE):  # it was only looked at since the version before
        return ()
    return tuple(_read(*row) for row in connection.execute(PAGE, (folder, *after, limit)).fetchall())


def _read(id: int, download_id: int, attempt: int, *told: object) -> Published:
    name, size, content, at, status, now_attempt, path = told
    named = contract.text(name) or ""
    same = contract.count(now_attempt) == attempt and PurePath(contract.text(path) or "").name == PurePath(named).name
    return Published(
        id,
        download_id,
        attempt,
        named,
        contract.amount(size) or 0,
        contract.text(content) or "",
        contract.real(at) or 0.0,
        contract.text(status) if same else None,
    )


def _total(connection: Connection, folder: str) -> int:
    if not has_table(connection, TABLE):
        return 0
    (total,) = connection.execute(TOTAL, (folder,)).fetchone()
    return int(total)


def _forget(connection: Connection, id: int, note: str | None) -> bool:
    try:
        return _dropped(connection, id, note)
    except errors.REJECTED:  # the bot's table does not take the note
        return _dropped(connection, id, None)


def _dropped(connection: Connection, id: int, note: str | None) -> bool:
    with transaction(connection):
        found = connection.execute(FORGET, (id,)).fetchall()
        for download_id, attempt in found if note is not None else ():
            values = {"note": note, "line": "\n", "id": download_id, "attempt": attempt}
            connection.execute(f"UPDATE downloads SET {fitted(connection, NOTE)} WHERE {NOTED}", values)
        return bool(found)
