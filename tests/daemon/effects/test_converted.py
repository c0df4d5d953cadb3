"""What the row asks for is made after the fetch, and published: of files and of films in parts, after a crash too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reactor.core import commands, events
from reactor.core.job import Attempt
from reactor.daemon.effects.work import Stages
from reactor.extractors.context import open_context
from reactor.files.staging import Staging
from reactor.media.probing import probe
from reactor.models import Kind
from reactor.options import Options, parse_options
from reactor.plan import About, Extraction, Fetch, Finish, Track
from tests.daemon.effects.heard import Heard
from tests.media.conftest import ffmpeg, samples
from tests.media.samples import Samples
from tests.servers import FileServer

__all__ = ["ffmpeg", "samples"]
ONE = Attempt(1, 1)
INSTANCE = "0123456789abcdef"


def command_for(
    folder: Path, source: Path, asked: dict[str, Any], *, how: str = "file", **told: Any
) -> commands.Finish:
    """A file that was fetched as `source`, and is to become what is asked for."""
    staging = Staging(folder, instance=INSTANCE)
    staging.prepare(1, fresh=True)
    fetch = Fetch(urls=(f"http://h.example/{source.name}",), name=source.name)
    (staging.folder(1) / source.name).write_bytes(source.read_bytes())
    tracks = (Track(form="file", first=0, count=1),) if how == "media" else ()
    whole = {"how": how, "name": f"A film{source.suffix}", "tracks": tracks, "options": parse_options(asked, Options)}
    extraction = Extraction(kind=Kind.DIRECT, fetches=(fetch,), finish=Finish.model_validate(whole | told))
    return commands.Finish(ONE, extraction, (), source.stat().st_size)


@asynccontextmanager
async def stages_in(folder: Path, ffmpeg: Path | None = None) -> AsyncIterator[tuple[Stages, Heard]]:
    heard = Heard()
    async with open_context() as context:
        yield Stages(context, Staging(folder, instance=INSTANCE), ffmpeg, heard.append), heard


async def finished(folder: Path, command: commands.Finish, ffmpeg: Path | None = None) -> events.Event:
    async with stages_in(folder, ffmpeg) as (stages, heard):
        await stages.finish(command)
    assert all(isinstance(event, events.Joined) for event in heard[:-1])
    return heard[-1]


@pytest.mark.parametrize("how", ["file", "media"])
async def test_the_sound_alone_is_published(ffmpeg: Path, samples: Samples, tmp_path: Path, how: str) -> None:
    event = await finished(tmp_path, command_for(tmp_path, samples.film(), {"want": "audio"}, how=how))
    assert isinstance(event, events.Finished)
    path = Path(event.path)
    assert (path.name, event.size, event.notes) == ("A film.m4a", path.stat().st_size, ())
    assert (await probe(ffmpeg, path)).streams == (("audio", "aac"),)
    assert not list(Staging(tmp_path, instance=INSTANCE).folder(1).iterdir())


@pytest.mark.parametrize("how", ["file", "media"])
async def test_several_files_are_a_folder(samples: Samples, tmp_path: Path, how: str) -> None:
    command = command_for(tmp_path, samples.film(), {"clip": [[0, 2], [3, 5]], "thumbnail": "file"}, how=how)
    event = await finished(tmp_path, command)
    assert isinstance(event, events.Finished)
    names = sorted(path.name for path in Path(event.path).iterdir())
    assert (Path(event.path).name, names) == ("A film", ["01 A film.mp4", "02 A film.mp4", "A film.jpg"])


async def test_a_picture_beside_a_film_that_stays_as_it_is(samples: Samples, tmp_path: Path) -> None:
    async with FileServer() as server:
        picture = samples.root / "side.webp"
        samples.run("-f", "lavfi", "-i", "testsrc2=size=320x180:duration=1:rate=1", "-frames:v", "1", picture)
        about = About(thumbnail=server.put("/side.webp", picture.read_bytes()))
        event = await finished(tmp_path, command_for(tmp_path, samples.film(), {"thumbnail": "file"}, about=about))
        assert [request.path for request in server.log] == ["/side.webp"]
    assert isinstance(event, events.Finished)
    film, cover = Path(event.path) / "A film.mp4", Path(event.path) / "A film.jpg"
    assert film.read_bytes() == samples.film().read_bytes()
    assert cover.read_bytes().startswith(b"\xff\xd8\xff")


async def test_after_a_crash_what_was_published_is_found_again(samples: Samples, tmp_path: Path) -> None:
    """The process died between the publication and the row's last save."""
    command = command_for(tmp_path, samples.film(), {"want": "audio"})
    finish = command.extraction.finish.model_copy(update={"notes": ("A piece is missing.",)})
    noted = replace(command, extraction=command.extraction.model_copy(update={"finish": finish}))
    one = await finished(tmp_path, noted)
    assert isinstance(one, events.Finished)
    two = await finished(tmp_path, replace(command, resumed=True, said_whole=True))
    assert isinstance(two, events.Finished)
    assert (two.path, two.size, two.notes) == (one.path, one.size, ("A piece is missing.",))
    # And where the fetched file had not been deleted yet.
    staging = Staging(tmp_path, instance=INSTANCE)
    (staging.folder(1) / "film.mp4").write_bytes(samples.film().read_bytes())
    three = await finished(tmp_path, replace(command, resumed=True, said_whole=True))
    assert isinstance(three, events.Finished)
    assert three.path == one.path
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["A film.m4a"]


async def test_after_a_crash_before_it_was_made_it_is_made_anew(samples: Samples, tmp_path: Path) -> None:
    """aria2 is asked first: nothing is published as it was fetched."""
    command = command_for(tmp_path, samples.film(), {"want": "audio"})
    event = await finished(tmp_path, replace(command, resumed=True, said_whole=True))
    assert isinstance(event, events.WorkFailed)
    assert event.failure.code == "files_missing"
    assert isinstance(await finished(tmp_path, command), events.Finished)


async def test_without_ffmpeg_a_file_is_given_as_it_is(samples: Samples, tmp_path: Path) -> None:
    command = command_for(tmp_path, samples.film(), {"want": "audio", "clip": [[0, 1]]})
    event = await finished(tmp_path, command, tmp_path / "no-ffmpeg")
    assert isinstance(event, events.Finished)
    assert Path(event.path).read_bytes() == samples.film().read_bytes()
    (note,) = event.notes
    assert note.endswith(": want, clip left out.")


@pytest.mark.parametrize("asked", [{}, {"want": "video"}, {"name": "x"}])
async def test_what_asks_for_nothing_of_it_is_not_touched(samples: Samples, tmp_path: Path, asked: Any) -> None:
    event = await finished(tmp_path, command_for(tmp_path, samples.film(), asked), tmp_path / "no-ffmpeg")
    assert isinstance(event, events.Finished)
    assert event.notes == ()
    assert Path(event.path).read_bytes() == samples.film().read_bytes()


async def test_what_is_no_media_by_its_name_is_not_looked_into(samples: Samples, tmp_path: Path) -> None:
    iso = samples.root / "image.iso"
    iso.write_bytes(bytes(5000))
    event = await finished(tmp_path, command_for(tmp_path, iso, {"want": "audio"}), tmp_path / "no-ffmpeg")
    assert isinstance(event, events.Finished)
    assert (Path(event.path).name, event.notes) == ("A film.iso", ())


async def test_a_file_that_is_not_whole_is_not_worked_on(samples: Samples, tmp_path: Path) -> None:
    command = replace(command_for(tmp_path, samples.film(), {"want": "audio"}), total=10**6)
    event = await finished(tmp_path, command)
    assert isinstance(event, events.WorkFailed)
    assert event.failure.code == "changed"
