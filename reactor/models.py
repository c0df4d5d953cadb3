"""A row of the table and what belongs to it: the values that a bot gets, too.

Sizes are bytes, moments are seconds since the epoch, speeds in a row are MiB/s (the table's unit) and bytes/s
everywhere else.
"""

# Without `from __future__ import annotations`: pydantic would compile each annotation of a model again.

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reactor.choices import Choices
from reactor.patterns import pattern
from reactor.records import dataclass

__all__ = [
    "Content",
    "CookieJarInfo",
    "Download",
    "Kind",
    "OwnerAccount",
    "Placed",
    "Position",
    "ResultFile",
    "Stage",
    "Status",
    "Upload",
    "whole_characters",
]


def whole_characters(text: str) -> str:
    """The text with `?` for half a character (a lone surrogate): no file, table or line takes one."""
    return text.encode("utf-8", "replace").decode("utf-8")


class Status(StrEnum):
    """What the bot sees. Any other word in the column belongs to somebody else and is never touched."""

    PENDING = "pending"
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    CANCELLED = "cancelled"
    FAILED = "failed"
    CHOOSING = "choosing"
    """It asks what is to be fetched, and takes up no slot until somebody answers."""

    @property
    def final(self) -> bool:
        """True when reactor will not touch the row again."""
        return self in (Status.DOWNLOADED, Status.CANCELLED, Status.FAILED)


class Stage(StrEnum):
    """Where in its way a row is. A final row has none (NULL)."""

    DETECTING = "detecting"
    EXTRACTING = "extracting"
    METADATA = "metadata"
    """What a magnet link stands for is asked of its peers."""
    FETCHING = "fetching"
    FINISHING = "finishing"
    LISTING = "listing"
    """The entries of a list are becoming rows of their own."""
    ITEMS = "items"
    """They are under way, or wait for their turn. The row of the list takes up no slot."""
    WAITING = "waiting"
    QUOTA = "quota"
    """Its owner has had what one may have in a day: it begins when that is over."""
    YIELDED = "yielded"
    """Its turn is over: it goes on with what is there of it when its owner is next."""


KIND_NAME = pattern(r"[a-z][a-z0-9_-]{0,31}")


class Kind(StrEnum):
    """What kind of URL a row has: which extractor can turn it into something to fetch.

    Those named here are built in; `Kind("name")` is that of an extractor from outside, one and the same object for
    each name. Iterating gives the built-in ones."""

    TORRENT = "torrent"
    DIRECT = "direct"
    METALINK = "metalink"
    YTDLP = "ytdlp"
    PLAYWRIGHT = "playwright"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> "Kind | None":
        if not isinstance(value, str) or not KIND_NAME.fullmatch(value):
            return None
        named = str.__new__(cls, value)
        named._name_, named._value_ = value.upper(), value
        return cls._value2member_map_.setdefault(value, named)  # type: ignore[return-value]

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
        named = {"enum": [kind.value for kind in cls], "type": "string"}
        return {"title": "Kind", "anyOf": [named, {"pattern": f"^{KIND_NAME.pattern}$", "type": "string"}]}

    @property
    def built_in(self) -> bool:
        """False for the name of an extractor from outside."""
        return self.name in Kind.__members__


class Content(StrEnum):
    """What something is by its first bytes."""

    PAGE = "page"
    HLS = "hls"
    DASH = "dash"
    SMOOTH = "smooth"
    """The manifest of a Smooth Streaming: nothing that is read here."""
    HDS = "hds"
    """The same of Adobe's."""
    TORRENT = "torrent"
    FEED = "feed"
    """RSS or Atom: a list of entries."""
    METALINK = "metalink"
    XML = "xml"
    JSON = "json"
    TEXT = "text"
    BINARY = "binary"
    """None of those that are known, and no text."""


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One file of a folder."""

    path: str
    """Below the folder."""
    bytes: int
    mime_type: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """What whoever uploads a result has to say of it; None where that is not known."""

    mime_type: str | None = None
    duration_s: float | None = None
    width: int | None = None
    height: int | None = None
    thumbnail_path: str | None = None
    """A jpg of at most 320 pixels and 200 kB."""
    files: tuple[ResultFile, ...] = ()
    """Of a folder."""
    file_url: str | None = None
    """Where others can fetch it, by FILE_URL."""


@dataclass(frozen=True, slots=True)
class Placed:
    """What was put into DOWNLOAD_DIR, to be known again there (`files/kept.py`)."""

    folder: str
    """Which DOWNLOAD_DIR it is, by the id that stands in it."""
    content: str
    """A digest of names, inodes, sizes and moments of change: equal for hard links of one file."""
    name: str
    """What it is called there: a name, or one in a folder."""


class Download(BaseModel):
    """One row of `downloads`, as far as reactor knows its columns. A bot's own columns are in `extra`."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: int
    url: str
    status: str
    cancelled: bool = False
    owner: str | None = None
    """Whose row it is, by a key of the bot's."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What the row asks for beyond its URL, as it was written; `{}` where that cannot be read."""
    priority: int = 0
    """-2 to 2: the highest first, among the rows of one owner."""
    not_before: float | None = None
    """It does not begin before that, in seconds since the epoch."""
    added_date: str | None = None
    title: str | None = None
    file_size: int | None = None
    file_path: str | None = None
    file_url: str | None = None
    """Where the file can be fetched from other machines, if FILE_URL says so; of a folder it ends with `/`."""
    machine: str | None = None
    """On PostgreSQL: the machine that has put the file at `file_path`."""
    progress: float | None = None
    download_speed: float | None = None
    eta_seconds: int | None = None
    stage: str | None = None
    url_type: str | None = None
    retry_count: int = 0
    attempt: int = 0
    next_attempt_at: float | None = None
    started_at: str | None = None
    finished_at: str | None = None
    error: str | None = None
    error_code: str | None = None
    media_key: str | None = None
    """Equal for two rows where they bring the same in the same form; None where that cannot be told."""
    mime_type: str | None = None
    duration_s: float | None = None
    width: int | None = None
    height: int | None = None
    thumbnail_path: str | None = None
    """A jpg of at most 320 pixels and 200 kB; it is deleted after a week."""
    files: tuple[ResultFile, ...] = ()
    """Where `file_path` is a folder: what is in it, at most 1000 files."""
    notes: str | None = None
    """Of a downloaded row: sentences about what is not as it was offered (a missing piece, another quality), one per
    line."""
    parent_id: int | None = None
    """Of an entry of a list: the row that asked for the list. Its `position` counts from 1."""
    position: int | None = None
    item_key: str | None = None
    items_total: int | None = None
    """Of a list: how many rows its entries have become, how many of them came, and how many are over and did not."""
    items_done: int | None = None
    items_failed: int | None = None
    choices: Choices | None = None
    """Of a row that is `choosing`: what there is to choose from; of a failed one, where that may help: what would."""
    extra: dict[str, Any] = Field(default_factory=dict)

    @property
    def answerable(self) -> bool:
        """True where `Queue.choose` takes an answer: it asks what to fetch, or it has failed and says what would
        help."""
        open_question = self.status == Status.CHOOSING and not self.cancelled
        return self.choices is not None and (open_question or self.status == Status.FAILED)


WaitReason = Literal["turn", "owner_max", "host_max", "retry", "later", "quota", "unserved"]
"""Why a row waits: others are before it; its owner has as many under way as it may (OWNER_MAX); so have those of its
site (HOST_MAX); for its retry; for its `not_before`; its owner has had enough for the day; no reactor serves it."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a pending row stands."""

    id: int
    ahead: int
    """About so many rows have their turn before it, of its owner's and of others'."""
    why: WaitReason
    about_s: float | None = None
    """So long it takes, if those before it take as long as the latest ones; None where that cannot be told."""
    until: float | None = None
    """It does not begin before that, in seconds since the epoch."""
    of_owner: int = 0
    """So many of those before it are its owner's."""
    owners: int = 0
    """So many other owners wait, too: they take turns."""

    @property
    def text(self) -> str:
        """A sentence for a person."""
        reasons = {
            "turn": f"It waits for its turn, {self.ahead} before it",
            "owner_max": "It waits until one of its owner's is over, which has as many under way as one may",
            "host_max": "It waits until another one from the same site is over",
            "retry": "It waits for its next try",
            "later": "It is not to begin yet",
            "quota": "Its owner has had enough for the day: it begins when that is over",
            "unserved": f"No reactor serves it now; {self.ahead} are before it",
        }
        minutes = round((self.about_s or 0.0) / 60 + 0.3)
        return reasons[self.why] + (f"; that takes about {minutes} min." if minutes else ".")


@dataclass(frozen=True, slots=True)
class OwnerAccount:
    """What the queue knows of an owner of rows."""

    owner: str | None
    """None: of rows without one."""
    weight: float
    """Its share: an owner of weight 2 gets twice as many seconds of slot as one of weight 1."""
    pending: int
    downloading: int


@dataclass(frozen=True, slots=True)
class CookieJarInfo:
    """What may be shown of a jar of cookies: nothing of their names and values."""

    owner: str | None
    """Whose it is; None: of rows without an owner."""
    name: str
    """By which a row's option `cookies` names it."""
    cookies: int
    """Those that are good still."""
    hosts: tuple[str, ...] = ()
    """Where they go, at most 20."""
    expires_at: float | None = None
    """When the last one expires, in seconds since the epoch; None: no date is known of some."""
    left_out: int = 0
    """Right after it was set: cookies in the text that no browser would keep."""


NO_UPLOAD = Upload()
