"""A bot and reactor, each at random: what both do to a row, and what has to be so after each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.database.mirror import LIVE, Mirror, read_words
from reactor.database.sql import downloads, saving
from reactor.database.sql.connection import Connection
from reactor.errors import Failure

NOW = 1_800_000_000.0
WORDS = read_words(["queued=pending,running=downloading,done=downloaded,failed=failed,stopped=cancelled"], 1)
MEANS = {word: status for (word,), status in WORDS}
MIRROR = Mirror("jobs", "link", ("state",), WORDS, {"owner": "chat", "cancelled": "stop"}, {"file_path": "path"})
Job = tuple[str, str | None, int]
Step = str | tuple[str, dict[str, Any]]
"""One of reactor's, or a statement of the bot's with its values."""
KEYS, LINKS = ("a", "a", "a", "b"), ("u", "u", "u", "v", None)
VALUES = st.fixed_dictionaries(
    {
        "key": st.sampled_from(KEYS),
        "other": st.sampled_from(KEYS),
        "link": st.sampled_from(LINKS),
        "word": st.sampled_from([*MEANS, "archived", "queued", "queued", "stopped", "stopped"]),
    }
)
OURS = st.sampled_from(["claim", "downloaded", "failed", "waiting", "cancelled"])


class Reactor:
    """What reactor does with the rows, one step at a time."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection
        self.attempts: list[Attempt] = []

    def step(self, what: str) -> None:
        """One poll, or one save of the oldest attempt, be it stale or not."""
        if what == "claim" or not self.attempts:
            ids = tuple(each.download_id for each in self.attempts)
            seen = downloads.poll(self._sql, commands.PollRows(ids, 1), "me", NOW)
            assert seen.stuck == {}
            self.attempts += [row.attempt for row in seen.rows.claimed]
            return
        attempt = self.attempts.pop(0)
        failure = Failure("timeout", "The server stopped answering.")
        saves: dict[str, commands.Save] = {
            "downloaded": commands.SaveDownloaded(attempt, "/d/a", 1, None),
            "failed": commands.SaveFailed(attempt, failure),
            "waiting": commands.SaveWaiting(attempt, failure, 1, 0.0),
            "cancelled": commands.SaveCancelled(attempt),
        }
        for save in (saves[what], saves["cancelled"]):  # what a cancel has overtaken is cancelled
            saving.apply(self._sql, [save], NOW)


def jobs_of(connection: Connection) -> dict[str, Job]:
    """The bot's rows by their keys."""
    return {key: (*row,) for key, *row in connection.execute("SELECT id, state, link, stop FROM jobs").fetchall()}


def heard(connection: Connection, before: dict[str, Job], after: dict[str, Job]) -> None:
    """What the bot has just said of a row is so in `downloads` at once."""
    asked = "SELECT mirror_jobs, status, url, COALESCE(cancelled, 0) FROM downloads"
    rows = {key: row for key, *row in connection.execute(asked).fetchall()}
    assert not rows.keys() - after.keys(), "what was deleted is gone"
    for key, (word, link, stop) in after.items():
        was, status = before.get(key), MEANS.get(word)
        found, url, cancelled = rows.get(key, (None, None, 0))
        if was is None or was[0] != word:
            if status == "pending" and link is not None and not stop:
                assert (found in LIVE, url, cancelled) == (True, link, 0)
            elif status not in (*LIVE, "cancelled"):
                assert found not in LIVE
            elif status == "cancelled":
                assert found not in LIVE or cancelled
        if was is not None and was[2] != stop and found in LIVE:
            assert cancelled == stop or status == "cancelled"


def play(ours: Connection, bot: Connection, steps: Sequence[Step]) -> None:
    """Each step by reactor or by the bot; then what is still under way ends."""
    reactor = Reactor(ours)
    for step in steps:
        if isinstance(step, str):
            reactor.step(step)
        else:
            before = jobs_of(ours)
            bot.execute(*step)
            if "SET id" not in step[0]:
                heard(ours, before, jobs_of(ours))
    while reactor.attempts:
        reactor.step("cancelled")  # those that are still under way are stale, or end as they are
        settle(ours, reactor)
    check(ours)


def settle(connection: Connection, reactor: Reactor) -> None:
    """Have what is under way end."""
    for id, attempt in connection.execute("SELECT id, attempt FROM downloads WHERE status = 'downloading'").fetchall():
        if Attempt(id, attempt) not in reactor.attempts:
            ended = commands.SaveDownloaded(Attempt(id, attempt), "/d/a", 1, None)
            saving.apply(connection, [ended, commands.SaveCancelled(Attempt(id, attempt))], NOW)


def check(connection: Connection) -> None:
    """Every row of the bot's with a word of the map says what `downloads` has of it."""
    rows = dict(connection.execute("SELECT mirror_jobs, status FROM downloads").fetchall())
    (count,) = connection.execute("SELECT count(*) FROM downloads").fetchone()
    assert len(rows) == count, "one row for each"
    keys = connection.execute("SELECT id, link, state, stop FROM jobs").fetchall()
    assert {key for key, status in rows.items() if status in LIVE} <= {key for key, *_ in keys}
    for key, link, word, stop in keys:
        if MEANS.get(word) == "pending" and link is not None and not stop:
            assert rows.get(key) in LIVE, (key, word)
        if rows.get(key) in LIVE:
            assert MEANS.get(word) in (*LIVE, "cancelled"), (key, word, rows[key])
