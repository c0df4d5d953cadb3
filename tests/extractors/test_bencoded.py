"""Bencode taken apart, canonical or not."""

from __future__ import annotations

import pytest
from bencode2 import bencode
from hypothesis import given
from hypothesis import strategies as st

from reactor.extractors.bencoded import dictionary, end_of

VALUES = st.recursive(
    st.integers(-(2**63), 2**63) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(before=st.binary(max_size=9), value=VALUES, behind=st.binary(max_size=9))
def test_a_value_ends_where_it_ends(before: bytes, value: object, behind: bytes) -> None:
    encoded = bencode(value)
    assert end_of(before + encoded + behind, len(before)) == len(before) + len(encoded)


@given(value=st.dictionaries(st.binary(max_size=8), VALUES, max_size=5), behind=st.binary(max_size=9))
def test_keys_and_the_bytes_of_their_values(value: dict[bytes, object], behind: bytes) -> None:
    assert dictionary(bencode(value) + behind) == {key: bencode(one) for key, one in value.items()}


def test_keys_in_any_order_and_twice() -> None:
    assert dictionary(b"d1:bi1e1:ai2e1:bi3ee") == {b"b": b"i1e", b"a": b"i2e"}
    assert dictionary(b"d01:ai02ee") == {b"a": b"i02e"}


def test_it_is_deep() -> None:
    raw = b"l" * 200_000 + b"e" * 200_000
    assert end_of(raw, 0) == len(raw)


@pytest.mark.fault(61)
@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"d", b"e", b"l", b"i1", b"i" + b"9" * 5000 + b"e", b"9" * 5000 + b":", b"5:abc", b"d1:a"),
        *(b"x", b"-1:a", b"d" * 100, b"li1e", b"\xff"),
    ],
)
def test_what_is_none_raises_one_thing(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        dictionary(raw)
    with pytest.raises(ValueError, match=r".*"):
        end_of(raw, 0)


@pytest.mark.parametrize("raw", [b"d1:ae", b"di1ei2ee", b"d1:ai1e1:be", b"le", b"i1e", b"1:a"])
def test_what_is_no_dictionary_raises(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        dictionary(raw)


@given(raw=st.binary(max_size=40) | st.text(alphabet="dlie0123:-", max_size=40).map(str.encode))
def test_any_bytes_end_or_raise(raw: bytes) -> None:
    try:
        assert 0 < end_of(raw, 0) <= len(raw)
    except ValueError:
        return
