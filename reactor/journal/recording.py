"""A recording: everything that the core was told, so that it can be asked again, by day, why it decided as it did.

NDJSON. The first line says what the core was allowed; each other line is an event, when it came (monotonic seconds),
and what the core made of it:

    {"recording": 1, "version": "0.1.0", "at": 1767225600.0, "now": 512.3, "limits": {…}}
    {"now": 512.4, "event": "RowsPolled", "fields": {…}, "decided": ["Detect 3.1", "Tell download_claimed 3.1"]}

A run that begins is another first line. A line that whoever wrote it did not finish, or one of another version, is
passed over. What a URL, a header or a cookie may hold that is nobody's business is taken
out before it is written; the core decides by none of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, get_args

from pydantic import TypeAdapter

from reactor.core import commands
from reactor.core.commands import Command
from reactor.core.context import Limits
from reactor.core.events import Event
from reactor.errors import ReactorError
from reactor.journal.stream import Stream
from reactor.net.credentials import redact, redact_text
from reactor.records import dataclass

VERSION = 1
MAKE_ONE = "Make one with `run --record`."
HIDDEN = {
    "value": "-",
    "metainfo": "",
    "owner": "-",
    "next_owner": "-",
    "media_key": "-",
    "about": dict[str, Any](),
    "trackers": list[str](),
}
"""What is written in place of the fields of headers, cookies, torrents, films and rows that nobody is to see: something
that can be read as what it stands for, so no bytes for bytes. A tracker's path may hold its user's key, a film's
identifier, of which its key is made, the query of its page."""
URLS = frozenset({"url", "urls", "next_url", "referer", "init_url", "last"})


class NoRecording(ReactorError):
    """What was to be replayed is no recording, or one of another version."""

    code = "no_recording"


@dataclass(frozen=True, slots=True)
class Begun:
    """A run of the reactor begins. `at` in seconds since the epoch, `now` as the core counts them."""

    version: str
    at: float
    now: float
    limits: Limits


@dataclass(frozen=True, slots=True)
class Step:
    """One event, and what the core made of it then."""

    now: float
    event: Event
    decided: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that says nothing to us."""


class Recorder:
    """Writes a recording. A disk that takes no more ends the recording, and nothing else."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._broken = False

    def begin(self, begun: Begun) -> None:
        """The first line of a run."""
        limits = _adapter(Limits).dump_python(begun.limits, mode="json")
        stamp = {"recording": VERSION, "version": begun.version, "at": begun.at, "now": begun.now}
        self._write(stamp | {"limits": limits})

    def note(self, event: Event, now: float, decided: Sequence[Command]) -> None:
        """One event."""
        kind = type(event).__name__
        fields = _shown(_adapter(EVENTS[kind]).dump_python(event, mode="json", exclude_defaults=True))
        names = [name(command) for command in decided]
        self._write({"now": round(now, 6), "event": kind, "fields": fields, "decided": names})

    def _write(self, line: dict[str, Any]) -> None:
        if self._broken:
            return
        try:
            self._stream.write(json.dumps(line, separators=(",", ":")) + "\n")
        except OSError:
            self._broken = True


def name(command: Command) -> str:
    """A command in a word or two: what it is, and of which attempt."""
    attempt = commands.attempt_of(command)
    whose = f" {attempt.download_id}.{attempt.number}" if attempt is not None else ""
    if isinstance(command, commands.Tell):
        notice = command.notice
        return f"Tell {notice.event}" + (f" {notice.download_id}" if hasattr(notice, "download_id") else "")
    return type(command).__name__ + whose


def read(lines: Iterable[bytes]) -> Iterator[Begun | Step | Unread]:
    """What was recorded, in order. Raises NoRecording when it does not begin like one, or has another version."""
    first = True
    for line in lines:
        if not line.strip():  # where a line was torn, the next run begins with an end of line
            continue
        try:
            yield _read(line, first)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            if first:
                raise NoRecording("This is no recording: its first line is not JSON.", hint=MAKE_ONE) from error
            yield Unread()
        first = False


def _read(line: bytes, first: bool) -> Begun | Step:
    fields = json.loads(line)
    if "recording" in fields:
        return _begun(fields)
    if first:
        raise NoRecording("This is no recording: it does not begin like one.", hint=MAKE_ONE)
    event = _adapter(EVENTS[fields["event"]]).validate_json(json.dumps(fields["fields"]))
    return Step(float(fields["now"]), event, tuple(fields["decided"]))


def _begun(fields: dict[str, Any]) -> Begun:
    if fields["recording"] != VERSION:
        raise NoRecording(
            f"The recording has version {fields['recording']}; this reactor reads {VERSION}.",
            hint=f"Replay it with reactor {fields.get('version', 'of its own version')}.",
        )
    limits = _adapter(Limits).validate_json(json.dumps(fields["limits"]))
    return Begun(str(fields["version"]), float(fields["at"]), float(fields["now"]), limits)


EVENTS: dict[str, type] = {kind.__name__: kind for kind in get_args(Event)}


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _shown(value: Any, field: str = "") -> Any:
    """The value without secrets."""
    if field in HIDDEN and isinstance(value, type(HIDDEN[field])):
        return HIDDEN[field]
    if isinstance(value, dict):
        return {key: _shown(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_shown(each, field) for each in value]
    if not isinstance(value, str):
        return value
    return redact(value) if field in URLS else redact_text(value) if "://" in value else value
