"""Manifests inside of other answers: a JSON text that holds one, as it is or in base64. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any

DEPTH_MAX = 8
VALUES_MAX = 5000
MANIFESTS_MAX = 4
TEXT_MAX = 2 * 1024 * 1024

_MARKS = ("#EXTM3U", "I0VYVE0zV", "<MPD", "PE1QR")
"""How manifests begin; the second of each is its base64."""


def is_manifest(text: str) -> bool:
    """Whether a text begins as HLS or DASH does."""
    begins = text[:4096].lstrip("\ufeff \t\r\n")
    return begins.startswith("#EXTM3U") or (begins.startswith("<") and "<MPD" in begins)


def manifests_in(text: str) -> list[str]:
    """The manifests that a JSON text holds, in its order; none where it is no JSON."""
    if len(text) > TEXT_MAX or not any(mark in text for mark in _MARKS):
        return []
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return []
    found = []
    for value in _strings(told):
        manifest = _manifest(value)
        if manifest and manifest not in found:
            found.append(manifest)
        if len(found) >= MANIFESTS_MAX:
            break
    return found


def _manifest(value: str) -> str | None:
    if is_manifest(value):
        return value
    if not value.startswith(("I0VYVE0zV", "PE1QR", "PD94bW")):
        return None
    try:
        text = base64.b64decode(value + "=" * (-len(value) % 4)).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    return text if is_manifest(text) else None


def _strings(told: Any) -> Iterator[str]:
    """Every text in it, in order, as deep and as many as makes sense."""
    todo: list[tuple[Any, int]] = [(told, 0)]
    for _ in range(VALUES_MAX):
        if not todo:
            return
        value, depth = todo.pop()
        if isinstance(value, str):
            yield value
        elif depth < DEPTH_MAX and isinstance(value, dict | list):
            inner = list(value.values() if isinstance(value, dict) else value)[:VALUES_MAX]
            todo += [(each, depth + 1) for each in reversed(inner)]
