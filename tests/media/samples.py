"""Small media in every form that is met, made by the real ffmpeg: 6 s, 96x64, picture and sound."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe  # type: ignore[import-untyped]

SECONDS = 6
KEYS = (b"0123456789abcdef", b"fedcba9876543210", b"another key here")
_HLS = ("-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod")


class Samples:
    """Makes each kind once, in a folder of its own, and remembers it."""

    def __init__(self, ffmpeg: Path, root: Path) -> None:
        self.ffmpeg = ffmpeg
        """What reads them; they are made by the wheel's, everywhere the same."""
        self.root = root
        self._made_by = get_ffmpeg_exe()

    def run(self, *arguments: str | Path) -> None:
        command = [self._made_by, "-nostdin", "-v", "error", "-y", *map(str, arguments)]
        subprocess.run(command, check=True, cwd=self.root, timeout=60)

    def film(self, name: str = "film.mp4", *, size: str = "96x64", codecs: Sequence[str] = ()) -> Path:
        """Picture and sound in one file."""
        path = self.root / name
        if not path.exists():
            coded = codecs or ("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-b:a", "32k")
            self.run(
                *("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=10:duration={SECONDS}"),
                *("-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=22050:duration={SECONDS}"),
                *("-g", "10", "-pix_fmt", "yuv420p", *coded, str(path)),
            )
        return path

    def hls(self, name: str, *how: str | Path, film: Path | None = None, suffix: str = "ts") -> dict[str, bytes]:
        """An HLS in the folder `name`: its files by name, `index.m3u8` among them."""
        folder = self.root / name
        if not folder.exists():
            folder.mkdir()
            segments = ("-hls_segment_filename", folder / f"part%d.{suffix}")
            self.run("-i", film or self.film(), "-c", "copy", *_HLS, *segments, *how, folder / "index.m3u8")
        return files(folder)

    def fmp4(self, name: str = "fmp4", *how: str | Path, film: Path | None = None) -> dict[str, bytes]:
        """The same in fMP4, with `init.mp4`."""
        form = ("-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4")
        return self.hls(name, *form, *how, film=film, suffix="m4s")

    def encrypted(self, name: str, key: bytes, *, iv: str = "") -> dict[str, bytes]:
        """The same in MPEG-TS under AES-128, with `secret.key`; without `iv` the segments' numbers are it."""
        key_file, info = self.root / f"{name}.key", self.root / f"{name}.info"
        key_file.write_bytes(key)
        info.write_text(f"secret.key\n{key_file}\n{iv}\n")
        return self.hls(name, "-hls_key_info_file", info) | {"secret.key": key}

    def dash(self, name: str, *how: str, film: Path | None = None) -> dict[str, bytes]:
        """A DASH in the folder `name`, `index.mpd` among its files."""
        folder = self.root / name
        if not folder.exists():
            folder.mkdir()
            source = film or self.film()
            self.run("-i", source, "-c", "copy", "-f", "dash", "-seg_duration", "2", *how, folder / "index.mpd")
        return files(folder)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def body_of(playlist: bytes) -> str:
    """The lines that tell of segments."""
    text = playlist.decode()
    first = re.search(r"^#EXT(-X-MAP|-X-KEY|INF)", text, re.MULTILINE)
    assert first
    return text[first.start() :].replace("#EXT-X-ENDLIST\n", "")


def playlist_of(*bodies: str, sequence: int = 0) -> bytes:
    """A playlist of these bodies, a discontinuity between them."""
    head = f"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:{sequence}\n"
    return (head + "#EXT-X-DISCONTINUITY\n".join(bodies) + "#EXT-X-ENDLIST\n").encode()
