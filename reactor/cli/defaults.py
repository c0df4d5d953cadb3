"""`reactor defaults`: what the downloads of an owner ask for unless they say otherwise."""

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
    clear: Annotated[bool, typer.Option("--clear", help="Forget what was set before.")] = False,
    db: Db = None,
    *,
    said: dict[str, Any] | None,
) -> None:
    """Set and print what is always wanted for an owner.

    A flag is set beside what was set before; without one, it is only printed.
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
