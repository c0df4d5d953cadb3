"""The parts of a broadcast that was recorded: each is joined by itself, as what was taken without a break.

parts_of(extraction, folder) -> list[Extraction]    each part as an extraction of its own
Shelf(folder, finish)                               keeps what was joined, until all is
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path, PurePath

from reactor.files.deleting import delete
from reactor.files.names import clean_name
from reactor.files.staging import RESULT, RESULT_FOLDER, results_in
from reactor.media.local import Segment, files_of, names_of, read_playlist, write_playlist
from reactor.plan import Extraction, Fetch, Finish, Track

SHELF = ".recorded"
"""The folder, in that of the parts, of what is joined already."""

_Streams = dict[int, list[Segment]]
"""Segments by the source that they were taken from."""


def parts_of(extraction: Extraction, folder: Path) -> list[Extraction]:
    """The parts, in order. Another one begins also where a segment could not be had. Blocks on the disk."""
    there = {path.name for path in folder.iterdir()}
    found = [part for _, tracks in groupby(extraction.finish.tracks, _section) for part in _runs([*tracks], there)]
    return [_alone(extraction, part) for part in found]


def _section(track: Track) -> int:
    return track.section


def _rounds(tracks: Sequence[Track]) -> Iterator[list[Track]]:
    """The tracks that were taken at one look: of each source one, in their order."""
    some: list[Track] = []
    for track in tracks:
        if some and track.source <= some[-1].source:
            yield some
            some = []
        some.append(track)
    if some:
        yield some


def _runs(tracks: Sequence[Track], there: set[str]) -> Iterator[_Streams]:
    """What was taken without a break."""
    runs, current = dict[int, _Streams](), 0
    for some in _rounds(tracks):
        breaks = 0
        for track in some:
            mine, gap = 0, False
            for segment in read_playlist(track.playlist or ""):
                if not there.issuperset(files_of(segment)):
                    gap = True
                    continue
                mine, gap = mine + gap, False
                runs.setdefault(current + mine, {}).setdefault(track.source, []).append(segment)
            breaks = max(breaks, mine + gap)
        current += breaks
    yield from (runs[n] for n in sorted(runs))


def _alone(extraction: Extraction, streams: _Streams) -> Extraction:
    fetches, tracks = list[Fetch](), list[Track]()
    by_name = {fetch.name: fetch for fetch in extraction.fetches}
    told = {track.source: track for track in extraction.finish.tracks}
    for source, segments in sorted(streams.items()):
        mine = {fetch.name for fetch in fetches}
        names = [name for name in names_of(segments) if name in by_name and name not in mine]
        playlist = write_playlist(replace(each, section=0, gap=False) for each in segments)
        track = {"first": len(fetches), "count": len(names), "playlist": playlist, "section": 0, "source": 0}
        tracks.append(told[source].model_copy(update=track))
        fetches += [by_name[name] for name in names]
    finish = extraction.finish.model_copy(update={"tracks": tuple(tracks), "recording": None, "notes": ()})
    return extraction.model_copy(update={"fetches": tuple(fetches), "finish": finish})


class Shelf:
    """See the module. All of it blocks on the disk, and raises OSError."""

    def __init__(self, folder: Path, finish: Finish) -> None:
        self._folder = folder
        self._shelf = folder / SHELF
        self._stem = PurePath(finish.name).stem
        self.count = 0

    def clear(self) -> None:
        """Of what an earlier process has left."""
        shutil.rmtree(self._shelf, ignore_errors=True)
        for left in results_in(self._folder):
            delete(left)

    def put(self) -> None:
        """Take the result of a part."""
        (result,) = results_in(self._folder)
        self._shelf.mkdir(exist_ok=True)
        self.count += 1
        result.replace(self._shelf / f"{self.count}{'' if result.is_dir() else result.suffix}")

    def publish(self) -> None:
        """Put it where the staging finds it: one file, or a folder with those of all parts."""
        parts = sorted(self._shelf.iterdir(), key=lambda path: int(path.name.partition(".")[0]))
        if len(parts) == 1:
            (only,) = parts
            only.replace(self._folder / (RESULT_FOLDER if only.is_dir() else f"{RESULT}{only.suffix}"))
        else:
            for n, part in enumerate(parts, 1):
                part.replace(self._shelf / clean_name(f"{self._stem} - part {n}{part.suffix}"))
            self._shelf.replace(self._folder / RESULT_FOLDER)
        shutil.rmtree(self._shelf, ignore_errors=True)

    def notes(self) -> tuple[str, ...]:
        """What there is to say of it."""
        if self.count < 2:
            return ()
        return (f"The broadcast broke off: it comes in {self.count} parts, each as it was.",)
