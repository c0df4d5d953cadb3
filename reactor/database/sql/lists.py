"""Rows that stand for lists, and the rows of their entries: parents and children.

A list whose entries have rows is no reactor's job any more: its row says `downloading` and `items`, is claimed by
nobody, and each poll looks whether it was cancelled (`stop`) or is over (`end`). So nothing of it is lost with a
process. What is asked of children goes by an index that holds only what is open, or only those of one list.

A row is a child where both `parent_id` and `item_key` are set: a bot's table may have a `parent_id` of its own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from reactor.core import commands
from reactor.core.events import ListEnded
from reactor.core.job import Attempt
from reactor.database import contract as rows
from reactor.database.contract import COLUMNS
from reactor.database.sql import errors
from reactor.database.sql.connection import Column, Connection, by_itself, columns, empties, required, unique_columns
from reactor.database.sql.per_row import RowUpdater
from reactor.database.sql.statements import OVER, any_row, fitted, quoted
from reactor.database.sql.table import ANEW
from reactor.errors import Failure
from reactor.models import Stage, Status
from reactor.records import dataclass

CHILD = "parent_id IS NOT NULL AND item_key IS NOT NULL"
OPEN = f"{CHILD} AND status IN ('pending', 'downloading', 'choosing')"
INHERITED = frozenset({"owner", "priority"})
"""Columns of the contract that an entry has of its list, beside its options."""
GENERATIONS_MAX = 4
"""As far up as ancestors are looked for; the core lets in fewer."""
MIB = 1024 * 1024
MEAN_SIZE = f"""SELECT avg(file_size) FROM (SELECT file_size FROM downloads WHERE {CHILD} AND parent_id = ?
    AND status IN ('downloading', 'downloaded') AND typeof(file_size) = 'integer' AND file_size > 0
    LIMIT 100) AS known"""
ETA_MAX_S = 30 * 24 * 3600
"""What would take longer is not told."""
LISTED = "listed"
"""The status of an entry of which no more was wanted than that it is named: the bot may make it `pending`."""

# What a poll looks for

UNDER_WAY = "status = 'downloading' AND stage = 'items'"
ENDED = f"{UNDER_WAY} AND NOT EXISTS (SELECT 1 FROM downloads AS c WHERE c.parent_id = downloads.id AND c.{OPEN})"
GONE = "(p.id IS NULL OR CAST(COALESCE(p.attempt, 0) AS INTEGER) = 0)"
"""A list was deleted, or another row has its id, which was never begun."""
STOPPED = f"""WITH RECURSIVE lists(id) AS (
    SELECT min(parent_id) FROM downloads WHERE {OPEN}
    UNION ALL
    SELECT (SELECT min(parent_id) FROM downloads WHERE {OPEN} AND parent_id > lists.id) FROM lists
        WHERE lists.id IS NOT NULL)
    SELECT lists.id, {GONE} FROM lists LEFT JOIN downloads AS p ON p.id = lists.id WHERE lists.id IS NOT NULL
    AND ({GONE} OR (p.cancelled IS TRUE AND p.status IN ('pending', 'downloading', 'choosing'))
        OR (p.status = 'cancelled' AND p.stage IS NOT NULL AND p.stage <> ''))
    AND EXISTS (SELECT 1 FROM downloads AS c WHERE c.parent_id = lists.id AND c.{OPEN} AND c.cancelled IS NOT TRUE)"""
"""Lists with open entries that were cancelled, in either way, deleted or replaced; each list is found by one step in
the index of what is open."""


def stop(connection: Connection, updater: RowUpdater, asked: Mapping[str, Any]) -> None:
    """Cancel the entries of lists that were cancelled, deleted or replaced, and those of lists among them. Those of one
    that is gone are nobody's entries then."""
    for _ in range(GENERATIONS_MAX):
        for list_id, gone in connection.execute(STOPPED).fetchall():
            which = f"{OPEN} AND cancelled IS NOT TRUE"
            ids = _children(connection, list_id, which)
            loose = ", parent_id = NULL" if gone else ""
            ways = f"cancelled = 1{loose}", "cancelled = 1", "status = 'cancelled'"
            updater.update(connection, ids, ways, asked, which=which)


def end(connection: Connection, updater: RowUpdater, asked: Mapping[str, Any]) -> tuple[ListEnded, ...]:
    """Lists all of whose entries are over become final."""
    found = connection.execute(
        f"SELECT id, attempt, cancelled IS TRUE, error, error_code FROM downloads WHERE {ENDED}"
    ).fetchall()
    ended = []
    for id, attempt, cancelled, error, code in found:
        entries = count(connection, id)
        status, failure = _outcome(connection, id, entries, bool(cancelled), rows.text(error), rows.text(code))
        progress = 100.0 if status is Status.DOWNLOADED else entries.share
        said = rows.said(failure)
        values = {**asked, **entries.values, "status": status, "progress": progress}
        values |= {"reason": said["error"], "word": said["code"]}
        ways = (FINAL, FINAL_BARE[0], FINAL_BARE[1])
        if updater.update(connection, [id], ways, values, which=ENDED):
            ended.append(ListEnded(Attempt(id, rows.count(attempt)), status, entries.done, entries.failed, failure))
    return tuple(ended)


FINAL = f"""status = :status, stage = NULL, finished_at = :moment, next_attempt_at = NULL, {OVER}, progress = :progress,
    items_total = :total, items_done = :done, items_failed = :failed, error = :reason, error_code = :word"""
FINAL_BARE = "status = :status, stage = NULL, error_code = :word", "status = :status, stage = NULL"


@dataclass(frozen=True, slots=True)
class Entries:
    """How far the entries of a list are."""

    open: int
    done: int
    failed: int
    cancelled: int
    """Of the failed ones."""
    under_way: float = 0.0
    """What is there of those under way, in entries."""
    speed: float = 0.0
    """MiB/s."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.open + self.done + self.failed

    @property
    def share(self) -> float:
        """Percent that are over, or there."""
        over = self.done + self.failed + min(self.under_way, self.open)
        return round(100 * over / self.total, 2) if self.total else 0.0

    @property
    def values(self) -> dict[str, int]:
        """Of the columns `items_…`."""
        return {"total": self.total, "done": self.done, "failed": self.failed}


def count(connection: Connection, id: int) -> Entries:
    """The entries of a list. What a bot has moved on (`uploading`, …) has come."""
    found: Counter[str] = Counter()
    counted = f"SELECT status, count(*) FROM downloads WHERE {CHILD} AND parent_id = ? GROUP BY status"
    for status, number in connection.execute(counted, (id,)).fetchall():
        found[rows.text(status) or ""] += number
    opened = found[Status.PENDING] + found[Status.DOWNLOADING] + found[Status.CHOOSING]
    failed = found[Status.FAILED] + found[Status.CANCELLED]
    share, speed = 0.0, 0.0
    if found[Status.DOWNLOADING]:
        moving = f"SELECT progress, download_speed FROM downloads WHERE {CHILD} AND parent_id = ? AND status = ?"
        for progress, each in connection.execute(moving, (id, Status.DOWNLOADING)).fetchall():
            share += (rows.percent(progress) or 0.0) / 100
            speed += rows.speed(each) or 0.0
    done = sum(found.values()) - opened - failed - found[LISTED]
    return Entries(opened, done, failed, found[Status.CANCELLED], share, speed)


def _eta_s(connection: Connection, id: int, entries: Entries) -> int | None:
    """Seconds until all of a list is there, if it goes on as fast and the other entries are as large as those that are
    known. None where nothing moves or nothing is known."""
    if entries.speed <= 0:
        return None
    (mean,) = connection.execute(MEAN_SIZE, (id,)).fetchone()
    if not mean:
        return None
    left_s = (entries.open - min(entries.under_way, entries.open)) * float(mean) / (entries.speed * MIB)
    return round(left_s) if left_s <= ETA_MAX_S else None


def _outcome(
    connection: Connection, id: int, entries: Entries, cancelled: bool, error: str | None, code: str | None
) -> tuple[Status, Failure | None]:
    """How a list ends, with what is said of it. `error` and `code`: why it could not be read to its end, if so."""
    known = Failure(code, error) if error and code else None
    if cancelled or entries.failed == entries.cancelled == entries.total:
        return Status.CANCELLED, known
    if not entries.done:
        return Status.FAILED, known or _commonest(connection, id, entries)
    if not entries.failed and known is None:
        return Status.DOWNLOADED, None
    said = [f"{entries.failed} of {entries.total} entries were not downloaded."] if entries.failed else []
    return Status.DOWNLOADED, Failure("partial", " ".join([*said, *([error] if error else [])]))


def _commonest(connection: Connection, id: int, entries: Entries) -> Failure:
    """What most of the entries failed of."""
    asked = f"SELECT error_code FROM downloads WHERE {CHILD} AND parent_id = ? AND status = 'failed'"
    codes = Counter(rows.filled(code) for (code,) in connection.execute(asked, (id,)).fetchall())
    code = next((code for code, _ in codes.most_common() if code), "partial")
    return Failure(code, f"None of its {entries.total} entries was downloaded.")


# The claim


def claim(connection: Connection, ids: Sequence[int], updater: RowUpdater, asked: Mapping[str, Any]) -> None:
    """These rows, which have entries, are about to be claimed: a list that was sent back by its bot has those of its
    entries tried again that did not come; what another row with its id has left is nobody's."""
    found = connection.execute(
        f"""SELECT id, {ATTEMPT}, stage IN ('waiting', 'yielded') FROM downloads
        WHERE id IN (SELECT value FROM json_each(?))""",
        (json.dumps(ids),),
    ).fetchall()
    for id, attempt, waited in found:
        if not attempt:
            updater.update(connection, _children(connection, id, CHILD), ("parent_id = NULL",), asked)
        elif not waited:
            over = f"{CHILD} AND status IN ('failed', 'cancelled')"
            updater.update(connection, _children(connection, id, over), (ANEW,), asked, which=over)


ATTEMPT = "CAST(COALESCE(attempt, 0) AS INTEGER)"
HAS_ENTRIES = "EXISTS (SELECT 1 FROM downloads AS c WHERE c.parent_id = downloads.id AND c.item_key IS NOT NULL)"


def generations(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    """How many lists each of these rows is in, one inside the other."""
    found: dict[int, int] = {}
    if not ids:
        return found
    for id, _, _, generation in connection.execute(ANCESTORS, (json.dumps(ids),)):
        found[id] = max(found.get(id, 0), generation)
    return found


ANCESTORS = f"""WITH RECURSIVE line(id, at, generation) AS (
    SELECT value, value, 0 FROM json_each(?)
    UNION ALL
    SELECT line.id, d.parent_id, generation + 1 FROM line JOIN downloads AS d ON d.id = line.at
        WHERE d.parent_id IS NOT NULL AND d.item_key IS NOT NULL AND generation < {GENERATIONS_MAX})
    SELECT line.id, line.at, d.url, generation FROM line JOIN downloads AS d ON d.id = line.at"""
"""Rows, and the lists that they are in, as far as those are there."""


def _children(connection: Connection, id: int, which: str) -> list[int]:
    found = connection.execute(f"SELECT id FROM downloads WHERE parent_id = ? AND {which}", (id,))
    return [child for (child,) in found.fetchall()]


# Saves


def store(connection: Connection, save: commands.SaveEntries, now_wall: float) -> None:
    """Make rows of entries; those that have one keep it. One that the bot's table does not take is passed over, unless
    it takes none: then that is raised (errors.REJECTED)."""
    id = save.attempt.download_id
    found = connection.execute(ANCESTORS, (json.dumps([id]),)).fetchall()
    line = [(at, rows.url(url)) for _, at, url, _ in sorted(found, key=lambda row: int(row[3]))]
    room = save.most - _descendants(connection, line[-1][0])
    itself = {url.strip().rstrip("/") for _, url in line}
    insert, values = _insertion(connection, id, now_wall, listed=save.listed_only)
    dropped = {"playlist", "ask", *(("want",) if save.listed_only else ())}
    ((asked,),) = connection.execute("SELECT options FROM downloads WHERE id = ?", (id,)).fetchall()
    taken, rejected = 0, None
    for entry in save.entries:
        if entry.url.rstrip("/") in itself:
            continue  # a list that contains itself
        if room <= 0:
            break
        told = {"url": entry.url, "item_key": entry.key, "position": entry.position, "title": entry.title}
        told["options"] = _options(rows.text(asked), dropped, entry.referer)
        try:
            with by_itself(connection):
                room -= connection.execute(insert, values | told).rowcount
            taken += 1
        except errors.REJECTED as error:
            if not connection.in_transaction:
                raise
            rejected = rejected or error
    if rejected is not None and not taken:
        raise rejected


def _descendants(connection: Connection, id: int) -> int:
    (others,) = connection.execute(
        """SELECT count(*) FROM downloads AS c JOIN downloads AS d ON d.parent_id = c.id AND d.item_key IS NOT NULL
        WHERE c.parent_id = ? AND c.item_key IS NOT NULL""",
        (id,),
    ).fetchone()
    return len(_children(connection, id, CHILD)) + int(others)


def _insertion(connection: Connection, parent: int, now_wall: float, *, listed: bool) -> tuple[str, dict[str, object]]:
    """The statement that adds an entry, and its values but for those of the entry: all that the bot has put into
    columns of its own is that of the list."""
    there, ours = columns(connection), COLUMNS
    fixed = _alone(connection, there)
    copied = {
        name: quoted(column.name)
        for name, column in there.items()
        if (name not in ours or name in INHERITED) and not column.generated and name not in fixed
    }
    taken = {name: f":{name}" for name in ("url", "item_key", "position", "title", "options")}
    taken |= {"status": f"'{LISTED if listed else Status.PENDING}'", "parent_id": ":parent"}
    if not there["added_date"].generated:
        taken["added_date"] = ADDED
    for name, empty in empties(connection).items():
        if name in taken:
            taken[name] = f"COALESCE({taken[name]}, {empty})"
    values: dict[str, object] = {"parent": parent, "now": now_wall, "moment": rows.moment(now_wall)}
    for name, value in required(there).items():
        if name not in taken:
            taken[name], values[f"required_{name}"] = f":required_{name}", value
    all_of = copied | taken
    names = ", ".join(quoted(there[name].name) for name in all_of)
    return (
        f"""INSERT INTO downloads ({names}) SELECT {", ".join(all_of.values())} FROM downloads WHERE id = :parent
        ON CONFLICT (parent_id, item_key) WHERE {CHILD} DO NOTHING""",
        values,
    )


ADDED = """CASE typeof(added_date) WHEN 'text' THEN :moment WHEN 'null' THEN NULL ELSE CAST(:now AS INTEGER) END"""
"""When an entry was added, as the bot has it of the list: text, seconds, or nothing."""


def _options(asked: str | None, dropped: Collection[str], referer: str | None) -> str | None:
    """What an entry asks for: what its list does, without what is of lists only."""
    try:
        said = json.loads(asked or "{}")
    except (ValueError, RecursionError):
        said = {}
    if not isinstance(said, dict):
        return asked  # the entry says what is wrong with it
    said = {key: value for key, value in said.items() if key not in dropped}
    if referer is not None:
        said.setdefault("referer", referer)
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")) if said else None


def _alone(connection: Connection, there: Mapping[str, Column]) -> frozenset[str]:
    """Columns of the bot's own that no two rows may share: an entry has nothing there, where the table lets it."""
    found = set()
    for names in unique_columns(connection):
        own = [name for name in names if name and name not in COLUMNS]
        if len(own) == len(names):
            found |= {name for name in own if not there[name].not_null}
    return frozenset(found)


def listed(connection: Connection, save: commands.SaveListed, now_wall: float) -> tuple[str, dict[str, object]]:
    """What is written into the row of a list when its entries have their rows."""
    (stored,) = connection.execute(
        f"SELECT count(*) FROM downloads WHERE {CHILD} AND parent_id = ?", (save.attempt.download_id,)
    ).fetchone()
    notes = list(save.notes)
    if stored < save.count:
        notes.append(f"Of {save.count} entries {stored} became downloads; others are this list itself, or too many.")
    values = {"kind": save.kind, "total": stored, "moment": rows.moment(now_wall), "notes": "\n".join(notes)}
    assignments = f"{OVER}, url_type = :kind, items_total = :total, items_done = 0, items_failed = 0"
    assignments += ", error = NULL, error_code = NULL, next_attempt_at = NULL"
    if notes:
        assignments += ", notes = :notes"
    if save.listed_only:
        assignments += f", status = '{Status.DOWNLOADED}', stage = NULL, progress = 100, finished_at = :moment"
    else:
        assignments += f", stage = '{Stage.ITEMS}', progress = 0"
    return assignments, values


OUTCOME = f"(CASE WHEN {HAS_ENTRIES} THEN 'downloading' ELSE 'failed' END)"
FINISHED = f"(CASE WHEN {HAS_ENTRIES} THEN NULL ELSE :finished END)"
FAILED = f"""status = {OUTCOME},
    stage = (CASE WHEN {HAS_ENTRIES} THEN 'items' END),
    finished_at = {FINISHED}"""
"""Of a row that fails: a list that cannot be read to its end, and some of whose entries have rows, is left to them."""
PARENT = "CASE WHEN item_key IS NOT NULL THEN parent_id END"
"""The list that a row is an entry of."""


def recount(connection: Connection, ids: Sequence[int]) -> None:
    """Something has become of entries of these lists: those under way say so. Raises one of errors.REJECTED only where
    the transaction is lost with it."""
    for list_id in ids:
        if any_row(connection, f"{UNDER_WAY} AND id = :id", {"id": list_id}):
            entries = count(connection, list_id)
            values: dict[str, float | None] = {"id": list_id, **entries.values, "progress": entries.share}
            values |= {"speed": round(entries.speed, 3), "eta": _eta_s(connection, list_id, entries)}
            try:
                with by_itself(connection):
                    connection.execute(f"UPDATE downloads SET {fitted(connection, COUNTED)} WHERE id = :id", values)
            except errors.REJECTED:
                if not connection.in_transaction:
                    raise


COUNTED = """items_total = :total, items_done = :done, items_failed = :failed, progress = :progress,
    download_speed = :speed, eta_seconds = :eta"""
