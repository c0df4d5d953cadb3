"""`reactor attach` and `reactor detach`: serve a bot's own table."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reactor.cli.options import Db, counted, words_shown

if TYPE_CHECKING:
    from reactor.database.mirror import Attached, Mirror

DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the SQL; write nothing.")]


def _column(flag: str, help: str) -> Any:
    return typer.Option(flag, metavar="COLUMN", help=help)


def attach(
    table: Annotated[str, typer.Option("--table", metavar="NAME", help="The bot's table.")],
    words: Annotated[
        list[str],
        typer.Option("--map", metavar="WORD=STATUS,...", help="The bot's statuses: queued=pending,done=downloaded."),
    ],
    url: Annotated[str, _column("--url", "The URL.")] = "url",
    status: Annotated[
        list[str] | None, _column("--status", "The bot's status; may be repeated, for flags. [status]")
    ] = None,
    id: Annotated[list[str] | None, _column("--id", "The key of a row. [the PRIMARY KEY]")] = None,
    owner: Annotated[str | None, _column("--owner", "Whose the row is.")] = None,
    priority: Annotated[str | None, _column("--priority", "-2 to 2: which of an owner's rows is first.")] = None,
    options: Annotated[str | None, _column("--options", "What the row asks for, as JSON.")] = None,
    cancelled: Annotated[str | None, _column("--cancelled", "A flag that asks for a stop.")] = None,
    file: Annotated[str | None, _column("--file", "Gets the path of the file.")] = None,
    error: Annotated[str | None, _column("--error", "Gets what went wrong.")] = None,
    progress: Annotated[str | None, _column("--progress", "Gets the progress, 0 to 100.")] = None,
    title: Annotated[str | None, _column("--title", "Gets the title.")] = None,
    dry_run: DryRun = False,
    db: Db = None,
) -> None:
    """Serve a bot's own table, with its own names and statuses.

    Creates triggers in the bot's database; rows that wait are taken at once. Run it again to repair the triggers after
    a migration.
    """
    from reactor.cli.runtime import run_async
    from reactor.database import engine
    from reactor.database.mirror import Mirror, read_words
    from reactor.settings import Settings

    columns = tuple(status or ["status"])
    read = {"owner": owner, "priority": priority, "options": options, "cancelled": cancelled}
    written = {"file_path": file, "error": error, "progress": progress, "title": title}
    mirror = Mirror(
        table=table,
        url=url,
        status=columns,
        words=read_words(words, len(columns)),
        read={name: column for name, column in read.items() if column is not None},
        written={name: column for name, column in written.items() if column is not None},
        keys=tuple(id or ()),
    )
    path = Settings.load(download_db=db).download_db
    done = run_async(partial(engine.attach, path, mirror, dry_run=dry_run))
    if dry_run:
        _print_sql(done.statements)
    else:
        _print_attached(done)


def detach(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="The bot's table.")],
    dry_run: DryRun = False,
    db: Db = None,
) -> None:
    """Remove what `reactor attach` has created.

    The bot's table stays as it is. Its waiting and running downloads are cancelled.
    """
    from reactor.cli.runtime import run_async
    from reactor.database import engine
    from reactor.settings import Settings

    done = run_async(partial(engine.detach, Settings.load(download_db=db).download_db, table, dry_run=dry_run))
    if dry_run:
        _print_sql(done.statements)
    else:
        typer.echo(f"{table} is detached; {counted(done.forgotten, 'download')} stopped.")


def _print_sql(statements: tuple[str, ...]) -> None:
    for statement in statements:
        if statement.startswith("CREATE TEMP"):
            typer.echo("-- In reactor's own connections only:")
        typer.echo(f"{statement};")


def _print_attached(done: Attached) -> None:
    mirror = done.mirror
    again = " again" if done.mended else ""
    typer.echo(f"{mirror.table} is attached{again}; {counted(done.taken, 'row')} taken.")
    for sentence in _left_out(mirror, done.strangers):
        typer.echo(f"reactor: {sentence}", err=True)


def _left_out(mirror: Mirror, strangers: tuple[tuple[str, int], ...]) -> list[str]:
    """What the map says nothing of."""
    found = []
    if mirror.wordless:
        listed = ", ".join(mirror.wordless)
        found.append(f"No word stands for {listed}: such a row keeps the word that it has.")
    if strangers:
        found.append(f"Rows with {words_shown(strangers)} are left alone.")
    return found
