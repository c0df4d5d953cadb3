"""What a bot and reactor do to each other's rows, whatever the engine."""

from __future__ import annotations

from typing import Any, Protocol

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.database import engine
from reactor.database.contract import RETRY_MAX_S
from reactor.database.engine import Place
from reactor.database.mirror import READ, WRITTEN, Mirror, read_words
from reactor.database.store import Store
from reactor.errors import Failure
from reactor.models import Status
from tests.database.sqlite.shapes import Shape

NOW = 1_800_000_000.0
URL = "http://host.example/{}"
WORDS = "queued=pending,new=pending,running=downloading,done=downloaded,failed=failed,stopped=cancelled"
JOBS = """CREATE TABLE jobs (id text PRIMARY KEY, url text, status text DEFAULT 'queued', "user" integer, path text,
    note text, wishes text, percent integer)"""
MIRROR = Mirror(
    table="jobs",
    url="url",
    status=("status",),
    words=read_words([WORDS], 1),
    read={"owner": "user", "options": "wishes"},
    written={"file_path": "path"},
)
BROKEN = Failure("timeout", "The server stopped answering.")


class Bot(Protocol):
    """A program of any language: one connection, plain SQL, each statement a commit."""

    def add(self, number: int) -> None:
        """Row number so and so."""
        ...

    def write(self, number: int, status: str) -> None:
        """The bot's word for a status."""
        ...

    def state(self, number: int) -> Any:
        """What it reads."""
        ...

    def read(self, number: int, what: str) -> Any:
        """An expression of a row."""
        ...

    def delete(self, number: int) -> None:
        """Without a word."""
        ...

    def rows(self) -> list[Any]:
        """All that its tables hold."""
        ...

    def schema(self) -> list[Any]:
        """What it has made."""
        ...


def mirror_of(shape: Shape) -> Mirror:
    return Mirror(
        table=shape.table,
        url=shape.url,
        status=shape.status,
        words=read_words([shape.words], len(shape.status)),
        read={name: column for name, column in shape.further.items() if name in READ},
        written={name: column for name, column in shape.further.items() if name in WRITTEN},
        keys=shape.keys,
    )


async def claim(store: Store, room: int = 9) -> list[Attempt]:
    polled = await store.poll(commands.PollRows((), room), NOW, RETRY_MAX_S)
    assert polled.stuck == {}
    assert polled.rows.rejected == ()
    return [row.attempt for row in polled.rows.claimed]


async def watched(store: Store, *attempts: Attempt) -> list[tuple[str, bool]]:
    """What a poll sees of rows under way."""
    ids = tuple(each.download_id for each in attempts)
    polled = await store.poll(commands.PollRows(ids, 0), NOW, RETRY_MAX_S)
    return [(row.status, row.cancelled) for row in polled.rows.watched]


async def saved(store: Store, *saves: commands.Save) -> None:
    assert await store.save(saves, NOW) == ()


async def walk(place: Place, bot: Bot, shape: Shape) -> None:
    """A bot's own table: taken, downloaded, failed, retried, cancelled, deleted, given back."""
    says = shape.says
    bot.add(1)
    schema, rows = bot.schema(), bot.rows()
    attached = await engine.attach(place, mirror_of(shape))
    assert attached.taken == 1
    assert bot.rows() == rows
    async with engine.open_store(place, owner="me") as store:
        bot.add(2)
        bot.add(3)
        first, second, third = await claim(store)
        begun = says.get("downloading", says["pending"])
        assert [bot.state(number) for number in (1, 2, 3)] == [begun] * 3
        path_1 = "/downloads/1.bin"
        await saved(store, commands.SaveDownloaded(first, path_1, 1000, "One"))
        assert (bot.state(1), bot.read(1, f'"{shape.further["file_path"]}"')) == (says["downloaded"], path_1)
        await saved(store, commands.SaveFailed(second, BROKEN))
        assert bot.state(2) == says["failed"]
        bot.write(2, Status.PENDING)
        (again,) = await claim(store)
        assert again.download_id == second.download_id
        assert again.number == second.number + 1
        bot.write(3, Status.CANCELLED)
        polled = await store.poll(commands.PollRows((third.download_id,), 0), NOW, RETRY_MAX_S)
        assert [(row.id, row.cancelled) for row in polled.rows.watched] == [(third.download_id, True)]
        assert await store.save([commands.SaveDownloaded(third, "/downloads/3.bin", 9, None)], NOW) != ()
        await saved(store, commands.SaveCancelled(third))
        if "cancelled" in says:
            assert bot.state(3) == says["cancelled"]
        bot.delete(2)
        assert (await store.poll(commands.PollRows((again.download_id,), 0), NOW, RETRY_MAX_S)).rows.watched == ()
    before = bot.rows()
    detached = await engine.detach(place, shape.table)
    assert detached.forgotten == 0
    assert (bot.schema(), bot.rows()) == (schema, before)
