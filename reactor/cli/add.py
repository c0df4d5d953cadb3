"""`reactor add`: queue URLs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reactor.cli.asked import (
    Ask,
    Audio,
    Clip,
    Container,
    Files,
    Further,
    Language,
    Name,
    Playlist,
    Quality,
    Subtitles,
    Use,
    asked,
)
from reactor.cli.options import Db, readable

if TYPE_CHECKING:
    from reactor.settings import Settings


def add(
    urls: Annotated[list[str], typer.Argument(metavar="URL", help="URLs, magnet links or info hashes.")],
    audio: Audio = None,
    quality: Quality = None,
    container: Container = None,
    language: Language = None,
    subtitles: Subtitles = None,
    clip: Clip = None,
    playlist: Playlist = None,
    files: Files = None,
    name: Name = None,
    use: Use = None,
    ask: Ask = None,
    options: Further = None,
    db: Db = None,
) -> None:
    """Queue URLs and print their ids.

    Creates the database if it does not exist.
    """
    from reactor.cli.runtime import run_async
    from reactor.settings import Settings

    said = asked(
        audio=audio,
        quality=quality,
        container=container,
        language=language,
        subtitles=subtitles,
        clip=clip,
        playlist=playlist,
        files=files,
        name=name,
        use=use,
        ask=ask,
        further=options,
    )
    run_async(partial(_add, Settings.load(download_db=db), readable(urls), said))


async def _add(settings: Settings, urls: list[str], said: dict[str, Any] | None) -> None:
    from reactor.queue import Queue

    async with Queue(settings.download_db) as queue:
        for url in urls:
            typer.echo(await queue.add(url, options=said))
