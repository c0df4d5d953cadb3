"""Our own playlist: what was written is what is read, and each group stands by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reactor.media.local import Init, Key, Segment, Span, groups, read_playlist, write_playlist

spans = st.none() | st.builds(Span, st.integers(0, 10**12), st.integers(1, 10**12))
keys = st.none() | st.builds(
    Key, st.sampled_from(["key-1.bin", "data:x;base64,AA=="]), st.sampled_from(["0" * 32, "f" * 32])
)
inits = st.none() | st.builds(Init, st.sampled_from(["init-1.mp4", "init-2.mp4"]), spans, keys)
durations = st.integers(0, 10**9).map(lambda micro: micro / 1_000_000)
names = st.sampled_from(["0001.ts", "0002.m4s", "audio-0001.ts"])
drafts = st.lists(st.tuples(names, durations, spans, keys, inits, st.booleans()), max_size=12)


def built(draft: list[tuple[str, float, Span | None, Key | None, Init | None, bool]]) -> list[Segment]:
    """Segments as the parser makes them: another init section is a discontinuity."""
    segments: list[Segment] = []
    for name, duration, span, key, init, cut in draft:
        before = segments[-1].init if segments else None
        segments.append(Segment(name, duration, span, key, init, cut or init != before))
    return segments


@given(drafts.map(built))
def test_what_is_written_is_read(segments: list[Segment]) -> None:
    assert read_playlist(write_playlist(segments)) == segments


@given(drafts.map(built))
def test_each_group_stands_by_itself(segments: list[Segment]) -> None:
    apart = groups(segments)
    assert [segment for group in apart for segment in group] == segments
    assert [segment for group in apart for segment in read_playlist(write_playlist(group))] == segments
    assert not any(segment.discontinuity for group in apart for segment in group[1:])


def test_the_order_of_keys_and_init_sections() -> None:
    """An init section is encrypted when the key stands before it."""
    key = Key("key-1.bin", "0" * 32)
    open_init = [Segment("1.m4s", 2.0, None, key, Init("i.mp4"), True)]
    closed_init = [Segment("1.m4s", 2.0, None, None, Init("i.mp4", Span(0, 9), key), True)]
    assert write_playlist(open_init).splitlines()[5:8] == [
        '#EXT-X-MAP:URI="i.mp4"',
        f'#EXT-X-KEY:METHOD=AES-128,URI="key-1.bin",IV=0x{"0" * 32}',
        "#EXTINF:2.000000,",
    ]
    assert write_playlist(closed_init).splitlines()[5:8] == [
        f'#EXT-X-KEY:METHOD=AES-128,URI="key-1.bin",IV=0x{"0" * 32}',
        '#EXT-X-MAP:URI="i.mp4",BYTERANGE="9@0"',
        "#EXT-X-KEY:METHOD=NONE",
    ]
