"""One process in which yt-dlp is loaded.

It is isolated from the user's files: its home and its working folder are an empty folder, and its environment holds
only what programs and certificates are found by.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from pathlib import Path

from anyio.abc import Process

from reactor.errors import DownloadError
from reactor.programs import child_environment, find_python
from reactor.records import dataclass
from reactor.workers.process import WorkerProcess, open_in_own_folder, open_process

WORKER = Path(__file__).with_name("worker.py")
DATA_BYTES_MAX = 1536 * 1024 * 1024
"""Memory one process may use. A JavaScript runtime, which inherits the limit, does not start with 512 MiB."""
HINT = "Update yt-dlp: reactor update, or pip install -U 'yt-dlp[default,deno]'"


@dataclass(frozen=True, slots=True)
class YtdlpSetup:
    """How a process is configured."""

    plugins: Path | None = None
    """A folder of packages with extractors of one's own; no other plug-ins are ever loaded."""
    data_bytes_max: int = DATA_BYTES_MAX


def installed() -> Path | None:
    """The folder that yt-dlp is imported from, or None when it is not installed. Imports nothing."""
    found = importlib.util.find_spec("yt_dlp")
    return Path(found.origin).parents[1] if found and found.origin else None


def stamp(site: Path) -> int:
    """Changes when another yt-dlp is installed there."""
    try:
        return Path(site, "yt_dlp", "version.py").stat().st_mtime_ns
    except OSError:  # it is being replaced
        return 0


class YtdlpProcess(WorkerProcess):
    """A process that runs `worker`."""

    site: Path | None = None
    loaded = 0

    @property
    def alive(self) -> bool:
        """False also when another yt-dlp was installed since: the next one starts with that."""
        return super().alive and (self.site is None or stamp(self.site) == self.loaded)

    @classmethod
    async def start(cls, setup: YtdlpSetup) -> YtdlpProcess:
        """Start one and wait until yt-dlp is loaded: a second of processor time. Leaves nothing behind when it raises.

        Raises WorkerDied, DownloadError (`unsupported`, `storage`, `ytdlp_broken`)."""
        site = installed()
        if site is None:
            raise DownloadError("yt-dlp is not installed.", code="unsupported")
        loaded = stamp(site)
        process, folder = await open_in_own_folder(
            lambda: tempfile.mkdtemp(prefix="reactor-ytdlp-"), _open, "yt-dlp", "ytdlp_broken"
        )
        from reactor.extractors.ytdlp.worker import ANSWER_BYTES_MAX

        worker = cls(process, answer_bytes_max=ANSWER_BYTES_MAX, bad_answer=bad_answer, folder=folder)
        await worker._warm_up(
            {
                "parent": os.getpid(),
                "path": str(site),
                "plugins": None if setup.plugins is None else str(setup.plugins.absolute()),
                "data_bytes_max": setup.data_bytes_max,
            },
            _broken,
        )
        worker.site, worker.loaded = site, loaded
        return worker


def _broken(why: str) -> DownloadError:
    return DownloadError(f"yt-dlp cannot be loaded: {why}.", hint=f"{HINT}.", code="ytdlp_broken")


def bad_answer() -> DownloadError:
    """The error for an answer that makes no sense."""
    return DownloadError("yt-dlp gave an invalid answer.", hint=f"{HINT}.", code="bad_answer")


async def _open(folder: Path) -> Process:
    return await open_process(
        [str(find_python()), "-I", str(WORKER)],
        folder,
        child_environment(home=folder, LC_ALL="C.UTF-8", DENO_NO_UPDATE_CHECK="1"),
    )
