"""The work of an attempt beside what stops it: one after the other in a row's folder."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread

from reactor.core import commands, events
from reactor.core.job import Attempt, derive_gid
from reactor.core.retry import CHANGED
from reactor.daemon import versions
from reactor.daemon.effects.work import Stages
from reactor.daemon.workers import Workers
from reactor.errors import DownloadError
from reactor.extractors.context import open_context
from reactor.files.kept import ID
from reactor.files.staging import Staging
from reactor.media.parts import BadParts
from reactor.media.room import Room
from reactor.models import Kind
from reactor.plan import Extraction, Fetch, Finish, Torrent, Track
from tests.daemon.effects.heard import Heard
from tests.media.joining import join
from tests.servers import FileServer

ONE = Attempt(1, 1)
WAIT_S = 30.0
PART = 300_000


class Gated(Staging):
    """In the midst of publishing it waits."""

    reached = threading.Event()
    go = threading.Event()

    def tame(self, name: str, folder: bool = False) -> str:
        self.reached.set()
        assert self.go.wait(WAIT_S)
        return name


def folder_of_files(staging: Staging) -> commands.Finish:
    """A torrent that is there as a whole."""
    (staging.folder(1) / "album").mkdir(parents=True)
    for n in range(9):
        (staging.folder(1) / "album" / f"{n}.flac").write_bytes(b"x")
    fetch = Fetch(name="album", torrent=Torrent(info_hash="a" * 40))
    extraction = Extraction(kind=Kind.TORRENT, fetches=(fetch,), finish=Finish(how="torrent", name="album"))
    return commands.Finish(ONE, extraction, (), 0)


@asynccontextmanager
async def stages_of(staging: Staging, heard: list[events.Event]) -> AsyncIterator[Stages]:
    async with open_context() as context:
        yield Stages(context, staging, None, heard.append)


async def test_a_cancel_waits_for_what_is_being_published_and_takes_it_back(tmp_path: Path) -> None:
    staging = Gated(tmp_path, instance="0123456789abcdef")
    command = folder_of_files(staging)
    heard = Heard()
    with anyio.fail_after(WAIT_S):
        async with stages_of(staging, heard) as stages, anyio.create_task_group() as tasks:
            workers = Workers(tasks)
            workers.start(ONE, stages.finish, command)
            await to_thread.run_sync(staging.reached.wait)
            workers.stop(ONE)
            workers.start(None, stages.discard, commands.Discard(ONE))
            await anyio.wait_all_tasks_blocked()
            assert not heard
            staging.go.set()
    assert heard[-1] == events.Discarded(ONE), "what was stopped may say its last word before"
    assert not list((tmp_path / ".reactor").iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {".reactor", ".reactor-kept"}
    assert [path.name for path in (tmp_path / ".reactor-kept").iterdir()] == [ID]


async def test_a_folder_that_must_be_empty_and_cannot_be_fails_the_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Staging, download_id: int, *, keep_result: bool) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Staging, "discard", refuse)
    heard = Heard()
    async with stages_of(Staging(tmp_path, instance="0123456789abcdef"), heard) as stages:
        assert await heard.of(stages.discard(commands.Discard(ONE))) == events.Discarded(ONE)
        failed = await heard.of(stages.discard(commands.Discard(ONE, must=True)))
    assert isinstance(failed, events.WorkFailed)
    assert failed.failure.code == "storage"


def media(*names: str) -> Extraction:
    fetches = tuple(Fetch(urls=(f"http://host.example/{name}",), name=name) for name in names)
    track = Track(form="concat", first=0, count=len(names))
    return Extraction(kind=Kind.YTDLP, fetches=fetches, finish=Finish(how="media", name="film.mp4", tracks=(track,)))


async def test_the_parts_that_are_to_blame_are_named_and_gone(tmp_path: Path) -> None:
    staging = Staging(tmp_path, instance="0123456789abcdef")
    staging.prepare(1, fresh=True)
    for name, data in {"0.m4s": b"\0\1\2", "1.m4s": b"<html>no</html>", "2.m4s": b"\0\1\2"}.items():
        (staging.folder(1) / name).write_bytes(data)
    heard = Heard()
    async with stages_of(staging, heard) as stages:
        command = commands.Finish(ONE, media("0.m4s", "1.m4s", "2.m4s", "3.m4s"), (), 0)
        failed = await heard.of(stages.finish(command))
    assert isinstance(failed, events.WorkFailed)
    assert (failed.failure.code, failed.parts) == ("bad_part", (1, 3))
    assert sorted(path.name for path in staging.folder(1).iterdir()) == ["0.m4s", "2.m4s"]


@pytest.mark.fault(32)
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(
    ("how", "mixed"),
    [({}, False), ({"data": b"B" * PART}, True), ({"status": 503}, True), ({"ranges": False}, False)],
    ids=["same", "other", "does not answer", "no ranges"],
)
async def test_what_came_in_several_answers_is_compared_before_it_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, single: bool, how: dict[str, Any], mixed: bool
) -> None:
    """One part of several as well as a file by itself; what came in one answer is not asked about."""
    monkeypatch.setattr(versions, "BUSY_PAUSES_S", (0.05, 0.05, 0.05))
    staging = Staging(tmp_path, instance="0123456789abcdef")
    async with FileServer() as server, open_context() as context:
        url = server.put("/a", **{"data": b"A" * PART} | how)
        fetches = tuple(Fetch(urls=(url,), name=f"{n}.bin") for n in range(2))
        finish = Finish(how="file", name="a.bin")
        file = Extraction(kind=Kind.DIRECT, fetches=fetches[:1], finish=finish)
        for extraction in (file, media("0.ts", "1.ts").model_copy(update={"fetches": fetches})):
            server.log.clear()
            staging.prepare(1, fresh=True)
            for fetch in extraction.fetches:
                (staging.folder(1) / fetch.name).write_bytes(b"A" * PART)
            heard = Heard()
            stages = Stages(context, staging, None, heard.append, single={derive_gid("db", ONE, 0): single}.get)
            event = await heard.of(stages.finish(commands.Finish(ONE, extraction, (), 0, instance="db")))
            changed = isinstance(event, events.WorkFailed) and event.failure == CHANGED
            assert changed is (mixed and not single)
            assert bool(server.log) is not single
            if isinstance(event, events.WorkFailed) and changed:
                assert event.parts == ((0,) if len(extraction.fetches) > 1 else ())


async def test_without_the_room_for_it_joining_is_not_begun(tmp_path: Path) -> None:
    (tmp_path / "0.m4s").write_bytes(b"\0\1\2")
    with pytest.raises(DownloadError, match="disk space") as caught:
        await join(tmp_path / "no-ffmpeg", tmp_path, media("0.m4s"), room=Room(spare=10**18))
    assert caught.value.failure.code == "no_space"
    assert not isinstance(caught.value, BadParts)
    assert [path.name for path in tmp_path.iterdir()] == ["0.m4s"]


HLS = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n"


def one_file(kind: Kind = Kind.DIRECT) -> commands.Finish:
    fetch = Fetch(urls=("http://host.example/a",), name="film.mp4")
    extraction = Extraction(kind=kind, fetches=(fetch,), finish=Finish(how="file", name="film.mp4"))
    return commands.Finish(ONE, extraction, (), 0)


@pytest.mark.fault(34)
@pytest.mark.parametrize(
    ("arrived", "kind", "goes_on", "again"),
    [
        (HLS, Kind.DIRECT, Kind.YTDLP, None),
        (HLS, Kind.PLAYWRIGHT, Kind.YTDLP, None),
        (b"<html>Log in", Kind.DIRECT, Kind.YTDLP, None),
        (b"<html>This link has run out", Kind.YTDLP, None, True),
        (b"d8:announce3:a.b", Kind.DIRECT, Kind.TORRENT, None),
        (b'{"error": 403}', Kind.DIRECT, None, False),
        (b'{"error": 403}', Kind.YTDLP, None, True),
    ],
)
async def test_what_arrived_in_place_of_a_film_is_not_published(
    tmp_path: Path, arrived: bytes, kind: Kind, goes_on: Kind | None, again: bool | None
) -> None:
    staging = Staging(tmp_path, instance="0" * 12)
    staging.prepare(1, fresh=True)
    (staging.folder(1) / "film.mp4").write_bytes(arrived)
    heard = Heard()
    async with stages_of(staging, heard) as stages:
        event = await heard.of(stages.finish(one_file(kind)))
    if goes_on is not None:
        assert isinstance(event, events.Reclassified)
        assert (event.detection.kind, event.detection.url) == (goes_on, "http://host.example/a")
    else:
        assert isinstance(event, events.WorkFailed)
        assert (event.failure.code, event.failure.retryable) == ("wrong_content", again)
        assert "in place of film.mp4" in event.failure.message
    assert not [path for path in tmp_path.iterdir() if path.is_file()]
