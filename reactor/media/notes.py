"""What is said to the person of a joined video that is not as it was offered."""

from __future__ import annotations

from collections.abc import Sequence

from reactor.media.check import CheckedTrack

PLACES_MAX = 10


def hole_notes(tracks: Sequence[CheckedTrack], duration_s: float | None) -> tuple[str, ...]:
    """A sentence for each track with segments that are missing in the midst."""
    found = []
    for track in tracks:
        holes = track.holes(duration_s) if track.missing and track.track.form != "webvtt" else []
        if holes:
            what = "sound" if track.track.holds == ("audio",) else "video"
            places = ", ".join(clock(at_s) for at_s, _ in holes[:PLACES_MAX])
            more = " and later" if len(holes) > PLACES_MAX else ""
            lost_s = sum(length_s for _, length_s in holes)
            found.append(f"{lost_s:.0f} s of the {what} are missing on the server and in this file: at {places}{more}.")
    return tuple(found)


def left_out_notes(left_out: Sequence[tuple[float, float]]) -> tuple[str, ...]:
    """The sentence about sections of other codecs."""
    if not left_out:
        return ()
    places = ", ".join(clock(at_s) for at_s, _ in left_out[:PLACES_MAX])
    total_s = sum(length_s for _, length_s in left_out)
    return (f"{total_s:.0f} s in another format, probably advertising, were left out: at {places}.",)


def subtitle_notes(labels: Sequence[str]) -> tuple[str, ...]:
    """The sentence about subtitles that could not be kept."""
    return (f"Subtitles that are not in the file: {', '.join(labels)}.",) if labels else ()


def clock(seconds: float) -> str:
    """`1:05`, `1:00:05`."""
    whole = round(seconds)
    hours, minutes = f"{whole // 3600}:" if whole >= 3600 else "", whole // 60 % 60
    return f"{hours}{minutes:02}:{whole % 60:02}"
