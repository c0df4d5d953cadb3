"""The tracks of a download as inputs of ffmpeg: the helper files they need, and the options that keep it inside.

What was fetched is a stranger's. A segment may be a playlist itself, or name other files: so ffmpeg may open
files only, and only as the formats below; in a segment never another playlist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from reactor.errors import DownloadError
from reactor.media.local import Init, Segment, Span, groups, read_playlist, write_playlist
from reactor.media.room import cuts
from reactor.models import Fetch, Track

HELPER = ".join-"
"""How the names of helper files begin. A clean name never begins with a dot."""
PIECE = 8 * 1024 * 1024
"""Bytes copied at once: between two a cancel takes effect."""

_FORMATS = "aac,ac3,asf,avi,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,wav"
_PROTOCOLS = "file,crypto,data"


@dataclass(frozen=True, slots=True)
class Input:
    """One input, as ffmpeg's arguments have it."""

    options: tuple[str, ...]
    path: str
    """Relative to the folder."""
    duration_s: float | None = None
    """The sum of its segments, where it has some."""
    timed: bool = True
    """False when it is made of several, whose moments are not those of the stream."""

    @property
    def arguments(self) -> tuple[str, ...]:
        return (*self.options, "-i", f"file:{self.path}")


def file_input(name: str) -> Input:
    """A file that is the stream."""
    return Input(("-protocol_whitelist", "file", "-format_whitelist", _FORMATS), name)


async def track_input(folder: Path, number: int, track: Track, fetches: Sequence[Fetch], *, picky: bool) -> Input:
    """The input for one track, its helper files written into `folder`.

    `picky`: this ffmpeg looks at suffixes unless told otherwise. Raises DownloadError, OSError."""
    mine = fetches[track.first : track.first + track.count]
    if track.form == "hls":
        return await _hls_input(folder, number, track, {fetch.name for fetch in mine}, picky=picky)
    if len(mine) == 1:
        return file_input(mine[0].name)
    name = f"{HELPER}{number}.bin"
    async with await anyio.open_file(folder / name, "wb") as whole:
        for fetch in mine:
            if fetch.optional and not await anyio.Path(folder / fetch.name).exists():
                continue
            async with await anyio.open_file(folder / fetch.name, "rb") as part:
                while piece := await part.read(PIECE):
                    await whole.write(piece)
    return file_input(name)


async def _hls_input(folder: Path, number: int, track: Track, names: set[str], *, picky: bool) -> Input:
    """One playlist, or several with a list of them: ffmpeg itself knows nothing of discontinuities in HLS, takes
    the second init section for a mistake, and what follows for damage."""
    segments = read_playlist(track.playlist or "")
    used = {segment.name for segment in segments} | {segment.init.name for segment in segments if segment.init}
    if not segments or not used <= names:
        raise DownloadError("The parts of this video are not those that its playlist names.", code="bad_manifest")
    segments = await _cut_ranges(folder, number, segments)
    playlists: list[tuple[str, float]] = []
    for place, group in enumerate(groups(segments)):
        name = f"{HELPER}{number}-{place}.m3u8"
        await anyio.Path(folder / name).write_text(write_playlist(group))
        playlists.append((name, sum(segment.duration_s for segment in group)))
    total = sum(duration for _, duration in playlists)
    own = {"allowed_extensions": "ALL", "seg_format_options": f"format_whitelist={_FORMATS}"}
    own |= {"extension_picky": "0"} if picky else {}
    options = ["-protocol_whitelist", _PROTOCOLS, "-format_whitelist", f"concat,hls,{_FORMATS}"]
    if len(playlists) == 1:
        options += ["-f", "hls", *(word for name, value in own.items() for word in (f"-{name}", value))]
        return Input(tuple(options), playlists[0][0], total)
    lines = ["ffconcat version 1.0"]
    for name, duration in playlists:
        lines += [f"file '{name}'", *(f"option {key} {value}" for key, value in own.items())]
        lines.append(f"duration {duration:.6f}")
    listed = f"{HELPER}{number}.txt"
    await anyio.Path(folder / listed).write_text("\n".join([*lines, ""]))
    return Input((*options, "-f", "concat", "-safe", "0"), listed, total, timed=False)


async def _cut_ranges(folder: Path, number: int, segments: list[Segment]) -> list[Segment]:
    """Byte ranges that are encrypted as files of their own: ffmpeg would decrypt the whole file as one."""
    names: dict[tuple[str, Span], str] = {}
    for name, span in cuts(segments):
        names[name, span] = target = f"{HELPER}{number}-range-{len(names)}.{name.rpartition('.')[2]}"
        async with (
            await anyio.open_file(folder / name, "rb") as source,
            await anyio.open_file(folder / target, "wb") as cut,
        ):
            await source.seek(span.offset)
            left = span.length
            while left > 0 and (piece := await source.read(min(PIECE, left))):
                await cut.write(piece)
                left -= len(piece)

    def of_init(init: Init | None) -> Init | None:
        if init is None or init.span is None or init.key is None:
            return init
        return replace(init, name=names[init.name, init.span], span=None)

    found = []
    for segment in segments:
        segment = replace(segment, init=of_init(segment.init))
        if segment.key and segment.span:
            segment = replace(segment, name=names[segment.name, segment.span], span=None)
        found.append(segment)
    return found
