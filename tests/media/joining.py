"""`join` with what it needs of reactor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reactor.extractors.parsing import Parsers
from reactor.media import ffmpeg


async def join(program: Path, folder: Path, *how: Any, **more: Any) -> Path:
    """As reactor does it."""
    async with Parsers() as parsers:
        return await ffmpeg.join(program, folder, *how, measure=parsers.clocks, **more)
