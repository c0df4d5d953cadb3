"""Upgrades yt-dlp by pip, where pip may."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from reactor.errors import ReactorError
from reactor.extractors.ytdlp.age import installed_version
from reactor.extractors.ytdlp.process import installed
from reactor.programs import find_python

PACKAGE = "yt-dlp[default,deno]"
PIP_S = 600.0
SAID_MAX = 300


class NoUpgrade(ReactorError):
    """yt-dlp could not be upgraded."""

    code = "ytdlp_broken"


def upgrade() -> tuple[str, str]:
    """Have pip install the newest yt-dlp; its version before and after. Blocks. Raises NoUpgrade."""
    before, site = installed_version(), installed()
    if before is None or site is None:
        raise NoUpgrade("yt-dlp is not installed.", hint="Run: pip install 'aria2-reactor[media]'.")
    refusal = why_not(site)
    if refusal is not None:
        raise NoUpgrade(refusal, hint=f"Upgrade it as it was installed; with pip: pip install -U '{PACKAGE}'.")
    command = [str(find_python()), "-m", "pip", "install", "--upgrade", "--quiet", "--no-input"]
    _run([*command, "--disable-pip-version-check", PACKAGE])
    importlib.invalidate_caches()
    after = installed_version()
    if after is None:
        raise NoUpgrade("pip has left no yt-dlp behind.", hint=f"Run: pip install '{PACKAGE}'.")
    return before, after


def why_not(site: Path) -> str | None:
    """Why pip may not change what is installed in `site`; None: it may."""
    if importlib.util.find_spec("pip") is None:
        return "There is no pip in this environment."
    if not os.access(site, os.W_OK):
        return f"{site} cannot be written by this user."
    if sys.prefix == sys.base_prefix and Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").exists():
        return "This Python is managed by the system's own packages."
    return None


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PIP_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoUpgrade(f"pip did not finish ({type(error).__name__}).", hint="Try it again later.") from error
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")] or lines or [f"exit code {done.returncode}"]
        raise NoUpgrade(f"pip failed: {errors[-1][:SAID_MAX].rstrip('.')}.")
