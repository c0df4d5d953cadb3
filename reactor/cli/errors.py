"""`reactor errors`: the table of error codes."""

from __future__ import annotations

from typing import Annotated

import typer


def errors(
    codes: Annotated[
        list[str] | None, typer.Argument(metavar="CODE", help="Codes to explain; without any, all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object by code.")] = False,
) -> None:
    """Explain error codes.

    Prints for each its meaning, whether reactor retries it, and what a bot can offer.
    """
    from reactor.errors import ReactorError
    from reactor.failures import FAILURES

    unknown = [each for each in codes or () if each not in FAILURES]
    if unknown:
        raise ReactorError(f"{unknown[0]!r} is not an error code.", hint="`reactor errors` lists them.")
    chosen = {each: FAILURES[each] for each in codes or FAILURES}
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps({name: asdict(kind) for name, kind in chosen.items()}, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, header_style="bold")
    grid.add_column("code", style="cyan", no_wrap=True)
    grid.add_column("meaning", overflow="fold")
    grid.add_column("retried", no_wrap=True)
    grid.add_column("offer", no_wrap=True)
    for name, kind in chosen.items():
        grid.add_row(name, kind.meaning, kind.retried, kind.offer)
    Console(highlight=False, emoji=False).print(grid)
