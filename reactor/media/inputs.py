"""Turns the tracks of a download into inputs of ffmpeg: their helper files, and the options that confine it.

What was fetched is a stranger's. A segment may be a playlist itself, or name other files: so ffmpeg may open
files only, and only as the formats below; in a segment never another playlist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import anyio
import anyio.to_thread

from reactor.errors import DownloadError
from reactor.media.check import HELPER, CheckedTrack
from reactor.media.local import Segment, Span, files_of, write_playlist
from reactor.media.room import cuts, parts_list, read_in_place
from reactor.media.timeline import Entry
from reactor.records import dataclass

PIECE = 8 * 1024 * 1024
"""Bytes copied at a time; a cancellation takes effect in between."""
LATE_MIN_S = 0.01
"""Smaller offsets are ignored."""

_FORMATS = "aac,ac3,asf,avi,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,wav"
_PROTOCOLS = "file,crypto,data"
_LIST = "concatf"
"""The protocol by which the files that a list names are one."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input of ffmpeg."""

    options: tuple[str, ...]
    path: str
    """Relative to the folder."""
    within: tuple[tuple[str, str], ...] = ()
    """Options for the file when it is named in a concat list."""
    late_s: float = 0.0
    """Its offset from the beginning of the video, seconds."""
    skipped_s: float = 0.0
    """Seconds skipped at its beginning."""
    protocol: str = "file"
    """How it is read."""

    @property
    def url(self) -> str:
        """What ffmpeg is given to open."""
        return f"{self.protocol}:{self.path}"

    def from_moment(self, start_s: float) -> Input:
        """The same for a clip that begins at `start_s`."""
        late_s, skipped_s = max(0.0, self.late_s - start_s), max(0.0, start_s - self.late_s)
        return replace(self, late_s=late_s, skipped_s=skipped_s)

    @property
    def arguments(self) -> tuple[str, ...]:
        late = ("-itsoffset", f"{self.late_s:.6f}") if self.late_s >= LATE_MIN_S else ()
        skipped = ("-ss", f"{self.skipped_s:.6f}") if self.skipped_s else ()
        return (*late, *skipped, *self.options, "-i", self.url)


def file_input(name: str) -> Input:
    """A media file as an input."""
    return Input(("-protocol_whitelist", "file", "-format_whitelist", _FORMATS), name)


async def track_inputs(
    folder: Path, number: int, checked: CheckedTrack, sizes: Mapping[str, int], *, picky: bool
) -> list[Input]:
    """An input for each group of a track; helper files are written into `folder`. `sizes`: of the parts that are there.

    `picky`: this ffmpeg checks suffixes by default. Raises DownloadError, OSError."""
    if checked.track.form == "hls":
        return await _hls_inputs(folder, number, checked, sizes, picky=picky)
    if len(checked.names) == 1:
        return [file_input(checked.names[0])]
    name = f"{HELPER}{number}.parts"
    if read_in_place(len(checked.names)):
        await anyio.Path(folder / name).write_text(parts_list(checked.names), encoding="utf-8")
        return [Input(("-protocol_whitelist", f"file,{_LIST}", "-format_whitelist", _FORMATS), name, protocol=_LIST)]
    async with await anyio.open_file(folder / name, "wb") as whole:
        for each in checked.names:
            async with await anyio.open_file(folder / each, "rb") as part:
                while piece := await part.read(PIECE):
                    await whole.write(piece)
    return [file_input(name)]


async def list_input(folder: Path, name: str, entries: Sequence[Entry], inputs: Sequence[Input], end_s: float) -> Input:
    """A concat list of several inputs, each at its place. ffmpeg's own HLS demuxer ignores discontinuities and supports
    one init section only."""
    if len(entries) == 1:
        return replace(inputs[0], late_s=entries[0].at_s)
    ends = [each.at_s for each in entries[1:]] + [end_s]
    lines = ["ffconcat version 1.0"]
    for entry, mine, end in zip(entries, inputs, ends, strict=True):
        lines += [f"file '{mine.url}'", *(f"option {key} {value}" for key, value in mine.within)]
        lines.append(f"duration {max(end - entry.at_s, 0.001):.6f}")
    listed = f"{HELPER}{name}.txt"
    await anyio.Path(folder / listed).write_text("\n".join([*lines, ""]))
    options = ("-protocol_whitelist", f"{_PROTOCOLS},{_LIST}", "-format_whitelist", f"concat,hls,{_FORMATS}")
    return Input((*options, "-f", "concat", "-safe", "0"), listed, late_s=entries[0].at_s)


async def _hls_inputs(
    folder: Path, number: int, checked: CheckedTrack, sizes: Mapping[str, int], *, picky: bool
) -> list[Input]:
    groups = checked.groups
    if not groups or not await anyio.to_thread.run_sync(_all_there, checked, sizes):
        raise DownloadError("The parts of this video are not those that its playlist names.", code="bad_manifest")
    names = await _cut_ranges(folder, number, checked)
    segments = (_as_cut(segment, names) for segment in checked.segments())
    own = {"allowed_extensions": "ALL", "seg_format_options": f"format_whitelist={_FORMATS}"}
    own |= {"extension_picky": "0"} if picky else {}
    options = ["-protocol_whitelist", _PROTOCOLS, "-format_whitelist", f"concat,hls,{_FORMATS}", "-f", "hls"]
    options += [word for name, value in own.items() for word in (f"-{name}", value)]
    found = []
    for place, group in enumerate(groups):
        mine: Iterator[Segment] = islice(segments, group.count)
        if group.count == 1:
            one = next(mine)
            if _is_file(one):
                found.append(file_input(one.name))
                continue
            mine = iter((one,))
        name = f"{HELPER}{number}-{place}.m3u8"
        await anyio.to_thread.run_sync(_write_playlist, folder / name, mine)
        found.append(Input(tuple(options), name, tuple(own.items())))
    return found


def _all_there(checked: CheckedTrack, sizes: Mapping[str, int]) -> bool:
    return all(name in sizes for each in checked.segments() for name in files_of(each))


def _write_playlist(path: Path, segments: Iterable[Segment]) -> None:
    path.write_text(write_playlist(replace(each, section=0, gap=False) for each in segments))


def _is_file(one: Segment) -> bool:
    """True for a part that is a complete media file."""
    plain = one.init is None and one.key is None and one.span is None
    return plain and not one.name.endswith(".ts")


async def _cut_ranges(folder: Path, number: int, checked: CheckedTrack) -> dict[tuple[str, Span], str]:
    """Write encrypted byte ranges into files of their own, since ffmpeg would decrypt the whole file as one; return
    their names."""
    names: dict[tuple[str, Span], str] = {}
    for name, span in await anyio.to_thread.run_sync(cuts, checked.segments()):
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
    return names


def _as_cut(segment: Segment, names: Mapping[tuple[str, Span], str]) -> Segment:
    """The segment with its encrypted byte ranges replaced by the files made of them."""
    if segment.init and segment.init.span and segment.init.key:
        init = replace(segment.init, name=names[segment.init.name, segment.init.span], span=None)
        segment = replace(segment, init=init)
    if segment.key and segment.span:
        segment = replace(segment, name=names[segment.name, segment.span], span=None)
    return segment
