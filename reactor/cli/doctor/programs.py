"""What `reactor doctor` looks at: programs and folders. The rest has files of its own."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from reactor.aria2 import methods
from reactor.aria2.connection import Aria2Connection
from reactor.aria2.embedded import EmbeddedAria2
from reactor.aria2.engines import is_known
from reactor.aria2.messages import Version
from reactor.cli.preflight import cookies_trouble, exposure, refusals, second_name
from reactor.cli.runtime import run_async
from reactor.errors import ReactorError
from reactor.journal.format import size
from reactor.programs import Program, child_environment, find_aria2c, on_import_path
from reactor.settings import Settings

PROGRAM_S = 10.0
"""How long a program may take to tell its version."""
RPC_S = 5.0
"""How long an aria2c may take to answer."""
NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs"})

OPENSSL_WHOLE = {(3, 0): 19, (3, 3): 6, (3, 4): 4, (3, 5): 5, (3, 6): 1}
"""The branches of OpenSSL that were still looked after in January 2026, and the release of each that mends what was
known then; 3.1 and 3.2 were not mended any more."""
AT_RISK = "Not known to keep what reactor promises (ARIA2C_UNKNOWN)."
USE_ARIA2 = "Use aria2 1.36 or 1.37."

State = Literal["ok", "note", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `needed` says whether direct downloads need it."""

    name: str
    state: State
    what: str = ""
    version: str = ""
    where: str = ""
    advice: str = ""
    needed: bool = False


def examine_settings(settings: Settings) -> Iterator[Finding]:
    """What they say that cannot be, or had better not."""
    for error in refusals(settings):
        yield Finding("settings", "missing", error.message, advice=error.hint or "Correct it.", needed=True)
    if trouble := cookies_trouble(settings):
        yield Finding("settings", "missing", trouble, advice="Put the file there, or unset it.")
    if trouble := second_name(settings):
        advice = "Let all programs open it by one name; remove the other, or make it a symbolic link."
        yield Finding("database place", "note", trouble, advice=advice)
    if place := on_import_path(settings.download_dir):
        what = f"Python looks for code in {place}, where strangers' files go."
        advice = "Take it out of PYTHONPATH, or set DOWNLOAD_DIR to another folder."
        yield Finding("import path", "note", what, advice=advice)
    if trouble := exposure(settings):
        advice = "chmod 600, or 660 where bot and reactor are two users of one group; the same for its -wal and -shm."
        yield Finding("database mode", "note", trouble, advice=advice)


def python() -> Finding:
    return Finding("python", "ok", version=platform.python_version(), where=sys.executable)


def told(command: Iterable[str | Path], pattern: str) -> tuple[str, str]:
    """Run a program for its version: what `pattern` finds in it ("" if nothing), and all it printed."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=child_environment(),
            timeout=PROGRAM_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "", ""
    text = (done.stdout + done.stderr).decode(errors="replace")
    found = re.search(pattern, text)
    return (found[1] if found and done.returncode == 0 else ""), text


def aria2c(settings: Settings) -> Finding:
    """The aria2c that would be started. It really is, for a moment: only then is it known to do."""
    if settings.aria2c_rpc_url is not None:
        return Finding("aria2c", "note", "Not started: ARIA2C_RPC_URL names one that runs.")
    place = ""
    try:
        program = find_aria2c(settings.aria2c_path)
        place = where(program)
        version = run_async(partial(_started_version, program, settings))
    except ReactorError as error:
        return Finding("aria2c", "missing", error.message, where=place, advice=error.hint or "", needed=True)
    lacks = [feature for feature in ("BitTorrent", "HTTPS") if feature not in version.features]
    if lacks:
        what = f"Built without {' and '.join(lacks)}: such downloads fail."
        advice = "Install another aria2, or set ARIA2C_PATH."
        return Finding("aria2c", "note", what, version.version, place, advice, needed=True)
    found = Finding("aria2c", "ok", "WebSocket, BitTorrent, HTTPS", version.version, place, needed=True)
    if not is_known(version):
        return replace(found, state="note", what=AT_RISK, advice=USE_ARIA2)
    if library := old_openssl(program):
        what = f"It brings its own {library}, which has known holes."
        advice = "Install the system's aria2, which is kept up to date (apt install aria2), or set ARIA2C_PATH."
        return replace(found, state="note", what=what, advice=advice)
    return found


def old_openssl(program: Program) -> str:
    """The OpenSSL inside of an aria2c that has known holes; "" when there is none, or the system's is used and
    mended with it."""
    _, said = told([program.path, "--version"], r"version (\S+)")
    found = re.search(r"OpenSSL/((\d+)\.(\d+)\.(\d+)\w*)", said)
    if found is None or _is_linked(program.path):
        return ""
    version = (int(found[2]), int(found[3]), int(found[4]))
    whole = version[2] >= OPENSSL_WHOLE.get(version[:2], version[2] + 1) or version[:2] > max(OPENSSL_WHOLE)
    built = re.search(r"on +\w+ +\d+ (\d{4})", said)
    return "" if whole else f"OpenSSL {found[1]}" + (f" of {built[1]}" if built else "")


def _is_linked(path: Path) -> bool:
    """True when it loads the system's OpenSSL."""
    try:
        return b"libssl.so" in path.read_bytes() or b"libssl.dylib" in path.read_bytes()
    except OSError:
        return False


async def _started_version(program: Program, settings: Settings) -> Version:
    async with (
        EmbeddedAria2(program, settings.aria2c_conf) as embedded,
        Aria2Connection(embedded.url, embedded.secret, unknown=settings.aria2c_unknown) as aria2,
    ):
        await aria2.wait_connected(RPC_S)
        return await aria2.call(methods.get_version())


def where(program: Program) -> str:
    """Where a program is, and how it was found."""
    origins = {"setting": "as set", "path": "on the PATH", "wheel": "from the wheel"}
    return f"{program.path} ({origins[program.origin]})"


def folder(path: Path) -> Finding:
    """Where files go: can it be written, how much room is there?"""
    there = nearest(path)
    if not there.is_dir():
        return Finding(
            "download folder",
            "missing",
            f"{there} is not a folder.",
            where=str(path),
            advice="Set DOWNLOAD_DIR to a folder.",
            needed=True,
        )
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(
            "download folder",
            "missing",
            f"{there} cannot be written.",
            where=str(path),
            advice="Set DOWNLOAD_DIR to a folder you may write.",
            needed=True,
        )
    free = f"{size(shutil.disk_usage(there).free)} free"
    return Finding(
        "download folder",
        "ok",
        free if there == path.absolute() else f"{free}; made when first needed",
        where=str(path),
        needed=True,
    )


def nearest(path: Path) -> Path:
    """`path` itself if there is something under that name, else the nearest parent there is."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())


def file_system(path: Path) -> str:
    """The type of file system `path` is on, "" where it cannot be told."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
        here = path.resolve()
    except OSError:
        return ""
    best: tuple[int, str] = (-1, "")
    for line in mounts.splitlines():
        _, place, kind = [*line.split(" "), "", "", ""][:3]
        point = Path(place.replace("\\040", " "))
        if here.is_relative_to(point):
            best = max(best, (len(point.parts), kind))
    return best[1]
