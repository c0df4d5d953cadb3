"""All checks of `reactor doctor`, in the order of its report."""

from __future__ import annotations

from reactor.cli.doctor import database, media, programs, remote
from reactor.settings import Settings


def examine(settings: Settings) -> list[programs.Finding]:
    """Look at everything. Leaves everything as it was, but for what `remote` says of a disk elsewhere."""
    apart = settings.aria2c_rpc_url is not None and settings.path_map is None

    return [
        *programs.examine_settings(settings),
        programs.python(),
        programs.aria2c(settings),
        *(remote.examine(settings) if settings.aria2c_rpc_url else []),
        *database.examine(settings.download_db),
        *([] if apart else [programs.folder(settings.download_dir)]),
        *media.examine(settings),
    ]
