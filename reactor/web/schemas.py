"""What the page's API answers, as models, for its OpenAPI document: who does not ask for that does not load them. What
goes out is made of dictionaries (`live.view`); a test holds the two together.
"""

# Without `from __future__ import annotations`: pydantic would compile each annotation of a model again.

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Model(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True, defer_build=True)


class Error(_Model):
    """Why a request was refused."""

    error: str
    """A sentence."""


class Ids(_Model):
    """The rows that were added."""

    ids: list[int]
    """In the order of their URLs."""


class Counts(_Model):
    """What became of a list's entries."""

    total: int
    done: int
    failed: int


class Row(_Model):
    """One download, without secrets and control characters. Sizes are bytes, speeds bytes per second."""

    id: int
    name: str
    """Its title, or what its URL ends with."""
    url: str
    """Without its secrets."""
    status: str
    """`pending`, `downloading`, `choosing`, `downloaded`, `failed`, `cancelled`, or a word of the bot's."""
    stage: str | None
    kind: str | None
    """As `url_type` of the contract."""
    progress: float | None
    """0 to 100."""
    completed: int | None
    """Bytes; only of one that moves."""
    size: int | None
    speed: int | None
    eta: int | None
    """Seconds left."""
    error: str | None
    """A sentence for a person."""
    path: str | None
    """Where the file or folder is."""
    retries: int
    retry_at: float | None
    """Seconds since the epoch; of one that waits for its retry."""
    place: int | None
    """Among the queued rows that are shown, from 0."""
    waits: str | None
    """A sentence for a person: how many queued rows are before it, about how long that takes, why it waits."""
    list: Counts | None
    """Of a list."""
    partial: bool
    """True of a list of which not all came."""
    asks: bool
    """True while it can be answered what is to be fetched."""
    until: float | None
    """Seconds since the epoch: so long it waits for the answer."""
    added: str | None
    finished: str | None
    cancelling: bool
    """True while it was cancelled and has not ended yet."""


class Entries(_Model):
    """Some entries of a list, in its order."""

    rows: list[Row]
    total: int
    """How many the list has."""


class Choice(_Model):
    """One of the things to choose from."""

    code: str
    label: str
    about: str
    """Its size, length, …; may be empty."""


class Group(_Model):
    """Choices of one kind."""

    name: str
    many: bool
    """Whether more than one of them may be chosen."""
    choices: list[Choice]
    total: int
    """How many there are; not all are told, perhaps."""


class Choices(_Model):
    """What a row asks."""

    groups: list[Group]
    unanswered: Literal["default", "fail"]
    """What becomes of it without an answer."""


class State(_Model):
    """The whole queue."""

    queued: int
    under_way: int
    failed: int
    shown_max: int
    """So many rows of each kind are shown."""
    trouble: str | None
    """Why the database cannot be read; null when it can."""


class News(_Model):
    """The data of one server-sent event: first every row that is shown, then what has changed."""

    all: bool
    """True when `rows` are all that are shown."""
    rows: list[Row]
    gone: list[int]
    """Ids of rows that are not shown any more."""
    state: State
