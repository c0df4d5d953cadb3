"""What `reactor doctor` looks at in the database. It is opened for reading only, and never made."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from watchfiles import watch

from reactor.cli.doctor import findings
from reactor.cli.doctor.findings import NETWORK_FILE_SYSTEMS, DoctorFinding, file_system, mirror, nearest, served_by
from reactor.database.mirror import Mirror
from reactor.database.sql import presence
from reactor.database.sql.unserved import OVER, unserved_statuses
from reactor.database.sqlite import mirrors
from reactor.database.sqlite.compatibility import check_table
from reactor.database.sqlite.mounts import refuse_mounted_file
from reactor.database.sqlite.opened import read_only_mode
from reactor.database.sqlite.unserved import other_table
from reactor.errors import DatabaseError
from reactor.models import Download

SUFFIXES = (".db", ".db3", ".sqlite", ".sqlite3")
BESIDE_MAX = 5
WAIT_S = 2.0
"""How long another writer is waited for."""


def examine(path: Path) -> list[DoctorFinding]:
    """The database, its mirrors, who serves it, its file system, the change watch on its folder, and SQLite itself."""
    return [
        _database(path),
        *_mirrors(path),
        *_served(path),
        *_place(path),
        _watching(path),
        sqlite_library(sqlite3.sqlite_version_info),
    ]


def _database(path: Path) -> DoctorFinding:
    where = str(path)
    there = nearest(path)
    if there != path.absolute():
        if there != path.absolute().parent:
            return _unusable(where, f"There is no folder {path.absolute().parent}.")
        if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
            beside = _beside(path)
            what = "not there yet: `add` and `run` make it"
            if not beside:
                return DoctorFinding("database", "ok", what, where=where, needed=True)
            advice = f"Is one of these the bot's: {', '.join(beside)}?"
            return DoctorFinding("database", "note", what, where=where, advice=advice, needed=True)
        return _unusable(where, f"{there} cannot be written.")
    if not path.is_file():
        return _unusable(where, "It is not a file.")
    if not os.access(path, os.W_OK) or not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        return _unusable(where, "It, or the folder it is in, cannot be written.")
    try:
        refuse_mounted_file(path)
        return _table(path)
    except DatabaseError as error:
        return _unusable(where, error.message, error.hint)
    except sqlite3.Error as error:
        return _unusable(where, f"SQLite says: {error}.")


def _unusable(where: str, what: str, advice: str | None = None) -> DoctorFinding:
    advice = advice or "Set DOWNLOAD_DB to the bot's database."
    return DoctorFinding("database", "missing", what, where=where, advice=advice, needed=True)


def _table(path: Path) -> DoctorFinding:
    with _opened(path) as database:
        mode: str = database.execute("PRAGMA journal_mode").fetchone()[0]
        columns = {row[1].lower() for row in database.execute("PRAGMA table_info(downloads)")}
        if columns and not {"id", "url"} <= columns:
            return _unusable(str(path), "Its table `downloads` has no column `id` or `url`.")
        check_table(database)
        parts = [f"journal mode {mode}", _rows(database, columns), _lacks(columns)]
        advice = " ".join(_unserved(database, columns))
    what = ", ".join(part for part in parts if part)
    return DoctorFinding("database", "note" if advice else "ok", what, where=str(path), advice=advice, needed=True)


def _unserved(database: sqlite3.Connection, columns: set[str]) -> Iterator[str]:
    """What is never served, with what would have to change."""
    if table := other_table(database):
        yield findings.other_table(table)
    if columns >= Download.model_fields.keys() - {"extra"}:
        for each in unserved_statuses(database):
            word = "NULL" if each.status is None else f"“{each.status}”"
            which = f"{each.count}, the first is {each.download_id}"
            yield f"Rows with the status {word} are never served ({which}): write “pending”."
    elif "status" in columns:
        marks = ", ".join("?" * len(OVER))
        found = database.execute(
            f"""SELECT DISTINCT status FROM downloads
            WHERE lower(status) NOT IN ({marks}) AND status <> 'pending' LIMIT 5""",
            [*OVER],
        )
        if words := [f"“{status}”" for (status,) in found.fetchall()]:
            yield f"Rows with the status {', '.join(words)} are never served: write “pending”."


def _beside(path: Path) -> list[str]:
    """Other databases in the folder of one that is not there."""
    return sorted(each.name for each in path.absolute().parent.iterdir() if each.suffix in SUFFIXES)[:BESIDE_MAX]


def _lacks(columns: set[str]) -> str:
    """What of the contract a bot's own table does not have yet."""
    missing = Download.model_fields.keys() - {"extra"} - columns
    return f"{len(missing)} columns missing: `add` and `run` add them" if columns and missing else ""


def _rows(database: sqlite3.Connection, columns: set[str]) -> str:
    if not columns:
        return "no table `downloads` yet: `add` and `run` make it"
    if "status" not in columns:
        return f"{database.execute('SELECT count(*) FROM downloads').fetchone()[0]} rows"
    counts = database.execute("SELECT status, count(*) FROM downloads GROUP BY status ORDER BY status").fetchall()
    return ", ".join(f"{count} {status}" for status, count in counts) or "no rows"


def _mirrors(path: Path) -> Iterator[DoctorFinding]:
    """Tables of the bot's that are attached: whether their rows are served, and which words no map names."""
    if not path.is_file():
        return
    try:
        with _opened(path) as database:
            troubles = {each.table: each.reason for each in mirrors.troubles(database)}
            for each in mirrors.stored(database):
                yield _mirror(database, each, troubles.get(each.table))
    except sqlite3.Error:
        return  # said already


def _mirror(database: sqlite3.Connection, attached: Mirror, trouble: str | None) -> DoctorFinding:
    odd = () if trouble is not None else mirrors.strangers(database, attached)
    return mirror(attached.table, attached.links, trouble, odd)


def _served(path: Path) -> Iterator[DoctorFinding]:
    """Who serves it, and where it can be seen."""
    if not path.is_file():
        return
    try:
        with _opened(path) as database:
            served = presence.read(database)
    except sqlite3.Error:
        return  # said already
    yield served_by(served)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    uri = f"{path.absolute().as_uri()}?mode={read_only_mode(path)}"
    with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_S)) as database:
        database.execute("PRAGMA query_only = ON")
        yield database


def _place(path: Path) -> Iterator[DoctorFinding]:
    kind = file_system(nearest(path))
    if kind in NETWORK_FILE_SYSTEMS:
        yield DoctorFinding(
            "database place",
            "note",
            f"On a network file system ({kind}): WAL does not work there, and other machines' changes are only polled.",
            where=str(path),
            advice="Put the database on a local disk.",
        )


def _watching(path: Path) -> DoctorFinding:
    """Really watch the folder for a moment: limits show only when they are hit."""
    folder = next(place for place in (nearest(path), *nearest(path).parents) if place.is_dir())
    try:
        next(watch(folder, rust_timeout=1, yield_on_timeout=True, recursive=False))
    except (OSError, RuntimeError) as error:
        return DoctorFinding(
            "file watching",
            "note",
            f"Not possible ({error}): rows are found by polling only.",
            advice="Raise fs.inotify.max_user_instances and fs.inotify.max_user_watches.",
        )
    return DoctorFinding("file watching", "ok", where=str(folder))


def sqlite_library(version: tuple[int, ...]) -> DoctorFinding:
    """SQLite's version, and the bug of 3.7.0 to 3.51.2 (fixed in 3.44.6 and 3.50.7 as well) if it has it."""
    text = ".".join(str(part) for part in version)
    affected = (3, 7, 0) <= version < (3, 51, 3) and not any(
        fixed <= version < (3, fixed[1] + 1) for fixed in ((3, 44, 6), (3, 50, 7))
    )
    if not affected:
        return DoctorFinding("sqlite", "ok", version=text)
    return DoctorFinding(
        "sqlite",
        "note",
        "Has the rare WAL-reset bug of 3.7.0 to 3.51.2, which can damage a database written by several processes.",
        text,
        advice="Keep backups, or use a Python with SQLite 3.51.3 or newer.",
    )
