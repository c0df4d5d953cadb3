"""What aria2 answers, as values. aria2 writes every number and truth as a string; pydantic reads them.

Each function raises ValueError when the answer is not what aria2's manual promises (aria2c(1), RPC INTERFACE).
"""

# Without `from __future__ import annotations`: pydantic would compile each annotation of a model again.

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from reactor.aria2.failures import transfer_failure
from reactor.core.events import TransferReport, TransferStatus
from reactor.net.credentials import for_people
from reactor.numbers import COUNT_MAX
from reactor.records import dataclass

NOTIFICATIONS = {
    "aria2.onDownloadStop": "stop",
    "aria2.onDownloadComplete": "complete",
    "aria2.onDownloadError": "error",
    "aria2.onBtDownloadComplete": "bt_complete",
}
"""aria2's notifications that there is something to ask after, and the word `core.events.TransferNotified` has for each.
That one has begun, or was paused, is passed over: of 20 000 parts it would be 20 000 events."""

STATUS_KEYS = (
    "gid",
    "status",
    "completedLength",
    "totalLength",
    "downloadSpeed",
    "seeder",
    "followedBy",
    "errorCode",
    "errorMessage",
    "bittorrent",
    "connections",
)
"""What is asked of a transfer. Never everything: a torrent of 10 000 files answers with 1.4 MB then."""

_IN_MEMORY = ("[METADATA]", "[MEMORY]")
"""How the path of what never becomes a file begins: a magnet link's metadata, a `.torrent` kept in memory."""


@dataclass(frozen=True, slots=True)
class Version:
    """aria2's version, and what it was built with (`BitTorrent`, `HTTPS`, …)."""

    version: str
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileStatus:
    """A file of a transfer."""

    number: int
    """From 1."""
    path: str
    size: int
    whole: bool
    """True when all pieces of it are there."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class _Version(_Message):
    version: str
    enabledFeatures: tuple[str, ...] = ()


class _Session(_Message):
    sessionId: str


class _File(_Message):
    path: str = ""
    selected: bool = True


class _FileStatus(_File):
    index: int = Field(ge=1)
    length: int = Field(0, ge=0, le=COUNT_MAX)
    completedLength: int = Field(0, ge=0, le=COUNT_MAX)


class _Info(_Message):
    name: str | None = None


class _Torrent(_Message):
    info: _Info = _Info.model_construct()


class _Status(_Message):
    gid: str
    status: TransferStatus
    completedLength: int = Field(0, ge=0, le=COUNT_MAX)
    totalLength: int = Field(0, ge=0, le=COUNT_MAX)
    downloadSpeed: int = Field(0, ge=0, le=COUNT_MAX)
    seeder: bool = False
    followedBy: tuple[str, ...] = ()
    errorCode: int | None = None
    errorMessage: str = ""
    files: tuple[_File, ...] = ()
    bittorrent: _Torrent = _Torrent.model_construct()
    connections: int = Field(0, ge=0, le=COUNT_MAX)


_LATER = ConfigDict(defer_build=True)
_OPTIONS = TypeAdapter(dict[str, str], config=_LATER)
_TEXT = TypeAdapter(str, config=_LATER)
_FILES = TypeAdapter(tuple[_FileStatus, ...], config=_LATER)


def text(result: Any) -> str:
    """A plain string: a gid, or `OK`."""
    return _TEXT.validate_python(result)


def version(result: Any) -> Version:
    """The answer to aria2.getVersion."""
    told = _Version.model_validate(result)
    return Version(told.version, told.enabledFeatures)


def session(result: Any) -> str:
    """The id out of aria2.getSessionInfo: another one for each run of aria2c."""
    return _Session.model_validate(result).sessionId


def options(result: Any) -> dict[str, str]:
    """The answer to aria2.getGlobalOption. May hold passwords of proxies: show single entries only."""
    return _OPTIONS.validate_python(result)


def info_hash(result: Any) -> str:
    """The answer to aria2.tellStatus where nothing else was asked for; "" for what is no torrent."""
    return str(_OPTIONS.validate_python(result).get("infoHash", "")).lower()


def report(result: Any) -> TransferReport:
    """The answer to aria2.tellStatus."""
    return _report(_Status.model_validate(result))


def files(result: Any) -> tuple[FileStatus, ...]:
    """The answer to aria2.getFiles, as far as they were selected."""
    told = _FILES.validate_python(result)
    return tuple(FileStatus(f.index, f.path, f.length, f.completedLength >= f.length) for f in told if f.selected)


def _report(told: _Status) -> TransferReport:
    message = for_people(told.errorMessage) if told.errorMessage else ""
    return TransferReport(
        gid=told.gid,
        status=told.status,
        completed=told.completedLength,
        total=told.totalLength,
        speed=told.downloadSpeed,
        seeder=told.seeder,
        followed_by=told.followedBy,
        error_code=told.errorCode,
        error_message=message,
        files=tuple(f.path for f in told.files if f.selected and f.path and not f.path.startswith(_IN_MEMORY)),
        info_name=told.bittorrent.info.name,
        connections=told.connections,
        failure=transfer_failure(told.status, told.errorCode, message),
    )
