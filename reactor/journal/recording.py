"""A recording: everything that the core was told, so that it can be asked again, by day, why it decided as it did.

NDJSON. The first line says what the core was allowed; each other line is an event, when it came (monotonic seconds),
and what the core made of it:

    {"recording": 1, "version": "0.1.0", "at": 1767225600.0, "now": 512.3, "limits": {…}}
    {"now": 512.4, "event": "RowsSeen", "fields": {…}, "decided": ["Detect 3.1", "Tell download_claimed 3.1"]}

A run that begins is another first line. What a URL, a header or a cookie may hold that is nobody's business is taken
out before it is written; the core decides by none of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from reactor.core import commands
from reactor.core.commands import Command
from reactor.core.endings import Limits
from reactor.core.events import Event
from reactor.errors import ReactorError
from reactor.guard.credentials import redact, redact_text
from reactor.journal.stream import Stream

VERSION = 1
HIDDEN = "-"
SECRET = frozenset({"value", "metainfo"})
"""Fields of headers, cookies and torrents that are not written."""
URLS = frozenset({"url", "urls", "next_url"})


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
        fields = _shown(_adapter(EVENTS[kind]).dump_python(event, mode="json"))
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
    attempt = getattr(command, "attempt", None)
    whose = f" {attempt.download_id}.{attempt.number}" if attempt is not None else ""
    if isinstance(command, commands.Tell):
        notice = command.notice
        return f"Tell {notice.event}" + (f" {notice.download_id}" if hasattr(notice, "download_id") else "")
    return type(command).__name__ + whose


def read(lines: Iterable[bytes]) -> Iterator[Begun | Step]:
    """What was recorded, in order. The last line may be cut off: whoever wrote it was killed. Raises NoRecording."""
    waiting: bytes | None = None
    first = True
    for line in lines:
        if waiting is not None:
            yield _read(waiting, first)
            first = False
        waiting = line
    if waiting is not None and (first or waiting.endswith(b"\n")):
        yield _read(waiting, first)


def _read(line: bytes, first: bool) -> Begun | Step:
    try:
        fields = json.loads(line)
        if "recording" in fields:
            return _begun(fields)
        if first:
            raise NoRecording("This is no recording: it does not begin like one.", hint="Make one with `run --record`.")
        kind = EVENTS[fields["event"]]
        event = _adapter(kind).validate_json(json.dumps(fields["fields"]))
        return Step(float(fields["now"]), event, tuple(fields["decided"]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = "an event of another version" if isinstance(error, ValidationError | KeyError) else "not JSON"
        raise NoRecording(f"A line cannot be read: it is {reason}.") from error


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
    if isinstance(value, dict):
        return {key: _shown(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_shown(each, field) for each in value]
    if not isinstance(value, str):
        return value
    if field in SECRET:
        return HIDDEN
    return redact(value) if field in URLS else redact_text(value) if "://" in value else value
