"""`reactor prepare`: make a database ready before anything serves it."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from reactor.cli.options import Db


def prepare(
    trigger: Annotated[
        bool | None,
        typer.Option(
            "--trigger/--no-trigger", help="PostgreSQL: a trigger wakes the reactor for what bots write in plain SQL."
        ),
    ] = None,
    db: Db = None,
) -> None:
    """Make a database ready, and serve nothing.

    The table is created, or gets the columns that it lacks. The trigger is
    made, or taken away, only if it is asked for.
    """
    from reactor.cli.runtime import run_async
    from reactor.database import engine
    from reactor.settings import Settings

    path = Settings.load(download_db=db).download_db
    run_async(partial(engine.prepare, path, trigger=trigger))
    typer.echo("The table `downloads` is ready.")
    if trigger is not None:
        typer.echo(f"Bots in plain SQL {'wake the reactor' if trigger else 'are found by polling'}.")
