"""`reactor prepare`: create or migrate a database."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from reactor.cli.options import Db


def prepare(
    trigger: Annotated[
        bool | None,
        typer.Option("--trigger/--no-trigger", help="PostgreSQL: notify reactor of changes in plain SQL by a trigger."),
    ] = None,
    db: Db = None,
) -> None:
    """Create or migrate a database without serving it.

    Creates the table, or adds missing columns. The trigger is created or
    removed only on request.
    """
    from reactor.cli.runtime import run_async
    from reactor.database import engine
    from reactor.settings import Settings

    path = Settings.load(download_db=db).download_db
    run_async(partial(engine.prepare, path, trigger=trigger))
    typer.echo("The table `downloads` is ready.")
    if trigger is not None:
        typer.echo(f"Bots in plain SQL {'wake the reactor' if trigger else 'are found by polling'}.")
