"""`reactor retry`: what failed or was cancelled, once more."""

from __future__ import annotations

from typing import Annotated

import typer

from reactor.cli.bulk import carry_out
from reactor.cli.options import Db


def retry(
    ids: Annotated[list[int], typer.Argument(metavar="ID", help="Ids, as `add` and `list` print them.")],
    db: Db = None,
) -> None:
    """Queue failed or cancelled downloads again, with all their retries.

    Exits with 1 when one of them is not there, or neither failed nor cancelled.
    """
    refusal = "Download {id} is {status}: only what failed or was cancelled can be tried again."
    carry_out(ids, db, lambda queue, id: queue.retry(id), refusal)
