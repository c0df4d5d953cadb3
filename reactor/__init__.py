"""reactor: the download engine behind chat bots."""

from __future__ import annotations

import sys

if sys.argv[:1] == ["-m"] and {"reactor", "-mreactor"} & set(sys.orig_argv) and not sys.flags.safe_path:
    # `python -m reactor` has put the working folder before everything else, where strangers' files may lie.
    del sys.path[0]

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reactor.options import Options
    from reactor.queue import Queue
    from reactor.runner import Runner, RunnerStatus
    from reactor.sync_queue import SyncQueue

__all__ = ["Options", "Queue", "Runner", "RunnerStatus", "SyncQueue", "__version__"]
__version__ = "0.1.0"

_HOMES = {
    "Options": "reactor.options",
    "Queue": "reactor.queue",
    "Runner": "reactor.runner",
    "RunnerStatus": "reactor.runner",
    "SyncQueue": "reactor.sync_queue",
}


def __getattr__(name: str) -> object:
    """A bot that asks for one of them pays for that one (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
