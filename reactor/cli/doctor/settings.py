"""Checks of the settings and of the download folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from reactor.cli.doctor.findings import DoctorFinding, nearest
from reactor.cli.preflight import cookies_trouble, exposure, refusals, second_name
from reactor.journal.format import size
from reactor.programs import on_import_path
from reactor.settings import Settings


def examine_settings(settings: Settings) -> Iterator[DoctorFinding]:
    """Invalid or risky settings."""
    for error in refusals(settings):
        yield DoctorFinding("settings", "missing", error.message, advice=error.hint or "Correct it.", needed=True)
    if trouble := cookies_trouble(settings):
        yield DoctorFinding("settings", "missing", trouble, advice="Correct them, or unset both.")
    if trouble := second_name(settings):
        advice = "Let all programs open it by one name; remove the other, or make it a symbolic link."
        yield DoctorFinding("database place", "note", trouble, advice=advice)
    if place := on_import_path(settings.download_dir):
        what = f"Python looks for code in {place}, where strangers' files go."
        advice = "Take it out of PYTHONPATH, or set DOWNLOAD_DIR to another folder."
        yield DoctorFinding("import path", "note", what, advice=advice)
    if trouble := exposure(settings):
        advice = "chmod 600, or 660 where bot and reactor are two users of one group; the same for its -wal and -shm."
        yield DoctorFinding("database mode", "note", trouble, advice=advice)


def folder(path: Path) -> DoctorFinding:
    """Where files go: can it be written, how much room is there?"""
    there = nearest(path)
    if not there.is_dir():
        return DoctorFinding(
            "download folder",
            "missing",
            f"{there} is not a folder.",
            where=str(path),
            advice="Set DOWNLOAD_DIR to a folder.",
            needed=True,
        )
    if not os.access(there, os.W_OK | os.X_OK):
        return DoctorFinding(
            "download folder",
            "missing",
            f"{there} cannot be written.",
            where=str(path),
            advice="Set DOWNLOAD_DIR to a folder you may write.",
            needed=True,
        )
    free = f"{size(shutil.disk_usage(there).free)} free"
    return DoctorFinding(
        "download folder",
        "ok",
        free if there == path.absolute() else f"{free}; made when first needed",
        where=str(path),
        needed=True,
    )
