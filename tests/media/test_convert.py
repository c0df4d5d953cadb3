"""What is made of a film or a sound after the fetch: read by ffmpeg and, as players do, by mutagen."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path
from typing import Any

import anyio
import mutagen
import pytest
from mutagen.flac import Picture

from reactor.errors import DownloadError
from reactor.files.staging import RESULT_FOLDER
from reactor.media.conversion import plan
from reactor.media.convert import HELPER, convert
from reactor.media.probing import Probed, probe
from reactor.media.room import Room
from reactor.options import Options, parse_options
from reactor.plan import NO_ABOUT, About, Chapter, Excerpt, Finish
from tests.media.samples import SECONDS, Samples
from tests.media.test_tags import ABOUT, chapters, told

CHAPTERS = (
    Chapter(start_s=0, end_s=2, title="One"),
    Chapter(start_s=2, end_s=5, title="../Two/"),
    Chapter(start_s=5, end_s=6),
)


class Bench:
    """A file in a folder of its own, and what is made of it."""

    def __init__(self, ffmpeg: Path, folder: Path) -> None:
        self.ffmpeg = ffmpeg
        self.folder = folder
        self.shares: list[float] = []

    async def make(self, source: Path, asked: dict[str, Any], *, room: Room = Room(), **told: Any) -> tuple[str, ...]:  # noqa: B008
        """Convert a copy of `source`; nothing but it and the result may be left."""
        mine = self.folder / f"source{source.suffix}"
        mine.write_bytes(source.read_bytes())
        begins, fetch_cover = told.pop("begins", ()), told.pop("fetch_cover", None)
        options = parse_options(asked, Options)
        finish = Finish(how="file", name=f"A film{source.suffix}", options=options, **told)
        more = {"begins": begins, "fetch_cover": fetch_cover, "progress": self.shares.append, "room": room}
        try:
            found = await convert(self.ffmpeg, self.folder, mine, finish, **more)
        finally:
            assert not [each.name for each in self.folder.iterdir() if each.name.startswith(HELPER)]
        return found.notes

    @property
    def result(self) -> Path:
        (found,) = self.folder.glob(".joined.*")
        return found

    @property
    def results(self) -> list[Path]:
        return sorted((self.folder / RESULT_FOLDER).iterdir())

    def starts(self, path: Path) -> dict[str, float]:
        """When the first picture and the first sound are played, in seconds."""
        found = {}
        for kind in "va":
            command: list[str | Path] = [
                self.ffmpeg,
                "-nostdin",
                "-v",
                "error",
                "-copyts",
                "-i",
                path,
                "-map",
                f"0:{kind}:0",
            ]
            run = subprocess.run(
                [*command, "-c", "copy", "-f", "framecrc", "-"], capture_output=True, check=True, text=True, timeout=60
            )
            above, below = re.findall(r"#tb 0: (\d+)/(\d+)", run.stdout)[0]
            shown = [int(line.split(",")[2]) for line in run.stdout.splitlines() if not line.startswith("#")]
            found[kind] = min(shown) * int(above) / int(below)
        return found


@pytest.fixture
def bench(ffmpeg: Path, tmp_path: Path) -> Bench:
    return Bench(ffmpeg, tmp_path)


@pytest.fixture(scope="session")
def jpg(samples: Samples) -> bytes:
    path = samples.root / "page.png"
    samples.run("-f", "lavfi", "-i", "testsrc2=size=320x180:duration=1:rate=1", "-frames:v", "1", path)
    return path.read_bytes()


def covers(path: Path) -> list[bytes]:
    """The pictures that a player finds in a file."""
    file: Any = mutagen.File(path)
    if path.suffix == ".mp3":
        return [each.data for each in file.tags.getall("APIC")]
    if path.suffix in (".m4a", ".mp4"):
        return [bytes(each) for each in file.tags.get("covr", [])]
    if path.suffix == ".flac":
        return [each.data for each in file.pictures]
    pictures: list[Any] = file.get("metadata_block_picture", [])
    return [Picture(base64.b64decode(each)).data for each in pictures]  # type: ignore[no-untyped-call]


def tags(path: Path) -> dict[str, str]:
    """Title, artist, date and comment, by easy names."""
    file: Any = mutagen.File(path, easy=True)
    found = {name: each[0] for name, each in dict(file.tags).items()}
    return {name: found[name] for name in ("title", "artist", "date") if name in found}


WANTED = {"title": ABOUT.title, "artist": ABOUT.uploader, "date": ABOUT.date}


@pytest.mark.variants(2)
@pytest.mark.parametrize(
    ("format_", "suffix", "codec"),
    [
        ("best", ".m4a", "aac"),
        ("mp3", ".mp3", "mp3"),
        ("m4a", ".m4a", "aac"),
        ("opus", ".opus", "opus"),
        ("flac", ".flac", "flac"),
    ],
)
async def test_the_sound_of_a_film_with_its_cover_and_tags(
    bench: Bench, samples: Samples, jpg: bytes, format_: str, suffix: str, codec: str
) -> None:
    async def fetch_cover(url: str, path: Path) -> bool:
        assert url == "https://site.test/x.png"
        await anyio.Path(path).write_bytes(jpg)
        return True

    about = ABOUT.model_copy(update={"thumbnail": "https://site.test/x.png"})
    asked = {"want": "audio", "audio": {"format": format_}}
    assert await bench.make(samples.film(), asked, about=about, fetch_cover=fetch_cover) == ()
    found = await probe(bench.ffmpeg, bench.result)
    assert (bench.result.suffix, found.streams) == (suffix, (("audio", codec),))
    assert found.duration_s == pytest.approx(SECONDS, abs=0.15)
    (cover,) = covers(bench.result)
    assert cover.startswith(b"\xff\xd8\xff"), "a jpg, whatever the page's picture is"
    assert tags(bench.result) == WANTED
    assert ABOUT.url in told(bench.ffmpeg, bench.result)
    assert bench.shares == sorted(bench.shares)


async def test_a_sound_of_so_many_kilobits(bench: Bench, samples: Samples) -> None:
    asked = {"want": "audio", "audio": {"format": "mp3", "kbps": 64, "cover": False, "tags": False}}
    assert await bench.make(samples.film(), asked, about=ABOUT) == ()
    file: Any = mutagen.File(bench.result)
    assert file.info.bitrate == 64_000
    assert (covers(bench.result), tags(bench.result)) == ([], {})


async def test_a_wav_holds_no_cover(bench: Bench, samples: Samples) -> None:
    notes = await bench.make(samples.film(), {"want": "audio", "audio": {"format": "wav", "cover": True}}, about=ABOUT)
    assert notes == ("A wav file holds no cover: it was left out.",)
    assert bench.result.suffix == ".wav"
    assert ABOUT.uploader in told(bench.ffmpeg, bench.result)


async def test_a_cover_is_a_picture_of_the_film_where_its_page_has_none(bench: Bench, samples: Samples) -> None:
    async def gone(url: str, path: Path) -> bool:
        await anyio.Path(path).write_bytes(b"<html>")
        return True

    about = About(thumbnail="https://site.test/x.png")
    assert await bench.make(samples.film(), {"want": "audio"}, about=about, fetch_cover=gone) == ()
    assert len(covers(bench.result)) == 1


async def test_the_tags_and_the_cover_of_a_sound_stay(bench: Bench, samples: Samples, tmp_path: Path) -> None:
    await bench.make(samples.film(), {"want": "audio", "audio": {"format": "opus"}}, about=ABOUT)
    opus = bench.result.rename(samples.root / "tagged.opus")
    for asked, suffix in (("mp3", ".mp3"), ("opus", ".opus")):
        await bench.make(opus, {"want": "audio", "audio": {"format": asked}}, about=About(id="1", title="Newer"))
        assert bench.result.suffix == suffix
        assert tags(bench.result) == WANTED | {"title": "Newer"}
        assert len(covers(bench.result)) == 1
        bench.result.unlink()


async def test_a_sound_that_is_as_it_is_asked_for_is_not_written_anew(bench: Bench, samples: Samples) -> None:
    await bench.make(samples.film(), {"want": "audio", "audio": {"cover": False}})
    sound = bench.result.rename(samples.root / "plain.m4a")
    assert await bench.make(sound, {"want": "audio", "audio": {"format": "m4a", "cover": False}}) == ()
    assert not list(bench.folder.glob(".joined.*"))


async def test_a_film_without_sound_is_given_with_a_note(bench: Bench, samples: Samples) -> None:
    silent = samples.root / "silent.mp4"
    samples.run("-i", samples.film(), "-map", "0:v", "-c", "copy", silent)
    asked = {"want": "audio", "audio": {"cover": False}}
    assert await bench.make(silent, asked) == ("There is no sound in this: it is given with its picture.",)
    assert not list(bench.folder.glob(".joined.*"))
    with pytest.raises(DownloadError, match="no sound") as caught:
        await bench.make(silent, asked | {"strict": True})
    assert caught.value.code == "not_as_wished"


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04" + bytes(2000), b"\0\0\0\x18ftypisom" + bytes(2000)])
async def test_what_is_no_media_is_given_as_it_is(bench: Bench, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "thing.mp4"
    path.write_bytes(data)
    (note,) = await bench.make(path, {"want": "audio", "clip": [[0, 1]]})
    assert "neither a film nor a sound: want, clip left out" in note
    assert (bench.folder / "source.mp4").read_bytes() == data
    with pytest.raises(DownloadError) as caught:
        await bench.make(path, {"want": "audio", "strict": True})
    assert caught.value.code == "not_as_wished"


@pytest.mark.parametrize("thumbnail", ["embed", "file"])
async def test_a_film_with_its_cover(bench: Bench, samples: Samples, thumbnail: str) -> None:
    assert await bench.make(samples.film(), {"thumbnail": thumbnail}) == ()
    if thumbnail == "embed":
        assert len(covers(bench.result)) == 1
        film = bench.result
    else:
        picture, film = bench.results
        assert (picture.name, film.name) == ("A film.jpg", "A film.mp4")
        assert picture.read_bytes().startswith(b"\xff\xd8\xff")
    found = await probe(bench.ffmpeg, film)
    assert (found.video, found.audio) == ("h264", "aac")
    assert found.duration_s == pytest.approx(SECONDS, abs=0.1)


async def test_the_cover_alone(bench: Bench, samples: Samples) -> None:
    assert await bench.make(samples.film(), {"want": "cover"}) == ()
    assert bench.result.suffix == ".jpg"
    assert bench.result.read_bytes().startswith(b"\xff\xd8\xff")


async def test_a_webm_holds_no_cover_and_a_matroska_does(bench: Bench, samples: Samples) -> None:
    webm, mkv = samples.root / "short.webm", samples.root / "short.mkv"
    vp9 = ("-t", "1", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-c:a", "libopus")
    samples.run("-i", samples.film(), *vp9, webm)
    samples.run("-i", samples.film(), "-c", "copy", mkv)
    assert await bench.make(webm, {"thumbnail": "embed"}) == ("A webm file holds no cover: it was left out.",)
    assert await bench.make(mkv, {"thumbnail": "embed"}) == ()
    assert re.search(r"Attachment|attached pic", told(bench.ffmpeg, bench.result))


# Clips


@pytest.mark.variants(2)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("cut", ["keyframe", "exact"])
async def test_a_clip_begins_with_picture_and_sound_together(
    bench: Bench, samples: Samples, suffix: str, cut: str
) -> None:
    source = samples.root / f"clipped{suffix}"
    if not source.exists():
        samples.run("-i", samples.film(), "-c", "copy", source)
    assert await bench.make(source, {"clip": [[1.3, 4.1]], "cut": cut}, chapters=CHAPTERS) == ()
    found = await probe(bench.ffmpeg, bench.result)
    assert (found.video, found.audio) == ("h264", "aac")
    begins = bench.starts(bench.result)
    assert begins["v"] == pytest.approx(begins["a"], abs=0.06)
    early = 0.0 if cut == "exact" else 1.1  # a keyframe each second
    assert 2.8 - 0.1 <= (found.duration_s or 0) - (found.start_s or 0) <= 2.8 + early + 0.15
    titles = [title for _, _, title in chapters(bench.ffmpeg, bench.result)]
    assert titles == ["One", "../Two/"]


async def test_several_clips_are_files_in_a_folder(bench: Bench, samples: Samples) -> None:
    asked = {"clip": [["0:01", "0:02"], [4, 60], [3, 4]], "cut": "exact"}
    notes = await bench.make(samples.film(), asked)
    assert notes == ("The video ends at 00:06: the clip up to 01:00 is shorter.",)
    assert [path.name for path in bench.results] == ["01 A film.mp4", "02 A film.mp4", "03 A film.mp4"]
    lasts = [(await probe(bench.ffmpeg, path)).duration_s for path in bench.results]
    assert lasts == [pytest.approx(1, abs=0.15), pytest.approx(2, abs=0.15), pytest.approx(1, abs=0.15)]


async def test_a_clip_of_the_sound(bench: Bench, samples: Samples) -> None:
    asked = {"want": "audio", "audio": {"format": "mp3"}, "clip": [[1.5, 3]]}
    assert await bench.make(samples.film(), asked) == ()
    assert (await probe(bench.ffmpeg, bench.result)).duration_s == pytest.approx(1.5, abs=0.15)


async def test_a_clip_after_the_end(bench: Bench, samples: Samples) -> None:
    with pytest.raises(DownloadError, match="01:00 to 02:00 begins after the end of the video, at 00:06") as caught:
        await bench.make(samples.film(), {"clip": [[60, 120]]})
    assert caught.value.code == "not_as_wished"
    (note,) = await bench.make(samples.film(), {"clip": [[60, 120], [1, 2]]})
    assert "after the end" in note
    assert [path.name for path in bench.results] == ["02 A film.mp4"]


async def test_a_clip_of_a_film_of_which_parts_were_fetched(bench: Bench, samples: Samples) -> None:
    """The file holds 100 s to 103 s and 200 s to 203 s of it."""
    excerpts = (Excerpt(section=0, start_s=100, end_s=103), Excerpt(section=1, start_s=200, end_s=203))
    asked = {"clip": [[100, 102], [201, 203]], "cut": "exact"}
    assert await bench.make(samples.film(), asked, excerpts=excerpts, begins=(0.0, 3.0)) == ()
    lasts = [(await probe(bench.ffmpeg, path)).duration_s for path in bench.results]
    assert lasts == [pytest.approx(2, abs=0.15), pytest.approx(2, abs=0.15)]


# Chapters and marks


async def test_a_film_is_split_by_its_chapters(bench: Bench, samples: Samples) -> None:
    assert await bench.make(samples.film(), {"chapters": "split"}, chapters=CHAPTERS, about=ABOUT) == ()
    assert [path.name for path in bench.results] == ["01 One.mp4", "02 _Two_.mp4", "03.mp4"]
    lasts = [(await probe(bench.ffmpeg, path)).duration_s for path in bench.results]
    assert lasts == [pytest.approx(2, abs=0.2), pytest.approx(3, abs=0.2), pytest.approx(1, abs=0.2)]
    assert tags(bench.results[0]) == WANTED | {"title": "01 One"}


async def test_what_was_marked_is_removed(bench: Bench, samples: Samples) -> None:
    marks = (Chapter(start_s=1, end_s=3, title="sponsor"),)
    asked = {"sponsorblock": "remove", "cut": "exact"}
    assert await bench.make(samples.film(), asked, marks=marks, chapters=CHAPTERS) == ()
    found = await probe(bench.ffmpeg, bench.result)
    assert found.duration_s == pytest.approx(4, abs=0.25)
    begins = bench.starts(bench.result)
    assert begins["v"] == pytest.approx(begins["a"], abs=0.06)
    shown = chapters(bench.ffmpeg, bench.result)
    assert [title for _, _, title in shown] == ["One", "../Two/", ""]
    assert shown[1][0] == pytest.approx(1, abs=0.1)
    assert shown[1][1] == pytest.approx(3, abs=0.1)


async def test_what_was_marked_is_removed_from_a_sound(bench: Bench, samples: Samples) -> None:
    marks = (Chapter(start_s=1, end_s=3, title="sponsor"), Chapter(start_s=5, end_s=9, title="outro"))
    asked = {"sponsorblock": "remove", "want": "audio", "audio": {"format": "opus"}}
    assert await bench.make(samples.film(), asked, marks=marks) == ()
    assert (await probe(bench.ffmpeg, bench.result)).duration_s == pytest.approx(3, abs=0.2)


async def test_what_was_marked_is_a_chapter_of_a_file(bench: Bench, samples: Samples) -> None:
    marks = (Chapter(start_s=1, end_s=3, title="selfpromo"),)
    assert await bench.make(samples.film(), {"sponsorblock": "mark"}, marks=marks) == ()
    assert [title for _, _, title in chapters(bench.ffmpeg, bench.result)] == ["", "[Self-promotion]", ""]


async def test_all_of_it_was_marked(bench: Bench, samples: Samples) -> None:
    marks = (Chapter(start_s=0, end_s=100, title="sponsor"),)
    with pytest.raises(DownloadError, match="marked to be removed") as caught:
        await bench.make(samples.film(), {"sponsorblock": "remove"}, marks=marks)
    assert caught.value.code == "not_as_wished"


# Limits


async def test_without_the_room_for_it_the_film_is_given(bench: Bench, samples: Samples) -> None:
    size = samples.film().stat().st_size
    asked = {"want": "audio", "audio": {"format": "wav"}}
    (note,) = await bench.make(samples.film(), asked, room=Room(size_max=size))
    assert note.endswith("It is given as it came.")
    assert "MAX_FILE_SIZE_MIB" in note
    assert [path.name for path in bench.folder.iterdir()] == ["source.mp4"]
    with pytest.raises(DownloadError) as caught:
        await bench.make(samples.film(), asked | {"strict": True}, room=Room(size_max=size))
    assert caught.value.code == "not_as_wished"


async def test_a_cancellation_leaves_the_film(bench: Bench, samples: Samples) -> None:
    with anyio.CancelScope() as scope:
        bench.shares = _Cancelling(scope)
        await bench.make(samples.film(), {"clip": [[0, 2], [2, 4], [4, 6]], "cut": "exact"})
    assert scope.cancelled_caught
    assert [path.name for path in bench.folder.iterdir()] == ["source.mp4"]


class _Cancelling(list[float]):
    """Cancels at the first sign of life."""

    def __init__(self, scope: anyio.CancelScope) -> None:
        super().__init__()
        self.scope = scope

    def append(self, share: float, /) -> None:
        self.scope.cancel()


def test_what_is_cut_of_a_file_of_unknown_length_is_refused() -> None:
    finish = Finish(how="file", name="x.mp4", options=parse_options({"clip": [[1, 2]]}, Options), about=NO_ABOUT)
    with pytest.raises(DownloadError, match="after the end"):
        plan(Probed(None, (("video", "h264"),)), finish, ".mp4")


async def test_the_picture_of_a_page_becomes_a_jpg(bench: Bench, samples: Samples, jpg: bytes) -> None:
    assert await bench.make(samples.root / "page.png", {"want": "cover"}) == ()
    assert bench.result.suffix == ".jpg"
    assert bench.result.read_bytes().startswith(b"\xff\xd8\xff")
    broken = samples.root / "broken.png"
    broken.write_bytes(jpg[:40])
    bench.result.unlink()
    assert await bench.make(broken, {"want": "cover"}) == ("The cover cannot be read. It is given as it came.",)


async def test_there_are_no_chapters_to_split_it_by(bench: Bench, samples: Samples) -> None:
    assert await bench.make(samples.film(), {"chapters": "split"}) == ("There are no chapters to split this by.",)
    assert not list(bench.folder.glob(".joined.*"))
    notes = await bench.make(samples.film(), {"chapters": "split", "clip": [[0, 1]]}, chapters=CHAPTERS)
    assert notes == ("A clip is not split by its chapters.",)


@pytest.mark.variants(1)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
async def test_the_subtitles_inside_a_film_are_cut_along(bench: Bench, samples: Samples, suffix: str) -> None:
    told_, film = samples.root / "said.srt", samples.root / f"said{suffix}"
    told_.write_text("1\n00:00:00,500 --> 00:00:01,500\nearly\n\n2\n00:00:03,200 --> 00:00:03,800\nthere\n")
    form = "mov_text" if suffix == ".mp4" else "srt"
    samples.run("-i", samples.film(), "-i", told_, "-c", "copy", "-c:s", form, film)
    assert await bench.make(film, {"clip": [[3, 5]], "cut": "exact"}) == ()
    command: list[str | Path] = [bench.ffmpeg, "-nostdin", "-v", "error", "-i", bench.result, "-f", "srt", "-"]
    run = await anyio.run_process(list(map(str, command)))
    said = run.stdout.decode()
    assert "there" in said
    assert "early" not in said
    assert "00:00:00," in said, "on the clock of the clip"


async def test_a_webm_that_is_cut_exactly_becomes_an_mp4(bench: Bench, samples: Samples) -> None:
    webm = samples.root / "exact.webm"
    vp9 = ("-t", "3", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-c:a", "libopus")
    samples.run("-i", samples.film(), *vp9, webm)
    assert await bench.make(webm, {"clip": [[0.5, 1.5]]}) == ()
    assert bench.result.suffix == ".webm"
    bench.result.unlink()
    assert await bench.make(webm, {"clip": [[0.5, 1.5], [2, 3]], "cut": "exact"}) == ()
    found = [await probe(bench.ffmpeg, path) for path in bench.results]
    assert [(each.video, each.audio) for each in found] == [("h264", "opus")] * 2
    assert [each.duration_s for each in found] == [pytest.approx(1, abs=0.15)] * 2


@pytest.mark.variants(1)
@pytest.mark.parametrize("cut", ["keyframe", "exact"])
async def test_what_was_marked_is_removed_of_a_film_with_subtitles(bench: Bench, samples: Samples, cut: str) -> None:
    film, told_ = samples.root / "marked.mkv", samples.root / "marked.srt"
    told_.write_text("1\n00:00:00,500 --> 00:00:02,500\nlong\n\n2\n00:00:03,200 --> 00:00:03,800\nthere\n")
    samples.run("-i", samples.film(), "-i", told_, "-c", "copy", "-c:s", "srt", film)
    marks = (Chapter(start_s=1, end_s=3, title="sponsor"),)
    assert await bench.make(film, {"sponsorblock": "remove", "cut": cut}, marks=marks) == ()
    found = await probe(bench.ffmpeg, bench.result)
    assert (found.video, found.audio) == ("h264", "aac")
    assert 3.8 <= (found.duration_s or 0) <= (4.3 if cut == "exact" else 5.2)
