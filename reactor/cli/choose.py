"""`reactor choose`: answer the question of a download."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from reactor.cli.options import Db, fits, no_download

if TYPE_CHECKING:
    from reactor.choices import Choices
    from reactor.settings import Settings


def choose(
    id: Annotated[int, typer.Argument(metavar="ID", help="Id, as `add` and `list` print it.")],
    codes: Annotated[list[str] | None, typer.Argument(metavar="[CODE]...", help="Codes of what to download.")] = None,
    default: Annotated[bool, typer.Option("--default", help="Take what is taken without an answer.")] = False,
    db: Db = None,
) -> None:
    """Answer the question of a download, or list the choices.

    Without a code it lists them. Exits with 1 if the download or a code does not exist, or if it has no question.
    """
    from reactor.cli.runtime import run_async
    from reactor.settings import Settings

    settings = Settings.load(download_db=db)
    refusal = run_async(partial(_choose, settings, id, codes or [], default=default))
    if refusal:
        typer.echo(f"reactor: {refusal}", err=True)
    raise typer.Exit(1 if refusal else 0)


async def _choose(settings: Settings, id: int, codes: list[str], *, default: bool) -> str | None:
    from reactor.queue import Queue

    async with Queue(settings.download_db, create=False) as queue:
        row = await queue.get(id) if fits(id) else None
        if row is None:
            return no_download(id).message
        if row.choices is None or row.status not in ("choosing", "failed"):
            return f"Download {id} is {row.status}: it asks nothing."
        if not codes and not default:
            _show(row.choices)
            return None
        return None if await queue.choose(id, codes) else f"Download {id} asks nothing any more."


def _show(choices: Choices) -> None:
    from reactor.journal.format import clean, size

    for each in choices.formats:
        typer.echo(
            _line(each.c, each.label, f"{'' if each.exact else 'about '}{size(each.bytes)}" if each.bytes else "")
        )
    for text in choices.subtitles:
        typer.echo(_line(text.c, f"subtitles, {text.language}", "automatic" if text.auto else ""))
    for item in choices.items:
        typer.echo(_line(item.c, item.title or item.key, ""))
    for file in choices.files:
        typer.echo(_line(file.c, clean(file.path, 500), size(file.bytes)))
    for way in choices.help:
        typer.echo(_line(way.c, way.label, ""))


def _line(code: str, what: str, more: str) -> str:
    from reactor.journal.format import clean

    return f"{code:>5}  {clean(what)}{f'  ({more})' if more else ''}"
