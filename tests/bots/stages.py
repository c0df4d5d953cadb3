"""Situations that both bots meet: a download in the midst of a stage, a database that takes no word for a while."""

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
