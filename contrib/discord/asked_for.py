"""What is filled in beside a link, as the options of its row. Pure. They are flags of `reactor add`: what they may say,
reactor knows and checks."""

from __future__ import annotations

import json
from typing import Any, Literal

from reactor.cli.asked import asked
from reactor.options import SPLIT_MIB_MAX, SPLIT_MIB_MIN

Quality = Literal["best", "2160", "1080", "720", "480", "360", "worst"]
Sound = Literal["film", "best", "mp3", "m4a", "opus", "flac", "wav"]
Container = Literal["mp4", "mkv", "webm"]
Ask = Literal["never", "all", "formats", "items", "files"]


def pieces_of(limit: int) -> dict[str, int]:
    """What is larger than so many bytes is to come in pieces that are not, where reactor makes such small ones."""
    mib = min(limit // 1024**2, SPLIT_MIB_MAX)
    return {"split_mib": mib} if mib >= SPLIT_MIB_MIN else {}


def options_of(
    *,
    quality: Quality | None = None,
    sound: Sound | None = None,
    container: Container | None = None,
    audio_language: str | None = None,
    subtitles: str | None = None,
    clip: str | None = None,
    entries: str | None = None,
    files: str | None = None,
    preset: str | None = None,
    ask: Ask | None = None,
) -> dict[str, Any]:
    """As options; None as a value takes away what settings say. Raises ReactorError, with a sentence that names the
    option."""
    silent = (subtitles or "").strip().lower() in ("none", "no", "off")
    said = asked(
        quality=quality,
        audio=None if sound == "film" else sound,
        container=container,
        language=audio_language,
        subtitles=None if silent else subtitles,
        clip=clip.split() if clip else None,
        playlist=entries,
        files=files,
        use=preset.replace(",", " ").split() if preset else None,
        ask=ask,
        options=json.dumps({"want": "video"}) if sound == "film" else None,
    )
    return (said or {}) | ({"subtitles": None} if silent else {})
