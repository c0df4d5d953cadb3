"""Chapters, and parts that viewers have marked: what becomes of them where a film is cut. Pure; all in seconds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise

from reactor.plan import Chapter

CHAPTER_MIN_S = 0.1
"""What is shorter is no chapter: the rest of one that was cut off."""
LABELS = {
    "sponsor": "Sponsor",
    "selfpromo": "Self-promotion",
    "interaction": "Interaction reminder",
    "intro": "Intro",
    "outro": "End cards",
    "preview": "Preview",
    "hook": "Hook",
    "filler": "Filler",
    "music_offtopic": "No music",
}
"""What a marked part is called, by SponsorBlock's category."""

Range = tuple[float, float]


def kept_ranges(length_s: float, marks: Iterable[Chapter]) -> tuple[Range, ...]:
    """What is left of a film without its marked parts, in order."""
    ranges, at_s = list[Range](), 0.0
    for mark in sorted(marks, key=lambda each: each.start_s):
        if mark.start_s - at_s >= CHAPTER_MIN_S:
            ranges.append((at_s, min(mark.start_s, length_s)))
        at_s = max(at_s, mark.end_s)
        if at_s >= length_s:
            return tuple(ranges)
    if length_s - at_s >= CHAPTER_MIN_S:
        ranges.append((at_s, length_s))
    return tuple(ranges)


def within(ranges: Sequence[Range], start_s: float, end_s: float) -> tuple[Range, ...]:
    """What lies between two moments of these ranges."""
    cut = [(max(start, start_s), min(end, end_s)) for start, end in ranges]
    return tuple((start, end) for start, end in cut if end - start >= CHAPTER_MIN_S)


def moved(chapters: Iterable[Chapter], ranges: Sequence[Range]) -> tuple[Chapter, ...]:
    """The chapters of a film of which these ranges are left, put together without a gap."""
    found = []
    for chapter in chapters:
        at_s, first, last = 0.0, None, 0.0
        for start, end in ranges:
            begin, stop = max(start, chapter.start_s), min(end, chapter.end_s)
            if stop > begin:
                first = at_s + begin - start if first is None else first
                last = at_s + stop - start
            at_s += end - start
        if first is not None and last - first >= CHAPTER_MIN_S:
            found.append(Chapter(start_s=round(first, 3), end_s=round(last, 3), title=chapter.title))
    return tuple(found)


def marked(chapters: Sequence[Chapter], marks: Sequence[Chapter], length_s: float) -> tuple[Chapter, ...]:
    """The chapters with the marked parts among them: where they meet, the mark is shown."""
    if not marks:
        return tuple(chapters)
    below = list(chapters) or [Chapter(start_s=0.0, end_s=length_s)]
    edges = sorted({0.0, length_s, *(edge for each in (*below, *marks) for edge in (each.start_s, each.end_s))})
    found = list[Chapter]()
    starts = [each.start_s for each in below]
    for start, end in pairwise(edges):
        if start >= length_s:
            break
        titles = [LABELS.get(each.title, "Marked") for each in marks if each.start_s <= start < each.end_s]
        place = bisect_right(starts, start) - 1
        under = below[place].title if place >= 0 and start < below[place].end_s else ""
        title = f"[{', '.join(dict.fromkeys(titles))}]" if titles else under
        if found and found[-1].title == title:
            found[-1] = Chapter(start_s=found[-1].start_s, end_s=end, title=title)
        else:
            found.append(Chapter(start_s=start, end_s=end, title=title))
    return tuple(each for each in found if each.end_s - each.start_s >= CHAPTER_MIN_S)
