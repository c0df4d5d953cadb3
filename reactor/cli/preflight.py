"""Checks of valid but unusable settings: errors and warnings of `run`, which `doctor` reports too."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address

from reactor.errors import SettingsError
from reactor.files.private import exposed
from reactor.server_address import ServerAddress
from reactor.settings import Settings


def refusals(settings: Settings) -> Iterator[SettingsError]:
    """Why `reactor run` would not start. Nothing is bound or opened."""
    from reactor.daemon.egress import allowed_hosts
    from reactor.daemon.row_cookies import operator_rule
    from reactor.web.app import NEEDS, check_installed, check_token

    for check in (allowed_hosts, operator_rule):
        try:
            check(settings)
        except SettingsError as error:
            yield error
    for variable in NEEDS:
        try:
            if getattr(settings, variable.lower()) is not None:
                check_installed(variable)
        except SettingsError as error:
            yield error
    if settings.page_address is not None:
        try:
            check_token(settings, near=_is_near(settings.page_address))
        except SettingsError as error:
            yield error


def cookies_trouble(settings: Settings) -> str:
    """Why OPERATOR_COOKIES are of no use; "" when they are, or are not set."""
    path = settings.operator_cookies
    if path is None:
        return ""
    if not settings.operator_cookies_for.strip():
        return f"OPERATOR_COOKIES: no download gets those of {path}, for OPERATOR_COOKIES_FOR is empty."
    if path.expanduser().is_file() and os.access(path.expanduser(), os.R_OK):
        return ""
    return f"OPERATOR_COOKIES: {path} cannot be read, so the downloads that it is for will fail."


def exposure(settings: Settings) -> str:
    """That everybody on this machine may read the database; "" when not. It is the bot's, so its mode is too."""
    if isinstance(settings.download_db, ServerAddress):
        return ""
    path = settings.download_db.expanduser()
    mode = exposed(path)
    if not mode:
        return ""
    return f"Every user of this machine can read {path} (mode {mode}), with its URLs, passwords and cookies."


def second_name(settings: Settings) -> str:
    """That the database's file has another name; "" when not."""
    path = settings.download_db
    if isinstance(path, ServerAddress) or not path.is_file() or path.stat().st_nlink == 1:
        return ""
    return f"{path} has a second name (a hard link): a program that opens it by that one corrupts it."


def _is_near(address: str) -> bool:
    """True when an address, as the settings have it, is this machine's alone. One that cannot be found is no matter
    of tokens."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return True
    return all(ip_address(str(place[0]).partition("%")[0]).is_loopback for *_, place in found)
