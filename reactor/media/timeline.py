"""Where each group of parts stands in the joined film, by the parts' own clocks. Pure.

A group is what ffmpeg reads as one input: parts of one track whose timestamps and codecs follow each other. Groups of
several tracks that belong to one section (between two discontinuities, or a DASH period) share a clock; sections
follow one another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from reactor.errors import DownloadError
from reactor.media.clocks import Measured, StreamClock, StreamKind

KINDS: tuple[StreamKind, StreamKind] = ("video", "audio")
APART_MAX_S = 30.0
"""Tracks of a section that begin further apart than this have clocks of their own."""
FOLLOWS_MIN_S, FOLLOWS_MAX_S = -0.5, 10.0
"""From the end of a part to the beginning of the next: what is outside is another clock."""
SOUND_LONGER_MAX_S = 0.5
"""A sound that ends so much later than its picture does not push back what follows."""
WRAP_S = 2**33 / 90_000


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a track."""

    section: int
    told_s: float = 0.0
    """What the manifest says that it lasts."""
    cut: bool = False
    """It is not to be read together with the one before: another init section, or a gap."""
    gap: bool = False
    """What stood before it is missing, and said to be."""
    measured: Measured | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Parts that are read as one input."""

    section: int
    first: int
    count: int
    """The parts, as they are counted in their track."""
    streams: tuple[StreamClock, ...] = ()
    """Those of its first part; empty where nobody knows."""
    start_s: float = 0.0
    """When the first of its streams begins."""
    length_s: float = 0.0
    """From there to the end of the picture; of the sound, where there is none."""
    sound_s: float = 0.0
    """From there to the end of the sound."""
    gap: bool = False
    known: bool = True
    """False where the manifest's numbers stand for a clock that could not be read."""

    def of(self, kind: StreamKind) -> StreamClock | None:
        """The first stream of a kind."""
        return next((stream for stream in self.streams if stream.kind == kind), None)

    def index(self, kind: StreamKind) -> int | None:
        """Which of its streams the first of a kind is."""
        return next((n for n, stream in enumerate(self.streams) if stream.kind == kind), None)


@dataclass(frozen=True, slots=True)
class Entry:
    """A group in its place."""

    track: int
    group: Group
    at_s: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """The film that the groups make up: it begins with the first of its streams, at 0."""

    video: tuple[Entry, ...]
    audio: tuple[Entry, ...]
    length_s: float
    known: bool
    """False where `length_s` rests on what a manifest says."""


def grouped(pieces: Sequence[Piece]) -> list[Group]:
    """The parts of one track in groups."""
    cuts = {n for n, (one, two) in enumerate(pairwise(pieces), 1) if two.cut or two.gap or one.section != two.section}
    bounds = _by_what_they_hold(pieces, cuts | {0})
    return [_group(pieces, first, end) for first, end in pairwise([*bounds, len(pieces)])]


def arrange(tracks: Sequence[Sequence[Group]], *, sound_alone: bool = False) -> Timeline:
    """Put the groups of all tracks in their places. In each section the picture comes from the first track that holds
    one, the sound from the last.

    Raises DownloadError (`unsupported`) for what no player could go on with: another codec in the midst."""
    sections: dict[int, dict[int, list[Group]]] = {}
    for number, track in enumerate(tracks):
        for group in track:
            sections.setdefault(group.section, {}).setdefault(number, []).append(group)
    places: dict[tuple[int, int], float] = {}
    shown: dict[StreamKind, list[tuple[int, Group]]] = {"video": [], "audio": []}
    end_s = 0.0
    for _, members in sorted(sections.items()):
        chosen: dict[StreamKind, int | None] = {
            "video": None if sound_alone else _holding("video", members, first=True),
            "audio": _holding("audio", members, first=False),
        }
        used = {number: groups for number, groups in members.items() if number in chosen.values()}
        end_s += _place(used, end_s, places, close_gaps=len(used) == 1)
        for kind, of_kind in chosen.items():
            if of_kind is not None:
                shown[kind] += [(of_kind, group) for group in members[of_kind] if group.of(kind)]
    first_s = min(places.values(), default=0.0)
    known = all(group.known for pairs in shown.values() for _, group in pairs)
    entries = []
    for kind in KINDS:
        _check_alike([group for _, group in shown[kind]], kind)
        entries.append(tuple(Entry(track, g, places[track, g.first] - first_s) for track, g in shown[kind]))
    return Timeline(entries[0], entries[1], end_s - first_s, known)


def _holding(kind: StreamKind, members: Mapping[int, Sequence[Group]], *, first: bool) -> int | None:
    """The first, or the last, of the tracks that hold a kind."""
    found = [number for number, groups in members.items() if any(group.of(kind) for group in groups)]
    return (min(found) if first else max(found)) if found else None


def jump_s(before: Measured, after: Measured) -> float | None:
    """From the end of a part to the beginning of the next, over the end of the clock; None where none can be told."""
    kind: StreamKind = "video" if before.of("video") and after.of("video") else "audio"
    one, two = before.of(kind), after.of(kind)
    if one is None or two is None:
        return None
    seconds = two.start_s - one.end_s
    return seconds - round(seconds / WRAP_S) * WRAP_S


def _by_what_they_hold(pieces: Sequence[Piece], cuts: set[int]) -> list[int]:
    """The cuts, and more of them where a stream begins in the midst or goes on in another codec."""
    known = dict[StreamKind, tuple[str, str]]()
    for n, piece in enumerate(pieces):
        if piece.measured is None:
            continue
        holds = {stream.kind: (stream.codec, stream.setup) for stream in reversed(piece.measured.streams)}
        if n in cuts:
            known = {}
        elif known and any(known.get(kind) != what for kind, what in holds.items()):
            cuts.add(n)
            known = {}
        known = holds | known
    return sorted(cuts)


def _group(pieces: Sequence[Piece], first: int, end: int) -> Group:
    mine = pieces[first:end]
    told = sum(piece.told_s for piece in mine)
    section, gap = mine[0].section, mine[0].gap
    measured = [piece.measured for piece in mine if piece.measured and piece.measured.main]
    if len(measured) < len(mine):
        streams = measured[0].streams if mine[0].measured and measured else ()
        start = min((stream.start_s for stream in streams), default=0.0)
        return Group(section, first, end - first, streams, start, told, told, gap, known=False)
    begin = min(stream.start_s for stream in measured[0].streams)
    lengths = {kind: _length_s(measured, kind, begin) for kind in KINDS}
    length = lengths["video"] or lengths["audio"]
    return Group(section, first, end - first, measured[0].streams, begin, length, lengths["audio"], gap)


def _length_s(measured: Sequence[Measured], kind: StreamKind, begin_s: float) -> float:
    """From `begin_s` to the end of the last part that holds this kind."""
    own = [clock for each in measured if (clock := each.of(kind))]
    if not own:
        return 0.0
    total, before = own[0].end_s - begin_s, own[0]
    for clock in own[1:]:
        seconds = clock.start_s - before.end_s
        seconds -= round(seconds / WRAP_S) * WRAP_S
        # What jumps further is another clock, though nobody says so: ffmpeg closes up then.
        total += (seconds if FOLLOWS_MIN_S <= seconds <= FOLLOWS_MAX_S else 0.0) + clock.end_s - clock.start_s
        before = clock
    return total


def _place(
    members: dict[int, list[Group]], section_s: float, places: dict[tuple[int, int], float], *, close_gaps: bool
) -> float:
    """Put the groups of a section, which begins at `section_s`, in their places; the seconds that it lasts.

    It begins with its first picture: a sound may begin a little earlier, while that of the section before is over."""
    if not members:
        return 0.0
    firsts = [groups[0] for groups in members.values()]
    pictures = [clock.start_s for group in firsts if (clock := group.of("video"))]
    zero_s = min(pictures or [group.start_s for group in firsts])
    together = all(abs(group.start_s - zero_s) <= APART_MAX_S for group in firsts)
    ends: dict[StreamKind, float] = {"video": 0.0, "audio": 0.0}
    for track, groups in members.items():
        at = groups[0].start_s - zero_s if together else 0.0
        for n, group in enumerate(groups):
            if n:
                before = groups[n - 1]
                seconds = group.start_s - before.start_s - before.length_s
                follows = FOLLOWS_MIN_S <= seconds <= FOLLOWS_MAX_S and before.known and group.known
                at += before.length_s + (seconds if follows and not (group.gap and close_gaps) else 0.0)
            places[track, group.first] = section_s + at
            if group.of("video"):
                ends["video"] = max(ends["video"], at + group.length_s)
            ends["audio"] = max(ends["audio"], at + group.sound_s)
    if ends["video"] and ends["audio"] - ends["video"] <= SOUND_LONGER_MAX_S:
        return ends["video"]
    return max(ends.values())


def _check_alike(groups: Sequence[Group], kind: StreamKind) -> None:
    """Raise where the groups cannot follow each other in one stream."""
    streams = [(stream, group.index(kind)) for group in groups if (stream := group.of(kind))]
    what = "picture" if kind == "video" else "sound"
    for (one, one_index), (two, two_index) in pairwise(streams):
        if one.codec != two.codec:
            raise _changes(what, one.codec, two.codec)
        if one.setup and two.setup and one.setup != two.setup:
            raise _changes(
                what,
                one.setup if kind == "audio" else one.codec,
                two.setup if kind == "audio" else "another form of it",
            )
        if one_index != two_index:
            raise DownloadError("The pieces of this video hold their streams in different orders.", code="unsupported")


def _changes(what: str, one: str, two: str) -> DownloadError:
    return DownloadError(
        f"The {what} of this video changes in the midst, from {one} to {two}: it cannot be joined without encoding it "
        "anew.",
        code="unsupported",
    )
