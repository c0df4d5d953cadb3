"""What is fed to the readers: documents made of their own words, in odd places, cut off, many times over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bencode2 import bencode
from hypothesis import strategies as st

LENGTH_MAX = 200_000
"""Characters of one document."""
NUMBERS = (
    *("0", "1", "-1", "2.5", "1e20000000", "9" * 30, "9" * 5000, "0x10", "nan", "inf", "1/0", "30000/1001", "٣", " 7 "),
    *("1e400", "-0", "18446744073709551616", "4611686018427387904", "0.0000000000000000000000001", "", "1_0"),
)
ODD = (
    "",
    "\0",
    "\ud800",
    "\u202e",
    "é",
    "\U0001f600",
    "%00",
    "%",
    "%zz",
    "=",
    "'",
    '"',
    "<",
    ">",
    ";",
    ",",
    "\\",
    "//",
    " ",
)
numbers = st.sampled_from(NUMBERS)
odd = st.sampled_from(ODD) | st.text(max_size=12) | numbers


def pieces(*words: str, glue: Sequence[str] = ("", "\n", ",", " ")) -> st.SearchStrategy[str]:
    """Text of these words and odd ones, with a part of it repeated."""
    word = st.sampled_from(words) | odd
    few = st.lists(word, max_size=8)
    times = st.sampled_from((1, 1, 1, 2, 40, 3000, 40_000))
    return st.builds(_repeated, few, few, few, times, st.sampled_from(glue))


def _repeated(before: list[str], often: list[str], after: list[str], times: int, glue: str) -> str:
    middle = glue.join([*often, ""])
    times = min(times, LENGTH_MAX // max(len(middle), 1))
    return glue.join([*before, middle * times, *after])[:LENGTH_MAX]


def raw(text: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """The same as bytes, or bytes that are no text."""
    return text.map(lambda found: found.encode("utf-8", "surrogatepass")) | st.binary(max_size=300)


values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from((10**400, -(10**400), 1e308, "x" * 70_000))
    | odd,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(odd, inner, max_size=4),
    max_leaves=12,
)
"""What JSON can say."""


def records(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with these fields, of which some are missing or are something else."""
    return st.fixed_dictionaries({}, optional={name: field | values for name, field in fields.items()})


def _bencoded(told: Any) -> bytes:
    try:
        return bencode(told)
    except (TypeError, ValueError, OverflowError):
        return b"de"


_names = st.sampled_from(("a", "..", "a/b", "", "\0", "x" * 300, "ä", "pad")) | st.text(max_size=6)
_lengths = st.sampled_from((0, 1, 2**14, 2**31, 2**63, -1, 10**30)) | st.integers()
_files = st.lists(
    st.fixed_dictionaries({}, optional={"length": _lengths, "path": st.lists(_names, max_size=4)}), max_size=4
)
_tree: st.SearchStrategy[Any] = st.recursive(
    st.fixed_dictionaries({"": st.fixed_dictionaries({}, optional={"length": _lengths})}),
    lambda inner: st.dictionaries(_names, inner, max_size=3),
    max_leaves=6,
)
_info = st.fixed_dictionaries(
    {},
    optional={
        "name": _names | values.map(str),
        "length": _lengths,
        "files": _files,
        "pieces": st.sampled_from((b"", b"x" * 20, b"x" * 40, b"x")),
        "piece length": _lengths,
        "meta version": st.sampled_from((1, 2, "2")),
        "file tree": _tree,
        "private": st.integers(),
    },
)
_outer = st.fixed_dictionaries(
    {}, optional={"info": _info, "announce": _names, "announce-list": st.lists(st.lists(_names)), "nodes": _names}
).map(_bencoded)
torrents = (
    _outer
    | st.builds(lambda whole, place, odd: whole[:place] + odd + whole[place:], _outer, st.integers(0, 60), st.binary())
    | st.builds(lambda piece, times: piece * times, st.sampled_from((b"l", b"d", b"le", b"i0e", b"1:a", b"d1:a")),
                st.sampled_from((1, 100, 5000, 60_000)))
    | st.sampled_from((b"i" + b"9" * 100_000 + b"e", b"9" * 5000 + b":", b"d4:infod4:name" + b"9" * 30 + b":"))
)  # fmt: skip
