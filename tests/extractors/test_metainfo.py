"""`.torrent` files, good, strange and hostile."""

from __future__ import annotations

import hashlib
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from bencode2 import bdecode, bencode
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.egress.inner_urls import swarm_of
from reactor.errors import DownloadError
from reactor.extractors.metainfo import (
    FILES_MAX,
    Metainfo,
    metainfo_for_aria2,
    parse_metainfo,
    selected,
    tracker_answer,
    trackers,
)
from reactor.options import FileChoice
from reactor.programs import find_aria2c
from tests.extractors.samples import folder, torrent


def paths(metainfo: Metainfo) -> list[tuple[str, int]]:
    return [(file.path, file.size) for file in metainfo.files]


PADDED = torrent(
    name="album",
    length=None,
    files=[
        {"length": 20_000, "path": ["a"]},
        {"length": 12_768, "path": ["anything"], "attr": "xp"},
        {"length": 100, "path": ["b"], "attr": "x"},
        {"length": 16_284, "path": [".pad", "16284"]},
        {"length": 5, "path": [".pad", "notes"]},
        {"length": 9, "path": ["_____padding_file_0_if you see this file, please update"]},
    ],
    pieces=b"h" * 20 * 4,
)


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ([1, 3], [1, 3]),
        ([2], []),
        (["A"], [1]),
        (["*"], [1, 3, 5]),
        ([".pad/*"], [5]),
        (["n?tes", "b"], [3, 5]),
        (["[", "(a+)+$", "*" * 200], [1, 3, 5]),
        (["*.mkv"], []),
        ("largest", [1]),
    ],
)
def test_a_row_asks_for_some_of_the_files(asked: FileChoice, numbers: list[int]) -> None:
    """By numbers of aria2's, by patterns of names and paths, or for the largest; what a link says counts no more."""
    assert [file.number for file in parse_metainfo(PADDED).wanted("1-2", asked)] == numbers


def test_pad_files_are_no_content() -> None:
    metainfo = parse_metainfo(PADDED)
    assert paths(metainfo) == [("album/a", 20_000), ("album/b", 100), ("album/.pad/notes", 5)]
    assert (metainfo.size, selected(metainfo.files, metainfo.count)) == (20_105, "1,3,5")


@pytest.mark.parametrize(
    ("wish", "numbers"),
    [
        ("", [1, 3, 5]),
        ("0", [1]),
        ("0,2", [1, 3]),
        ("1", [1, 3, 5]),
        ("2-99,x,-1", [3, 5]),
        ("9", [1, 3, 5]),
        ("9" * 400, [1, 3, 5]),
    ],
)
def test_what_a_magnet_link_wants_of_it(wish: str, numbers: list[int]) -> None:
    assert [file.number for file in parse_metainfo(PADDED).wanted(wish)] == numbers


def test_all_of_it_needs_no_choice() -> None:
    metainfo = parse_metainfo(folder(["a"], ["b"], ["c"], ["d"]))
    assert selected(metainfo.files, metainfo.count) == ""
    assert selected(metainfo.wanted("1-2,3"), metainfo.count) == "2-4"


def test_its_trackers() -> None:
    raw = bencode(
        {"announce": "http://one/", "announce-list": [["http://two/"], ["udp://three", b"\xff" * 9000]], "info": 1}
    )
    assert trackers(raw) == ["http://two/", "udp://three", "http://one/"]


def test_names_in_a_charset_that_nobody_declares() -> None:
    raw = torrent(name="电影".encode("gb18030"))
    assert parse_metainfo(raw).name == "电影"
    assert parse_metainfo(torrent(name=b"\xff\x00"[:1], **{"name.utf-8": "film"})).name == "film"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello",
        b"<!doctype html>",
        b"l" * 1_000_000,
        b"l" * 500_000 + b"e" * 500_000,
        b"de",
        b"d4:infole" + b"e",
        torrent()[:-1],
        b"d" + b"4:info" * 3,
        torrent().replace(b"6:lengthi20000e", b"6:lengthi020000e"),
        torrent(pieces=None),
        torrent(pieces="h" * 39),
        torrent(pieces=7),
        torrent(length=None),
        torrent(length=-1),
        torrent(length=2**70),
        torrent(length="x"),
        torrent(name=None),
        torrent(name=7),
        torrent(files=[]),
        torrent(files=7),
        torrent(files=["x"]),
        torrent(files=[{"length": 1}]),
        torrent(files=[{"length": 1, "path": []}]),
        torrent(files=[{"length": 1, "path": [7]}]),
        torrent(files=[{"length": 1, "path": ["a"] * 200}]),
        torrent(**{"piece length": 0}),
        torrent(**{"piece length": 2**40, "length": 2**40, "pieces": "h" * 20}),
        torrent(**{"piece length": "9" * 5000}),
        torrent().replace(b"i20000e", b"i" + b"9" * 5000 + b"e"),
        torrent().replace(b"i16384e", b"i-" + b"9" * 5000 + b"e"),
        torrent().replace(b"6:pieces40", b"6:pieces" + b"9" * 5000),
        torrent(pieces=None, **{"meta version": 2, "file tree": {"": {"length": 5}}}),
        torrent(pieces=None, **{"meta version": 2}),
        b"d4:infod4:name1:x6:lengthi1e12:piece lengthi1e6:pieces20:" + b"h" * 20 + b"ee",
    ],
)
def test_what_is_no_torrent_is_refused(raw: bytes) -> None:
    with pytest.raises(DownloadError, match=r"not a valid \.torrent file") as caught:
        parse_metainfo(raw)
    assert caught.value.code == "bad_torrent"


def test_more_files_than_aria2c_can_tell_of_are_refused() -> None:
    with pytest.raises(DownloadError, match="100,000 files") as caught:
        parse_metainfo(folder(*[["a"]] * (FILES_MAX + 1), **{"piece length": 2**28}))
    assert caught.value.code == "too_large"


def test_several_files_and_names_in_utf_8() -> None:
    metainfo = parse_metainfo(folder(["cd1", "ä.mp3"], ["b.mp3"], **{"name.utf-8": "Älbum"}))
    assert (metainfo.name, metainfo.folder, metainfo.size) == ("Älbum", True, 20)
    assert paths(metainfo) == [("Älbum/cd1/ä.mp3", 10), ("Älbum/b.mp3", 10)]
    assert metainfo.v2 is None


def test_v2_and_hybrid_torrents() -> None:
    tree = {"album": {"a.mp3": {"": {"length": 10}}}, "b.mp3": {"": {"length": 5}}}
    v2 = parse_metainfo(torrent(name="x", pieces=None, length=None, **{"meta version": 2, "file tree": tree}))
    assert (v2.v1, v2.folder, paths(v2)) == (None, True, [("x/album/a.mp3", 10), ("x/b.mp3", 5)])
    assert v2.v2
    assert len(v2.v2) == 64
    single = {"film.mp4": {"": {"length": 20_000}}}
    hybrid = parse_metainfo(torrent(**{"meta version": 2, "file tree": single}))
    assert (hybrid.folder, hybrid.size) == (False, 20_000)
    assert hybrid.v1
    assert hybrid.v2


def test_the_info_hash_is_the_one_aria2_computes(tmp_path: Path) -> None:
    aria2c = str(find_aria2c().path)
    raw = folder(["a", "b.mp3"], ["c.mp3"], source="x", private=1)
    (tmp_path / "x.torrent").write_bytes(raw)
    command = [aria2c, "--no-conf", "--show-files", str(tmp_path / "x.torrent")]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    v1 = parse_metainfo(raw).v1
    assert f"Info Hash: {v1}" in shown
    start = raw.index(b"4:info") + len(b"4:info")
    assert v1 == hashlib.sha1(raw[start:-1], usedforsecurity=False).hexdigest()


BENCODED = st.recursive(
    st.integers(-(2**63), 2**63) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = ["name", "piece length", "pieces", "length", "files", "file tree", "meta version", "name.utf-8"]


@given(raw=st.binary(max_size=60) | st.dictionaries(st.sampled_from(KEYS), BENCODED).map(lambda info: torrent(**info)))
def test_any_bytes_are_a_torrent_or_refused(raw: bytes) -> None:
    try:
        metainfo = parse_metainfo(raw)
    except DownloadError:
        return
    assert metainfo.files
    assert not any(part in ("", ".", "..") for file in metainfo.files for part in file.path.split("/"))
    assert all(len(part.encode()) <= 255 for file in metainfo.files for part in file.path.split("/"))


TORRENTS = [torrent(), folder(["a", "b"], ["c"], source="x"), torrent(**{"meta version": 2, "file tree": {"x": {}}})]
SPLINTERS = st.sampled_from([b"9" * 5000, b"i" + b"9" * 5000 + b"e", b"l" * 3000, b"d1:a" * 3000, b"-0", b"le" * 500])


@settings(max_examples=300, deadline=None)
@given(
    raw=st.sampled_from(TORRENTS),
    at=st.floats(0, 1),
    gone=st.integers(0, 9),
    splinter=SPLINTERS | st.binary(max_size=9),
)
def test_a_torrent_with_a_splinter_in_it_is_one_or_refused(raw: bytes, at: float, gone: int, splinter: bytes) -> None:
    place = int(at * len(raw))
    with suppress(DownloadError):
        assert parse_metainfo(raw[:place] + splinter + raw[place + gone :]).files


@pytest.mark.parametrize(
    ("around", "behind"),
    [
        (b"", b""),
        (b"", b"\n"),
        (b"", b"14:another thing"),
        (b"8:announce9:http://t/", b""),
        (b"7:comment3:a\xffb13:creation datei0123e4:junkd1:bi1e1:ai1ee", b""),
    ],
)
def test_what_lies_around_the_info_dictionary_need_not_be_canonical(around: bytes, behind: bytes) -> None:
    whole = torrent()
    info = bencode(bdecode(whole)[b"info"])
    raw = b"d4:info" + info + around + b"e" + behind
    assert parse_metainfo(raw) == parse_metainfo(whole)
    announce = {b"announce": b"http://t/"} if b"announce" in around else {}
    assert metainfo_for_aria2(raw) == bencode({b"info": bdecode(info)} | announce)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ([[b"http://a/", b"udp://b:1"], [b"http://c/"]], [[b"http://a/", b"udp://b:1"], [b"http://c/"]]),
        ([b"http://a/", b"udp://b:1"], [[b"http://a/"], [b"udp://b:1"]]),
        ([[], [7, b"http://a/"], 7], [[b"http://a/"]]),
        ([], None),
        ([[]], None),
        (b"http://a/", None),
    ],
)
def test_trackers_stand_in_tiers(written: object, read: object) -> None:
    raw = bencode(bdecode(torrent()) | {b"announce-list": written})
    assert bdecode(metainfo_for_aria2(raw)).get(b"announce-list") == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"http://a/b c.bin", [b"http://a/b%20c.bin"]),
        (["http://a/ä".encode(), b"HTTPS://b/%20x?y=1#z"], [b"http://a/%C3%A4", b"HTTPS://b/%20x?y=1#z"]),
        ([b"udp://a/", 7, b"file:///x"], None),
        (7, None),
    ],
)
def test_web_seeds_have_encoded_urls(written: object, read: object) -> None:
    raw = bencode(bdecode(torrent()) | {b"url-list": written})
    assert bdecode(metainfo_for_aria2(raw)).get(b"url-list") == read


def test_what_is_not_asked_by_http_is_taken_out() -> None:
    raw = folder(["a"], ["b"])
    whole = bdecode(raw)
    tiers = [
        [b"udp://one.test:1/a", b"http://two.test/a"],
        [b"udp://three.test:1"],
        b"nonsense",
        [b"HTTPS://four.test/a"],
    ]
    more = {
        b"announce": b"udp://one.test:1/a",
        b"announce-list": tiers,
        b"nodes": [[b"five.test", 1]],
        b"comment": b"c",
    }
    left = bdecode(metainfo_for_aria2(bencode(whole | more), by_http=True))
    assert left == {b"info": whole[b"info"], b"announce-list": [[b"http://two.test/a"], [b"HTTPS://four.test/a"]]}
    assert parse_metainfo(bencode(left)) == parse_metainfo(raw), "its hash is the same"
    plain = bencode(whole | {b"announce": b"http://two.test/a"})
    assert metainfo_for_aria2(plain, by_http=True) == plain


def test_what_a_tracker_answers() -> None:
    compact = bencode({"interval": 9, "complete": 2, "peers": b"\x7f\0\0\1\0\x50" + b"cut", "peers6": bytes(18)})
    told = tracker_answer(compact)
    assert told == {"refused": None, "seeds": 2, "interval": 9, "peers": "7f0000010050", "peers6": "00" * 18}
    odd = [{"ip": "10.0.0.1", "port": 80}, {"ip": "::1", "port": 1}, {"ip": "10.0.0.2", "port": 0}, {"port": 1}, 7]
    assert tracker_answer(bencode({"peers": odd}))["peers"] == "0a0000010050"
    many = tracker_answer(bencode({"peers": bytes(6 * 10_000), "complete": -1, "interval": 2**40}))
    assert (len(str(many["peers"])), many["seeds"], many["interval"]) == (2 * 6 * 300, None, 0)


def test_several_trackers_are_asked_by_one_of_ours() -> None:
    raw = bencode({"announce": "http://a/", "announce-list": [["http://a/"], ["udp://b"]], "info": {"x": 1}})
    tiers = bdecode(metainfo_for_aria2(raw, inner=True))[b"announce-list"]
    assert tiers[1:] == [[b"http://a/"], [b"udp://b"]]
    ((ours,),) = tiers[:1]
    assert swarm_of(ours.decode().rpartition("/")[2]) == (["http://a/", "udp://b"], [])
    again = metainfo_for_aria2(metainfo_for_aria2(raw, inner=True), inner=True)
    assert bdecode(again)[b"announce-list"] == tiers
    alone = metainfo_for_aria2(bencode({"announce": "http://a/", "info": {}}), inner=True)
    assert b"announce-list" not in bdecode(alone)
    assert len(bdecode(metainfo_for_aria2(raw, by_http=True, inner=True))[b"announce-list"]) == 1
