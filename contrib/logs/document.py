"""Writes the tables of events.md from the schema of a line: `python -m contrib.logs.document`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reactor.journal.ndjson import line_schema

PAGE = Path(__file__).parent / "events.md"
MARK = "<!-- What follows is written by `python -m contrib.logs.document`. -->\n"
STAMP = ("v", "seq", "at", "event")
OF_ROW = ("download_id", "attempt")
HEAD = "| field | type | meaning |\n| --- | --- | --- |"


def document(page: str) -> str:
    """The page with its tables as the schema has them."""
    written, mark, _ = page.partition(MARK)
    return written + mark + "\n" + "\n".join(_tables(line_schema())) + "\n"


def _tables(schema: dict[str, Any]) -> Iterator[str]:
    kinds = schema["$defs"]
    events = [kinds[reference.rpartition("/")[2]] for reference in schema["discriminator"]["mapping"].values()]
    one = next(event for event in events if OF_ROW[0] in event["properties"])
    yield f"## In every line\n\n{HEAD}"
    yield from (_row(name, one["properties"][name], kinds) for name in STAMP)
    yield f"\n## In every line about a row, `download_…`, `file_…`, `list_…` and `seeding_ended`\n\n{HEAD}"
    yield from (_row(name, one["properties"][name], kinds) for name in OF_ROW)
    for event in events:
        fields = {name: field for name, field in event["properties"].items() if name not in STAMP + OF_ROW}
        yield f"\n## `{event['properties']['event']['const']}`\n\n{' '.join(event['description'].split())}"
        if fields:
            yield f"\n{HEAD}"
            yield from (_row(name, field, kinds) for name, field in fields.items())


def _row(name: str, field: dict[str, Any], kinds: dict[str, Any]) -> str:
    if name == "event":
        return "| `event` | string | What happened: the headings below. |"
    meaning = " ".join(field["description"].split())
    return f"| `{name}` | {_type(field, kinds)} | {meaning} |"


def _type(field: dict[str, Any], kinds: dict[str, Any]) -> str:
    field = kinds[field["$ref"].rpartition("/")[2]] if "$ref" in field else field
    if "anyOf" in field:
        return " or ".join(_type(one, kinds) for one in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{word}`" for word in field["enum"])
    return f"`{field['const']}`" if "const" in field else str(field["type"])


if __name__ == "__main__":
    PAGE.write_text(document(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
