"""aria2's RPC methods, as far as reactor uses them: what to send, and how to read the answer.

A `Method` is a value: `Aria2Connection.call` and `batch` carry it out, and all there is to know about
one method stands in one function here. Parameters follow aria2c(1), RPC INTERFACE; the secret is none
of them, the protocol adds it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Generic, TypeVar

from reactor.aria2 import messages
from reactor.aria2.messages import STATUS_KEYS, FileStatus, Version
from reactor.core.events import TransferReport, TransferStatus
from reactor.errors import Aria2Refused
from reactor.records import dataclass

T_co = TypeVar("T_co", covariant=True)

Options = Mapping[str, str | list[str]]
"""aria2's options. Every value is a string or a list of strings: aria2 ignores a number without a word."""


@dataclass(frozen=True, slots=True)
class Method(Generic[T_co]):
    """One request and the type of its answer."""

    name: str
    params: tuple[Any, ...] = field(repr=False)  # may hold cookies and passwords
    read: Callable[[Any], T_co] = field(repr=False)
    """Makes a value of the result; raises ValueError when it cannot be one."""
    unless: Callable[[Aria2Refused], T_co | None] | None = field(default=None, repr=False)
    """Makes a value of a refusal that is an answer as well ("not found"), or None when it is an error."""
    gid: str = ""
    """The transfer that it is about; "" for aria2 as a whole."""


FORGET = "aria2.removeDownloadResult"

# Adding


FIRST = (0,)
"""The position before all that wait."""


def add_uri(urls: Sequence[str], options: Options, *, first: bool = False) -> Method[str]:
    """Add a download by its mirrors, or a magnet link, `first` before all that wait. → its gid"""
    params = (list(urls), dict(options), *(FIRST if first else ()))
    return Method("aria2.addUri", params, messages.text, gid=_gid_of(options))


def add_torrent(metainfo: bytes, web_seeds: Sequence[str], options: Options, *, first: bool = False) -> Method[str]:
    """Add a torrent by the bytes of its `.torrent`, `first` before all that wait. → its gid"""
    encoded = base64.b64encode(metainfo).decode("ascii")
    position = FIRST if first else ()
    params = (encoded, list(web_seeds), dict(options), *position)
    return Method("aria2.addTorrent", params, messages.text, gid=_gid_of(options))


def _gid_of(options: Options) -> str:
    gid = options.get("gid", "")
    return gid if isinstance(gid, str) else ""


def add_uris(gid: str, number: int, urls: Sequence[str]) -> Method[str]:
    """Name mirrors of one file of a transfer, its number from 1, before those that it has. → nothing of use"""
    params: tuple[Any, ...] = (gid, number, [], list(urls), 0)
    return Method("aria2.changeUri", params, lambda result: "", lambda refusal: "", gid)


# Asking


def tell_status(gid: str, *, files: bool = False) -> Method[TransferReport]:
    """How a transfer is. One that aria2 does not know is reported as UNKNOWN.

    Ask for `files` only when they are needed: with thousands of them the answer is megabytes long."""

    def unknown(refusal: Aria2Refused) -> TransferReport | None:
        return TransferReport(gid, TransferStatus.UNKNOWN) if _not_found(refusal) else None

    keys = [*STATUS_KEYS, "files"] if files else [*STATUS_KEYS]
    return Method("aria2.tellStatus", (gid, keys), messages.report, unknown, gid)


def info_hash(gid: str) -> Method[str]:
    """Which torrent aria2 takes a transfer for: 40 hex digits; "" where it does not say."""
    return Method("aria2.tellStatus", (gid, ["infoHash"]), messages.info_hash, _of_none, gid)


def get_files(gid: str) -> Method[tuple[FileStatus, ...]]:
    """The selected files of a transfer, and which of them are whole; none of one that aria2 does not know."""

    def unknown(refusal: Aria2Refused) -> tuple[FileStatus, ...] | None:
        return () if _not_found(refusal) or "No file" in refusal.message else None

    return Method("aria2.getFiles", (gid,), messages.files, unknown, gid)


def get_version() -> Method[Version]:
    """aria2's version and features."""
    return Method("aria2.getVersion", (), messages.version)


def get_session_info() -> Method[str]:
    """The id of this run of aria2c."""
    return Method("aria2.getSessionInfo", (), messages.session)


def get_global_option() -> Method[dict[str, str]]:
    """The options aria2c runs with."""
    return Method("aria2.getGlobalOption", (), messages.options)


def limit_speed(limit: int) -> Method[bool]:
    """Let all transfers together come at so many bytes/s at most, from now on; 0: at any speed."""
    return Method("aria2.changeGlobalOption", ({"max-overall-download-limit": str(limit)},), _done)


def set_connections(gid: str, connections: int) -> Method[bool]:
    """Fetch a file by so many connections, of one that is under way from now on: aria2 begins its connections anew, and
    goes on where it was. False when it does not know the gid, or will not."""
    options = {"split": str(connections), "max-connection-per-server": str(connections)}
    return Method("aria2.changeOption", (gid, options), _done, lambda refusal: False, gid)


# Removing


def force_remove(gid: str) -> Method[bool]:
    """Stop a transfer without saying goodbye to trackers. → False when there is nothing to stop.

    A transfer that runs is stopped a moment after the answer, and notified; its result stays until
    `remove_download_result`. One that waits or is paused is gone at the answer, and nothing is notified."""
    return Method("aria2.forceRemove", (gid,), _done, _nothing_there, gid)


def remove_download_result(gid: str) -> Method[bool]:
    """Forget a transfer that is over, so that its gid is free again. → False when there is no such result:
    aria2 does not know the gid, or has not stopped it yet."""
    return Method(FORGET, (gid,), _done, _nothing_there, gid)


def _done(result: Any) -> bool:
    return bool(messages.text(result))


def _of_none(refusal: Aria2Refused) -> str | None:
    return "" if _not_found(refusal) else None


def _not_found(refusal: Aria2Refused) -> bool:
    """aria2 has no number for it, only these sentences: "GID … is not found", "Active Download not found for
    GID#…", "Could not remove download result of GID#…"."""
    return "not found" in refusal.message or "not remove download result" in refusal.message


def _nothing_there(refusal: Aria2Refused) -> bool | None:
    return False if _not_found(refusal) else None
