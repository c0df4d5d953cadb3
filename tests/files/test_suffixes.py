"""The lists of suffixes fit together."""

from __future__ import annotations

from reactor.files.suffixes import (
    BINARY_SUFFIXES,
    FILE_SUFFIXES,
    MANIFEST_SUFFIXES,
    MEDIA_SUFFIXES,
    PAGE_SUFFIXES,
    SERVED_SUFFIXES,
)


def test_no_suffix_promises_two_things() -> None:
    assert MEDIA_SUFFIXES < FILE_SUFFIXES
    assert BINARY_SUFFIXES < FILE_SUFFIXES
    lists = (FILE_SUFFIXES, MANIFEST_SUFFIXES, PAGE_SUFFIXES, SERVED_SUFFIXES)
    assert len(frozenset().union(*lists)) == sum(map(len, lists))


def test_what_may_be_read_is_not_binary() -> None:
    assert not BINARY_SUFFIXES & {"txt", "svg", "xml", "json", "csv", "xls", "srt", "key", "bin"}
    assert {"mp4", "zip", "pdf", "jpg", "docx", "epub"} < BINARY_SUFFIXES
