"""Only the segments that the clips of a video need are fetched. Pure.

    excerpted(extraction) -> Extraction

The manifest says where each segment is. All that is kept for one clip is a section of its own, so that joining places
it by its parts' own clocks; `Finish.excerpts` says what of the video each section shows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

from reactor.errors import DownloadError
from reactor.media.chapters import Range
from reactor.media.conversion import beyond_the_end
from reactor.media.local import Init, Segment, each_segment, files_of, write_playlist
from reactor.plan import Excerpt, Extraction, Fetch, Finish, Track
from reactor.records import dataclass

MARGIN_S = 0.5
"""A clip is given so much before and after it: the manifest's times are rounded."""
EARLY_S = 0.1
"""A sound may begin so much before its picture."""
SHARE_MIN = 0.9
"""Of more than this of all segments it is not worth the while."""
SEGMENTS_MANY = 5
"""Of fewer segments none may be missing."""
SUBTITLES = "The subtitles were left out: only a part of the video was fetched."


@dataclass(frozen=True, slots=True)
class _Timed:
    """A track as segments with their beginnings."""

    track: Track
    segments: tuple[Segment, ...]
    starts: tuple[float, ...]

    @property
    def end_s(self) -> float:
        return self.starts[-1] + self.segments[-1].duration_s

    @property
    def longest_s(self) -> float:
        return max(each.duration_s for each in self.segments)


def excerpted(extraction: Extraction) -> Extraction:
    """The extraction without the segments that no clip of the row's options needs; the same one where it cannot be
    told which those are, and the video is cut when it is whole.

    Raises DownloadError (`not_as_wished`) where all clips begin after the end."""
    finish = extraction.finish
    if not finish.options.clip or finish.how != "media" or finish.excerpts or not _is_plain(finish):
        return _without_times(extraction)
    films = [track for track in finish.tracks if track.form != "webvtt"]
    timed = [found for track in films if (found := _timed(track, extraction.fetches, finish.duration_s))]
    if not timed or len(timed) < len(films):
        return _without_times(extraction)
    end_s = min(each.end_s for each in timed)
    clips = [(start, end) for start, end in finish.options.clip if start < end_s]
    if not clips:
        sentences = (beyond_the_end(start, end, end_s) for start, end in finish.options.clip)
        raise DownloadError(" ".join(sentences), code="not_as_wished")
    sound_s = max((each.longest_s for each in timed[1:]), default=0.0)
    ranges = _ranges(clips, end_s, early_s=sound_s, apart_s=max(each.longest_s for each in timed))
    return _cut(extraction, timed, ranges)


def _is_plain(finish: Finish) -> bool:
    """True if the clips are of the video as its manifest has it, and nothing else is to be cut along with it."""
    one = all(track.section == 0 for track in finish.tracks)
    return one and not (finish.start_s or finish.end_s) and finish.options.subtitles is None


def _without_times(extraction: Extraction) -> Extraction:
    """Without what only this needs to know of the segments."""
    tracks = extraction.finish.tracks
    if not any(track.lasts for track in tracks):
        return extraction
    plain = tuple(track.model_copy(update={"lasts": ()}) if track.lasts else track for track in tracks)
    return extraction.model_copy(update={"finish": extraction.finish.model_copy(update={"tracks": plain})})


def _timed(track: Track, fetches: Sequence[Fetch], duration_s: float | None) -> _Timed | None:
    """The segments of a track; None where it has none, or nothing is said of how long they last."""
    if track.form == "hls":
        segments = tuple(each_segment(track.playlist or ""))
    elif track.form == "concat" and track.needed in ((), (0,)):
        names = [fetch.name for fetch in fetches[track.first : track.first + track.count]]
        init = Init(names.pop(0)) if track.needed else None
        lasts = track.lasts or [(duration_s or 0.0) / max(1, len(names))] * len(names)
        if len(lasts) != len(names):
            return None
        pairs = zip(names, lasts, strict=True)
        segments = tuple(Segment(name, round(seconds, 6), init=init) for name, seconds in pairs)
    else:
        return None
    if len(segments) < 2 or any(each.duration_s <= 0 for each in segments):
        return None
    return _Timed(track, segments, tuple(_sums(each.duration_s for each in segments)))


def _sums(lasts: Iterable[float]) -> Iterator[float]:
    at_s = 0.0
    for seconds in lasts:
        yield at_s
        at_s += seconds


def _ranges(clips: Iterable[Range], end_s: float, *, early_s: float, apart_s: float) -> list[Range]:
    """What is fetched of the video: the clips, with what makes a sound begin no later; those that are near to one
    another are one, so that no segment belongs to two."""
    found = list[Range]()
    for start, end in sorted(clips):
        begin, stop = max(0.0, start - MARGIN_S - early_s), min(end + MARGIN_S, end_s)
        if found and begin - found[-1][1] <= 2 * apart_s:
            found[-1] = found[-1][0], max(found[-1][1], stop)
        else:
            found.append((begin, stop))
    return found


def _cut(extraction: Extraction, timed: Sequence[_Timed], ranges: Sequence[Range]) -> Extraction:
    sections = 1 + max(each.section for one in timed for each in one.segments)
    picture = timed[0]
    starts = [picture.starts[_first(picture, range_)] for range_ in ranges]
    tracks, fetches, lasts = list[Track](), list[Fetch](), list[float]()
    for one in timed:
        segments = list[Segment]()
        for n, (start, (_, end)) in enumerate(zip(starts, ranges, strict=True)):
            segments += [
                replace(segment, section=segment.section + n * sections, gap=False)
                for segment, at in zip(one.segments, one.starts, strict=True)
                if at >= start - EARLY_S and at < end
            ]
        mine = extraction.fetches[one.track.first : one.track.first + one.track.count]
        kept = {name for segment in segments for name in files_of(segment)}
        tracks.append(_track(one.track, mine, kept, segments, first=len(fetches)))
        fetches += [fetch for fetch in mine if fetch.name in kept]
        lasts.append(sum(segment.duration_s for segment in segments))
    if len(fetches) > SHARE_MIN * len(extraction.fetches) or not all(lasts):
        return _without_times(extraction)
    finish, notes = extraction.finish, list(extraction.finish.notes)
    if len(tracks) < len(finish.tracks):
        notes.append(SUBTITLES)
    excerpts = tuple(
        Excerpt(section=n * sections + _section(picture, start), start_s=round(start, 6), end_s=round(end, 6))
        for n, (start, (_, end)) in enumerate(zip(starts, ranges, strict=True))
    )
    told = {"tracks": tuple(tracks), "excerpts": excerpts, "duration_s": max(lasts), "notes": tuple(notes)}
    told |= {"least_s": None}
    return extraction.model_copy(update={"fetches": tuple(fetches), "finish": finish.model_copy(update=told)})


def _first(one: _Timed, range_: Range) -> int:
    """Its segment in which a range begins."""
    return max((n for n, at in enumerate(one.starts) if at <= range_[0]), default=0)


def _section(one: _Timed, start_s: float) -> int:
    return one.segments[_first(one, (start_s, start_s))].section


def _track(
    track: Track, fetches: Sequence[Fetch], kept: Collection[str], segments: Sequence[Segment], *, first: int
) -> Track:
    """The track of what is kept of it, as a playlist."""
    before = {fetches[n].name for n in track.needed}
    names = [fetch.name for fetch in fetches if fetch.name in kept]
    form: Literal["hls"] = "hls"
    return track.model_copy(
        update={
            "form": form,
            "first": first,
            "count": len(names),
            "playlist": write_playlist(segments),
            "needed": tuple(n for n, name in enumerate(names) if name in before),
            "holes": min(track.holes, 1) if len(segments) >= SEGMENTS_MANY else 0,
            "lasts": (),
        }
    )
