"""What `reactor doctor` looks at for media and pages. What can be started is started, for a moment."""

from __future__ import annotations

import re
import shutil
import sys
from datetime import date
from functools import partial
from importlib import metadata
from pathlib import Path

from reactor.cli.doctor.findings import DoctorFinding, program_version, where
from reactor.cli.runtime import run_async
from reactor.errors import ReactorError
from reactor.extractors.browser import browser
from reactor.extractors.plugins.host import is_off, open_plugins
from reactor.extractors.plugins.process import Installed, installed
from reactor.extractors.ytdlp import process as ytdlp_process
from reactor.extractors.ytdlp.age import age_days, is_old
from reactor.programs import Program, find_ffmpeg
from reactor.settings import Settings
from reactor.workers.exchange import WorkerDied

FFMPEG_MIN = 5
YTDLP_MIN = "2026.07.04"
"""Older ones can be made to run what a stranger wishes."""
DENO_MIN = (2, 3)
TRIAL_S = 30.0
MEDIA = "pip install 'aria2-reactor[media]'"
UPDATE = "reactor update"
BROWSER = "pip install 'aria2-reactor[browser]'"


def examine(settings: Settings) -> list[DoctorFinding]:
    """ffmpeg, yt-dlp with its runtime, Playwright with its browser, extractors from outside."""
    return [ffmpeg(settings), ytdlp(), deno(), playwright(), page(settings), *extractors(settings)]


def ffmpeg(settings: Settings) -> DoctorFinding:
    """Joins and remuxes media."""
    try:
        program = find_ffmpeg(settings.ffmpeg_path)
    except ReactorError as error:
        return DoctorFinding("ffmpeg", "missing", f"{error.message} Videos in parts need it.", advice=error.hint or "")
    version, _ = program_version([program.path, "-version"], r"ffmpeg version (\S+)")
    if not version:
        return DoctorFinding("ffmpeg", "missing", "It does not run.", where=where(program), advice="Set FFMPEG_PATH.")
    number = re.match(r"n?(\d+)\.", version)  # a build between two versions has none
    if number and int(number[1]) < FFMPEG_MIN:
        advice = f"Install ffmpeg {FFMPEG_MIN} or newer, or set FFMPEG_PATH."
        return DoctorFinding("ffmpeg", "missing", "Too old to join videos in parts.", version, where(program), advice)
    return DoctorFinding("ffmpeg", "ok", version=version, where=where(program))


def ytdlp() -> DoctorFinding:
    """yt-dlp, in a process of its own."""
    site = ytdlp_process.installed()
    if site is None:
        return DoctorFinding("yt-dlp", "missing", "Not installed. Sites such as YouTube need it.", advice=MEDIA)
    try:
        version = run_async(_started_ytdlp)
    except (ReactorError, WorkerDied) as error:
        return DoctorFinding(
            "yt-dlp", "missing", f"It does not start: {error}", where=str(site), advice=ytdlp_process.HINT
        )
    return by_age(version, str(site), date.today())


def by_age(version: str, site: str, today: date) -> DoctorFinding:
    """A yt-dlp that starts, by how old it is."""
    if version < YTDLP_MIN:
        what = f"Older than {YTDLP_MIN}: sites have changed since, and security holes were fixed."
        return DoctorFinding("yt-dlp", "note", what, version, site, UPDATE)
    if is_old(version, today):
        what = f"{age_days(version, today)} days old: sites have changed since."
        return DoctorFinding("yt-dlp", "note", what, version, site, UPDATE)
    return DoctorFinding("yt-dlp", "ok", version=version, where=site)


async def _started_ytdlp() -> str:
    worker = await ytdlp_process.YtdlpProcess.start(ytdlp_process.YtdlpSetup())
    await worker.end()
    return worker.version


def deno() -> DoctorFinding:
    """The JavaScript runtime of yt-dlp."""
    beside = Path(sys.executable or "/").parent / "deno"
    found = str(beside) if beside.is_file() else shutil.which("deno")
    if not found:
        return DoctorFinding("deno", "missing", "Not found. yt-dlp needs it for YouTube.", advice=MEDIA)
    version, _ = program_version([found, "--version"], r"deno (\S+)")
    if not version:
        return DoctorFinding("deno", "missing", "It does not run.", where=found, advice=MEDIA)
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < DENO_MIN:
        return DoctorFinding("deno", "missing", "Too old for yt-dlp (YouTube).", version, found, MEDIA)
    return DoctorFinding("deno", "ok", version=version, where=found)


def playwright() -> DoctorFinding:
    """What drives a browser, looked for without importing it."""
    if not browser.installed():
        return DoctorFinding(
            "playwright", "missing", "Not installed. Pages that only a browser can read need it.", advice=BROWSER
        )
    return DoctorFinding("playwright", "ok", version=metadata.version("playwright"))


def page(settings: Settings) -> DoctorFinding:
    """The browser. It really shows a page: only then is it known to do."""
    try:
        program = browser.find_browser(settings.browser_path)
    except ReactorError as error:
        what = f"{error.message} Pages that only a browser can read need one."
        return DoctorFinding("browser", "missing", what, advice=error.hint or "Set BROWSER_PATH to a browser.")
    if not browser.installed():
        return DoctorFinding("browser", "note", "Not started: Playwright is missing.", "", where(program), BROWSER)
    try:
        version = run_async(partial(_started_browser, program))
    except ReactorError as error:
        return DoctorFinding("browser", "missing", error.message, where=where(program), advice=error.hint or "")
    from reactor.extractors.browser.process import sandboxed

    what = "shows pages" if sandboxed() else "shows pages; as root without its sandbox"
    return DoctorFinding("browser", "ok", what, version, where(program))


def extractors(settings: Settings) -> list[DoctorFinding]:
    """Those that other packages bring, each loaded in a process of its own."""
    known = installed()
    off = {each.name for each in known if is_off(each.name, settings)}
    unusable = run_async(partial(_unusable, settings)) if len(off) < len(known) else {}
    return [_extractor(each, each.name in off, unusable.get(each.name)) for each in known]


def _extractor(each: Installed, off: bool, broken: str | None) -> DoctorFinding:
    name, where_ = f"extractor {each.name}"[:60], f"{each.package} ({each.entry})"
    if broken is not None:
        advice = f"Tell its author, or set EXTRACTORS_OFF={each.name}."
        return DoctorFinding(name, "missing", f"It cannot be used: {broken}", each.version, where_, advice)
    return DoctorFinding(name, "ok", "turned off (EXTRACTORS_OFF)" if off else "", each.version, where_)


async def _unusable(settings: Settings) -> dict[str, str]:
    async with open_plugins(settings) as plugins:
        return dict(plugins.unusable) if plugins is not None else {}


async def _started_browser(program: Program) -> str:
    async with browser.Browser(path=program.path, timeout_s=TRIAL_S) as started:
        return await started.try_out()
