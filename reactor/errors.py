"""The errors that people see. Each has a message and a hint.

    ReactorError                    code, hint, retryable
    ├── SettingsError               a setting is wrong; the process cannot start
    ├── ProgramMissing              aria2c, ffmpeg or a browser is not on this machine
    ├── DatabaseError               the database cannot be used
    │   └── DatabaseInUse           another reactor serves it
    ├── CookiesError                cookies cannot be read, or kept
    ├── Aria2Error                  aria2 refused, or cannot be reached
    │   ├── Aria2Lost               the connection broke before the reply came
    │   ├── Aria2Timeout            no reply within the deadline
    │   ├── Aria2Refused            aria2 answered with an error
    │   └── Aria2Unauthorized       the RPC secret is wrong
    └── DownloadError               this one download cannot be done, or not now

The message is one sentence for a person: what happened. `hint` says what they can do. `code` is a
stable word a bot can turn into a button. `retryable` says whether the same thing may succeed later;
it is decided where the error is raised, and nowhere else. None of the three holds a secret.
"""

from __future__ import annotations

from typing import Any, ClassVar

from reactor.records import dataclass

__all__ = [
    "Aria2Error",
    "Aria2Lost",
    "Aria2Refused",
    "Aria2Timeout",
    "Aria2Unauthorized",
    "CookiesError",
    "DatabaseError",
    "DatabaseInUse",
    "DownloadError",
    "Failure",
    "ProgramMissing",
    "ReactorError",
    "SettingsError",
]


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as a value: what the core decides on, and what the row and the journal show."""

    code: str
    message: str
    hint: str | None = None
    retryable: bool = False
    retry_after_s: float | None = None
    """What the server asked for (`Retry-After`), where we saw it ourselves."""

    @property
    def text(self) -> str:
        """What happened and what to do, as the `error` column has it."""
        return f"{self.message} {self.hint}" if self.hint else self.message


class ReactorError(Exception):
    """Base class of all errors that reactor raises on purpose."""

    code: str = "error"
    """A stable word; the class has the default."""
    retryable_by_default: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        retryable: bool | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or type(self).code
        self.retryable = self.retryable_by_default if retryable is None else retryable
        self.retry_after_s = retry_after_s

    @property
    def failure(self) -> Failure:
        """The error as a value."""
        return Failure(self.code, self.message, self.hint, self.retryable, self.retry_after_s)

    def __str__(self) -> str:
        return self.failure.text


class SettingsError(ReactorError):
    """A setting has a value that cannot be used."""

    code = "settings"


class ProgramMissing(ReactorError):
    """A program reactor starts was not found."""

    code = "program_missing"


class DatabaseError(ReactorError):
    """The database cannot be opened, read or written as the contract needs."""

    code = "database"


class DatabaseInUse(DatabaseError):
    """Another reactor holds the lock of this database."""

    code = "database_in_use"


class CookiesError(ReactorError):
    """Cookies cannot be read, or there is no place to keep them."""

    code = "bad_cookies"


class Aria2Error(ReactorError):
    """aria2 refused, or cannot be reached."""

    code = "aria2"
    retryable_by_default = True


class Aria2Lost(Aria2Error):
    """The connection broke before the reply came: the request may or may not have been carried out."""

    code = "aria2_lost"


class Aria2Timeout(Aria2Error):
    """No reply within the deadline: the request may or may not have been carried out."""

    code = "aria2_timeout"


class Aria2Refused(Aria2Error):
    """aria2 answered the request with an error; `number` is its JSON-RPC code (1 for nearly everything)."""

    code = "aria2_refused"
    retryable_by_default = False

    def __init__(self, message: str, *, number: int = 1, **more: Any) -> None:
        super().__init__(message, **more)
        self.number = number


class Aria2Unauthorized(Aria2Error):
    """The RPC secret is wrong, or missing."""

    code = "aria2_unauthorized"
    retryable_by_default = False


class DownloadError(ReactorError):
    """A download failed. `code` and `retryable` say how."""

    code = "failed"
