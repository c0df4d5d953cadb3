"""A row that asks: what is saved of it, its answer, and what becomes of it without one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reactor.choices import Choices, FileChoice, FormatChoice, HelpChoice, SubtitleChoice
from reactor.core import commands
from reactor.core.events import RowsPolled, SaveStale
from reactor.core.job import Attempt
from reactor.database.contract import RETRY_MAX_S
from reactor.database.store import Store
from reactor.database.table import ChangeCursor
from reactor.errors import DownloadError, Failure
from reactor.models import Kind
from tests.database.contract.engines import Engine

NOW, DAY = 1_800_000_000.0, 86_400.0
ONE = Attempt(1, 1)
CHOICES = Choices(
    title="A film",
    formats=(
        FormatChoice(c="f1", label="1080p", height=1080, bytes=7, pick={"quality": 1080}),
        FormatChoice(c="a1", label="sound", pick={"want": "audio"}),
    ),
    subtitles=tuple(
        SubtitleChoice(c=f"s{n}", language=each, pick={"subtitles": {"languages": [each]}})
        for n, each in enumerate(("de", "en"), 1)
    ),
    files=tuple(FileChoice(c=f"t{n}", n=n, path=f"{n}.mkv", bytes=n, pick={"files": [n]}) for n in (1, 2)),
)


async def poll(store: Store, now: float = NOW, room: int = 0) -> RowsPolled:
    return (await store.poll(commands.PollRows((), room), now, RETRY_MAX_S)).rows


def row(engine: Engine, columns: str) -> tuple[Any, ...]:
    (found,) = engine.sql(f"SELECT {columns} FROM downloads WHERE id = 1")
    return tuple(found)


def options(engine: Engine) -> Any:
    return json.loads(row(engine, "options")[0])


async def ask(engine: Engine, store: Store, choices: Choices = CHOICES, said: str = '{"ask": "all"}') -> None:
    engine.sql("INSERT INTO downloads (url, options) VALUES ('http://host.example/a', ?)", said)
    (claimed,) = (await poll(store, room=1)).claimed
    assert claimed.attempt == ONE
    assert await store.save([commands.SaveChoices(ONE, choices, DAY, "A film", Kind.YTDLP)], NOW) == ()


async def test_it_stands_at_choosing_with_what_there_is_and_is_claimed_by_nobody(engine: Engine, store: Store) -> None:
    await ask(engine, store)
    said = row(engine, "status, stage, title, url_type, claimed_by, next_attempt_at, finished_at")
    assert said == ("choosing", "waiting", "A film", "ytdlp", None, NOW + DAY, None)
    told = json.loads(row(engine, "choices")[0])
    assert told["formats"][0] == {
        **{"c": "f1", "label": "1080p", "height": 1080, "bytes": 7, "exact": False},
        "pick": {"quality": 1080},
    }
    seen = await poll(store, NOW + 1, room=5)
    assert (seen.claimed, seen.swept, seen.leftovers) == ((), (), ())
    assert seen.due_in_s is not None
    async with engine.open_table() as table:
        found = await table.get(1)
        assert found is not None
        assert found.choices == CHOICES
        assert ((await table.counts()).choosing, (await table.overview(5)).choosing) == (1, (found,))


@pytest.mark.parametrize("change", ["status = 'cancelled'", "cancelled = 1", "attempt = 2"])
async def test_who_came_first_wins(engine: Engine, store: Store, change: str) -> None:
    engine.sql("INSERT INTO downloads (url) VALUES ('http://host.example/a')")
    await poll(store, room=1)
    engine.sql(f"UPDATE downloads SET {change}")
    assert await store.save([commands.SaveChoices(ONE, CHOICES, DAY)], NOW) == (SaveStale(ONE, last=True),)
    assert row(engine, "choices") == (None,)


async def test_an_answer_says_in_the_options_what_was_chosen_and_is_served_next(engine: Engine, store: Store) -> None:
    await ask(engine, store, said='{"ask": "all", "codec": "h264", "want": "info", "subtitles": {"as": "embed"}}')
    async with engine.open_table() as table:
        assert await table.choose(1, ("f1", "s1", "s2", "t2"))
        assert not await table.choose(1, ("f1",)), "it asks nothing any more"
    assert options(engine) == {
        **{"ask": "never", "codec": "h264", "quality": 1080, "files": [2]},
        "subtitles": {"as": "embed", "languages": ["de", "en"]},
    }
    assert row(engine, "status, stage, choices, next_attempt_at") == ("pending", None, None, None)
    (claimed,) = (await poll(store, room=1)).claimed
    assert (claimed.attempt, claimed.options.quality) == (Attempt(1, 2), 1080)


async def test_a_code_that_is_not_there_changes_nothing(engine: Engine, store: Store) -> None:
    await ask(engine, store)
    before = row(engine, "*")
    async with engine.open_table() as table:
        for codes, sentence in ((("f9",), "`f9`"), (("f1", "a1"), "Only one"), (("' OR 1",), "no choice")):
            with pytest.raises(DownloadError, match=sentence):
                await table.choose(1, codes)
        assert not await table.choose(2, ("f1",))
    assert row(engine, "*") == before


async def test_whoever_has_cancelled_it_is_not_overtaken_by_an_answer(engine: Engine, store: Store) -> None:
    await ask(engine, store)
    async with engine.open_table() as table:
        assert await table.cancel(1)
        assert not await table.choose(1, ("f1",))
        assert not await table.retry(1)
    assert (await poll(store)).swept == (1,)
    assert row(engine, "status, stage, next_attempt_at") == ("cancelled", None, None)


@pytest.mark.parametrize("change", ["status = 'cancelled'", "cancelled = ?"])
async def test_so_it_is_with_a_cancel_of_another_kind(engine: Engine, store: Store, change: str) -> None:
    await ask(engine, store)
    engine.sql(f"UPDATE downloads SET {change}", *[engine.odd("yes", 1)] * change.count("?"))
    assert (await poll(store)).swept == (1,)
    assert row(engine, "status, stage") == ("cancelled", None)


async def test_without_an_answer_the_default_is_taken(engine: Engine, store: Store) -> None:
    await ask(engine, store)
    assert (await poll(store, NOW + DAY - 1)).due_in_s == 1
    seen = await poll(store, NOW + DAY, room=1)
    assert [each.attempt for each in seen.claimed] == [Attempt(1, 2)]
    assert options(engine) == {"ask": "never"}
    assert row(engine, "choices") == (None,)


async def test_or_it_fails_and_can_be_answered_still(engine: Engine, store: Store) -> None:
    await ask(engine, store, CHOICES.model_copy(update={"unanswered": "fail"}))
    (failed,) = (await poll(store, NOW + DAY, room=1)).rejected
    assert (failed.attempt, failed.failure.code) == (ONE, "unanswered")
    assert row(engine, "status, error_code, next_attempt_at") == ("failed", "unanswered", None)
    async with engine.open_table() as table:
        assert await table.choose(1, ())
    assert row(engine, "status, error_code") == ("pending", None)


async def test_a_failed_row_says_what_would_help_and_is_served_with_it(engine: Engine, store: Store) -> None:
    engine.sql("INSERT INTO downloads (url) VALUES ('http://host.example/a')")
    await poll(store, room=1)
    help = Choices(help=(HelpChoice(c="h1", label="480p", pick={"quality": 480}),))
    assert await store.save([commands.SaveFailed(ONE, Failure("too_large", "It is."), choices=help)], NOW) == ()
    async with engine.open_table() as table:
        assert await table.choose(1, ("h1",))
    assert (options(engine), row(engine, "status, error")) == ({"quality": 480, "ask": "never"}, ("pending", None))


async def test_a_column_that_says_nonsense_asks_nothing_and_holds_up_nobody(engine: Engine, store: Store) -> None:
    await ask(engine, store)
    for nonsense in ("", "{", "[]", '{"v": 2}', '{"v": 1, "formats": 5}', b"\xff", 5, "[" * 100_000):
        engine.sql("UPDATE downloads SET choices = ?", nonsense)
        async with engine.open_table() as table:
            found = await table.get(1)
            assert found is not None
            assert found.choices is None
            assert not await table.choose(1, ())
    engine.sql("UPDATE downloads SET options = '5'")
    assert [each.attempt for each in (await poll(store, NOW + DAY, room=1)).claimed] == [Attempt(1, 2)]


async def test_who_follows_all_rows_sees_it_ask_and_go_on(engine: Engine, store: Store) -> None:
    cursor = ChangeCursor()
    async with engine.open_table() as table:
        await ask(engine, store)
        assert [each.status for each in await table.changed(cursor)] == ["choosing"]
        await table.choose(1, ())
        assert [each.status for each in await table.changed(cursor)] == ["pending"]


async def test_an_answer_by_sql_alone(engine: Engine, store: Store) -> None:
    """As the documentation has it."""
    await ask(engine, store)
    options = engine.patched("options", '{"quality": 720, "ask": "never"}')
    engine.sql(f"""UPDATE downloads SET status = 'pending', choices = NULL, next_attempt_at = NULL,
        options = {options} WHERE id = 1 AND status = 'choosing'""")
    (claimed,) = (await poll(store, room=1)).claimed
    assert (claimed.options.quality, claimed.options.ask) == (720, "never")
