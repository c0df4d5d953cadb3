"""Computes where each group of parts is placed in the joined video, by the parts' own clocks. Pure.

A group is one input of ffmpeg: parts of one track with continuous timestamps and the same codecs. The groups of all
tracks of a section (between two discontinuities, or a DASH period) share a clock; sections follow one another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from itertools import pairwise

from reactor.errors import DownloadError
from reactor.media.clocks import Measured, StreamClock, StreamKind
from reactor.records import dataclass

KINDS: tuple[StreamKind, StreamKind] = ("video", "audio")
APART_MAX_S = 30.0
"""Tracks of a section that begin further apart than this do not share a clock."""
FOLLOWS_MIN_S, FOLLOWS_MAX_S = -0.5, 10.0
"""Range of pauses between two parts; anything else is a change of the clock."""
HOLE_MAX_S = 600.0
"""The longest pause after missing parts in one file; a longer one is a change of the clock."""
OTHERS_SHARE_MAX = 0.3
"""Largest share of a video that is left out since its codecs differ: advertising."""
SOUND_LONGER_MAX_S = 0.5
"""Audio that ends later than its video by no more than this does not delay the next section."""
WRAP_S = 2**33 / 90_000


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a track."""

    section: int
    told_s: float = 0.0
    """Its duration by the manifest."""
    cut: bool = False
    """It begins a new input: it has another init section, or follows a gap."""
    gap: bool = False
    """Segments before it are missing."""
    hole: bool = False
    """The same within one input: the timestamps tell how much is missing."""
    measured: Measured | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Parts that form one input of ffmpeg."""

    section: int
    first: int
    count: int
    """Index of its first part in the track, and number of parts."""
    streams: tuple[StreamClock, ...] = ()
    """Those of its first part; empty if unknown."""
    start_s: float = 0.0
    """When the first of its streams begins."""
    length_s: float = 0.0
    """From there to the end of the video, or of the audio if there is no video."""
    sound_s: float = 0.0
    """From there to the end of the audio."""
    gap: bool = False
    known: bool = True
    """False if the durations are the manifest's, since a clock could not be read."""

    def of(self, kind: StreamKind) -> StreamClock | None:
        """The first stream of a kind."""
        return next((stream for stream in self.streams if stream.kind == kind), None)

    def index(self, kind: StreamKind) -> int | None:
        """Index of the first stream of a kind."""
        return next((n for n, stream in enumerate(self.streams) if stream.kind == kind), None)


@dataclass(frozen=True, slots=True)
class Entry:
    """A group and its place in the result."""

    track: int
    group: Group
    at_s: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """The joined video: its first stream begins at 0."""

    video: tuple[Entry, ...]
    audio: tuple[Entry, ...]
    length_s: float
    known: bool
    """False if `length_s` is the manifest's."""
    left_out: tuple[tuple[float, float], ...] = ()
    """Sections of other codecs: where they would be, and how long they are, in seconds."""


@dataclass(slots=True)
class _Length:
    """The duration so far of the parts of a group that have a kind of stream."""

    total_s: float
    before: StreamClock

    def go_on(self, clock: StreamClock, *, hole: bool) -> None:
        seconds = clock.start_s - self.before.end_s
        seconds -= round(seconds / WRAP_S) * WRAP_S
        # What jumps further is another clock, though nobody says so: ffmpeg closes up then.
        most = HOLE_MAX_S if hole else FOLLOWS_MAX_S
        self.total_s += (seconds if FOLLOWS_MIN_S <= seconds <= most else 0.0) + clock.end_s - clock.start_s
        self.before = clock


@dataclass(slots=True)
class Grouping:
    """Groups the parts of one track one by one, so that of 20 000 parts only the groups are kept."""

    _groups: list[Group] = field(default_factory=list)
    _before: Piece | None = None
    _holds: dict[StreamKind, tuple[str, str]] = field(default_factory=dict)
    """Codec and setup of each kind in the current group."""
    _first: Piece | None = None
    _at: int = 0
    """Index of its first part."""
    _count: int = 0
    _told_s: float = 0.0
    _measured: int = 0
    """Number of its parts with a readable clock."""
    _streams: tuple[StreamClock, ...] = ()
    """The streams of the first of these."""
    _lengths: dict[StreamKind, _Length] = field(default_factory=dict)

    def take(self, piece: Piece) -> None:
        """Add the next part."""
        if self._begins_another(piece):
            self._close()
            self._first, self._at = piece, self._at + self._count
            self._count, self._told_s, self._measured, self._streams, self._lengths = 0, 0.0, 0, (), {}
        self._before = piece
        self._count += 1
        self._told_s += piece.told_s
        if piece.measured and piece.measured.main:
            self._measured += 1
            self._streams = self._streams or piece.measured.streams
            for kind in KINDS:
                self._add(kind, piece.measured, hole=piece.hole)

    @property
    def groups(self) -> list[Group]:
        """The groups, once all parts were added."""
        self._close()
        return self._groups

    def _begins_another(self, piece: Piece) -> bool:
        """True after a cut, and if a stream appears or its codec changes."""
        before = self._before
        cut = before is None or piece.cut or piece.gap or before.section != piece.section
        if piece.measured is None:
            return cut
        holds = {stream.kind: (stream.codec, stream.setup) for stream in reversed(piece.measured.streams)}
        another = bool(self._holds) and any(self._holds.get(kind) != what for kind, what in holds.items())
        self._holds = holds if cut or another else holds | self._holds
        return cut or another

    def _add(self, kind: StreamKind, measured: Measured, *, hole: bool) -> None:
        clock = measured.of(kind)
        if clock is None:
            return
        if kind in self._lengths:
            self._lengths[kind].go_on(clock, hole=hole)
        else:
            self._lengths[kind] = _Length(clock.end_s - _start_s(self._streams), clock)

    def _close(self) -> None:
        first, self._first = self._first, None
        if first is None:
            return
        known = self._measured == self._count
        streams = self._streams if known or first.measured else ()
        lengths = {kind: length.total_s for kind, length in self._lengths.items()}
        sound = lengths.get("audio", 0.0) if known else self._told_s
        length = lengths.get("video", 0.0) or sound if known else self._told_s
        start = _start_s(streams)
        self._groups.append(
            Group(first.section, self._at, self._count, streams, start, length, sound, first.gap, known)
        )


def _start_s(streams: Sequence[StreamClock]) -> float:
    return min((stream.start_s for stream in streams), default=0.0)


def arrange(tracks: Sequence[Sequence[Group]], *, sound_alone: bool = False) -> Timeline:
    """Place the groups of all tracks. In each section the video is of the first track that has one, the audio of the
    last one. Short sections whose codecs differ from those of the rest are left out.

    Raises DownloadError (`unsupported`) if the codecs change otherwise: such parts cannot be joined by copy."""
    sections: dict[int, dict[int, list[Group]]] = {}
    for number, track in enumerate(tracks):
        for group in track:
            sections.setdefault(group.section, {}).setdefault(number, []).append(group)
    places: dict[tuple[int, int], float] = {}
    shown: dict[StreamKind, list[tuple[int, Group]]] = {"video": [], "audio": []}
    end_s, left_out = 0.0, list[tuple[float, float]]()
    others = _others(sections, sound_alone=sound_alone)
    for section, members in sorted(sections.items()):
        chosen = _chosen(members, sound_alone=sound_alone)
        used = {number: groups for number, groups in members.items() if number in chosen.values()}
        if section in others:
            left_out.append((end_s, _place(used, end_s, {}, close_gaps=True)))
            continue
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
    return Timeline(entries[0], entries[1], end_s - first_s, known, tuple(left_out))


def _chosen(members: Mapping[int, Sequence[Group]], *, sound_alone: bool) -> dict[StreamKind, int | None]:
    """The tracks that video and audio of a section are taken from."""
    return {
        "video": None if sound_alone else _holding("video", members, first=True),
        "audio": _holding("audio", members, first=False),
    }


def _others(sections: Mapping[int, Mapping[int, Sequence[Group]]], *, sound_alone: bool) -> frozenset[int]:
    """The sections that are left out, since they cannot be joined with the rest; none if they are a large part."""
    forms: dict[int, dict[StreamKind, set[_Form]]] = {}
    lengths: dict[int, float] = {}
    weights: dict[StreamKind, dict[_Form, float]] = {"video": {}, "audio": {}}
    for section, members in sections.items():
        forms[section] = {"video": set(), "audio": set()}
        for kind, track in _chosen(members, sound_alone=sound_alone).items():
            for group in members[track] if track is not None else ():
                stream, index = group.of(kind), group.index(kind)
                if stream is not None and index is not None:
                    form = stream.codec, stream.setup, index
                    forms[section][kind].add(form)
                    weights[kind][form] = weights[kind].get(form, 0.0) + group.length_s
                    lengths[section] = max(lengths.get(section, 0.0), group.length_s)
    main = {kind: max(found, key=lambda form: found[form]) for kind, found in weights.items() if found}
    others = frozenset(
        section
        for section, kinds in forms.items()
        if any(not _follows(form, main[kind]) for kind, found in kinds.items() for form in found)
    )
    share = sum(lengths.get(section, 0.0) for section in others)
    return others if share <= OTHERS_SHARE_MAX * sum(lengths.values()) else frozenset()


_Form = tuple[str, str, int]
"""Codec, setup, and which stream of its parts it is."""


def _follows(one: _Form, other: _Form) -> bool:
    """True if parts of these forms can be joined by copy."""
    alike = not one[1] or not other[1] or one[1] == other[1]
    return one[0] == other[0] and alike and one[2] == other[2]


def _holding(kind: StreamKind, members: Mapping[int, Sequence[Group]], *, first: bool) -> int | None:
    """The first, or the last, of the tracks that have a kind of stream."""
    found = [number for number, groups in members.items() if any(group.of(kind) for group in groups)]
    return (min(found) if first else max(found)) if found else None


def jump_s(before: Measured, after: Measured) -> float | None:
    """Seconds from the end of a part to the beginning of the next, modulo the 33-bit clock; None if unknown."""
    kind: StreamKind = "video" if before.of("video") and after.of("video") else "audio"
    one, two = before.of(kind), after.of(kind)
    if one is None or two is None:
        return None
    seconds = two.start_s - one.end_s
    return seconds - round(seconds / WRAP_S) * WRAP_S


def _place(
    members: dict[int, list[Group]], section_s: float, places: dict[tuple[int, int], float], *, close_gaps: bool
) -> float:
    """Place the groups of a section that begins at `section_s`; return its duration in seconds.

    It begins with its first picture; its audio may begin slightly earlier, when that of the previous one has ended."""
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
    """Raise if the groups cannot be joined in one stream."""
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
        f"The {what} of this video changes midway, from {one} to {two}: it cannot be joined without re-encoding.",
        code="unsupported",
    )
