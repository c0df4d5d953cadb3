"""Scripts for pages: what plays on them, what can be clicked, what they say of themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Literal

_HERE: Final = Path(__file__).parent

PREPARE: Final = (_HERE / "prepare.js").read_text(encoding="utf-8")
"""Runs in each frame before the page's own scripts: see there."""

_SOURCE: Final = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")

_DOWNLOADS: Final = (_HERE / "download_script.js").read_text(encoding="utf-8")

What = (
    Literal[
        "media",
        "play",
        "skip",
        "controls",
        "control",
        "scroll",
        "titles",
        "buffers",
        "named",
        "feeding",
        "waiting",
        "age",
        "place",
    ]
    | Literal["links", "download", "counting", "soon", "gate"]
)


def asking(what: What) -> str:
    """JavaScript, a function of one argument, that asks a frame for `what`: see `page_script.js`, and
    `download_script.js` for what leads to files."""
    return f"argument => {{ const downloads = {_DOWNLOADS}; return ({_SOURCE})({json.dumps(what)}, argument); }}"
