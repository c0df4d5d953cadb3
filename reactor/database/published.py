"""What was published for rows, as far as retention may delete it again. Only what reactor has put into a DOWNLOAD_DIR
itself is noted here, in the transaction that says that its row is downloaded; nothing else is ever deleted by it.

Each entry belongs to a folder, which is known by the id that stands in it: another folder, a disk that is not mounted
and another machine's have other ids, and nothing of theirs is looked for.
"""

from __future__ import annotations

from typing import Protocol

from reactor.records import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """One file or folder."""

    id: int
    """Of this entry."""
    download_id: int
    attempt: int
    name: str
    """In its DOWNLOAD_DIR."""
    bytes: int
    content: str
    """As of `models.Placed`."""
    at: float
    """When its row was downloaded, seconds since the epoch."""
    status: str | None
    """Of the row now; None where the row is gone, is in another attempt, or names another file."""


class PublishedFiles(Protocol):
    """The entries of one database. Each method raises DatabaseError as those of `Store` and `Table`."""

    @property
    def instance(self) -> str:
        """The database's own id."""
        ...

    async def page(self, folder: str, after: tuple[float, int] | None, limit: int) -> tuple[Published, ...]:
        """The oldest `limit` of a folder behind the one of this moment and id; None: from the first."""
        ...

    async def total(self, folder: str) -> int:
        """Bytes of all of a folder; what has the same content counts once."""
        ...

    async def forget(self, id: int, note: str | None = None) -> bool:
        """Drop an entry. With a `note` its file is deleted: it is added to the notes of its row, and the row has no
        `file_url` any more, where that is `downloaded` in the same attempt and the table takes it. False when there
        was no such entry."""
        ...
