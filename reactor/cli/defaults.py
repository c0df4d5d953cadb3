"""`reactor defaults`: default options of an owner."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reactor.cli.asked import with_flags
from reactor.cli.options import Db

if TYPE_CHECKING:
    from reactor.settings import Settings


@with_flags(but=("clip", "files", "playlist", "name"))
def defaults(
    owner: Annotated[
        str | None, typer.Argument(metavar="OWNER", help="As the column `owner` has it. [rows without one]")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all default options.")] = False,
    db: Db = None,
    *,
    said: dict[str, Any] | None,
) -> None:
    """Print or change the default options of an owner.

    Flags are added to the options that are set; without flags, prints them.
    """
    from reactor.cli.runtime import run_async
    from reactor.settings import Settings

    found = run_async(partial(_defaults, Settings.load(download_db=db), owner, said, clear=clear))
    typer.echo(json.dumps(found, ensure_ascii=False))


async def _defaults(
    settings: Settings, owner: str | None, said: dict[str, Any] | None, *, clear: bool
) -> dict[str, Any]:
    from reactor.options import merged
    from reactor.queue import Queue

    writes = clear or said is not None
    async with Queue(settings.download_db, create=writes, read_only=not writes) as queue:
        if writes:
            before = {} if clear else await queue.defaults(owner)
            await queue.set_defaults(owner, merged([before, said or {}]))
        return await queue.defaults(owner)
