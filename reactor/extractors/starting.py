"""What is asked of a page: where its players are, which button starts one, which one takes a banner away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Literal

PREPARE: Final = """
for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection", "SharedWorker"])
  Object.defineProperty(window, name, {value: undefined});
"""
"""Runs in each frame before the page's own scripts. No WebRTC: it goes past every proxy. No shared workers: their
requests are not seen, and pages that miss them do without."""

_SOURCE: Final = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")

What = Literal["media", "play", "skip", "start", "agree", "titles"]


def asking(what: What) -> str:
    """JavaScript, a function of one argument, that asks a frame for `what`: see `starting.js`."""
    return f"argument => ({_SOURCE})({json.dumps(what)}, argument)"
