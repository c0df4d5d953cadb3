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
from reactor.media.check import HELPER, CheckedTrack
from reactor.media.local import Init, Segment, Span, write_playlist
from reactor.media.room import cuts
from reactor.media.timeline import Entry, Group

PIECE = 8 * 1024 * 1024
"""Bytes copied at once: between two a cancel takes effect."""
LATE_MIN_S = 0.01
"""What begins so much later than the first is delayed."""

_FORMATS = "aac,ac3,asf,avi,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,wav"
_PROTOCOLS = "file,crypto,data"


@dataclass(frozen=True, slots=True)
class Input:
    """One input, as ffmpeg's arguments have it."""

    options: tuple[str, ...]
    path: str
    """Relative to the folder."""
    within: tuple[tuple[str, str], ...] = ()
    """Options for the file where a list names it."""
    late_s: float = 0.0
    """So much later than the film it begins."""

    @property
    def arguments(self) -> tuple[str, ...]:
        late = ("-itsoffset", f"{self.late_s:.6f}") if self.late_s >= LATE_MIN_S else ()
        return (*late, *self.options, "-i", f"file:{self.path}")


def file_input(name: str) -> Input:
    """A file that is the stream."""
    return Input(("-protocol_whitelist", "file", "-format_whitelist", _FORMATS), name)


async def track_inputs(
    folder: Path, number: int, checked: CheckedTrack, groups: Sequence[Group], *, picky: bool
) -> list[Input]:
    """An input for each group of a track, their helper files written into `folder`.

    `picky`: this ffmpeg looks at suffixes unless told otherwise. Raises DownloadError, OSError."""
    if checked.track.form == "hls":
        return await _hls_inputs(folder, number, checked, groups, picky=picky)
    if len(checked.names) == 1:
        return [file_input(checked.names[0])]
    name = f"{HELPER}{number}.bin"
    async with await anyio.open_file(folder / name, "wb") as whole:
        for each in checked.names:
            async with await anyio.open_file(folder / each, "rb") as part:
                while piece := await part.read(PIECE):
                    await whole.write(piece)
    return [file_input(name)]


async def list_input(folder: Path, name: str, entries: Sequence[Entry], inputs: Sequence[Input], end_s: float) -> Input:
    """Several inputs one after another, each in its place: ffmpeg itself knows nothing of discontinuities in HLS, takes
    the second init section for a mistake, and what follows for damage."""
    if len(entries) == 1:
        return replace(inputs[0], late_s=entries[0].at_s)
    ends = [each.at_s for each in entries[1:]] + [end_s]
    lines = ["ffconcat version 1.0"]
    for entry, mine, end in zip(entries, inputs, ends, strict=True):
        lines += [f"file '{mine.path}'", *(f"option {key} {value}" for key, value in mine.within)]
        lines.append(f"duration {max(end - entry.at_s, 0.001):.6f}")
    listed = f"{HELPER}{name}.txt"
    await anyio.Path(folder / listed).write_text("\n".join([*lines, ""]))
    options = ("-protocol_whitelist", _PROTOCOLS, "-format_whitelist", f"concat,hls,{_FORMATS}")
    return Input((*options, "-f", "concat", "-safe", "0"), listed, late_s=entries[0].at_s)


async def _hls_inputs(
    folder: Path, number: int, checked: CheckedTrack, groups: Sequence[Group], *, picky: bool
) -> list[Input]:
    segments = checked.segments
    used = {segment.name for segment in segments} | {segment.init.name for segment in segments if segment.init}
    if not segments or not used <= set(checked.names):
        raise DownloadError("The parts of this video are not those that its playlist names.", code="bad_manifest")
    segments = await _cut_ranges(folder, number, segments)
    own = {"allowed_extensions": "ALL", "seg_format_options": f"format_whitelist={_FORMATS}"}
    own |= {"extension_picky": "0"} if picky else {}
    options = ["-protocol_whitelist", _PROTOCOLS, "-format_whitelist", f"concat,hls,{_FORMATS}", "-f", "hls"]
    options += [word for name, value in own.items() for word in (f"-{name}", value)]
    found = []
    for place, group in enumerate(groups):
        mine = [replace(each, section=0, gap=False) for each in segments[group.first : group.first + group.count]]
        if _is_file(mine):
            found.append(file_input(mine[0].name))
            continue
        name = f"{HELPER}{number}-{place}.m3u8"
        await anyio.Path(folder / name).write_text(write_playlist(mine))
        found.append(Input(tuple(options), name, tuple(own.items())))
    return found


def _is_file(segments: Sequence[Segment]) -> bool:
    """True for a single part that is a whole file with a header and, maybe, an index."""
    one = segments[0]
    plain = one.init is None and one.key is None and one.span is None
    return len(segments) == 1 and plain and not one.name.endswith(".ts")


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
