"""The journal as NDJSON: one JSON object a line, for programs.

    {"v": 1, "seq": 7, "at": "2026-01-31T12:00:00.000Z", "event": "download_claimed", "download_id": 3, …}

A line is a notice with three fields before it: `v`, the version of the schema; `seq`, which counts from
1 in each run, so that a gap shows lost lines (`entries_lost` says how many); `at`, when. `reactor events --schema`
prints the schema. Readers ignore fields and events they do not know: both may be added within one `v`.
"""

from __future__ import annotations

import ast
import inspect
import json
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import Annotated, Any, get_args

from pydantic import Field, TypeAdapter, ValidationError

from reactor import notices
from reactor.journal.stream import Stream
from reactor.notices import SCHEMA_VERSION, Entry, Notice

KINDS: dict[str, type[Notice]] = {kind.event: kind for kind in get_args(Notice)}
"""The class of each event."""


class BrokenLine(ValueError):
    """Not a line of a journal."""


class NdjsonLines:
    """Writes each entry as one line."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @property
    def lasting(self) -> bool:
        """As the stream's."""
        return self._stream.lasting

    def show(self, entry: Entry) -> None:
        """Write one line, newline included, in one go."""
        self._stream.write(to_line(entry) + "\n")

    def close(self) -> None:
        """Let go of the stream."""
        self._stream.close()


def to_line(entry: Entry) -> str:
    """One line, without its newline. Everything beyond ASCII is escaped: it stays one line for every reader."""
    stamp = {"v": entry.v, "seq": entry.seq, "at": entry.at, "event": entry.notice.event}
    return json.dumps(stamp | vars(entry.notice), separators=(",", ":"))


def from_line(line: str | bytes) -> Entry | None:
    """Read a line; None when it is from a newer reactor and means nothing to us. Raises BrokenLine."""
    try:
        fields: dict[str, Any] = json.loads(line)
        version, seq, at = (fields[name] for name in ("v", "seq", "at"))
        event = fields["event"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BrokenLine("not a line of a journal") from error
    kind = KINDS.get(event) if isinstance(event, str) else None
    if kind is None or version != SCHEMA_VERSION:
        return None
    if not isinstance(seq, int) or not isinstance(at, str):
        raise BrokenLine("not a line of a journal")
    known = {name: fields[name] for name in fields.keys() & kind.__dataclass_fields__.keys()}
    try:
        return Entry(seq=seq, at=at, notice=_validator(event).validate_python(known))
    except ValidationError as error:
        raise BrokenLine(f"not a {event}") from error


@cache
def _validator(event: str) -> TypeAdapter[Notice]:
    """Built for those that are read."""
    return TypeAdapter(KINDS[event])


def line_schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of one line, with the meaning of each field."""
    meanings = meanings_of(notices)
    stamp = TypeAdapter(Entry).json_schema(mode="serialization")["properties"]
    stamp = {name: stamp[name] | {"description": meanings["Entry"][name]} for name in ("v", "seq", "at")}
    schema = TypeAdapter[Any](Annotated[Notice, Field(discriminator="event")]).json_schema(mode="serialization")
    for kind in KINDS.values():
        one = schema["$defs"][kind.__name__]
        one["description"] = inspect.cleandoc(kind.__doc__ or "")
        for kin in kind.__mro__:
            for name, meaning in meanings.get(kin.__name__, {}).items():
                one["properties"][name]["description"] = meaning
        one["properties"] = stamp | one["properties"]
        one["required"] = list(one["properties"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of reactor's journal",
        "description": "Ignore events and fields you do not know: both may be added within one `v`.",
    } | schema


def meanings_of(module: ModuleType) -> dict[str, dict[str, str]]:
    """What stands below the fields of each class of a module. pydantic could read it too, at every start."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        fields = found.setdefault(node.name, {})
        for field, below in pairwise(node.body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                match below:
                    case ast.Expr(value=ast.Constant(value=str(text))):
                        fields[field.target.id] = inspect.cleandoc(text)
    return found
