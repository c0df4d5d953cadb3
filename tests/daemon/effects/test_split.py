"""A row's files in pieces that an upload takes: of whatever was fetched, whole or not at all, after a crash too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from reactor.core import commands, events
from reactor.core.job import Attempt
from reactor.daemon.effects import work
from reactor.daemon.workers import Workers
from reactor.files.staging import Staging
from reactor.media import pieces
from reactor.models import Kind, ResultFile
from reactor.options import Options
from reactor.plan import Extraction, Fetch, Finish, Torrent
from tests.daemon.effects.test_converted import INSTANCE, ONE, command_for, finished, stages_in
from tests.media.conftest import ffmpeg, samples
from tests.media.samples import Samples

__all__ = ["ffmpeg", "samples"]
SPLIT = {"split_mib": 50}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A MiB is 1000 bytes: films here have 100 000."""
    monkeypatch.setattr(work, "MIB", 1000)


def content(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("how", ["file", "media"])
async def test_a_film_is_a_folder_of_pieces_and_a_crash_makes_no_second_one(
    samples: Samples, tmp_path: Path, how: str
) -> None:
    command = command_for(tmp_path, samples.film(), SPLIT, how=how)
    event = await finished(tmp_path, command)
    assert isinstance(event, events.Finished)
    made = content(Path(event.path))
    assert Path(event.path).name == "A film"
    assert [*sorted(made)] == [f"A film.{n:03}.mp4" for n in range(1, len(made) + 1)]
    assert len(made) > 1
    assert max(made.values()) <= 50_000
    assert (event.size, event.notes) == (sum(made.values()), ())
    upload = event.upload
    assert upload.files == tuple(ResultFile(name, made[name], "video/mp4") for name in sorted(made))
    assert (upload.width, upload.height, upload.duration_s, upload.mime_type) == (96, 64, None, None)
    assert upload.thumbnail_path is not None
    staging = Staging(tmp_path, instance=INSTANCE)
    assert not list(staging.folder(1).iterdir())
    # Killed before the row said so; of what was fetched some is there still.
    fetch = command.extraction.fetches[0]
    (staging.folder(1) / fetch.name).write_bytes(b"x")
    again = await finished(tmp_path, replace(command, resumed=True, said_whole=True))
    assert isinstance(again, events.Finished)
    assert again.path == event.path


@pytest.mark.parametrize("half", [pieces.MAKING, ".joined.folder"])
async def test_killed_in_the_midst_of_it_nothing_is_published_before_it_is_known_to_be_whole(
    samples: Samples, tmp_path: Path, half: str
) -> None:
    command = command_for(tmp_path, samples.film(), SPLIT)
    folder = Staging(tmp_path, instance=INSTANCE).folder(1)
    (folder / half).mkdir()
    (folder / half / "A film.001.mp4").write_bytes(b"half")
    event = await finished(tmp_path, replace(command, resumed=True, said_whole=True))
    assert isinstance(event, events.WorkFailed)
    assert event.failure.code == "files_missing"
    event = await finished(tmp_path, command)
    assert isinstance(event, events.Finished)
    assert 4 not in content(Path(event.path)).values()


async def test_clips_too_are_split(samples: Samples, tmp_path: Path) -> None:
    event = await finished(tmp_path, command_for(tmp_path, samples.film(), SPLIT | {"clip": [[0, 1], [0, 6]]}))
    assert isinstance(event, events.Finished)
    names = sorted(content(Path(event.path)))
    assert names[:2] == ["01 A film.mp4", "02 A film.001.mp4"]
    assert len(names) > 2


@pytest.mark.parametrize("keep", [False, True])
async def test_of_a_torrent_only_what_is_wanted_is_there_and_it_is_served_on_as_it_is(
    tmp_path: Path, keep: bool
) -> None:
    staging = Staging(tmp_path, instance=INSTANCE)
    staging.prepare(1, fresh=True)
    album = staging.folder(1) / "album"
    (album / "in").mkdir(parents=True)
    for name, size in {"in/large.iso": 120_000, "small.txt": 10, "unwanted.iso": 70_000}.items():
        (album / name).write_bytes(b"x" * size)
    torrent = Torrent(info_hash="a" * 40, folder=True, select="1,2", metainfo=b"d")
    fetch = Fetch(name="album", torrent=torrent, size=120_010)
    finish = Finish(how="torrent", name="album", options=Options(split_mib=50))
    extraction = Extraction(kind=Kind.TORRENT, fetches=(fetch,), finish=finish)
    files = tuple(str(album / name) for name in ("in/large.iso", "small.txt"))
    event = await finished(tmp_path, commands.Finish(Attempt(1, 1), extraction, (files,), 120_010, keep=keep))
    assert isinstance(event, events.Finished)
    assert Path(event.path).name == "album"
    assert content(Path(event.path)) == {
        "in/large.iso.001": 50_000,
        "in/large.iso.002": 50_000,
        "in/large.iso.003": 20_000,
        "small.txt": 10,
    }
    assert (album / "in" / "large.iso").exists() is keep


async def test_the_files_of_a_folder(tmp_path: Path) -> None:
    staging = Staging(tmp_path, instance=INSTANCE)
    staging.prepare(1, fresh=True)
    fetches = tuple(Fetch(urls=(f"http://h.example/{name}",), name=name) for name in ("a.iso", "b.txt"))
    for fetch, size in zip(fetches, (60_000, 10), strict=True):
        (staging.folder(1) / fetch.name).write_bytes(b"x" * size)
    finish = Finish(how="folder", name="v1.2", options=Options(split_mib=50))
    extraction = Extraction(kind=Kind.METALINK, fetches=fetches, finish=finish)
    event = await finished(tmp_path, commands.Finish(ONE, extraction, (), 0))
    assert isinstance(event, events.Finished)
    assert Path(event.path).name == "v1.2"
    assert content(Path(event.path)) == {"a.iso.001": 50_000, "a.iso.002": 10_000, "b.txt": 10}


async def test_what_is_small_enough_is_as_it_came(tmp_path: Path) -> None:
    source = tmp_path / "a.iso"
    source.write_bytes(b"x" * 50_000)
    event = await finished(tmp_path, command_for(tmp_path, source, SPLIT))
    assert isinstance(event, events.Finished)
    assert (Path(event.path).name, event.size, event.upload.files) == ("A film.iso", 50_000, ())


async def test_a_cancel_stops_it_and_leaves_nothing(
    samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, reached = command_for(tmp_path, samples.film(), SPLIT), anyio.Event()

    async def held(*_: object, **__: object) -> None:
        reached.set()
        await anyio.sleep_forever()

    monkeypatch.setattr(pieces, "run_ffmpeg", held)
    with anyio.fail_after(30):
        async with stages_in(tmp_path) as (stages, heard), anyio.create_task_group() as tasks:
            workers = Workers(tasks)
            workers.start(ONE, stages.finish, command)
            await reached.wait()
            workers.stop(ONE)
            await stages.discard(commands.Discard(ONE))
    assert heard[-1] == events.Discarded(ONE)
    assert await to_thread.run_sync(content, tmp_path) == {}
