"""`reactor clean`: delete old files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reactor.cli.options import Db, counted

if TYPE_CHECKING:
    from reactor.retention.cleaner import Outcome
    from reactor.settings import Settings

WHY = {"age": "older than KEEP_DAYS", "size": "more than KEEP_GIB", "status": "in DELETE_STATUSES"}


def clean(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be deleted.")] = False,
    days: Annotated[
        float | None, typer.Option("--days", metavar="N", help="Delete files that are older, in days. [KEEP_DAYS]")
    ] = None,
    gib: Annotated[
        float | None,
        typer.Option("--gib", metavar="N", help="Delete the oldest files above this total, in GiB. [KEEP_GIB]"),
    ] = None,
    statuses: Annotated[
        str | None,
        typer.Option(
            "--statuses", metavar="WORDS", help="Delete the files of rows with these statuses. [DELETE_STATUSES]"
        ),
    ] = None,
    db: Db = None,
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="FOLDER", help="Folder for finished files. [DOWNLOAD_DIR=downloads]")
    ] = None,
) -> None:
    """Delete old files, and those that bots no longer need.

    Only files that reactor has published and nobody has changed since. Exits with 1 if one cannot be deleted.
    """
    from reactor.cli.runtime import run_async
    from reactor.errors import SettingsError
    from reactor.journal.format import size
    from reactor.retention.policy import policy_of
    from reactor.settings import Settings

    settings = Settings.load(
        download_db=db, download_dir=folder, keep_days=days, keep_gib=gib, delete_statuses=statuses
    )
    if not policy_of(settings):
        raise SettingsError(
            "No rule says which files to delete.", hint="Set KEEP_DAYS, KEEP_GIB or DELETE_STATUSES, or give a flag."
        )
    found = run_async(partial(_clean, settings, dry_run))
    deleted = [each for each in found if each.what == "deleted"]
    freed = sum(each.freed for each in deleted)
    what = (
        f"would be deleted, and {size(freed)} ({freed} bytes)" if dry_run else f"deleted, {size(freed)} ({freed} bytes)"
    )
    typer.echo(f"{counted(len(deleted), 'file')} {what} freed.")
    raise typer.Exit(1 if any(each.what == "refused" for each in found) else 0)


async def _clean(settings: Settings, dry_run: bool) -> list[Outcome]:
    """Print each as it is done."""
    import time

    from reactor.database.engine import open_table
    from reactor.files.kept import KeptFiles
    from reactor.files.staging import KEPT
    from reactor.retention.cleaner import Cleaner
    from reactor.retention.policy import policy_of

    folder, found = settings.download_dir.expanduser().absolute(), []
    async with open_table(settings.download_db, create=False, read_only=dry_run) as table:
        files = await table.published()
        cleaner = Cleaner(files, KeptFiles(folder, folder / KEPT, files.instance), policy_of(settings))
        if not dry_run:
            await cleaner.finish()
        async for outcome in cleaner.clean(time.time(), dry_run=dry_run):
            _show(outcome)
            found.append(outcome)
    return found


def _show(outcome: Outcome) -> None:
    from reactor.journal.format import clean as visible
    from reactor.journal.format import size

    row, path = f"#{outcome.file.download_id}", visible(outcome.path, 1000)
    if outcome.what == "deleted":
        typer.echo(f"{row}  {size(outcome.freed)}  {path}  {WHY[outcome.reason]}")
    else:
        typer.echo(f"reactor: {row} is left: {path}: {visible(outcome.why or '')}.", err=True)
