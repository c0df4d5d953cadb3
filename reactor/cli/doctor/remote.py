"""What `reactor doctor` looks at in an aria2c elsewhere: does it answer, and is its disk what the settings say?

The disk is tried with a real file, in a folder of the kind that rows get. A torrent made for the purpose says what
the file should hold, so aria2c reads it to know how much of it is there, and writes its own notes beside it. That
needs no server that it could reach, and asks nobody in the network.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import bencode2

from reactor.aria2 import methods
from reactor.aria2.connection import Aria2Connection
from reactor.aria2.engines import is_known
from reactor.cli.doctor.findings import DoctorFinding
from reactor.cli.doctor.programs import AT_RISK, RPC_S, USE_ARIA2
from reactor.cli.runtime import run_async
from reactor.core.events import TransferReport, TransferStatus
from reactor.errors import Aria2Error, ReactorError
from reactor.files.staging import FOLDER, Staging, staging_of
from reactor.net.credentials import redact
from reactor.settings import Settings

ROUND_TRIPS = 5
PROBE_S = 3.0
"""How long aria2c may take to look at a file of two pieces."""
LEAVE_S = 5.0
LOOK_S = 0.05
PIECE = 16 * 1024
NAME = "probe.bin"
ALONE_S = 30
"""After this long without us aria2c ends the probe by itself."""


def examine(settings: Settings) -> list[DoctorFinding]:
    """The RPC, the disk behind it, and who is not guarded."""
    try:
        return run_async(partial(_examine, settings))
    except ReactorError as error:
        where = redact(str(settings.aria2c_rpc_url))
        return [DoctorFinding("aria2 RPC", "missing", error.message, where=where, advice=error.hint or "", needed=True)]


async def _examine(settings: Settings) -> list[DoctorFinding]:
    url, secret = str(settings.aria2c_rpc_url), settings.aria2c_rpc_secret
    token = secret.get_secret_value() if secret else None
    async with Aria2Connection(url, token, ca=settings.aria2c_rpc_ca, unknown=settings.aria2c_unknown) as aria2:
        await aria2.wait_connected(RPC_S)
        version = await aria2.call(methods.get_version())
        took_ms = await _round_trip_ms(aria2)
        what = f"answers in {took_ms:.1f} ms"
        answers = DoctorFinding("aria2 RPC", "ok", what, version.version, redact(url), needed=True)
        if not is_known(version):
            answers = replace(answers, state="note", what=f"{what}; {AT_RISK}", advice=USE_ARIA2)
        disk = await _disk(aria2, settings, torrents="BitTorrent" in version.features)
    return [answers, disk, *_guard(settings)]


async def _round_trip_ms(aria2: Aria2Connection) -> float:
    """The quickest of some."""
    took = []
    for _ in range(ROUND_TRIPS):
        began = time.perf_counter()
        await aria2.call(methods.get_session_info())
        took.append(time.perf_counter() - began)
    return min(took) * 1000


def _guard(settings: Settings) -> Iterator[DoctorFinding]:
    if settings.egress_guard:
        yield DoctorFinding(
            "egress guard",
            "note",
            "It watches what reactor asks for itself, not what an aria2c elsewhere fetches.",
            advice="Keep that aria2c out of its local networks (IPAddressDeny= in aria2c.service, or a firewall).",
        )


async def _disk(aria2: Aria2Connection, settings: Settings, *, torrents: bool) -> DoctorFinding:
    if not torrents:
        what, advice = "Not tried: that aria2c is built without BitTorrent.", "Try it with a download."
        return DoctorFinding("aria2 disk", "note", what, advice=advice, needed=True)
    with _kept_as_it_was(settings.download_dir):
        try:
            staging = staging_of(settings)
            if staging.shared:
                return await _shared(aria2, staging)
            staging.remote_dir = staging.remote_dir or (await aria2.call(methods.get_global_option()))["dir"]
            return await _apart(aria2, staging)
        except ReactorError as error:
            return _useless(error.message, "", error.hint or "Check DOWNLOAD_DIR and DOWNLOAD_PATH_MAP.")
        except OSError as error:
            return _useless(f"{settings.download_dir} cannot be written: {error.strerror}.", "", "Check DOWNLOAD_DIR.")


async def _shared(aria2: Aria2Connection, staging: Staging) -> DoctorFinding:
    """Does aria2c read what we write, and do we see what it writes?"""
    staging.instance = f"doctor{secrets.token_hex(3)}"
    right, rest = secrets.token_bytes(PIECE), bytes(PIECE)
    here, there = staging.folder(0), staging.seen_by_aria2(0)
    where = f"{there} there, {here} here" if str(here) != there else there
    with _folder(staging):
        (here / NAME).write_bytes(right + rest)
        torrent = _torrent(right, secrets.token_bytes(PIECE))  # its second piece is never there
        async with _probing(aria2, torrent, there) as gid:
            report = await _until(aria2, gid, lambda report: report.completed == PIECE and _noted(here))
        if report.status is TransferStatus.ACTIVE and report.completed != PIECE:
            what = "aria2c does not see what reactor writes: these are two folders."
            return _useless(what, where, "Set DOWNLOAD_PATH_MAP to REMOTE=LOCAL, both naming the same folder.")
        if report.status is TransferStatus.ACTIVE and not _noted(here):
            what = "aria2c reads what reactor writes, but reactor does not see what aria2c writes."
            return _useless(what, where, "Both need the same disk, and rights to each other's files.")
    return _judged(report, where) or DoctorFinding(
        "aria2 disk", "ok", "shared: a file went both ways", where=where, needed=True
    )


async def _apart(aria2: Aria2Connection, staging: Staging) -> DoctorFinding:
    """Can aria2c write where it is to put files? What it writes only it can see."""
    staging.instance = "doctor"
    there = staging.seen_by_aria2(0)
    unseen = not _visible(there)
    async with _probing(aria2, _torrent(bytes(PIECE)), there) as gid:
        report = await _until(aria2, gid, lambda report: report.status is TransferStatus.ACTIVE)
    judged = _judged(report, there)
    if judged is not None:
        return judged
    if unseen and _visible(there):
        shutil.rmtree(there, ignore_errors=True)
        what = "aria2c can write there; it can be seen from here as well, which reactor was not told."
        advice = f"Set DOWNLOAD_PATH_MAP={staging.remote_dir}={staging.remote_dir}, and DOWNLOAD_DIR to a folder in it."
        return DoctorFinding("aria2 disk", "note", what, where=str(staging.remote_dir), advice=advice, needed=True)
    what = "not shared: aria2c can write there. It left an empty file, which only there can be deleted."
    return DoctorFinding("aria2 disk", "ok", what, where=there, needed=True)


def _judged(report: TransferReport, where: str) -> DoctorFinding | None:
    """What is to be said of a probe that did not come to run."""
    if report.status is TransferStatus.ERROR:
        what = f"aria2c cannot use the folder: {report.error_message or f'error {report.error_code}'}"
        return _useless(what, where, "Give the user that aria2c runs as the right to write there.")
    if report.status is not TransferStatus.ACTIVE:
        what, advice = "Not tried: other downloads were before it.", "Raise that aria2c's max-concurrent-downloads."
        return DoctorFinding("aria2 disk", "note", what, where=where, advice=advice, needed=True)
    return None


def _useless(what: str, where: str, advice: str) -> DoctorFinding:
    return DoctorFinding("aria2 disk", "missing", what, where=where, advice=advice, needed=True)


def _torrent(*pieces: bytes) -> bytes:
    """The metainfo of one file of these pieces, of PIECE bytes each; private, so that nobody is asked for it."""
    info = {
        b"length": len(pieces) * PIECE,
        b"name": NAME.encode(),
        b"piece length": PIECE,
        b"pieces": b"".join(hashlib.sha1(piece, usedforsecurity=False).digest() for piece in pieces),
        b"private": 1,
    }
    return bencode2.bencode({b"info": info})


@asynccontextmanager
async def _probing(aria2: Aria2Connection, torrent: bytes, folder: str) -> AsyncIterator[str]:
    """The gid of a transfer that is nobody else's. Nothing of it is left in aria2c afterwards."""
    gid = secrets.token_hex(8)
    options = {
        **{"gid": gid, "dir": folder, "check-integrity": "true", "allow-overwrite": "true", "pause": "false"},
        **{"file-allocation": "none", "seed-time": "0", "bt-save-metadata": "false", "bt-stop-timeout": str(ALONE_S)},
    }
    await aria2.call(methods.add_torrent(torrent, [], options))
    try:
        yield gid
    finally:
        with anyio.move_on_after(LEAVE_S, shield=True), suppress(Aria2Error):
            await aria2.call(methods.force_remove(gid))
            while not await aria2.call(methods.remove_download_result(gid)):
                report = await aria2.call(methods.tell_status(gid))
                if report.status is TransferStatus.UNKNOWN:
                    break
                await anyio.sleep(LOOK_S)


async def _until(aria2: Aria2Connection, gid: str, good: Callable[[TransferReport], bool]) -> TransferReport:
    """The first report that is `good` or an error; after PROBE_S the last one."""
    ends = anyio.current_time() + PROBE_S
    while True:
        report = await aria2.call(methods.tell_status(gid))
        if good(report) or report.status is TransferStatus.ERROR or anyio.current_time() > ends:
            return report
        await anyio.sleep(LOOK_S)


def _noted(folder: Path) -> bool:
    return (folder / f"{NAME}.aria2").exists()


def _visible(folder: str) -> bool:
    return Path(folder).is_absolute() and _noted(Path(folder))


@contextmanager
def _folder(staging: Staging) -> Iterator[None]:
    """The probe's folder. Raises OSError when it cannot be made."""
    staging.prepare(0, fresh=True)
    try:
        yield
    finally:
        shutil.rmtree(staging.folder(0), ignore_errors=True)


@contextmanager
def _kept_as_it_was(folder: Path) -> Iterator[None]:
    """Delete the folder's parents and itself afterwards, where they were not there before."""
    folder = folder.expanduser().absolute()
    made = [place for place in (folder / FOLDER, folder, *folder.parents) if not place.exists()]
    try:
        yield
    finally:
        for place in made:
            with suppress(OSError):
                place.rmdir()
