"""The jars of cookies that belong to the owners of rows: files in a private folder beside the database.

    bot.db.cookies/<owner>/<jar>        both hashed, with the id of the database: no name of a bot's is a path, and
                                        a folder that was another database's has nothing in it for this one

The database, its plans, the journal and the process list hold none of it. Every method blocks, and raises CookiesError
where the folder cannot be used.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reactor.database.contract import OWNER_MAX
from reactor.errors import CookiesError
from reactor.files.private_folder import OpenFolder, PrivateFolder, Stamp
from reactor.models import CookieJarInfo
from reactor.net.cookie_files import TEXT_BYTES_MAX, CookiesRead, JarCookie, read_cookies, restored, stored
from reactor.patterns import pattern
from reactor.records import dataclass

SUFFIX = ".cookies"
JARS_MAX = 20
"""Of one owner."""
STORED_BYTES_MAX = 4 * TEXT_BYTES_MAX
HOSTS_SHOWN = 20
READ_KEPT = 4
"""Jars that are kept as they were read, while their files stay the same: a video of many parts needs its jar often."""
UNFINISHED_S = 60.0
VERSION = 1

_NAME = pattern(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
HINT = "Set them again: `reactor cookies add`, or Queue.set_cookies."


@dataclass(frozen=True, slots=True)
class OwnersJar:
    """One jar as it is stored."""

    owner: str
    name: str
    cookies: tuple[JarCookie, ...]
    """As they were set: some may be over by now."""

    def info(self, now: float, left_out: int = 0) -> CookieJarInfo:
        """What may be shown of it."""
        good = [each for each in self.cookies if not each.is_over(now)]
        moments = [each.expires for each in good]
        hosts = sorted({each.domain for each in good})
        last = max((moment for moment in moments if moment is not None), default=None)
        return CookieJarInfo(
            owner=self.owner or None,
            name=self.name,
            cookies=len(good),
            hosts=tuple(hosts[:HOSTS_SHOWN]),
            expires_at=None if None in moments else last,
            left_out=left_out,
        )


class Jars:
    """Those of one database. Safe to be used from any thread."""

    def __init__(self, database: Path, instance: str) -> None:
        """`database`: the file itself, no symbolic link to it; `instance`: its own id."""
        self.path = database.with_name(f"{database.name}{SUFFIX}")
        self._folder = PrivateFolder(self.path, database)
        self._instance = instance
        self._kept: OrderedDict[tuple[str, str], tuple[Stamp, OwnersJar]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, owner: str | int | None, name: str, text: str) -> CookieJarInfo:
        """Keep the cookies of a `cookies.txt` or of a JSON export, in place of those that the jar had.

        Raises CookiesError, which repeats nothing of the text."""
        key, now = owner_key(owner), time.time()
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise CookiesError(
                "The name of a jar has 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first."
            )
        if not isinstance(text, str):
            raise CookiesError("The cookies are not a text.")
        found: CookiesRead = read_cookies(text, now)
        jar = OwnersJar(key, name, found.cookies)
        told = {"v": VERSION, "owner": key, "name": name, "cookies": stored(jar.cookies)}
        data = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        place, file = self._hash(key), self._hash(key, name)
        with self._usable(), self._folder.open(create=True) as folder:
            assert folder is not None  # it was made
            with folder.folder(place, create=True) as of_owner:
                assert of_owner is not None
                of_owner.remove_unfinished(now - UNFINISHED_S)
                names = of_owner.names()
                if file not in names and len(names) >= JARS_MAX:
                    raise CookiesError(f"There are {JARS_MAX} jars of this owner already.", hint="Remove one first.")
                of_owner.write(file, data)
        return jar.info(now, found.left_out)

    def remove(self, owner: str | int | None, name: str) -> bool:
        """Delete a jar. False when there is none."""
        key = owner_key(owner)
        place = self._hash(key)
        with self._usable(), self._folder.open() as folder:
            if folder is None:
                return False
            with folder.folder(place) as of_owner:
                removed = of_owner is not None and of_owner.remove(self._hash(key, name))
            folder.remove_folder(place)
        return removed

    def list_owner(self, owner: str | int | None) -> list[CookieJarInfo]:
        """The jars of an owner, by name. What cannot be read is not among them."""
        now = time.time()
        return [jar.info(now) for jar in self.of_owner(owner)]

    def list_all(self) -> list[CookieJarInfo]:
        """Those of all owners."""
        now, found = time.time(), []
        with self._usable(), self._folder.open() as folder:
            for place in folder.names() if folder is not None else ():
                assert folder is not None
                with folder.folder(place) as of_owner:
                    found += [jar.info(now) for jar in self._read_all(of_owner, place)]
        return sorted(found, key=lambda info: (info.owner or "", info.name))

    def of_owner(self, owner: str | int | None) -> list[OwnersJar]:
        """The jars of an owner with their cookies, by name."""
        place = self._hash(owner_key(owner))
        with self._usable(), self._folder.open() as folder:
            if folder is None:
                return []
            with folder.folder(place) as of_owner:
                return sorted(self._read_all(of_owner, place), key=lambda jar: jar.name)

    def get(self, owner: str | int | None, name: str) -> OwnersJar | None:
        """One jar; None where this owner has none of that name. Raises CookiesError also where it is damaged."""
        key = owner_key(owner)
        place, file = self._hash(key), self._hash(key, name)
        with self._usable(), self._folder.open() as folder:
            if folder is None:
                return None
            with folder.folder(place) as of_owner:
                stamp = of_owner.stamp(file) if of_owner is not None else None
                if of_owner is None or stamp is None:
                    return None
                jar = self._read(of_owner, place, file, stamp)
        if jar is None:
            raise CookiesError(f"The jar of cookies `{name}` cannot be read.", hint=HINT)
        return jar

    def _read_all(self, folder: OpenFolder | None, place: str) -> Iterator[OwnersJar]:
        for file in folder.names()[:JARS_MAX] if folder is not None else ():
            assert folder is not None
            stamp = folder.stamp(file)
            if stamp is not None and (jar := self._read(folder, place, file, stamp)) is not None:
                yield jar

    def _read(self, folder: OpenFolder, place: str, file: str, stamp: Stamp) -> OwnersJar | None:
        """One file, which has to say itself that it belongs here."""
        kept = self._kept.get((place, file))
        if kept is not None and kept[0] == stamp:
            return kept[1]
        jar = _decoded(folder.read(file, STORED_BYTES_MAX))
        if jar is None or (self._hash(jar.owner), self._hash(jar.owner, jar.name)) != (place, file):
            return None
        if folder.stamp(file) == stamp:  # else it was replaced while it was read: what was read is whole, and old
            with self._lock:
                self._kept[place, file] = stamp, jar
                if len(self._kept) > READ_KEPT:
                    self._kept.popitem(last=False)
        return jar

    def _hash(self, *words: str) -> str:
        told = json.dumps([self._instance, *words]).encode()  # two lists of words are never one text
        return hashlib.sha256(told).hexdigest()[:40]

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise CookiesError(f"The folder of cookies beside the database cannot be used: {reason}.") from error


def owner_key(owner: str | int | None) -> str:
    """An owner as jars have it; "" for the rows of nobody. Raises CookiesError."""
    if owner is None:
        return ""
    if isinstance(owner, bool) or not isinstance(owner, str | int):
        raise CookiesError("The owner must be a text or a number.")
    long = len(owner) > OWNER_MAX if isinstance(owner, str) else owner.bit_length() > 64
    if long:
        raise CookiesError(f"The owner is too long: {OWNER_MAX} characters at most.")
    return str(owner)


def _decoded(data: bytes | None) -> OwnersJar | None:
    try:
        told: Any = json.loads(data or b"")
        if told["v"] != VERSION or not isinstance(told["owner"], str) or not isinstance(told["name"], str):
            return None
        return OwnersJar(told["owner"], told["name"], tuple(restored(told["cookies"])))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
