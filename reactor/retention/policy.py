"""What the settings KEEP_DAYS, KEEP_GIB and DELETE_STATUSES ask for. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from reactor.database.published import Published
from reactor.records import dataclass
from reactor.settings import Settings, words

DAY_S = 86_400.0
GIB = 2**30
GRACE_S = 3600.0
"""What came later than this is not deleted to make room: it may not have been uploaded yet."""

DELETED = "The file was deleted."


class Reason(StrEnum):
    """Why a file is deleted."""

    AGE = "age"
    SIZE = "size"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class Policy:
    """How long files are kept. 0 and nothing mean for ever."""

    age_s: float = 0.0
    bytes_max: int = 0
    statuses: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.age_s or self.bytes_max or self.statuses)

    def reason(self, file: Published, now: float) -> Reason | None:
        """Why this one is deleted, however much there is; None: it is not."""
        if file.status in self.statuses:
            return Reason.STATUS
        return Reason.AGE if self.age_s and file.at <= now - self.age_s else None

    def note(self, reason: Reason) -> str:
        """What the row says then."""
        if reason is Reason.AGE:
            days = self.age_s / DAY_S
            return f"The file was deleted after {days:g} {'day' if days == 1 else 'days'}."
        return "The file was deleted to make room for others." if reason is Reason.SIZE else DELETED


def policy_of(settings: Settings) -> Policy:
    """As the settings have it."""
    return Policy(
        settings.keep_days * DAY_S, round(settings.keep_gib * GIB), frozenset(words(settings.delete_statuses))
    )


def too_much(files: Sequence[Published], bytes_max: int, now: float) -> list[Published]:
    """Of these, oldest first, those that are deleted so that `bytes_max` is kept to. What has the same content (hard
    links of one file) counts once, and is free with the last of them."""
    names = Counter(each.content for each in files)
    total, found = sum({each.content: each.bytes for each in files}.values()), []
    for each in files:
        if total <= bytes_max or each.at > now - GRACE_S:
            break
        names[each.content] -= 1
        total -= 0 if names[each.content] else each.bytes
        found.append(each)
    return found
