"""Where the files of a torrent are put, and what aria2 has to be told of it."""

from __future__ import annotations

import pytest

from reactor.errors import DownloadError
from reactor.extractors.metainfo import parse_metainfo
from tests.extractors.samples import folder, torrent


@pytest.mark.parametrize(
    "raw",
    [
        folder(["..", "..", "x"]),
        folder(["ok"], ["../../x"]),
        folder(["a", "."]),
        folder(["a", ""]),
        folder(["/"]),
        folder([""]),
        torrent(name="../x"),
        torrent(name="/x"),
        torrent(name=".."),
        torrent(name=""),
        torrent(**{"name.utf-8": "../x"}),
        torrent(pieces=None, **{"meta version": 2, "file tree": {"..": {"x": {"": {"length": 5}}}}}),
    ],
)
def test_names_that_lead_out_are_refused(raw: bytes) -> None:
    with pytest.raises(DownloadError, match="outside its folder") as caught:
        parse_metainfo(raw)
    assert caught.value.code == "unsafe_name"


@pytest.mark.parametrize("raw", [folder(["a\nb"]), folder(["ok"], ["a\tb", "c"]), torrent(name="a\r")])
def test_names_that_aria2c_does_not_take_are_refused(raw: bytes) -> None:
    with pytest.raises(DownloadError, match="aria2c takes no name with") as caught:
        parse_metainfo(raw)
    assert caught.value.code == "unsafe_name"


LONG = "Ж" * 140 + ".mkv"
SHORT = "Ж" * 115 + ".mkv"


@pytest.mark.parametrize(
    ("raw", "ours"),
    [
        (folder(["a", "b"], ["c d.mp3"]), ["album/a/b", "album/c d.mp3"]),
        (folder(["", "a"], ["b"]), ["=album/a", "album/b"]),
        (folder(["a/b"], ["a", "b"]), ["=album/a_b", "album/a/b"]),
        (folder(["/etc/passwd"]), ["=album/_etc_passwd"]),
        (folder(["a\\b"]), ["=album/a_b"]),
        (folder(["a\0b"]), ["=album/ab"]),
        (folder([LONG], [LONG]), [f"=album/{'Ж' * 123}.mkv", f"=album/{'Ж' * 123} (1).mkv"]),
        (folder(["a"], ["a"], ["a"]), ["album/a", "=album/a (1)", "=album/a (2)"]),
        (folder(["a"], ["a", "b"], ["a", "c"]), ["album/a", "=album/a (1)/b", "=album/a (1)/c"]),
        (folder(["电影.mkv".encode("gb18030")]), ["=album/电影.mkv"]),
        (folder([" a "]), ["=album/a"]),
        (folder(["x.aria2"], ["0" * 40 + ".torrent"]), ["album/x.aria2", f"album/{'0' * 40}.torrent"]),
        (folder(*[["d" * 200] * 20 + ["a"]] * 2), ["=album/a", "=album/a (1)"]),
        (torrent(name="AC/DC", length=None, files=[{"length": 20_000, "path": ["a"]}]), ["=AC_DC/a"]),
        (torrent(name=LONG), [f"={SHORT}"]),
        (torrent(name="AC/DC.mp3"), ["=AC_DC.mp3"]),
        (torrent(name="x.aria2"), ["x.aria2"]),
    ],
)
def test_where_files_are_put(raw: bytes, ours: list[str]) -> None:
    """= where aria2 has to be told."""
    metainfo = parse_metainfo(raw)
    assert ["=" * file.told + file.path for file in metainfo.files] == ours
    assert all(file.path.split("/")[0] == metainfo.top for file in metainfo.files)


def test_many_equal_names_are_numbered_in_little_time() -> None:
    count = 20_000
    metainfo = parse_metainfo(folder(*[["a"]] * count, **{"piece length": 2**28}))
    assert metainfo.files[-1].path == f"album/a ({count - 1})"
