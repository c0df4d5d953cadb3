"""How plans are stored: bounded, in pieces, and so that nobody waits for a long one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reactor.core import commands
from reactor.core.events import SaveRejected
from reactor.core.job import Attempt
from reactor.core.quotas import PLAN_TOO_LARGE
from reactor.database.sql import downloads, plans, saving
from reactor.database.sqlite import migration
from reactor.numbers import PLAN_BYTES_MAX
from reactor.plan import Cookie, Extraction, Header, Torrent
from tests.core.parts import parts
from tests.core.world import one_file
from tests.database.sqlite.bot import opened

NOW = 1_800_000_000.0
ONE, TWO = Attempt(1, 1), Attempt(2, 1)
MIB = 1024 * 1024


@pytest.fixture
def claimed(table: sqlite3.Connection) -> sqlite3.Connection:
    """A table with two rows under way in their first attempts."""
    table.executemany("INSERT INTO downloads (url) VALUES (?)", [("http://host.example/a",)] * 2)
    downloads.poll(table, commands.PollRows((), 2), "me", NOW)
    return table


def long_plan(count: int, length: int = 100) -> Extraction:
    """So many parts with addresses of so many characters; of every third one the address is another's."""
    plan, filling = parts(count), "a" * length
    fetches = tuple(
        replace(fetch, urls=(f"http://host.example/{filling}/{n}",), headers=n % 2, optional=n % 3 == 0)
        for n, fetch in enumerate(plan.fetches)
    )
    headers = tuple((Header(name="X-Token", value=value),) for value in "ab")
    cookies = (Cookie(name="a", value="b", domain="host.example"),)
    return plan.model_copy(update={"fetches": fetches, "headers": headers, "cookies": cookies})


def recovered(table: sqlite3.Connection) -> tuple[Extraction | None, int, frozenset[int]]:
    found = downloads.recover(table).rows[0]
    return found.plan, found.plan_attempt, found.done


def pieces(table: sqlite3.Connection) -> int:
    (count,) = table.execute("SELECT count(*) FROM reactor_plan_pieces").fetchone()
    return int(count)


@pytest.mark.parametrize("count", [1, 500, 501, 1234])
def test_a_plan_comes_back_as_it_was(claimed: sqlite3.Connection, count: int) -> None:
    plan = long_plan(count)
    assert saving.apply(claimed, [commands.SavePlan(ONE, plan, frozenset({0}))], NOW) == ()
    assert recovered(claimed) == (plan, 1, frozenset({0}))
    assert pieces(claimed) == (0 if count == 1 else -(-count // plans.PIECE_FETCHES))
    plans.forget(claimed, Attempt(1, 0))
    assert recovered(claimed)[0] == plan, "what a later attempt plans stays"
    plans.forget(claimed, ONE)
    assert (recovered(claimed), pieces(claimed)) == ((None, 0, frozenset()), 0)


def test_a_plan_takes_the_place_of_the_one_before(claimed: sqlite3.Connection) -> None:
    for plan in (long_plan(2000), long_plan(700), one_file(), long_plan(600)):
        saving.apply(claimed, [commands.SavePlan(ONE, plan)], NOW)
        assert recovered(claimed)[0] == plan
    assert pieces(claimed) == 2


def test_a_torrent_is_not_counted(claimed: sqlite3.Connection) -> None:
    plan = one_file()
    torrent = Torrent(metainfo=bytes(range(256)) * (PLAN_BYTES_MAX // 256))
    plan = plan.model_copy(update={"fetches": (replace(plan.fetches[0], torrent=torrent),)})
    assert saving.apply(claimed, [commands.SavePlan(ONE, plan)], NOW) == ()
    assert recovered(claimed)[0] == plan


@pytest.mark.fault(54)
def test_a_plan_that_is_too_large_fails_its_row_and_no_other(claimed: sqlite3.Connection) -> None:
    large, other = long_plan(1000, 9000), one_file()
    assert large.plan_bytes > PLAN_BYTES_MAX, "the core refuses it before"
    unsaved = saving.apply(claimed, [commands.SavePlan(ONE, large), commands.SavePlan(TWO, other)], NOW)
    assert unsaved == (SaveRejected(ONE, PLAN_TOO_LARGE),)
    assert claimed.execute("SELECT download_id FROM reactor_plans").fetchall() == [(2,)]
    assert pieces(claimed) == 0


@pytest.mark.fault(54)
@pytest.mark.parametrize("inside", [True, False], ids=["beside its row", "in pieces"])
def test_a_plan_without_a_limit_is_not_even_read(claimed: sqlite3.Connection, path: Path, inside: bool) -> None:
    """From before there was one, or by whoever wrote it: nothing of it comes into memory."""
    saving.apply(claimed, [commands.SavePlan(ONE, long_plan(600))], NOW)
    with opened(path) as other:
        if inside:
            other.execute(f"UPDATE reactor_plans SET plan = CAST(zeroblob({30 * MIB}) AS TEXT)")
        else:
            other.execute(f"UPDATE reactor_plan_pieces SET piece = zeroblob({30 * MIB})")
    claimed.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MIB)  # whoever reads more than that fails
    read = "SELECT plan || '' FROM reactor_plans" if inside else "SELECT piece || '' FROM reactor_plan_pieces"
    with pytest.raises(sqlite3.DataError):
        claimed.execute(read)
    assert recovered(claimed)[:2] == (None, 1)
    claimed.execute("UPDATE downloads SET status = 'pending' WHERE id = 1")
    (found,) = downloads.poll(claimed, commands.PollRows((), 1), "me", NOW).rows.claimed
    assert (found.attempt, found.plan, found.plan_attempt) == (Attempt(1, 2), None, 1)


@pytest.mark.fault(54)
def test_plans_from_before_they_were_bounded_are_given_up(claimed: sqlite3.Connection) -> None:
    """Their rows go on from the beginning, and what they left is cleared away."""
    claimed.execute("DROP TABLE reactor_plan_pieces")
    old = '{"kind": "x"}' * 10**6
    claimed.execute("INSERT INTO reactor_plans (download_id, attempt, parts, plan) VALUES (1, 1, 400, ?)", (old,))
    migration.migrate(claimed)
    assert claimed.execute("SELECT plan, attempt, parts FROM reactor_plans").fetchall() == [("", 1, 400)]
    assert recovered(claimed) == (None, 1, frozenset())


def test_what_is_done_is_written_without_the_plan(claimed: sqlite3.Connection, path: Path) -> None:
    """Each time some parts are done a few pages are written, not the whole of a long plan."""
    claimed.execute("PRAGMA journal_mode = WAL").close()
    saving.apply(claimed, [commands.SavePlan(ONE, long_plan(3000, 2500))], NOW)
    claimed.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    wal = path.with_name(f"{path.name}-wal")
    for last in range(10):
        save = commands.ProgressOf(ONE, 1.0, 1, 1, 1, done=frozenset(range(last)))
        saving.apply(claimed, [commands.SaveProgress((save,))], NOW)
    assert 0 < wal.stat().st_size < MIB


@pytest.mark.fault(54)
def test_nobody_waits_while_a_plan_is_made_or_read(
    claimed: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a while with 20 000 parts, and a bot's commit waits as long as our transaction."""
    seen: list[str] = []

    def outside(function: Callable[..., Any]) -> Callable[..., Any]:
        def checked(*args: Any) -> Any:
            assert not claimed.in_transaction
            seen.append(function.__name__)
            return function(*args)

        return checked

    for function in (plans.encode, plans.of_row):
        monkeypatch.setattr(plans, function.__name__, outside(function))
    saving.apply(claimed, [commands.SavePlan(ONE, long_plan(600))], NOW)
    claimed.execute("UPDATE downloads SET status = 'pending' WHERE id = 1")
    (found,) = downloads.poll(claimed, commands.PollRows((), 1), "me", NOW).rows.claimed
    assert found.plan == long_plan(600)
    assert seen == ["encode", "of_row"]
