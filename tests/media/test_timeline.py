"""Where groups of parts come to stand in the film."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from reactor.errors import DownloadError
from reactor.media.clocks import Measured, StreamClock
from reactor.media.timeline import Group, Grouping, Piece, Timeline, arrange


def grouped(pieces: Iterable[Piece]) -> list[Group]:
    """The groups of one track's parts."""
    grouping = Grouping()
    for piece in pieces:
        grouping.take(piece)
    return grouping.groups


def part(
    start: float, lasts: float = 2.0, *, section: int = 0, codec: str = "h264", sound: str = "", only: str = ""
) -> Piece:
    """A part with picture and sound, both from `start` on."""
    picture = StreamClock("video", codec, start, start + lasts)
    heard = StreamClock("audio", "aac", start, start + lasts, sound)
    streams = {"": (picture, heard), "video": (picture,), "audio": (heard,)}[only]
    return Piece(section, lasts, measured=Measured(streams))


def spans(groups: list[Group]) -> list[tuple[int, int]]:
    return [(group.first, group.count) for group in groups]


def places(timeline: Timeline) -> tuple[list[float], list[float]]:
    return [round(each.at_s, 3) for each in timeline.video], [round(each.at_s, 3) for each in timeline.audio]


def test_parts_that_follow_each_other_are_one_group() -> None:
    pieces = [part(10.0), part(12.0), part(14.0)]
    groups = grouped(pieces)
    assert spans(groups) == [(0, 3)]
    timeline = arrange([groups])
    assert (places(timeline), timeline.length_s, timeline.known) == (([0.0], [0.0]), 6.0, True)


def test_sections_follow_each_other_whatever_their_clocks_and_manifests_say() -> None:
    pieces = [part(10.0), part(500.0, section=1), part(3.0, section=4), part(5.0, section=4)]
    groups = grouped(pieces)
    assert spans(groups) == [(0, 1), (1, 1), (2, 2)]
    timeline = arrange([groups])
    assert (places(timeline)[0], timeline.length_s) == ([0.0, 2.0, 4.0], 8.0)


def test_a_section_without_sound_leaves_the_sound_of_the_others_in_its_place() -> None:
    pieces = [part(1.0, 4.0, only="video"), part(1.0, section=1), part(9.0, section=2, only="video")]
    timeline = arrange([grouped(pieces)])
    assert (places(timeline), timeline.length_s) == (([0.0, 4.0, 6.0], [4.0]), 8.0)


def test_a_sound_that_begins_late_in_the_midst_of_a_section() -> None:
    """ffmpeg would never see it where the first part has none."""
    groups = grouped([part(0.0, only="video"), part(2.0), part(4.0)])
    assert spans(groups) == [(0, 1), (1, 2)]
    assert places(arrange([groups])) == ([0.0, 2.0], [2.0])


def test_sound_apart_keeps_its_distance_to_the_picture_of_its_section() -> None:
    picture = [part(10.0, only="video"), part(100.0, section=1, only="video")]
    sound = [part(10.1, 2.2, only="audio"), part(99.9, 2.2, section=1, only="audio")]
    timeline = arrange([grouped(picture), grouped(sound)])
    assert places(timeline) == ([0.0, 2.0], [0.1, 1.9])
    assert timeline.length_s == pytest.approx(4.0)


def test_a_sound_far_longer_than_its_picture_is_heard_to_its_end() -> None:
    picture, sound = [part(0.0, only="video"), part(0.0, section=1, only="video")], [part(0.0, 5.0, only="audio")]
    timeline = arrange([grouped(picture), grouped(sound)])
    assert places(timeline)[0] == [0.0, 5.0]


def test_clocks_that_have_nothing_to_do_with_each_other() -> None:
    timeline = arrange([grouped([part(10.0, only="video")]), grouped([part(90_000.0, only="audio")])])
    assert places(timeline) == ([0.0], [0.0])


def test_over_the_end_of_the_clock() -> None:
    end = 2**33 / 90_000
    timeline = arrange([grouped([part(end - 2.0), part(0.0), part(2.0)])])
    assert timeline.length_s == pytest.approx(6.0)


def test_what_is_said_to_be_missing_is_closed_up() -> None:
    pieces = [part(0.0), Piece(0, 2.0, gap=True, measured=part(4.0).measured)]
    assert places(arrange([grouped(pieces)]))[0] == [0.0, 2.0]


def test_what_could_not_be_measured_is_as_long_as_is_said() -> None:
    timeline = arrange([grouped([part(0.0), Piece(0, 3.0)])])
    assert (timeline.length_s, timeline.known) == (5.0, False)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (part(0.0, section=1, codec="hevc"), "picture of this video changes midway, from h264 to hevc"),
        (part(0.0, section=1, sound="44100 Hz, 2 channels"), "sound of this video changes midway, from 48000 Hz"),
    ],
)
def test_another_codec_in_the_midst_is_refused(second: Piece, words: str) -> None:
    first = part(0.0, sound="48000 Hz, 2 channels")
    with pytest.raises(DownloadError, match=words) as caught:
        arrange([grouped([first, second])])
    assert caught.value.code == "unsupported"


def test_a_short_section_of_another_codec_is_left_out() -> None:
    """Advertising; the clocks of the others do not mind."""
    film, ad = [part(2.0 * n, section=2 * (n // 2)) for n in range(4)], part(900.0, section=1, codec="hevc")
    timeline = arrange([grouped([*film[:2], ad, *film[2:]])])
    assert (places(timeline), timeline.length_s) == (([0.0, 4.0], [0.0, 4.0]), 8.0)
    assert timeline.left_out == ((4.0, 2.0),)


def test_a_short_section_of_another_sound_is_left_out_with_its_picture() -> None:
    picture = [part(2.0 * n, section=n // 2, only="video") for n in range(8)]
    sound = [part(2.0 * n, section=n // 2, only="audio", sound="a" if n < 6 else "b") for n in range(8)]
    timeline = arrange([grouped(picture), grouped(sound)])
    assert (timeline.length_s, timeline.left_out) == (12.0, ((12.0, 4.0),))


def test_streams_in_another_order_are_refused() -> None:
    first, other = part(0.0), part(0.0, section=1)
    assert other.measured
    swapped = Piece(1, 2.0, measured=Measured(other.measured.streams[::-1]))
    with pytest.raises(DownloadError, match="different orders"):
        arrange([grouped([first, swapped])])
