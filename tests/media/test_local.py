"""Our own playlist: what was written is what is read, and each section stands by itself."""

from __future__ import annotations

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from reactor.media.local import Init, Key, Segment, Span, files_of, key_data, read_playlist, write_playlist

spans = st.none() | st.builds(Span, st.integers(0, 10**12), st.integers(1, 10**12))
keys = st.none() | st.builds(
    Key, st.sampled_from(["key-1.bin", "data:x;base64,AA=="]), st.sampled_from(["0" * 32, "f" * 32])
)
inits = st.none() | st.builds(Init, st.sampled_from(["init-1.mp4", "init-2.mp4"]), spans, keys)
durations = st.integers(0, 10**9).map(lambda micro: micro / 1_000_000)
names = st.sampled_from(["0001.ts", "0002.m4s", "audio-0001.ts"])
drafts = st.lists(st.tuples(names, durations, spans, keys, inits, st.integers(0, 2), st.booleans()), max_size=12)


def built(draft: list[tuple[str, float, Span | None, Key | None, Init | None, int, bool]]) -> list[Segment]:
    """Segments whose sections go up, some passed over; an init section holds until the next section at least."""
    segments: list[Segment] = []
    for name, duration, span, key, init, step, gap in draft:
        before = segments[-1] if segments else Segment("", 0.0)
        section = before.section + (max(step, 1) if before.init and not init else step)
        segments.append(Segment(name, duration, span, key, init, section, gap))
    return segments


@given(drafts.map(built))
def test_what_is_written_is_read(segments: list[Segment]) -> None:
    assert read_playlist(write_playlist(segments)) == segments


@given(drafts.map(built))
def test_each_section_stands_by_itself(segments: list[Segment]) -> None:
    apart = [list(section) for _, section in groupby(segments, key=lambda segment: segment.section)]
    assert [segment for section in apart for segment in read_playlist(write_playlist(section))] == segments


def test_the_order_of_keys_and_init_sections() -> None:
    """An init section is encrypted when the key stands before it."""
    key = Key("key-1.bin", "0" * 32)
    open_init = [Segment("1.m4s", 2.0, None, key, Init("i.mp4"))]
    closed_init = [Segment("1.m4s", 2.0, None, None, Init("i.mp4", Span(0, 9), key))]
    assert write_playlist(open_init).splitlines()[4:7] == [
        '#EXT-X-MAP:URI="i.mp4"',
        f'#EXT-X-KEY:METHOD=AES-128,URI="key-1.bin",IV=0x{"0" * 32}',
        "#EXTINF:2.000000,",
    ]
    assert write_playlist(closed_init).splitlines()[4:7] == [
        f'#EXT-X-KEY:METHOD=AES-128,URI="key-1.bin",IV=0x{"0" * 32}',
        '#EXT-X-MAP:URI="i.mp4",BYTERANGE="9@0"',
        "#EXT-X-KEY:METHOD=NONE",
    ]


def test_what_a_segment_is_read_from() -> None:
    """A key of ours that stands in the playlist is no file; whatever else it names is."""
    ours, other = Key(key_data(bytes(16)), "0" * 32), Key("data:x;base64,AA==", "0" * 32)
    plain = Segment("1.m4s", 2.0, None, ours, Init("i.mp4", None, ours))
    assert list(files_of(plain)) == ["1.m4s", "i.mp4"]
    named = Segment("1.m4s", 2.0, None, Key("key-1.bin", "0" * 32), Init("i.mp4", None, other))
    assert list(files_of(named)) == ["1.m4s", "i.mp4", "key-1.bin", other.uri]
