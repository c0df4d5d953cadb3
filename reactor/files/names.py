"""Remote text → a clean base name.

A title, a Content-Disposition header or a path segment never decides a folder: `clean_name` leaves one
base name that every common file system takes, and that shows as what it is. It decodes nothing: whoever
has a percent-encoded name decodes it once, before.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator

from reactor.patterns import pattern

NAME_BYTES_MAX = 255
"""What the usual file systems take for one name, in bytes of UTF-8."""
CLEAN_BYTES_MAX = NAME_BYTES_MAX - len(".aria2__temp") - len(" (9999)")
"""Leaves room for aria2's control file (written as `NAME.aria2__temp` first) and for a number."""
INNER_BYTES_MAX = NAME_BYTES_MAX - 2
"""For a name inside of a torrent, which is whole already; what is put before or behind it fits too."""
SUFFIX_MAX = 16
"""Longer than this, what follows the last dot is part of the title."""

RENAMED = ".renamed"
"""No program opens such a file by itself."""

_PROGRAMS = (
    # Windows: programs, installers, settings that are taken over, shortcuts and what opens a connection.
    "appinstaller application appref-ms appx appxbundle bat btm cer chm cmd cnt com cpi cpl crt der deskthemepack "
    "diagcab diagcfg diagpkg dll drv efi ex_ exe fon gadget grp hlp hpj hta htc inf ins inx isp isu its jnl jnlp "
    "job library-ms lnk local mmc mof msc msi msix msixbundle msp mst msu nsh ocx osd paf partial pif prf prg "
    "printerexport rdp reg rgs scf scr sct search-ms searchconnector-ms settingcontent-ms shb shs sys theme "
    "themepack u3p url vsto vxd webpnp website xbap xnk xrm-ms "
    # Office: what runs when it is opened (Access), add-ins, queries to a server; a document with macros is a document.
    "accda accdb accde accdr accdu ade adp dqy dsn fxp iqy mad maf mag mam maq mar mas mau mav maw mcf mda mdb "
    "mde mdt mdw mdz odc ops oqy oxt plg ppa ppam rqy slk udl vbp vsmacros vsw wiz wll xla xlam xll "
    # Scripts; not those that only a web server runs (`download.php` is a common name of anything).
    "ahk applescript au3 bash cjs csh fish js jse ksh mjs msh msh1 msh1xml msh2 msh2xml mshxml pl ps1 ps1xml ps2 "
    "ps2xml psc1 psc2 psd1 psdm1 psm1 py pyc pyo pyw pyz pyzw rb sh shar tcl tcsh vb vbe vbs vbscript ws wsc wsf "
    "wsh zsh "
    # Linux, phones, and libraries that a program loads from the folder it runs in.
    "apk appimage class deb desktop dex dylib elf eopkg flatpak flatpakref flatpakrepo ipa ipk jar ko node opk "
    "pet pup pyd rpm run slp snap so xapk "
    # macOS.
    "action app caction command configprofile dmg dmgpart fileloc inetloc internetconnect mobileconfig mpkg "
    "networkconnect osas osax pkg prefpane provisionprofile saver scpt scptd seplugin sparseimage terminal tool "
    "udif wdgt webloc workflow "
    # Browsers, editors and players: extensions, and what they run.
    "crx nex safariextz swf vsix xpi "
)
_PROGRAM_SUFFIXES = frozenset(_PROGRAMS.split())
"""What a double click runs, installs or follows, on one system or another: what Chromium's list of download types,
Outlook's and Gmail's of attachments name, without archives, disk images other than macOS's, and documents."""
_BUNDLES = frozenset(
    {
        *("action", "app", "caction", "kext", "mpkg", "osax", "pkg"),
        *("prefpane", "qlgenerator", "saver", "scptd", "wdgt", "workflow"),
    }
)
"""Those that are folders."""
_LIBRARY = pattern(r"\.so(?:\.\d+)+$")
_SHELL_OBJECT = pattern(r"\.\{[0-9a-f-]{36}\}$")
"""Windows takes the name for the object that has this number, an HTML application for instance."""
_STARTED_BY_NAME = frozenset({"desktop.ini"})
_FORBIDDEN = pattern(r'[/\\:*?"<>|]')
_JOINERS = "\u200c\u200d"  # shape Persian and Indic words and emoji families; every other Cf character goes
_LEADING = f".- {_JOINERS}"
_TRAILING = f". {_JOINERS}"
_RESERVED = pattern(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])[ ]*(?=\.|$)", re.IGNORECASE)
_OTHERS = pattern(r"\.aria2(?:__temp)?$|-(?:journal|wal|shm)$", re.IGNORECASE)
"""What aria2 keeps beside a file, and SQLite beside a database, which it would read from there: it would put a
stranger's pages into the bot's, whose folder may be the one for downloads."""
_SUFFIX = pattern(rf"\.[^\W_][\w+~-]{{0,{SUFFIX_MAX - 1}}}$")
_PACKED = pattern(r"\.(?:gz|bz2|xz|zst|lz|lz4|lzma|br|z)$", re.IGNORECASE)
_BEFORE_PACKED = pattern(r"\.[a-z][a-z0-9]{0,4}$", re.IGNORECASE)
_VOLUME = pattern(r"\.part\d{1,4}\.rar$", re.IGNORECASE)


def clean_name(raw: str, *, fallback: str = "download", bytes_max: int = CLEAN_BYTES_MAX, inside: bool = False) -> str:
    """Make a base name of `raw`, at most `bytes_max` bytes long in UTF-8, or `fallback` if nothing is left. `inside`:
    of what stands in a folder of its own, where neither aria2 nor SQLite look for their files.

    Cleaning a clean name changes nothing. `bytes_max` is at least 32; `fallback` is clean already."""
    name = _visible(raw).lstrip(_LEADING).rstrip(_TRAILING)
    if _size(name) > bytes_max:
        name = trim_name(name, bytes_max - 2)
    if not any(map(_says_something, name)):
        return fallback
    name = f"_{name}" if _RESERVED.match(name) else name
    return f"{name}_" if _OTHERS.search(name) and not inside else name


def candidates(name: str) -> Iterator[str]:
    """Yield `name`, then `name (1)`, `name (2)`, … without end, the number before the suffix."""
    yield name
    stem, suffix = split_suffix(name)
    for number in itertools.count(1):
        mark = f" ({number})"
        yield f"{_trim(stem, NAME_BYTES_MAX - _size(suffix) - len(mark)).rstrip(_TRAILING)}{mark}{suffix}"


def is_program(name: str, *, folder: bool = False) -> bool:
    """True for a name that a system would execute, or treat as a shortcut."""
    plain = name.lower().rstrip(". ")
    if plain in _STARTED_BY_NAME:
        return True
    if _SHELL_OBJECT.search(plain) or (_LIBRARY.search(plain) and not folder):
        return True
    _, dot, suffix = plain.rpartition(".")
    return bool(dot) and suffix in (_BUNDLES if folder else _PROGRAM_SUFFIXES)


def tame_name(name: str, *, folder: bool = False) -> str:
    """`setup.exe` → `setup.exe.renamed`; any other name as it is."""
    if not is_program(name, folder=folder):
        return name
    return f"{_trim(name, NAME_BYTES_MAX - len(RENAMED))}{RENAMED}"


def split_suffix(name: str) -> tuple[str, str]:
    """`a.mp4` → (`a`, `.mp4`); double suffixes (`.tar.gz`, `.part1.rar`) stay together."""
    found = _VOLUME.search(name) or _SUFFIX.search(name)
    if not found or not found.start():
        return name, ""
    stem, suffix = name[: found.start()], found[0]
    inner = _BEFORE_PACKED.search(stem) if _PACKED.match(suffix) else None
    if inner and inner.start():
        return stem[: inner.start()], inner[0] + suffix
    return stem, suffix


def trim_name(name: str, bytes_max: int) -> str:
    """Shorten `name` to `bytes_max` bytes: the suffix stays, no character is cut in the middle."""
    if _size(name) <= bytes_max:
        return name
    stem, suffix = split_suffix(name)
    if _size(suffix) > bytes_max // 2:
        stem, suffix = name, ""
    return _trim(stem, bytes_max - _size(suffix)).rstrip(_TRAILING) + suffix


def _visible(raw: str) -> str:
    """One line in NFC, with separators as `_`, without control, format (bidi) and surrogate characters."""
    text = unicodedata.normalize("NFC", raw)
    text = _FORBIDDEN.sub("_", " ".join(text.split()))
    if text.isascii() and text.isprintable():  # most names are; the database of characters stays on the disk
        return text
    kept = (c for c in text if c in _JOINERS or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).split())


def _says_something(character: str) -> bool:
    """True for letters, numbers, punctuation and symbols, but not for our own filler."""
    return character != "_" and (character.isalnum() or unicodedata.category(character)[0] in "LNPS")


def _trim(text: str, bytes_max: int) -> str:
    """The longest beginning of `text` that fits and ends where a reader sees a character end."""
    whole = text.encode()
    if len(whole) <= bytes_max:
        return text
    end = fits = len(whole[: max(bytes_max, 0)].decode(errors="ignore"))
    while end and _joined(text, end):
        end -= 1
    return text[: end or fits]


def _joined(text: str, at: int) -> bool:
    """True when the characters on both sides of `at` make one visible character."""
    before, after = text[at - 1], text[at]
    if unicodedata.category(after).startswith("M") or after in _JOINERS or before in _JOINERS:
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff":  # skin tones
        return True
    if not _is_flag(after):
        return False
    run = sum(1 for _ in itertools.takewhile(_is_flag, reversed(text[:at])))
    return run % 2 == 1


def _is_flag(character: str) -> bool:
    """True for a regional indicator: two of them make a flag."""
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _size(text: str) -> int:
    return len(text.encode())
