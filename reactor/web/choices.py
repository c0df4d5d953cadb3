"""What a row asks, as the page shows it: groups of choices with labels, without control characters."""

from __future__ import annotations

from typing import Any

from reactor.choices import Choices
from reactor.journal.format import clean, size, span

View = dict[str, Any]
LABEL_MAX = 300


def choices_view(choices: Choices) -> View:
    """`groups`, each with its `choices` (`code`, `label`, `about`). `many`: more than one of them may be chosen.
    `total`: how many there are; not all are told, perhaps."""
    formats = [
        _choice(each.c, each.label, f"{'' if each.exact else 'about '}{size(each.bytes)}" if each.bytes else "")
        for each in choices.formats
    ]
    subtitles = [_choice(each.c, each.language, "automatic" if each.auto else "") for each in choices.subtitles]
    items = [
        _choice(each.c, f"{each.n}. {each.title or each.key}", span(round(each.duration_s)) if each.duration_s else "")
        for each in choices.items
    ]
    files = [_choice(each.c, each.path, size(each.bytes)) for each in choices.files]
    groups = [
        _group("Quality", formats),
        _group("Subtitles", subtitles, many=True),
        _group("Entries", items, many=True, total=choices.items_total),
        _group("Files", files, many=True, total=choices.files_total),
        _group("What would help", [_choice(each.c, each.label, "") for each in choices.help]),
    ]
    return {"groups": [group for group in groups if group["choices"]], "unanswered": choices.unanswered}


def _choice(code: str, label: str, about: str) -> View:
    return {"code": code, "label": clean(label, LABEL_MAX), "about": about}


def _group(name: str, choices: list[View], *, many: bool = False, total: int | None = None) -> View:
    return {"name": name, "many": many, "choices": choices, "total": max(total or 0, len(choices))}
