"""The table of suffixes by media type."""

from __future__ import annotations

import re

from reactor.files.media_types import SUFFIX_BY_TYPE
from reactor.files.names import is_program
from reactor.files.suffixes import FILE_SUFFIXES, PAGE_SUFFIXES


def test_every_line_is_a_media_type_and_a_suffix() -> None:
    assert len(SUFFIX_BY_TYPE) > 100
    for media_type, suffix in SUFFIX_BY_TYPE.items():
        assert re.fullmatch(r"(application|audio|font|image|message|model|text|video)/[a-z0-9.+-]+", media_type)
        assert re.fullmatch(r"\.[a-z0-9]{2,7}", suffix)


def test_what_it_gives_is_known_as_the_end_of_a_name() -> None:
    """Else such a name would get a second suffix, or be asked about as if it were a page."""
    others = {"torrent", "css", "ts", "ttc", "eml", "wasm", "cpio", "mpkg", "swf", "sh", "js", "jar"}
    unknown = {
        suffix
        for suffix in (each[1:] for each in SUFFIX_BY_TYPE.values())
        if suffix not in FILE_SUFFIXES | PAGE_SUFFIXES | others and not is_program(f"a.{suffix}")
    }
    assert unknown == set()
