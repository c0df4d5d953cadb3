"""`.torrent` files as clients, sites and scripts write them, written for this corpus, and what a person expects.

What is expected are the paths at which a disk has the files, `|` between them; or the code of the refusal. aria2c's
limits are the one reason to decide otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bencode2 import bencode

from reactor.errors import DownloadError
from reactor.extractors.metainfo import parse_metainfo

LENGTH = 10
ENDS_IT = "aria2c refuses the whole torrent for such a name, whatever it is told by `index-out`."


@dataclass(frozen=True)
class Case:
    """One file."""

    label: str
    raw: bytes
    expected: str
    ours: str | None = None
    why: str = ""

    def found(self) -> str:
        """What reactor makes of it."""
        try:
            return "|".join(file.path for file in parse_metainfo(self.raw).files)
        except DownloadError as error:
            return error.code


def _info(paths: Sequence[Any] = (), /, **changed: Any) -> bytes:
    """An info dictionary of files with these paths, or of one; None leaves a key out."""
    count = max(1, len(paths))
    keys: dict[str, Any] = {"name": "a", "piece length": 16384, "pieces": b"h" * 20 * -(-LENGTH * count // 16384)}
    keys |= {"files": [{"length": LENGTH, "path": path} for path in paths]} if paths else {"length": LENGTH}
    keys |= changed
    return bencode({key: value for key, value in keys.items() if value is not None})


def _of(label: str, info: bytes, expected: str, ours: str | None = None, why: str = "") -> Case:
    return Case(label, b"d8:announce9:http://t/4:info" + info + b"e", expected, ours, why)


def _named(name: str | bytes, expected: str, ours: str | None = None, why: str = "", **more: Any) -> Case:
    return _of(f"name {name!r}", _info(name=name, **more), expected, ours, why)


def _inside(path: list[Any], expected: str, ours: str | None = None, why: str = "") -> Case:
    return _of(f"path {path!r}", _info([path]), expected, ours, why)


_ONE = _info()
_PIECES = b"12:piece lengthi16384e6:pieces20:" + b"h" * 20
_PADDED = [{"length": 5, "path": ["b"]}, {"length": 5, "path": ["p"], "attr": "p"}]
_FOREIGN = (
    ("Фильм о войне и мире", "cp1251"),
    ("Документы за октябрь", "cp1251"),
    ("中文电影下载", "gb18030"),
    ("电影天堂", "gbk"),
    ("日本語のファイル名", "cp932"),
    ("こんにちは", "cp932"),
    ("こんにちは世界", "euc_jp"),
    ("한국어 파일 이름", "cp949"),
    ("中文電影下載", "big5"),
    ("Übungsblätter für Größe", "cp1252"),
    ("Café à la crème", "cp1252"),
    ("Señor Niño", "cp1252"),
)
_AS_THEY_ARE = (
    "a b.mkv",
    "[Group] Show - 01 (1080p) {tag}.mkv",
    "a+b=c&d.mkv",
    "100% sure.txt",
    "it's.txt",
    "a;b,c.txt",
    "~a.txt",
    "a.",
    "...",
    "-rf",
    "con",
    "a#b.txt",
    "a'\"b.txt",
    "ЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖ.mkv",
    "e\u0301.txt",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467.jpg",
    "עברית.txt",
    "العربية.txt",
    "ไทย.txt",
    "a.tar.gz",
    "Thumbs.db",
    ".DS_Store",
    "desktop.ini",
    "x-wal",
)

CASES = (
    # What lies around the info dictionary
    Case("plain", b"d4:info" + _ONE + b"e", "a"),
    Case("a newline behind it", b"d4:info" + _ONE + b"e\n", "a"),
    Case("another value behind it", b"d4:info" + _ONE + b"e4:more", "a"),
    Case("keys in no order", b"d4:info" + _ONE + b"8:announce9:http://t/e", "a"),
    Case("a key twice", b"d8:announce1:a8:announce1:b4:info" + _ONE + b"e", "a"),
    Case("a date that is text", b"d13:creation date4:20254:info" + _ONE + b"e", "a"),
    Case("an empty announce-list", b"d13:announce-listle4:info" + _ONE + b"e", "a"),
    Case("announce is a list", b"d8:announcel9:http://t/e4:info" + _ONE + b"e", "a"),
    Case("nodes", b"d4:info" + _ONE + b"5:nodesll9:127.0.0.1i6881eeee", "a"),
    Case("a byte order mark before it", b"\xef\xbb\xbfd4:info" + _ONE + b"e", "bad_torrent"),
    Case("it ends early", b"d4:info" + _ONE[:-3], "bad_torrent"),
    Case("a page", b"<!doctype html><title>Log in</title>", "bad_torrent"),
    Case("nothing", b"", "bad_torrent"),
    Case("no info", b"d8:announce9:http://t/e", "bad_torrent"),
    Case("info is text", b"d4:info1:ae", "bad_torrent"),
    # What is hashed
    _of("unknown keys", _info(source="x", private=1, **{"x-more": [1, {"a": 2}]}), "a"),
    _of("no piece length", _info(**{"piece length": None}), "bad_torrent"),
    _of("piece length 0", _info(**{"piece length": 0}), "bad_torrent"),
    _of("too many hashes", _info(pieces=b"h" * 40), "bad_torrent"),
    _of("half a hash", _info(pieces=b"h" * 30), "bad_torrent"),
    _of("no length", _info(length=None), "bad_torrent"),
    _of("a negative length", _info(length=-1), "bad_torrent"),
    _of("an empty file", _info(length=0, pieces=b""), "a"),
    _of(
        "keys in no order inside",
        b"d4:name1:a6:lengthi10e12:piece lengthi16384e6:pieces20:" + b"h" * 20 + b"e",
        "bad_torrent",
    ),
    _of(
        "v2 only",
        _info(pieces=None, length=None, **{"meta version": 2, "file tree": {"a": {"": {"length": 5}}}}),
        "a/a",
        "a",
        "One file of the torrent's own name is that file.",
    ),
    # Names
    *(_named(f"{text}.mkv".encode(charset), f"{text}.mkv") for text, charset in _FOREIGN),
    *(_inside([name], f"a/{name}") for name in _AS_THEY_ARE),
    _named("film.mkv", "film.mkv"),
    _named("Фильм.mkv", "Фильм.mkv"),
    _named("中文电影.mkv".encode("gbk"), "中文电影.mkv"),
    _named("日本語のファイル.mkv".encode("cp932"), "日本語のファイル.mkv"),
    _named("Фильм о войне.mkv".encode("cp1251"), "Фильм о войне.mkv"),
    _named("Café.mkv".encode("cp1252"), "Café.mkv"),
    _named(b"\xff.mkv", "right.mkv", **{"name.utf-8": "right.mkv"}),
    _named("AC/DC", "AC_DC"),
    _named("a\\b", "a_b"),
    _named(" a ", "a"),
    _named("x" * 300 + ".mkv", "x" * 230 + ".mkv"),
    _named("Ж" * 140 + ".mkv", "Ж" * 115 + ".mkv"),
    _named("x.aria2", "x.aria2"),
    _named("0" * 40 + ".torrent", "0" * 40 + ".torrent"),
    _named(".hidden", ".hidden"),
    _named("a:b?.mkv", "a:b?.mkv"),
    _named("a\0b", "ab"),
    _named("a\nb", "a b", "unsafe_name", ENDS_IT),
    _named("a\tb", "a b", "unsafe_name", ENDS_IT),
    _named("..", "unsafe_name"),
    _named("../a", "unsafe_name"),
    _named("/a", "a", "unsafe_name", ENDS_IT),
    _named("", "unsafe_name"),
    # Paths
    _inside(["b"], "a/b"),
    _inside(["b", "c d", "é"], "a/b/c d/é"),
    _inside(["", "b"], "a/b"),
    _inside(["b", "", "c"], "a/b/c"),
    _inside(["b/c"], "a/b_c"),
    _inside(["b\\c"], "a/b_c"),
    _inside(["/etc/passwd"], "a/_etc_passwd"),
    _inside(["中文电影".encode("gbk"), "b"], "a/中文电影/b"),
    _inside(["x" * 300], "a/" + "x" * 251),
    _inside(["d" * 200] * 15 + ["b"], "a/b"),
    _inside(["b", ""], "a/b", "unsafe_name", ENDS_IT),
    _inside([".", "b"], "a/b", "unsafe_name", ENDS_IT),
    _inside(["..", "b"], "unsafe_name"),
    _inside(["b", "..", "..", "c"], "unsafe_name"),
    _inside(["b\r"], "a/b", "unsafe_name", ENDS_IT),
    _inside([7], "bad_torrent"),
    _inside([], "bad_torrent"),
    _of("the same name twice", _info([["b"], ["b"]]), "a/b|a/b (1)"),
    _of("a file where a folder is", _info([["b"], ["b", "c"]]), "a/b|a/b (1)/c"),
    _of("a folder where a file is", _info([["b", "c"], ["b"]]), "a/b/c|a/b (1)"),
    _of(
        "pad files",
        _info(files=[{"length": 5, "path": ["b"]}, {"length": 5, "path": ["p"], "attr": "p"}], length=None),
        "a/b",
    ),
    _of("an old client's pad file", _info([["b"], ["_____padding_file_0_ ____"]]), "a/b"),
    _of("a pad file by its name", _info([["b"], [".pad", "10"]]), "a/b"),
    _of("no pad file", _info([["b"], [".pad", "11"]]), "a/b|a/.pad/11"),
    _of("path.utf-8", _info(files=[{"length": 10, "path": [b"\xff"], "path.utf-8": ["é"]}], length=None), "a/é"),
)
