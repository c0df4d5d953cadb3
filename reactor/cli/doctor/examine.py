"""All checks of `reactor doctor`, in the order of its report."""

from __future__ import annotations

from reactor.cli.doctor import database, media, programs, remote, server, told
from reactor.cli.doctor.findings import DoctorFinding
from reactor.cli.doctor.settings import examine_settings, folder
from reactor.server_address import ServerAddress
from reactor.settings import Settings


def examine(settings: Settings, *, ping: bool = False) -> list[DoctorFinding]:
    """Run every check. Read-only, except for an empty file that `remote` may leave on a remote disk. `ping`: send a
    test message to those who are told what happens."""
    place = settings.download_db
    unshared = settings.aria2c_rpc_url is not None and settings.path_map is None
    return [
        *examine_settings(settings),
        programs.python(),
        programs.aria2c(settings),
        *(remote.examine(settings) if settings.aria2c_rpc_url else []),
        *(server.examine(place) if isinstance(place, ServerAddress) else database.examine(place)),
        *([] if unshared else [folder(settings.download_dir)]),
        *media.examine(settings),
        *told.examine(settings, ping=ping),
    ]
