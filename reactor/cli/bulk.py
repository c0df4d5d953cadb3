"""What `cancel` and `retry` share: one operation on several rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import typer

from reactor.cli.options import fits, no_download

if TYPE_CHECKING:
    from reactor.queue import Queue
    from reactor.settings import Settings

Operation = Callable[["Queue", int], Awaitable[bool]]


def carry_out(ids: list[int], db: str | None, operation: Operation, refusal: str) -> None:
    """Apply `operation` to each row. Print `refusal` (`{id}`, `{status}`) where it fails, then exit with 1."""
    from reactor.cli.runtime import run_async
    from reactor.settings import Settings

    sentences = run_async(partial(_carry_out, Settings.load(download_db=db), ids, operation, refusal))
    for sentence in sentences:
        typer.echo(f"reactor: {sentence}", err=True)
    raise typer.Exit(1 if sentences else 0)


async def _carry_out(settings: Settings, ids: list[int], operation: Operation, refusal: str) -> list[str]:
    from reactor.queue import Queue

    sentences = []
    async with Queue(settings.download_db, create=False) as queue:
        for id in ids:
            if fits(id) and await operation(queue, id):
                continue
            row = await queue.get(id) if fits(id) else None
            told = no_download(id).message if row is None else refusal.format(id=id, status=row.status)
            sentences.append(told)
    return sentences
