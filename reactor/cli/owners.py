"""`reactor owners`: list owners, and set their weights."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from reactor.cli.options import Db

if TYPE_CHECKING:
    from reactor.models import OwnerAccount
    from reactor.settings import Settings


def owners(
    owner: Annotated[
        str | None, typer.Argument(metavar="OWNER", help="As the column `owner` has it; '': rows without one. [all]")
    ] = None,
    weight: Annotated[
        float | None,
        typer.Option("--weight", metavar="N", help="Weight: 2 gets twice the slot time of 1, the default."),
    ] = None,
    db: Db = None,
) -> None:
    """List the owners of downloads, or set the weight of one."""
    from reactor.cli.runtime import run_async
    from reactor.journal.format import clean
    from reactor.settings import Settings

    if weight is not None and owner is None:
        raise typer.BadParameter("name the owner whose weight it is", param_hint="'--weight'")
    for each in run_async(partial(_owners, Settings.load(download_db=db), owner, weight)):
        name = "(none)" if each.owner is None else clean(each.owner, 200)
        typer.echo(f"{name}  weight {each.weight:g}  {each.pending} pending  {each.downloading} downloading")


async def _owners(settings: Settings, owner: str | None, weight: float | None) -> list[OwnerAccount]:
    from reactor.database.contract import account
    from reactor.queue import Queue

    async with Queue(settings.download_db, create=False, read_only=weight is None) as queue:
        if weight is not None:
            await queue.set_weight(owner, weight)
        found = await queue.owners()
    return [each for each in found if owner is None or (each.owner or "") == account(owner)]
