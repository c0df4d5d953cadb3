"""The processes below one, as the system tells it."""

from __future__ import annotations

import psutil


def tree(pid: int) -> list[int]:
    """A process, all below it, and what has left a browser to go on by itself."""
    below = [pid, *(process.pid for process in psutil.Process(pid).children(recursive=True))]
    folders = {folder for each in below if (folder := _folder(each))}
    return below + [pid for pid in psutil.pids() if pid not in below and _folder(pid) in folders]


def chromiums(pid: int, kind: str = "") -> list[psutil.Process]:
    """The processes of a browser, its first one first; or those of one kind: `--type=renderer`."""
    found = [(each, _line(each)) for each in psutil.Process(pid).children(recursive=True)]
    return [each for each, line in found if "--user-data-dir=" in line and kind in line]


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _folder(pid: int) -> str | None:
    try:
        folder = psutil.Process(pid).environ().get("TMPDIR")
    except psutil.Error:
        return None
    return folder if folder and "reactor-browser-" in folder else None
