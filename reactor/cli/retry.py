"""`reactor retry`: queue failed or cancelled downloads again."""

from __future__ import annotations

from typing import Annotated

import typer

from reactor.cli.bulk import carry_out
from reactor.cli.options import Db


def retry(
    ids: Annotated[list[int], typer.Argument(metavar="ID", help="Ids, as `add` and `list` print them.")],
    db: Db = None,
) -> None:
    """Queue failed or cancelled downloads again.

    Their retries are counted anew. Exits with 1 if one does not exist, or is neither failed nor cancelled.
    """
    refusal = "Download {id} is {status}: only failed or cancelled downloads can be retried."
    carry_out(ids, db, lambda queue, id: queue.retry(id), refusal)
