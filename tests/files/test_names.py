"""Names: whatever a stranger writes, one clean base name comes out."""

from __future__ import annotations

import itertools
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.files.names import CLEAN_BYTES_MAX, NAME_BYTES_MAX, candidates, clean_name, split_suffix, tame_name

FAMILY = "👨\u200d👩\u200d👧\u200d👦"

CASES = [
    ("film.mp4", "film.mp4"),
    ("AC/DC - live.mp3", "AC_DC - live.mp3"),
    ("../../etc/passwd", "_.._etc_passwd"),
    ("/etc/passwd", "_etc_passwd"),
    ("..\\..\\x", "_.._x"),
    ("C:\\x.txt", "C__x.txt"),
    ("", "download"),
    (".", "download"),
    ("..", "download"),
    ("...", "download"),
    (" . ", "download"),
    ("///", "download"),
    ("\u200d\u200c", "download"),
    ("\ud800", "download"),
    ("a\ud800b", "ab"),
    ("a\x00b", "ab"),
    ("a\nb\r\nc\td", "a b c d"),
    ("a\u2028b", "a b"),
    ("a\x1b[31mb", "a[31mb"),
    ("photo\u202egpj.exe", "photogpj.exe"),
    ("\u2066a\u2069\ufeff.txt", "a.txt"),
    (".bashrc", "bashrc"),
    ("-rf", "rf"),
    ("--option=x", "option=x"),
    ("\u200d.hidden", "hidden"),
    ("name. . ", "name"),
    ("con", "_con"),
    ("CON.txt", "_CON.txt"),
    ("nul.tar.gz", "_nul.tar.gz"),
    ("com1 .txt", "_com1 .txt"),
    ("LPT¹", "_LPT¹"),
    ("console.txt", "console.txt"),
    ("..nul", "_nul"),
    ("what? <yes> | 5*3", "what_ _yes_ _ 5_3"),
    ("a%2Fb%2e%2e", "a%2Fb%2e%2e"),
    ("cafe\u0301", "café"),
    ("e\u202e\u0301", "é"),
    (f"{FAMILY}.mp4", f"{FAMILY}.mp4"),
    ("film.mp4.aria2", "film.mp4.aria2_"),
    ("bot.db-journal", "bot.db-journal_"),
    ("bot.db-WAL", "bot.db-WAL_"),
    ("downloads-shm", "downloads-shm_"),
    ("my-journal.pdf", "my-journal.pdf"),
    ("setup.exe:stream", "setup.exe_stream"),
    ("setup.exe::$DATA", "setup.exe__$DATA"),
    ("setup.exe\u00a0", "setup.exe"),
    ("setup.exe \u200d.", "setup.exe"),
    ("\u202eexe.fdp", "exe.fdp"),
    ("می\u200cخواهم.mp4", "می\u200cخواهم.mp4"),
]


@pytest.mark.fault(42)
@pytest.mark.parametrize(("raw", "clean"), CASES)
def test_cases(raw: str, clean: str) -> None:
    assert clean_name(raw) == clean
    assert clean_name(clean) == clean


def test_the_fallback_is_the_callers() -> None:
    assert clean_name("..", fallback="abc") == "abc"


@pytest.mark.parametrize("text", ["x" * 400, "ж" * 400, "🎬" * 400, FAMILY * 90, "e\u0301\u0323" * 200, "🇩🇪" * 100])
def test_long_names_keep_their_suffix_and_whole_characters(text: str) -> None:
    name = clean_name(f"{text}.tar.gz")
    stem = name.removesuffix(".tar.gz")
    assert name != stem
    assert CLEAN_BYTES_MAX - 40 < len(name.encode()) <= CLEAN_BYTES_MAX
    whole = unicodedata.normalize("NFC", text)
    assert whole.startswith(stem)
    assert not unicodedata.category(whole[len(stem)]).startswith("M")
    assert whole[len(stem)] != "\u200d"
    assert stem[-1] != "\u200d"
    if "🇩" in text:
        assert stem.endswith("🇩🇪")


def test_there_is_room_for_the_control_file_and_a_number() -> None:
    assert len(clean_name("x" * 999).encode()) + len(".aria2__temp") + len(" (9999)") == NAME_BYTES_MAX - 2


def test_one_endless_character_is_cut_after_all() -> None:
    assert 0 < len(clean_name("a" + "\u0301" * 400).encode()) <= CLEAN_BYTES_MAX


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.mp4", ("a", ".mp4")),
        ("a.tar.gz", ("a", ".tar.gz")),
        ("dump.sql.zst", ("dump", ".sql.zst")),
        ("v1.2.gz", ("v1.2", ".gz")),
        ("a.part01.rar", ("a", ".part01.rar")),
        ("README", ("README", "")),
        ("Mr. Smith", ("Mr. Smith", "")),
        ("a.thisisnotasuffixatall", ("a.thisisnotasuffixatall", "")),
        (".gz", (".gz", "")),
    ],
)
def test_suffixes(name: str, parts: tuple[str, str]) -> None:
    assert split_suffix(name) == parts


def test_candidates_count_before_the_suffix() -> None:
    assert list(itertools.islice(candidates("a.tar.gz"), 3)) == ["a.tar.gz", "a (1).tar.gz", "a (2).tar.gz"]
    assert list(itertools.islice(candidates("a"), 2)) == ["a", "a (1)"]
    assert list(itertools.islice(candidates("a .b"), 2)) == ["a .b", "a (1).b"]


PROGRAMS = """
    setup.exe SETUP.EXE a.b.Cmd film.mp4.lnk film.desktop x.sh x.url x.website x.webloc x.jar x.ps1 x.scr x.com x.app
    x.library-ms desktop.ini Desktop.INI x.exe. x.hta x.py x.command
    aiosqlite.so x.abi3.so libx.so.1 libx.so.6.0.32 x.pyd x.dylib x.dll x.node x.pyc x.pyo x.msu x.appinstaller
    x.searchconnector-ms x.pl x.rdp x.deb x.rpm x.dmg x.udl x.vsix x.mde x.accde x.mdb x.apk x.AppImage x.run x.snap
    x.flatpakref x.terminal x.workflow x.pkg x.mpkg x.scpt x.fileloc x.inetloc x.mobileconfig x.scf x.settingcontent-ms
    x.cpl x.msc x.chm x.reg x.xll x.iqy x.slk x.ps1xml x.psm1 x.vbe x.vbs x.wsf x.wsh x.jse x.mjs x.crx x.xpi x.class
    x.diagcab x.theme x.themepack x.gadget x.xlam x.crt x.efi x.ocx x.sys x.tcl x.ahk
    x.txt.{3050f4d8-98B5-11CF-BB82-00AA00BDCE0B}"""
HARMLESS = """
    film.mp4 a.exe.zip exe com sh x.execute x.tar.gz x.html x.pdf x.iso x.img x.vhd x.txt x.desktops ini x.ts x.m2ts
    x.docx x.docm x.xlsm x.svg x.smi x.srt x.rar x.7z x.cab x.bin x.mat x.pst x.pth x.whl x.php x.json x.xml x.ico
    x.so.far show.s01e02 libx.sofa x.epub x.torrent x.m3u8 x.mpd x.iso.001 x.{curly}"""


@pytest.mark.fault(42)
@pytest.mark.parametrize("name", PROGRAMS.split())
def test_programs_and_shortcuts_get_another_suffix(name: str) -> None:
    assert tame_name(name) == f"{name}.renamed"
    assert tame_name(tame_name(name)) == tame_name(name)
    assert clean_name(tame_name(clean_name(name))) == tame_name(clean_name(name))


@pytest.mark.parametrize("name", HARMLESS.split())
def test_other_names_stay(name: str) -> None:
    assert tame_name(name) == name


def test_of_folders_only_bundles_are_programs() -> None:
    assert [tame_name(name, folder=True) for name in ("www.site.com", "x.py", "lib.so.1", "Game.app")] == [
        *("www.site.com", "x.py", "lib.so.1"),
        "Game.app.renamed",
    ]


def test_a_tame_name_fits() -> None:
    name = tame_name("é" * 125 + ".exe")
    assert len(name.encode()) <= NAME_BYTES_MAX
    assert name.endswith(".renamed")


ANY_TEXT = st.text(alphabet=st.characters(), max_size=400)
NASTY = st.text(alphabet="./\\-_ \n\x00con.aria2\u202e\u200d\u0301é🇩👨🏽:?", max_size=400)


@pytest.mark.fault(42)
@given(
    raw=ANY_TEXT | NASTY, bytes_max=st.integers(32, 255), suffix=st.sampled_from(["", ".mp4", ".tar.gz", ".aria2", "."])
)
def test_whatever_comes_in_a_clean_name_comes_out(raw: str, bytes_max: int, suffix: str) -> None:
    name = clean_name(raw + suffix, bytes_max=bytes_max)
    assert name
    assert name not in (".", "..")
    assert not set(name) & set('/\\:*?"<>|')
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name)
    assert not set(name) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\ufeff")
    assert name[0] not in ".- "
    assert name[-1] not in ". "
    assert len(name.encode()) <= bytes_max
    assert unicodedata.is_normalized("NFC", name)
    assert clean_name(name, bytes_max=bytes_max) == name
    assert Path("/folder") / name == Path(f"/folder/{name}")


@given(raw=ANY_TEXT | NASTY)
def test_candidates_are_all_different_and_fit(raw: str) -> None:
    names = list(itertools.islice(candidates(clean_name(raw, bytes_max=NAME_BYTES_MAX)), 12))
    assert len(set(names)) == 12
    assert all(len(name.encode()) <= NAME_BYTES_MAX for name in names)
    assert all(clean_name(name, bytes_max=NAME_BYTES_MAX) == name for name in names)
