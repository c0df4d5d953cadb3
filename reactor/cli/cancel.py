"""`reactor cancel`: cancel downloads."""

from __future__ import annotations

from typing import Annotated

import typer

from reactor.cli.bulk import carry_out
from reactor.cli.options import Db


def cancel(
    ids: Annotated[list[int], typer.Argument(metavar="ID", help="Ids, as `add` and `list` print them.")],
    db: Db = None,
) -> None:
    """Cancel downloads.

    Exits with 1 if one does not exist or has ended already.
    """
    carry_out(ids, db, lambda queue, id: queue.cancel(id), "Download {id} is already {status}.")
