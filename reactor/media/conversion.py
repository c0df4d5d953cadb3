"""What is to be made of a film or a sound that is there: files, their ranges, codecs, chapters and covers. Pure.

    plan(found, finish, name, begins) -> Plan

All that a row can ask for after the fetch is decided here, and said where it cannot be had; `convert` carries it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from reactor.errors import DownloadError
from reactor.files.names import clean_name
from reactor.media.chapters import Range, kept_ranges, marked, within
from reactor.media.muxing import AUDIO_HOMES, AUDIO_SUFFIXES, MP4_AUDIO, holds, suffix_of
from reactor.media.notes import clock
from reactor.media.probing import Probed
from reactor.options import AudioOptions, Options
from reactor.plan import Chapter, Excerpt, Finish
from reactor.records import dataclass

OUTPUTS_MAX = 200
"""Files that one film is split into."""
WHOLE_S = 0.05
"""What is cut off at an end must be more than this."""
COVERS = (".flac", ".m4a", ".mka", ".mkv", ".mp3", ".mp4", ".ogg", ".opus")
"""Containers that hold a picture."""
OGG = (".ogg", ".opus")
LOSSLESS = ("alac", "flac", "pcm_s16le", "pcm_s24le", "pcm_s32le", "wavpack")
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", "-threads", "8")
"""How pictures are encoded where they are cut exactly. More threads would take more memory than ffmpeg may have."""

_FORMATS: dict[str, tuple[str, str]] = {
    "mp3": ("mp3", ".mp3"),
    "m4a": ("aac", ".m4a"),
    "opus": ("opus", ".opus"),
    "flac": ("flac", ".flac"),
    "wav": ("pcm_s16le", ".wav"),
}
"""Codec and suffix of each sound that can be asked for."""
_FILMS = (".mkv", ".mp4", ".webm")


@dataclass(frozen=True, slots=True)
class Sound:
    """How the sound is written."""

    suffix: str
    arguments: tuple[str, ...] = ("-c:a", "copy")

    @property
    def copied(self) -> bool:
        """True if it is not encoded anew."""
        return self.arguments[-1] == "copy"


@dataclass(frozen=True, slots=True)
class Output:
    """One file to make."""

    name: str
    """Its base name, where it is one of several; the suffix is not in it."""
    suffix: str
    ranges: tuple[Range, ...] = ()
    """What it shows of the source, in the source's seconds; empty: all of it."""
    chapters: tuple[Chapter, ...] | None = None
    """Those of the film, in the source's seconds; None: what the source has stays."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is to be made."""

    outputs: tuple[Output, ...] = ()
    """Empty: the source is what was asked for."""
    sound: Sound | None = None
    """The sound alone is wanted, and becomes this; None: picture and sound."""
    exact: bool = False
    """Pictures are encoded anew, to be cut between keyframes."""
    embeds: bool = False
    """A cover goes into each file."""
    beside: bool = False
    """A cover is given beside them."""
    cover_alone: bool = False
    tags: bool = False
    notes: tuple[str, ...] = ()
    """Sentences about what was asked for and cannot be had."""

    @property
    def nothing(self) -> bool:
        """True if the source is given as it is, alone."""
        return not (self.outputs or self.beside or self.cover_alone)


def asked_keys(options: Options) -> tuple[str, ...]:
    """The keys that say what is to be made after the fetch, for sentences."""
    found = {
        "want": options.want in ("audio", "cover"),
        "thumbnail": options.thumbnail != "none",
        "chapters": options.chapters == "split",
        "sponsorblock": options.sponsorblock.mode != "off",
        "clip": bool(options.clip),
    }
    return tuple(key for key, asked in found.items() if asked)


def left_out(options: Options, why: str) -> str:
    """The sentence about options that do not apply. `why` says what this is instead."""
    return f"{why}: {', '.join(asked_keys(options))} left out."


def plan(found: Probed, finish: Finish, source: str, begins: Sequence[float] = ()) -> Plan:
    """What to make of a file with the suffix of `source`. `begins`: where each excerpt of the film begins in it.

    Raises DownloadError (`not_as_wished`) where nothing of what is wanted is in it."""
    options, notes = finish.options, list[str]()
    if options.want == "cover":
        return Plan(cover_alone=True)
    length_s = found.duration_s or 0.0
    sound = None
    if options.want == "audio":
        if found.audio is None:
            notes.append("There is no sound in this: it is given with its picture.")
        else:
            sound = _sound(found.audio, options.audio)
    elif found.video is None and found.audio is not None:
        sound = Sound(_home(found.audio, source))  # cut and tagged as the sound that it is
    film = _Film(finish, length_s, begins)
    exact = options.cut == "exact" and sound is None and film.is_cut
    suffix = sound.suffix if sound else _film_suffix(found, source, exact=exact)
    embeds = _embeds(options, sound, suffix, notes)
    spans = film.spans(notes)
    outputs = tuple(Output(name, suffix, ranges, film.chapters) for name, ranges in spans)
    tags = options.audio.tags if sound and options.want == "audio" else True
    same = not film.is_cut and len(spans) == 1 and film.chapters is None and not embeds
    as_it_is = sound is None or (sound.copied and source == suffix and found.video is None)
    told = sound is not None and options.want == "audio" and tags and _says_something(finish)
    if same and as_it_is and not told:
        outputs = ()
    beside = options.thumbnail == "file"
    return Plan(outputs, sound, exact, embeds, beside, tags=tags, notes=(*notes, *film.notes))


def _says_something(finish: Finish) -> bool:
    about = finish.about
    return bool(about.title or about.uploader or about.date or about.url)


@dataclass(slots=True)
class _Film:
    """A film on its own clock, and where its moments are in the file."""

    finish: Finish
    length_s: float
    begins: Sequence[float]

    @property
    def notes(self) -> tuple[str, ...]:
        """What is said of wishes that exclude each other."""
        if self.finish.options.chapters != "split" or self.splits:
            return ()
        clip = bool(self.finish.options.clip)
        return ("A clip is not split by its chapters.",) if clip else ("There are no chapters to split this by.",)

    @property
    def removes(self) -> bool:
        return self.finish.options.sponsorblock.mode == "remove" and bool(self.finish.marks)

    @property
    def splits(self) -> bool:
        options = self.finish.options
        return options.chapters == "split" and len(self.finish.chapters) > 1 and not options.clip

    @property
    def is_cut(self) -> bool:
        return bool(self.finish.options.clip) or self.removes or self.splits

    @property
    def places(self) -> tuple[tuple[Excerpt, float], ...]:
        """What is there of the film, each with its beginning in the file."""
        whole = Excerpt(section=0, start_s=0.0, end_s=max(self.length_s, WHOLE_S))
        if not self.finish.excerpts:
            return ((whole, 0.0),)
        return tuple(zip(self.finish.excerpts, self.begins, strict=True))

    def in_file(self, ranges: Sequence[Range]) -> tuple[Range, ...]:
        """Moments of the film as moments of the file, as far as they are there."""
        found = []
        for excerpt, at_s in self.places:
            shift = at_s - excerpt.start_s
            end_s = min(excerpt.end_s, self.length_s - shift)
            cut = within(ranges, excerpt.start_s, end_s)
            found += [(start + shift, end + shift) for start, end in cut]
        return tuple(found)

    @property
    def end_s(self) -> float:
        """Where what is there of the film ends."""
        excerpt, at_s = self.places[-1]
        return min(excerpt.end_s, self.length_s - at_s + excerpt.start_s)

    @property
    def chapters(self) -> tuple[Chapter, ...] | None:
        """The chapters in the seconds of the file; None where the file's own stay."""
        options, finish = self.finish.options, self.finish
        if options.chapters == "none":
            return ()
        if self.splits:
            return ()
        marks = finish.marks if options.sponsorblock.mode == "mark" else ()
        if not finish.chapters and not marks:
            return None
        found = []
        for each in marked(finish.chapters, marks, self.end_s):
            found += [
                Chapter(start_s=start, end_s=end, title=each.title)
                for start, end in self.in_file([(each.start_s, each.end_s)])
            ]
        return tuple(found)

    def spans(self, notes: list[str]) -> list[tuple[str, tuple[Range, ...]]]:
        """Name and ranges of each file to make. Raises DownloadError (`not_as_wished`) where nothing is left."""
        if not self.is_cut:
            return [("", ())]
        kept = kept_ranges(self.end_s, self.finish.marks) if self.removes else ((0.0, self.end_s),)
        found = []
        for name, start, end in self._wanted(notes):
            if ranges := self.in_file(within(kept, start, end)):
                found.append((name, ranges))
            else:
                notes.append(f"Nothing is left of {clock(start)} to {clock(end)}: it was marked to be removed.")
        if not found:
            raise DownloadError(" ".join(notes) or "Nothing of the video is left.", code="not_as_wished")
        return found

    def _wanted(self, notes: list[str]) -> list[tuple[str, float, float]]:
        """Name, beginning and end of what is wanted of the film."""
        if self.splits:
            chapters = self.finish.chapters[:OUTPUTS_MAX]
            if len(self.finish.chapters) > OUTPUTS_MAX:
                notes.append(f"The video is split into {OUTPUTS_MAX} files at most; the last chapters left out.")
            titles = [clean_name(each.title) if each.title else "" for each in chapters]
            width = max(2, len(str(len(chapters))))
            return [
                (f"{n:0{width}} {title}".strip(), each.start_s, each.end_s)
                for n, (each, title) in enumerate(zip(chapters, titles, strict=True), 1)
            ]
        clips = self.finish.options.clip
        found = []
        stem = PurePath(self.finish.name).stem
        for n, (start, end) in enumerate(clips, 1):
            if start >= self.end_s - WHOLE_S:
                notes.append(beyond_the_end(start, end, None if self.finish.excerpts else self.end_s))
                continue
            if end > self.end_s + 1.0:
                notes.append(f"The video ends at {clock(self.end_s)}: the clip up to {clock(end)} is shorter.")
            found.append((f"{n:02} {stem}" if len(clips) > 1 else "", start, min(end, self.end_s)))
        return found if clips else [("", 0.0, self.end_s)]


def beyond_the_end(start_s: float, end_s: float, length_s: float | None) -> str:
    """The sentence about a clip of what is not there; `length_s` of the video, where that is known."""
    at = "" if length_s is None else f", at {clock(length_s)}"
    return f"The clip from {clock(start_s)} to {clock(end_s)} begins after the end of the video{at}."


def _embeds(options: Options, sound: Sound | None, suffix: str, notes: list[str]) -> bool:
    """True if a cover goes into the file."""
    by_audio = sound is not None and options.want == "audio" and options.audio.cover
    if not by_audio and options.thumbnail != "embed":
        return False
    if suffix in COVERS:
        return True
    if options.thumbnail == "embed" or "cover" in options.audio.model_fields_set:
        notes.append(f"A {suffix[1:]} file holds no cover: it was left out.")
    return False


def _sound(codec: str, asked: AudioOptions) -> Sound:
    """How a sound of this codec becomes what is asked for: as it is where that is the same."""
    if asked.format == "best":
        return Sound(AUDIO_HOMES.get(codec, ".mka"))
    wanted, suffix = _FORMATS[asked.format]
    if codec == wanted and (asked.kbps is None or wanted in LOSSLESS):
        return Sound(suffix)
    return Sound(suffix, _encoder(asked.format, asked.kbps, lossless=codec in LOSSLESS))


def _encoder(format_: str, kbps: int | None, *, lossless: bool) -> tuple[str, ...]:
    match format_:
        case "mp3":
            return ("-c:a", "libmp3lame", *(("-b:a", f"{kbps}k") if kbps else ("-q:a", "2")))
        case "m4a":
            return ("-c:a", "aac", "-b:a", f"{kbps or 192}k")
        case "opus":  # which knows 5.1 by another name than the sound of films, and no more than 256 kbit/s of mono
            layouts = "aformat=channel_layouts=7.1|5.1|stereo|mono"
            return ("-af", layouts, "-c:a", "libopus", "-b:a", f"{min(kbps or 128, 256)}k")
        case "flac":
            return ("-c:a", "flac", *(() if lossless else ("-sample_fmt", "s16")))
        case _:
            return ("-c:a", "pcm_s16le")


def _home(codec: str, source: str) -> str:
    """The suffix of a sound that stays as it is: its own, where we write such files."""
    usual = AUDIO_HOMES.get(codec, ".mka")
    return source if source in AUDIO_SUFFIXES and holds(source, None, codec) else usual


def _film_suffix(found: Probed, source: str, *, exact: bool) -> str:
    video = "h264" if exact else found.video
    if source in _FILMS and holds(source, video, found.audio):
        return source
    if exact:
        return ".mp4" if found.audio in (None, *MP4_AUDIO) else ".mkv"
    return suffix_of(video, found.audio)
