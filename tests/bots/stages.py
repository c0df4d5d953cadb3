"""What both bots meet: a download in the midst of a stage, a database that takes no word for a while, a sound."""

from __future__ import annotations

from pathlib import Path

from reactor.files.content import HEAD_BYTES
from tests.media.samples import Samples
from tests.pages.site import Site
from tests.real.test_cancels import HANGS

REFUSES_UPLOADED = """CREATE TRIGGER refuses BEFORE UPDATE OF status ON downloads WHEN NEW.status = 'uploaded'
    BEGIN SELECT RAISE(ABORT, 'not just now'); END"""


def hanging(folder: Path, samples: Samples) -> dict[str, str]:
    """Settings of a reactor whose ffmpeg gets no further than the half."""
    program = folder / "ffmpeg"
    program.write_text(HANGS.format(ffmpeg=samples.ffmpeg))
    program.chmod(0o755)
    return {"FFMPEG_PATH": str(program), "STALL_TIMEOUT_S": "0", "HTTP_TIMEOUT_S": "60"}


def in_the_midst(stage: str, site: Site, samples: Samples) -> str:
    """A link that does not get beyond `extracting` or `finishing`."""
    if stage == "extracting":
        return site.html("<p>This page never ends" * 999, stall_after=HEAD_BYTES)  # what tells its kind is there
    site.media("/film", samples.hls("ts"))
    return site.url("/film/index.m3u8")


def song_of(samples: Samples) -> Path:
    """A sound with tags, one of which is odd, and a cover."""
    song, cover = samples.root / "song.mp3", samples.root / "cover.jpg"
    if not song.exists():
        samples.run("-f", "lavfi", "-i", "testsrc2=size=400x400:duration=1", "-frames:v", "1", cover)
        both = ("-i", samples.film(), "-i", cover, "-map", "0:a", "-map", "1:v", "-c:v", "copy")
        tags = ("-metadata", "title=A = song; of\nours", "-metadata", "artist=Somebody")
        samples.run(*both, "-disposition:v", "attached_pic", "-id3v2_version", "3", *tags, song)
    return song
