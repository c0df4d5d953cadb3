"""Finds what is to be deleted, and deletes it, so that a kill at any point loses nothing and deletes nothing twice.

A file is moved into reactor's own folder, then its entry is dropped from the database, then what was moved is deleted
(`files/kept.py`). So what has an entry and was moved is deleted by the next run, and so is what has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import Literal

from anyio import to_thread

from reactor.database.published import Published, PublishedFiles
from reactor.files.kept import Found, KeptFiles
from reactor.records import dataclass
from reactor.retention.policy import DELETED, Policy, Reason, too_much

PAGE = 500
"""Entries that are read at once: reading them holds up a save of the daemon's for a few milliseconds."""
CHANGED = "it was changed since, or replaced"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file."""

    file: Published
    path: str
    reason: Reason
    what: Literal["deleted", "changed", "refused"]
    freed: int = 0
    """Bytes: 0 where another row still has the same file."""
    why: str | None = None
    """Half a sentence, where it was not deleted."""


class Cleaner:
    """Of one database and one DOWNLOAD_DIR."""

    def __init__(self, files: PublishedFiles, kept: KeptFiles, policy: Policy) -> None:
        self._files = files
        self._kept = kept
        self._policy = policy
        self.full = False
        """True where there was more than KEEP_GIB at the last look; of what is left, something may be too young."""

    async def finish(self) -> None:
        """Delete what an earlier run had moved when it was killed, and put back what it had not looked at once more.
        Raises DatabaseError."""
        try:
            await to_thread.run_sync(self._kept.delete_unplaced)
            if not await self._folder():
                return
            with await to_thread.run_sync(self._kept.lock):
                await to_thread.run_sync(self._kept.put_back_unchecked)
                for id in await to_thread.run_sync(self._kept.taken):
                    await self._files.forget(id, DELETED)
                    await to_thread.run_sync(self._kept.delete, id)
        except OSError:
            return  # the next start tries it again

    async def forget_gone(self) -> None:
        """Drop the entries of what others have deleted. Raises DatabaseError."""
        if folder := await self._folder():
            async for page in self._pages(folder):
                await self._there(page, dry_run=False)

    async def clean(self, now: float, *, dry_run: bool = False) -> AsyncIterator[Outcome]:
        """Delete what is due at `now`, seconds since the epoch; with `dry_run` only say what would be. Raises
        DatabaseError."""
        folder = await self._folder()
        if not folder:
            return
        seen = Counter[str]()
        for file, reason in await self._due(folder, now, dry_run):
            links = await to_thread.run_sync(self._kept.links, file.name)
            freed = file.bytes if links <= seen[file.content] + 1 else 0
            outcome = await self._clean(file, reason, freed, dry_run)
            seen[file.content] += dry_run
            if outcome is not None:
                yield outcome

    async def next_at(self) -> float | None:
        """When the next one is due by its age, seconds since the epoch; None: there is none. Raises DatabaseError."""
        folder = await self._folder() if self._policy.age_s else ""
        if not folder:
            return None
        first = await self._files.page(folder, None, 1)
        return first[0].at + self._policy.age_s if first else None

    async def _folder(self) -> str:
        try:
            return await to_thread.run_sync(lambda: self._kept.folder)
        except OSError:
            return ""

    async def _due(self, folder: str, now: float, dry_run: bool) -> list[tuple[Published, Reason]]:
        """What is to be deleted. Reads no more of the entries than it needs."""
        policy, due, others = self._policy, list[tuple[Published, Reason]](), list[Published]()
        full = self.full = bool(policy.bytes_max) and await self._files.total(folder) > policy.bytes_max
        if not (full or policy.statuses or policy.age_s):
            return due
        async for page in self._pages(folder):
            for each in await self._there(page, dry_run) if full else page:
                reason = policy.reason(each, now)
                if reason is not None:
                    due.append((each, reason))
                elif full:
                    others.append(each)
            if not full and not policy.statuses and page[-1].at > now - policy.age_s:
                break
        if full:
            due += [(each, Reason.SIZE) for each in too_much(others, policy.bytes_max, now)]
        return due

    async def _pages(self, folder: str) -> AsyncIterator[tuple[Published, ...]]:
        after = None
        while page := await self._files.page(folder, after, PAGE):
            yield page
            after = page[-1].at, page[-1].id

    async def _there(self, page: Iterable[Published], dry_run: bool) -> tuple[Published, ...]:
        """Those that nobody else has deleted; the entries of the others are dropped."""
        look: Callable[[], list[bool]] = partial(_exist, self._kept, page)
        there, gone = list[Published](), list[Published]()
        for each, exists in zip(page, await to_thread.run_sync(look), strict=True):
            (there if exists else gone).append(each)
        for each in () if dry_run else gone:
            await self._files.forget(each.id)
        return tuple(there)

    async def _clean(self, file: Published, reason: Reason, freed: int, dry_run: bool) -> Outcome | None:
        """None where somebody else has deleted it."""
        path, note = self._kept.shown(file.name), self._policy.note(reason)
        try:
            if dry_run:
                found, dropped = await to_thread.run_sync(self._kept.look, file.name, file.content), True
            else:
                with await to_thread.run_sync(self._kept.lock):  # what another one takes looks as if it were gone
                    found = await to_thread.run_sync(self._kept.take, file.id, file.name, file.content)
                    dropped = await self._files.forget(file.id, note if found is Found.TAKEN else None)
                if found is Found.TAKEN:  # a shutdown need not wait for it
                    await to_thread.run_sync(self._kept.delete, file.id, abandon_on_cancel=True)
        except OSError as error:
            return Outcome(file, path, reason, "refused", why=f"the disk refuses: {error.strerror or error}")
        if found is Found.GONE or not dropped:
            return None
        if found is Found.CHANGED:
            return Outcome(file, path, reason, "changed", why=CHANGED)
        return Outcome(file, path, reason, "deleted", freed)


def _exist(kept: KeptFiles, files: Iterable[Published]) -> list[bool]:
    return [kept.exists(each.name) for each in files]
