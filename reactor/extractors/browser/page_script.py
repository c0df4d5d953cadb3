"""Scripts for pages: find players, buttons that start them, and buttons that close banners."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Literal

PREPARE: Final = """
for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection", "SharedWorker"])
  Object.defineProperty(window, name, {value: undefined});
if (window.MediaSource) {
  const noted = [], known = new WeakMap(), sources = [];
  const {addSourceBuffer} = MediaSource.prototype, {appendBuffer} = SourceBuffer.prototype;
  Object.defineProperty(window, Symbol.for("buffers"), {value: noted});
  MediaSource.prototype.addSourceBuffer = function (type) {
    const made = addSourceBuffer.apply(this, arguments);
    if (!sources.includes(this)) sources.push(this);
    const one = {type: String(type), bytes: 0, of: this, source: sources.indexOf(this)};
    if (noted.length < 64) known.set(made, one), noted.push(one);
    return made;
  };
  SourceBuffer.prototype.appendBuffer = function (data) {
    const one = known.get(this);
    if (one) one.bytes += data?.byteLength || 0;
    return appendBuffer.apply(this, arguments);
  };
}
"""
"""Runs in each frame before the page's own scripts. No WebRTC: it goes past every proxy. No shared workers: their
requests are not seen, and pages that miss them do without. What a script feeds its player with is noted."""

_SOURCE: Final = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")

_DOWNLOADS: Final = Path(__file__).with_name("download_script.js").read_text(encoding="utf-8")

What = (
    Literal["media", "play", "skip", "start", "agree", "titles", "buffers"]
    | Literal["links", "download", "counting", "soon", "gate"]
)


def asking(what: What) -> str:
    """JavaScript, a function of one argument, that asks a frame for `what`: see `page_script.js`, and
    `download_script.js` for what leads to files."""
    return f"argument => {{ const downloads = {_DOWNLOADS}; return ({_SOURCE})({json.dumps(what)}, argument); }}"
