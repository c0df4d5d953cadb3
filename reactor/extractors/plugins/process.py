"""One process in which an extractor from outside is loaded.

It is isolated from the user's files as yt-dlp's is: its home and its working folder are an empty folder of its own, and
its environment holds only what programs and certificates are found by.
"""

from __future__ import annotations

import os
import tempfile
from functools import partial
from importlib import metadata
from pathlib import Path

from anyio.abc import Process

from reactor.errors import DownloadError
from reactor.programs import child_environment, own_code
from reactor.records import dataclass
from reactor.workers.process import WorkerProcess, bad_answer, open_in_own_folder, open_process

GROUP = "reactor.extractors"
DATA_BYTES_MAX = 1024 * 1024 * 1024
"""Memory one process may use."""
FILE_BYTES_MAX = 64 * 1024 * 1024
"""The longest file that it or a program it has started may write."""
NAMES_MAX = 50


@dataclass(frozen=True, slots=True)
class Installed:
    """An extractor that a package names."""

    name: str
    entry: str
    """`MODULE:ATTRIBUTE`."""
    package: str = ""
    version: str = ""
    places: tuple[str, ...] = ()
    """Folders that it is imported from."""


def installed() -> list[Installed]:
    """Those that the packages of this Python name, by their names. Imports none of them; reads the disk."""
    found: dict[str, Installed] = {}
    for point in metadata.entry_points(group=GROUP):
        known = point.dist
        place = (str(Path(str(known.locate_file(""))).absolute()),) if known is not None else ()
        package, version = (known.name, known.version) if known is not None else ("", "")
        found.setdefault(point.name, Installed(point.name, point.value, package, version, place))
    return [found[name] for name in sorted(found)[:NAMES_MAX]]


class PluginProcess(WorkerProcess):
    """A process that runs `worker`."""

    @classmethod
    async def start(cls, what: Installed) -> PluginProcess:
        """Start one and wait until the extractor is loaded. Leaves nothing behind when it raises.

        Raises WorkerDied, DownloadError (`storage`, `extractor_failed`)."""
        process, folder = await open_in_own_folder(
            lambda: tempfile.mkdtemp(prefix="reactor-extractor-"),
            partial(_open, what.places),
            f"The extractor {what.name}",
            "extractor_failed",
        )
        from reactor.extractors.plugins.worker import ANSWER_BYTES_MAX

        started = cls(process, answer_bytes_max=ANSWER_BYTES_MAX, bad_answer=bad_answer, folder=folder)
        limits = {"data_bytes": DATA_BYTES_MAX, "file_bytes": FILE_BYTES_MAX}
        await started._warm_up({"parent": os.getpid(), "entry": what.entry, **limits}, partial(_broken, what.name))
        return started


def _broken(name: str, why: str) -> DownloadError:
    message = f"The extractor {name} cannot be loaded: {' '.join(why.split())}."
    return DownloadError(message, hint="Tell its author, or remove it.", code="extractor_failed")


async def _open(places: tuple[str, ...], folder: Path) -> Process:
    command = own_code("reactor.extractors.plugins.worker:main", places=places)
    return await open_process(command, folder, child_environment(home=folder, LC_ALL="C.UTF-8"))
