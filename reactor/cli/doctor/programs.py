"""Checks of Python and of the aria2c that reactor would start."""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from reactor.aria2 import methods
from reactor.aria2.connection import Aria2Connection
from reactor.aria2.embedded import EmbeddedAria2
from reactor.aria2.engines import is_known
from reactor.aria2.messages import Version
from reactor.cli.doctor.findings import DoctorFinding, program_version, where
from reactor.cli.runtime import run_async
from reactor.errors import ReactorError
from reactor.programs import Program, find_aria2c
from reactor.settings import Settings

RPC_S = 5.0
"""Time limit for an aria2c to answer."""

OPENSSL_FIXED = {(3, 5): 8, (4, 0): 2, (4, 1): 0}
"""OpenSSL branches that got security fixes in December 2026, and the lowest patch release without known
vulnerabilities. Ends of support: openssl/release-metadata data.json (3.0: 2026-09-07, 3.3: 2026-04-09, 3.4: 2026-10-22,
3.6: 2026-11-01; 3.5: 2030-04-08, 4.0: 2027-05-14). Patch releases: https://openssl-library.org/news/secadv/20260825.txt
(3.5.8, 4.0.2); 4.1.0 is of 2026-10-23 (its NEWS.md)."""
AT_RISK = "Not a tested engine (ARIA2C_UNKNOWN)."
USE_ARIA2 = "Use aria2 1.36 or 1.37."


def python() -> DoctorFinding:
    return DoctorFinding("python", "ok", version=platform.python_version(), where=sys.executable)


def aria2c(settings: Settings) -> DoctorFinding:
    """The aria2c that `run` would start. It is really started, for a moment."""
    if settings.aria2c_rpc_url is not None:
        return DoctorFinding("aria2c", "note", "Not started: ARIA2C_RPC_URL is set.")
    place = ""
    try:
        program = find_aria2c(settings.aria2c_path)
        place = where(program)
        version = run_async(partial(_started_version, program, settings))
    except ReactorError as error:
        return DoctorFinding("aria2c", "missing", error.message, where=place, advice=error.hint or "", needed=True)
    lacks = [feature for feature in ("BitTorrent", "HTTPS") if feature not in version.features]
    if lacks:
        what = f"Built without {' and '.join(lacks)}: such downloads fail."
        advice = "Install another aria2, or set ARIA2C_PATH."
        return DoctorFinding("aria2c", "note", what, version.version, place, advice, needed=True)
    found = DoctorFinding("aria2c", "ok", "WebSocket, BitTorrent, HTTPS", version.version, place, needed=True)
    if not is_known(version):
        return replace(found, state="note", what=AT_RISK, advice=USE_ARIA2)
    if library := old_openssl(program):
        what = f"It is linked statically with {library}, which lacks security fixes."
        advice = "Install the distribution's aria2 (apt install aria2), or set ARIA2C_PATH."
        return replace(found, state="note", what=what, advice=advice)
    return found


def old_openssl(program: Program) -> str:
    """The outdated OpenSSL that an aria2c is statically linked with; "" when it is up to date, or the system's."""
    _, said = program_version([program.path, "--version"], r"version (\S+)")
    found = re.search(r"OpenSSL/((\d+)\.(\d+)\.(\d+)\w*)", said)
    if found is None or _is_linked(program.path):
        return ""
    version = (int(found[2]), int(found[3]), int(found[4]))
    fixed = version[2] >= OPENSSL_FIXED.get(version[:2], version[2] + 1) or version[:2] > max(OPENSSL_FIXED)
    built = re.search(r"on +\w+ +\d+ (\d{4})", said)
    return "" if fixed else f"OpenSSL {found[1]}" + (f" of {built[1]}" if built else "")


def _is_linked(path: Path) -> bool:
    """True when it is linked dynamically with OpenSSL."""
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
