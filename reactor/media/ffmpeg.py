"""Joining what was fetched into one file, without encoding anything anew.

    join(ffmpeg, folder, extraction, progress=…, room=…) -> the file
    probe(ffmpeg, file) -> Probed

An mp4 where it can hold the codecs, else an mkv; of sound alone the container that its codec is known by.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

import anyio
import anyio.to_thread

from reactor.errors import DownloadError, ProgramMissing
from reactor.media.check import check_parts
from reactor.media.inputs import HELPER, Input, file_input, track_input
from reactor.media.process import Run, run_ffmpeg
from reactor.media.room import Room, no_space, reckon
from reactor.models import Extraction, Track

RESULT = ".joined"
"""The name of the result, without its suffix. A clean name never begins with a dot."""
AUDIO_SUFFIXES = (".aac", ".flac", ".m4a", ".mka", ".mp3", ".oga", ".ogg", ".opus", ".wav")
"""A wished name that ends so asks for the sound alone."""
PROBE_DEADLINE_S = 60.0
JOIN_DEADLINE_S = 120.0
"""For however small a video; a large one gets more: its bytes, `RATE_MIN` at a time."""
RATE_MIN = 2 * 1024 * 1024
"""Bytes a second that the slowest disk copies."""
TOLERANCE = 0.01
TOLERANCE_MIN_S = 0.5
"""Short videos are forgiven this much: a frame of sound, a rounded segment."""
LATENESS_MIN_S, LATENESS_MAX_S = 0.01, 30.0
"""So much later than its picture may a sound begin that stands apart, to be taken at its word."""

_MP4_VIDEO = ("h264", "hevc", "av1", "vp9", "mpeg4")
_MP4_AUDIO = ("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac")
_MUXERS = {
    ".flac": "flac",
    ".m4a": "ipod",
    ".mka": "matroska",
    ".mkv": "matroska",
    ".mp3": "mp3",
    ".mp4": "mp4",
    ".ogg": "ogg",
    ".opus": "opus",
}
_AUDIO_HOMES = {"aac": ".m4a", "alac": ".m4a", "ac3": ".m4a", "eac3": ".mka", "mp3": ".mp3", "opus": ".opus"} | {
    "flac": ".flac",
    "vorbis": ".ogg",
}
_STREAM = re.compile(r"^ +Stream #\d+:\d+(?:\[[^]]*\])?(?:\([^)]*\))?: (Video|Audio): (\w+)(.*)$", re.MULTILINE)
_DURATION = re.compile(r"^ +Duration: (\d+):(\d\d):(\d\d\.\d+)", re.MULTILINE)
_START = re.compile(r"^ +Duration: [^,\n]*, start: (-?\d+\.\d+)", re.MULTILINE)
_SPEAKER = re.compile(r"\[[^]]* @ 0x[0-9a-f]+\] ")
_PICKY: dict[Path, bool] = {}
"""What was found out about each ffmpeg."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What ffmpeg sees in a file."""

    duration_s: float | None
    video: str | None
    """The codec of the first picture that moves, as ffmpeg calls it: `h264`, `vp9`, …"""
    audio: str | None
    start_s: float | None = None
    """The moment of the first picture or sound, as the file has it."""


async def join(
    ffmpeg: Path,
    folder: Path,
    extraction: Extraction,
    *,
    progress: Callable[[float], None] | None = None,
    room: Room = Room(),  # noqa: B008 - frozen
) -> Path:
    """Join the fetched parts in `folder` by the tracks of `extraction.finish`; return the one file, in `folder`.

    Its suffix says what it became, and may differ from that of the wished name. `progress` gets 0…1. It is not begun
    where more would be written than there is `room` for, and ended when that shows on the way. The parts stay; nothing
    else is left, no process either, also when it is cancelled. Raises DownloadError (`too_large`, `no_space`, `killed`,
    `timeout`, `join_failed`, `incomplete`), BadParts (`files_missing`, `bad_part`, `bad_key`) and ProgramMissing. A
    part that is worth nothing is deleted, so that it is fetched again."""
    joined = None
    try:
        written = await anyio.to_thread.run_sync(_reckoned, folder, extraction, room, abandon_on_cancel=True)
        joined = await room.watch(folder, partial(_join, ffmpeg, folder, extraction, written, progress, room))
    except OSError as error:
        raise _disk_trouble(error) from error
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_tidy, folder, joined)
    return joined


def _reckoned(folder: Path, extraction: Extraction, room: Room) -> int:
    """The bytes that joining writes, for which there is room."""
    written = reckon(extraction, check_parts(folder, extraction))
    room.check(folder, written)
    return written.total


async def probe(ffmpeg: Path, file: Path) -> Probed:
    """Look into a media file. Raises DownloadError (`join_failed`) when it is none."""
    return await _probe(ffmpeg, file.parent, file_input(file.name))


async def _join(
    ffmpeg: Path, folder: Path, extraction: Extraction, size: int, progress: Callable[[float], None] | None, room: Room
) -> Path:
    finish = extraction.finish
    picky = await _is_picky(ffmpeg, folder) if any(track.form == "hls" for track in finish.tracks) else False
    inputs = [
        await track_input(folder, number, track, extraction.fetches, picky=picky)
        for number, track in enumerate(finish.tracks)
    ]
    seen = [await _probe(ffmpeg, folder, each) for each in inputs]
    sound_alone = PurePath(finish.name).suffix.lower() in AUDIO_SUFFIXES
    video = None if sound_alone else next((n for n, each in enumerate(seen) if each.video), None)
    # Where sound stands apart it comes last, and what the picture's track holds besides is second best.
    audio = next((n for n, each in reversed(list(enumerate(seen))) if each.audio), None)
    suffix = _suffix(seen[video].video if video is not None else None, seen[audio].audio if audio is not None else None)
    result = folder / f"{RESULT}{suffix}"
    late = _lateness(inputs, seen) if None not in (video, audio) else [0.0] * len(inputs)
    arguments = list[str]()
    for each, seconds in zip(inputs, late, strict=True):
        arguments += [*(("-itsoffset", f"{seconds:.6f}") if seconds else ()), *each.arguments]
    arguments += [] if video is None else ["-map", f"{video}:V:0"]
    arguments += [] if audio is None else ["-map", f"{audio}:a:0"]
    arguments += ["-c", "copy", "-sn", "-dn"]
    if suffix in (".mp4", ".m4a"):
        arguments += ["-movflags", "+faststart"]
    if suffix == ".mp4" and video is not None and seen[video].video == "hevc":
        arguments += ["-tag:v", "hvc1"]  # what Apple's players want to see
    largest = room.largest(folder)
    arguments += [] if largest is None else ["-fs", str(largest)]
    arguments += ["-f", _MUXERS[suffix], "-y", f"file:{result.name}"]
    lengths = [mine.duration_s or its.duration_s or 0.0 for mine, its in zip(inputs, seen, strict=True)]
    total = finish.duration_s or max(lengths)
    deadline_s = JOIN_DEADLINE_S + size / RATE_MIN
    run = await run_ffmpeg(
        ffmpeg,
        ["-v", "warning", *arguments],
        folder=folder,
        deadline_s=deadline_s,
        on_progress=_share(progress, total),
    )
    if run.code != 0:
        raise _failed(run, folder)
    room.check_result(result.stat().st_size, largest)
    _check(await probe(ffmpeg, result), extraction, sound_alone=sound_alone, late_s=max(late))
    if progress:
        progress(1.0)
    return result


async def _probe(ffmpeg: Path, folder: Path, source: Input) -> Probed:
    run = await run_ffmpeg(ffmpeg, source.arguments, folder=folder, deadline_s=PROBE_DEADLINE_S)
    streams = [(kind, codec) for kind, codec, more in _STREAM.findall(run.words) if "(attached pic)" not in more]
    if not streams:
        raise _failed(run, folder)
    duration = _DURATION.search(run.words)
    seconds = int(duration[1]) * 3600 + int(duration[2]) * 60 + float(duration[3]) if duration else None
    video, audio = (next((codec for kind, codec in streams if kind == wanted), None) for wanted in ("Video", "Audio"))
    start = _START.search(run.words)
    return Probed(seconds, video, audio, float(start[1]) if start else None)


async def _is_picky(ffmpeg: Path, folder: Path) -> bool:
    """True when this ffmpeg compares the suffixes of segments with their content, which of ours says nothing.

    Raises ProgramMissing when it is too old to be kept from playlists in segments."""
    if ffmpeg not in _PICKY:
        run = await run_ffmpeg(ffmpeg, ["-v", "quiet", "-h", "demuxer=hls"], folder=folder, deadline_s=PROBE_DEADLINE_S)
        if "seg_format_options" not in run.output:
            raise ProgramMissing(f"ffmpeg at {ffmpeg} is too old.", hint="Install ffmpeg 5 or newer.")
        _PICKY[ffmpeg] = "extension_picky" in run.output
    return _PICKY[ffmpeg]


def _suffix(video: str | None, audio: str | None) -> str:
    """The container for these codecs."""
    if video is None and audio is None:
        raise DownloadError("There is neither picture nor sound in this video.", code="incomplete")
    if video is None:
        return _AUDIO_HOMES.get(audio or "", ".mka")
    return ".mp4" if video in _MP4_VIDEO and audio in (None, *_MP4_AUDIO) else ".mkv"


def _lateness(inputs: Sequence[Input], seen: Sequence[Probed]) -> list[float]:
    """How much later than the first each input begins, in seconds, as their own moments say: ffmpeg itself would have
    all of them begin at 0. What is far apart has clocks of its own."""
    starts = [its.start_s for mine, its in zip(inputs, seen, strict=True) if mine.timed and its.start_s is not None]
    if len(starts) < len(inputs) or max(starts) - min(starts) > LATENESS_MAX_S:
        return [0.0] * len(inputs)
    return [late if (late := start - min(starts)) >= LATENESS_MIN_S else 0.0 for start in starts]


def _share(progress: Callable[[float], None] | None, total_s: float) -> Callable[[float], None] | None:
    """Seconds written as a share of all."""
    if progress is None or total_s <= 0:
        return None
    return lambda written_s: progress(min(written_s / total_s, 1.0))


def _check(found: Probed, extraction: Extraction, *, sound_alone: bool, late_s: float) -> None:
    """Compare the result with what was promised."""
    promised = _promised(extraction.finish.tracks) - ({"video"} if sound_alone else set())
    if "video" in promised and not found.video:
        raise DownloadError("The joined video has no picture, though one was promised.", code="incomplete")
    if "audio" in promised and not found.audio:
        raise DownloadError("The joined video has no sound, though it was promised.", code="incomplete")
    wanted, lasts = extraction.finish.duration_s, found.duration_s
    if wanted is None:
        return
    tolerance = max(TOLERANCE * wanted, TOLERANCE_MIN_S)
    if lasts is None or not wanted - tolerance <= lasts <= wanted + late_s + tolerance:
        raise DownloadError(
            f"The joined video lasts {lasts or 0:.1f} s, but {wanted:.1f} s were promised.", code="incomplete"
        )


def _promised(tracks: Sequence[Track]) -> set[str]:
    promised: set[str] = {kind for track in tracks for kind in track.holds}
    return promised if len(tracks) < 2 else promised | {"video", "audio"}


def _failed(run: Run, folder: Path) -> DownloadError:
    """The error for a run that went wrong, with the end of what ffmpeg said."""
    lines = [_SPEAKER.sub("", line).strip() for line in run.words.replace(f"{folder}/", "").splitlines()]
    said = [line for line in lines if line and not line.startswith(("Conversion failed", "At least one output"))]
    tail = said[-1][:300].rstrip(".") if said else f"it ended with {run.code}"
    if "No space left on device" in run.words:
        return no_space()
    if run.code < 0:  # by whoever is short of memory, as a rule
        return DownloadError("ffmpeg was killed while it joined this video.", code="killed", retryable=True)
    return DownloadError(f"ffmpeg could not join the parts of this video: {tail}.", code="join_failed")


def _disk_trouble(error: OSError) -> DownloadError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_space()
    return DownloadError(f"The parts could not be joined: {error.strerror or error}.", code="disk_error")


def _tidy(folder: Path, keep: Path | None) -> None:
    """Delete the helper files, and every result but the one that is whole."""
    for path in (*folder.glob(f"{HELPER}*"), *folder.glob(f"{RESULT}.*")):
        if path != keep:
            path.unlink()
