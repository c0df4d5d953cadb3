"""The order in which rows are claimed, and what their owners have had.

Where no row that waits has an owner, and none has given way, the order is that of `order.in_turn`. Else an owner is
chosen for each slot (`core.turns`), and of its rows that order. What that costs grows neither with the rows that wait
nor with their owners: the next WINDOW owners, with the first row of each, are found by as many seeks of an index.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, singledispatch
from typing import Any

from reactor.core import commands
from reactor.core.turns import (
    NO_CAPS,
    WINDOW,
    Account,
    Caps,
    Spent,
    Waiting,
    counted,
    day_of,
    next_day,
    next_of,
)
from reactor.database import contract
from reactor.database.contract import RIPEN_MAX
from reactor.database.sql import plans
from reactor.database.sql.connection import Connection, transaction
from reactor.database.sql.order import GAVE_WAY, PLACE, in_turn, yielded
from reactor.database.sql.per_row import RowUpdater, until_taken
from reactor.database.sql.statements import LATER, PUT_META, READY, RETRY
from reactor.net.registrable import site_of
from reactor.records import dataclass

TURN = "turn"
"""In reactor_meta: the queue's tag, and the owner that was served last, as the bot has stored it."""
QUOTAS = "quotas"
"""In reactor_meta: what owners may have in a day, as rows were put off by it last."""
NO_QUOTAS = "[0, 0]"
BEGINS = "not_before = NULL, stage = (CASE WHEN stage = 'quota' THEN NULL ELSE stage END)"
RIPE = {
    "next_attempt_at = NULL": (
        f"{RETRY} AND next_attempt_at <= :now",
        f"{RETRY} AND next_attempt_at > :now + :retry_max",
    ),
    BEGINS: (
        f"{LATER} AND not_before <= :now",
        f"{LATER} AND not_before >= ''",
    ),
}
"""What is written of those whose time has come. What a bot stores there that is no number says nothing."""
SHARED = f"""SELECT EXISTS (SELECT 1 FROM downloads WHERE {READY} AND owner IS NOT NULL),
    EXISTS (SELECT 1 FROM downloads WHERE {READY} AND owner IS NULL),
    EXISTS (SELECT 1 FROM downloads WHERE {GAVE_WAY}), (SELECT value FROM reactor_meta WHERE key = '{TURN}')"""
FIRST = f"SELECT id FROM downloads WHERE {READY} AND {{}} ORDER BY owner, {PLACE} LIMIT 1"
OWNERS = f"""WITH RECURSIVE found(first, whose, n) AS (
    SELECT id, owner, 1 FROM downloads WHERE id = ({FIRST.format("{begin}")})
    UNION ALL
    SELECT id, owner, n + 1 FROM found, downloads WHERE n < :window AND id = ({FIRST.format("owner > found.whose")}))
    SELECT whose, first, ({{due}}), added_date IS NOT NULL FROM found JOIN downloads ON id = first ORDER BY n"""
AFTER, FROM_THE_FIRST = "owner > :cursor", "owner IS NOT NULL"
CHARGE = """UPDATE reactor_owners SET tag = max(tag, coalesce((SELECT json_extract(value, '$.tag') FROM reactor_meta
    WHERE key = 'turn'), 0)) + :seconds / weight WHERE owner = :owner"""
ACCOUNTS = """SELECT owner, tag, day, day_rows, day_bytes FROM reactor_owners
    WHERE owner IN (SELECT value FROM json_each(?, '$'))"""
SPEND = """UPDATE reactor_owners SET day_rows = CASE WHEN day = :day THEN day_rows ELSE 0 END + :rows,
    day_bytes = CASE WHEN day = :day THEN day_bytes ELSE 0 END + :bytes, day = :day WHERE owner = :owner"""
FORGET = """DELETE FROM reactor_owners WHERE tag <= ? AND weight = 1
    AND (day = 0 OR day < (SELECT max(day) FROM reactor_owners))"""
UNDER_WAY = "SELECT owner, url FROM downloads WHERE status = 'downloading' AND stage IS NOT 'items'"
NEW = f"{plans.ATTEMPT} = 0"
"""Of a row that was never begun."""
IN_QUOTA = f"{LATER} AND stage = 'quota' AND not_before > :now"
PUT_OFF = ("stage = 'quota', not_before = :next_day", "not_before = :next_day")
SITE_LOOK = 32
"""So many rows of an owner are looked at for one from a site that is not full."""
SERVED = """INSERT INTO reactor_owners (owner, tag) VALUES (?, ?)
    ON CONFLICT (owner) DO UPDATE SET tag = max(reactor_owners.tag, excluded.tag)"""


@dataclass(frozen=True, slots=True)
class Turn:
    """A row that is next."""

    id: int
    owner: Any = None
    """As it is stored."""
    tag: float | None = None
    """Of the queue, once the row is begun; None where no row has an owner."""
    written: bool = False
    """The owner's account says as much, or more."""


def ripen(connection: Connection, updater: RowUpdater, asked: Mapping[str, Any]) -> bool:
    """Let rows be claimed whose retry is due, or whose `not_before` is over. True when there are more of them."""
    more = False
    for assignment, kinds in RIPE.items():
        for which in kinds:
            found = connection.execute(f"{_ripe(which)} LIMIT {RIPEN_MAX + 1}", asked).fetchall()
            more = more or len(found) > RIPEN_MAX
            updater.update(connection, [id for (id,) in found[:RIPEN_MAX]], (assignment,), asked, which=which)
    return more


def _ripe(which: str) -> str:
    return f"SELECT id FROM downloads WHERE {which} AND {FREE}"


FREE = "typeof(id) = 'integer' AND id NOT IN (SELECT value FROM json_each(:held))"
ANY_RIPE = " OR ".join(f"EXISTS ({_ripe(which)})" for kinds in RIPE.values() for which in kinds)


def next_rows(
    connection: Connection,
    asked: Mapping[str, Any],
    due: str,
    limit: int,
    caps: Caps = NO_CAPS,
    updater: RowUpdater | None = None,
) -> list[Turn]:
    """At most `limit` rows of those that are `due` (a condition, with the values in `asked`), the first one first. Rows
    of those who have had what they may have in a day are put off, by `updater`."""
    ahead = ask_page(connection, asked, due)
    shared, unowned, gave_way, stored = connection.execute(SHARED).fetchone()
    if not shared and not gave_way and not caps.site_max:
        return [Turn(id) for id in in_turn(connection, asked, due, None, limit)]
    queue_tag, cursor = read_turn(stored)
    look, turns = _Look(connection, asked, due, caps, updater), list[Turn]()
    waiting, begun = list[_Candidate](), list[_Candidate]()
    there = {"shared": bool(shared), "unowned": bool(unowned), "gave_way": bool(gave_way)}
    while waiting := waiting or look.again(begun) or look.waiting(cursor, ahead, **there):
        those = [Waiting(look.tag(each.account), look.begun[each.account], each.row) for each in waiting]
        place = next_of(those, queue_tag)
        chosen = waiting.pop(place)
        first = chosen.row if chosen.certain and look.fits(chosen.row) else look.first(chosen.owner)
        if first is None:
            continue
        queue_tag = counted(those[place].tag, queue_tag)
        tag = queue_tag if shared else None
        turns.append(Turn(first, chosen.owner, tag, look.has_had(chosen.account, queue_tag)))
        if len(turns) == limit:
            break
        look.begin(chosen.account, first)
        begun.append(chosen)
    return turns


def accounts(
    connection: Connection,
    asked: Mapping[str, Any],
    due: str,
    spent: Sequence[str | None],
    caps: Caps = NO_CAPS,
) -> tuple[Account, ...]:
    """What the owners whose slices are `spent` have had, and the next owners that have a row that is due."""
    queue_tag, cursor = turn_of(connection)
    look = _Look(connection, asked, due, caps)
    waiting = {each.account for each in look.waiting(cursor)}
    those = sorted(waiting | {contract.account(owner) for owner in spent})
    look.learn(those)
    return tuple(Account(who or None, counted(look.tag(who), queue_tag), who in waiting) for who in those)


def served(
    connection: Connection, turns: Sequence[Turn], new: Collection[int], now: float, caps: Caps = NO_CAPS
) -> None:
    """These are claimed; those of them that are `new` for the first time."""
    shared = [each for each in turns if each.tag is not None]
    if not shared:
        return
    connection.executemany(SERVED, [(contract.account(each.owner), each.tag) for each in shared if not each.written])
    connection.execute(PUT_META, (TURN, stored_turn(shared[-1])))
    if caps.daily:
        begun = Counter(contract.account(each.owner) for each in shared if each.id in new)
        for owner, rows in begun.items():
            _spend(connection, owner, now, rows=rows)


def stored_turn(last: Turn) -> str:
    """What `read_turn` reads, once this one was served."""
    return json.dumps({"tag": last.tag, "cursor": last.owner if isinstance(last.owner, str | int) else None})


def charge(connection: Connection, save: commands.ChargeOwner, now: float) -> None:
    """What a row of an owner has had. Nobody's is counted as soon as there was somebody else."""
    owner = contract.account(save.owner)
    connection.execute(CHARGE, {"owner": owner, "seconds": save.seconds})
    if save.bytes:
        _spend(connection, owner, now, size=save.bytes)


def _spend(connection: Connection, owner: str, now: float, *, rows: int = 0, size: int = 0) -> None:
    connection.execute(SPEND, {"owner": owner, "day": day_of(now), "rows": rows, "bytes": size})


def allow(connection: Connection, caps: Caps, now: float) -> None:
    """Let rows begin that were put off when owners might have less in a day, or more. Who has had enough of what they
    may have now has them put off again when it is his turn."""
    stored, asked = json.dumps([caps.owner_rows_day, caps.owner_bytes_day]), {"now": now, "held": "[]"}
    known = connection.execute("SELECT value FROM reactor_meta WHERE key = ?", (QUOTAS,)).fetchone()
    if stored == (known[0] if known else NO_QUOTAS):
        return

    def begin(updater: RowUpdater) -> None:
        with transaction(connection):
            found = connection.execute(f"SELECT id FROM downloads WHERE {IN_QUOTA} AND {FREE}", asked).fetchall()
            updater.update(connection, [id for (id,) in found], (BEGINS,), asked, which=IN_QUOTA)
            connection.execute(PUT_META, (QUOTAS, stored))

    until_taken(begin)


def forget_even(connection: Connection) -> None:
    """Drop the accounts that say no more than none does: those of whom has had no more than the others."""
    queue_tag, _ = turn_of(connection)
    connection.execute(FORGET, (queue_tag,))


def turn_of(connection: Connection) -> tuple[float, str | int | None]:
    """The queue's tag, and the owner that was served last."""
    *_, stored = connection.execute(SHARED).fetchone()
    return read_turn(stored)


def read_turn(stored: str | None) -> tuple[float, str | int | None]:
    """The same, as it is stored."""
    if stored is None:
        return 0.0, None
    told = json.loads(stored)
    return float(told["tag"]), told["cursor"]


@dataclass(slots=True)
class _Candidate:
    """An owner with a row that is due."""

    owner: Any
    """As it is stored."""
    account: str
    row: int
    """The first of its rows."""
    certain: bool
    """False where a dated one may stand before it."""


class _Look:
    """What one poll knows of owners and sites while it chooses rows."""

    def __init__(
        self,
        connection: Connection,
        asked: Mapping[str, Any],
        due: str,
        caps: Caps,
        updater: RowUpdater | None = None,
    ) -> None:
        self._connection, self._asked, self._due = connection, asked, due
        self._caps, self._updater = caps, updater
        self._held: list[int] = json.loads(asked["held"])
        self._tags, self._spent, self._known = dict[str, float](), dict[str, Spent](), set[str]()
        self._yielded = dict[str, list[int]]()
        self.begun = Counter[str]()
        self._under_way, self._sites = Counter[str](), Counter[str | None]()
        if caps.owner_max or caps.site_max:
            for owner, url in connection.execute(UNDER_WAY).fetchall():
                self._under_way[contract.account(owner)] += 1
                self._sites[self._site(url)] += 1

    def waiting(
        self,
        cursor: str | int | None,
        ahead: Page | None = None,
        *,
        shared: bool = True,
        unowned: bool = True,
        gave_way: bool = True,
    ) -> list[_Candidate]:
        """The next owners that have a row which may begin, each with the first of them; whoever has none is passed
        over. Without `shared` no row that is ready has an owner, without `unowned` each has one; without `gave_way`
        there is nothing that has given way; `ahead`: of `ask_page`."""
        self._yielded = yielded(self._connection, self._asked, self._due) if gave_way else {}
        nobodys = self.first(None) if unowned or self._yielded else None
        found = [] if nobodys is None else [_Candidate(None, "", nobodys, certain=True)]
        for page in circle(self._connection, self._asked, self._due, cursor, ahead) if shared else ():
            accounts = [contract.account(owner) for owner, *_ in page]
            for account, (owner, _, _, _, *had) in zip(accounts, page, strict=True):
                if had and account == str(owner):
                    self._note(account, *had)
            self.learn(accounts if nobodys is None else ["", *accounts])
            for account, (owner, row, is_due, dated, *_) in zip(accounts, page, strict=True):
                certain = bool(is_due) and (self._caps == NO_CAPS or self._is_free(account, owner, row))
                certain = certain and account not in self._yielded
                first = row if certain else self.first(owner)
                if first is not None and not self.is_full(account):
                    found.append(_Candidate(owner, account, first, bool(dated) or not certain))
                    if len(found) >= WINDOW:
                        return found
        return found

    def again(self, begun: list[_Candidate]) -> list[_Candidate]:
        """Those of whom a row was begun, each with the next one. Nobody has two before each other one has had one."""
        those = [(each, self.first(each.owner)) for each in begun if not self.is_full(each.account)]
        begun.clear()
        return [_Candidate(each.owner, each.account, row, certain=True) for each, row in those if row is not None]

    def _is_free(self, account: str, owner: object, row: int) -> bool:
        """True when the first row of an owner may begin; who has had enough for the day has its rows put off."""
        if self._is_used_up(account):
            self._put_off(owner)
            return False
        return self.fits(row)

    def learn(self, accounts: Sequence[str]) -> None:
        """Read what these have had."""
        unknown = [each for each in accounts if each not in self._known]
        if not unknown:
            return
        self._known.update(unknown)
        for found in self._connection.execute(ACCOUNTS, (json.dumps(unknown),)).fetchall():
            self._note(*found)

    def _note(self, account: str, tag: float | None, *spent: int) -> None:
        """Who has had nothing yet has no tag."""
        self._known.add(account)
        if tag is not None:
            self._tags[account], self._spent[account] = tag, Spent(*spent)

    def tag(self, account: str) -> float:
        """Seconds of slot."""
        return self._tags.get(account, 0.0)

    def has_had(self, account: str, tag: float) -> bool:
        """True when its account says so much."""
        return account in self._tags and self._tags[account] >= tag

    def is_full(self, account: str) -> bool:
        """True when no more of its rows may be under way."""
        return self._caps.owner_is_full(account, self._under_way[account] + self.begun[account])

    def fits(self, row: int) -> bool:
        """True when its site may be asked for one more."""
        if not self._is_any_site_full():
            return True
        site = self._site_of(row)
        return site is None or not self._caps.site_is_full(self._sites[site])

    def first(self, owner: object) -> int | None:
        """The first row of an owner that may begin; before all others what has given way."""
        account = contract.account(owner)
        due = f"{self._due} AND NOT ({NEW})" if self._is_used_up(account) else self._due
        limit = SITE_LOOK if self._is_any_site_full() else 1
        waiting = [row for row in self._yielded.get(account, ()) if row not in self._held]
        found = waiting + in_turn(self._connection, self._asked, due, owner, limit)
        return next((row for row in found if self.fits(row)), None)

    def begin(self, account: str, row: int) -> None:
        """It has a slot."""
        self.begun[account] += 1
        if self._caps.site_max:
            self._sites[self._site_of(row)] += 1
        self._held.append(row)
        self._asked = {**self._asked, "held": json.dumps(self._held)}

    def _is_used_up(self, account: str) -> bool:
        if not self._caps.daily:
            return False
        spent = self._spent.get(account, Spent())
        today = day_of(self._asked["now"])
        spent = spent if spent.day == today else Spent(today)
        return self._caps.is_used_up(account, replace(spent, rows=spent.rows + self.begun[account]))

    def _put_off(self, owner: object) -> None:
        """Until the day is over; some of its rows, so that they say why they wait."""
        if self._updater is None:
            return
        which = f"{self._due} AND owner = :whose AND {NEW}"
        statement = f"SELECT id FROM downloads WHERE {which} ORDER BY {PLACE} LIMIT {RIPEN_MAX}"
        values = {**self._asked, "whose": owner, "next_day": next_day(self._asked["now"])}
        found = self._connection.execute(statement, values).fetchall()
        self._updater.update(self._connection, [id for (id,) in found], PUT_OFF, values, which=which)

    def _is_any_site_full(self) -> bool:
        return bool(self._caps.site_max) and any(
            site is not None and self._caps.site_is_full(number) for site, number in self._sites.items()
        )

    def _site_of(self, row: int) -> str | None:
        ((url,),) = self._connection.execute("SELECT url FROM downloads WHERE id = ?", (row,)).fetchall()
        return self._site(url)

    def _site(self, url: object) -> str | None:
        return site_of(contract.url(url)) if self._caps.site_max else None


Page = Callable[[], list[tuple[Any, ...]]]
"""The first page of a circle, once it is there, with the first owner again behind the last one; of each also what
`ACCOUNTS` says of it, or NULL."""


@singledispatch
def ask_page(connection: Connection, asked: Mapping[str, Any], due: str) -> Page | None:
    """The first page after the owner that was served last, where an engine can be asked for it before it is known who
    that is. It counts for nothing where nobody was."""
    return None


def circle(
    connection: Connection,
    asked: Mapping[str, Any],
    due: str,
    cursor: str | int | None,
    ahead: Page | None = None,
) -> Iterator[list[tuple[Any, ...]]]:
    """All owners that have a row that is ready, from the one after `cursor` on, some at a time: each with the first of
    these, whether it is due, and whether it has a date."""
    at, wrapped, seen = cursor, cursor is None, set[Any]()
    while True:
        if ahead is not None and at is not None:
            owners = ahead()
            wrapped = len(owners) < WINDOW
        else:
            statement = _owners(FROM_THE_FIRST if at is None else AFTER, due)
            owners = connection.execute(statement, {**asked, "cursor": at, "window": WINDOW}).fetchall()
        ahead, is_last = None, len(owners) < WINDOW
        new = [found for found in owners if found[0] not in seen]
        seen.update(found[0] for found in new)
        if new:
            yield new
        if len(new) < len(owners) or (is_last and wrapped):
            return
        at, wrapped = (None, True) if is_last else (owners[-1][0], wrapped)


@cache
def _owners(begin: str, due: str) -> str:
    return OWNERS.format(begin=begin, due=due)
