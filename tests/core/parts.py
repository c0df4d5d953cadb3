"""A job of many parts, for the tests of several files."""

from __future__ import annotations

from reactor.core import commands, events
from reactor.models import Kind
from reactor.plan import Extraction, Fetch, Finish, Track
from tests.core.world import World

COUNT = 20


def parts(count: int = COUNT, *, size: int | None = None) -> Extraction:
    fetches = tuple(
        Fetch(urls=(f"http://host.example/{n}.ts",), name=f"{n:04}.ts", size=size) for n in range(1, count + 1)
    )
    track = Track(form="hls", first=0, count=count, playlist="#EXTM3U\n")
    return Extraction(
        kind=Kind.YTDLP, title="film", fetches=fetches, finish=Finish(how="media", name="film.mp4", tracks=(track,))
    )


def wait(world: World) -> World:
    """Until the job that is held up goes on."""
    held_until = world.machine.jobs[1].budget.hold_until
    assert held_until is not None
    return world.feed(events.TimePassed(), after=held_until - world.now)


def kept(world: World) -> frozenset[int] | None:
    return world.the(commands.SaveProgress).rows[0].done
