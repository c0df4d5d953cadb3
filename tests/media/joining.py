"""`join` with what it needs of reactor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reactor.extractors.parsing import Parsers
from reactor.media import ffmpeg
from reactor.plan import Extraction


async def join(program: Path, folder: Path, extraction: Extraction, **more: Any) -> Path:
    """As reactor does it."""
    async with Parsers() as parsers:
        return (await ffmpeg.join(program, folder, extraction, parsers, **more)).path


async def notes_of(program: Path, folder: Path, extraction: Extraction) -> tuple[str, ...]:
    """What is said of the result."""
    async with Parsers() as parsers:
        return (await ffmpeg.join(program, folder, extraction, parsers)).notes


async def joined(
    program: Path, folder: Path, extraction: Extraction, *, parsers: Parsers, **more: Any
) -> ffmpeg.Joined:
    """The same, with what is said of it."""
    return await ffmpeg.join(program, folder, extraction, parsers, **more)
