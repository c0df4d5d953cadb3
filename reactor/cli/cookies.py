"""`reactor cookies`: manage the cookie jars of owners."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reactor.cli.options import Db, counted
from reactor.cli.usage import Command
from reactor.errors import CookiesError

if TYPE_CHECKING:
    from reactor.models import CookieJarInfo
    from reactor.settings import Settings

READ_BYTES_MAX = 4 * 1024 * 1024
"""More than any text that is taken."""

app = typer.Typer(help="Manage the cookie jars of owners.", no_args_is_help=True, rich_markup_mode=None)

Owner = Annotated[
    str | None, typer.Option("--owner", metavar="KEY", help="As the column `owner` has it. [rows without one]")
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the jar, as in the option `cookies` of a row.")]


@app.command("add", cls=Command)
def add(
    name: Name,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="cookies.txt, or the JSON of a browser extension; -: stdin.")
    ],
    owner: Owner = None,
    db: Db = None,
) -> None:
    """Store the cookies of a file in a jar; replaces its cookies.

    The file itself is no longer needed.
    """
    from reactor.cli.runtime import run_async
    from reactor.settings import Settings

    jar = run_async(partial(_add, Settings.load(download_db=db), owner, name, _text(file)))
    typer.echo(_line(jar))
    if jar.left_out:
        typer.echo(
            f"reactor: {counted(jar.left_out, 'cookie')} left out: expired, or of no use to a browser.", err=True
        )


@app.command("list", cls=Command)
def list_jars(owner: Owner = None, db: Db = None) -> None:
    """List the jars of one owner or of all, without their cookies."""
    from reactor.cli.runtime import run_async
    from reactor.settings import Settings

    for jar in run_async(partial(_list, Settings.load(download_db=db), owner)):
        typer.echo(_line(jar))


@app.command("remove", cls=Command)
def remove(name: Name, owner: Owner = None, db: Db = None) -> None:
    """Delete a jar.

    Exits with 1 if there is none.
    """
    from reactor.cli.runtime import run_async
    from reactor.settings import Settings

    if not run_async(partial(_remove, Settings.load(download_db=db), owner, name)):
        typer.echo(f"reactor: There is no jar {name!r} of this owner.", err=True)
        raise typer.Exit(1)


async def _add(settings: Settings, owner: str | None, name: str, text: str) -> CookieJarInfo:
    from reactor.queue import Queue

    async with Queue(settings.download_db) as queue:
        return await queue.set_cookies(owner, name, text)


async def _list(settings: Settings, owner: str | None) -> list[CookieJarInfo]:
    from reactor.queue import Queue

    async with Queue(settings.download_db, create=False, read_only=True) as queue:
        return await (queue.list_all_cookies() if owner is None else queue.list_cookies(owner))


async def _remove(settings: Settings, owner: str | None, name: str) -> bool:
    from reactor.queue import Queue

    async with Queue(settings.download_db, create=False) as queue:
        return await queue.remove_cookies(owner, name)


def _text(file: str) -> str:
    try:
        if file == "-":
            data = sys.stdin.buffer.read(READ_BYTES_MAX)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(READ_BYTES_MAX)
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CookiesError("The cookies are not UTF-8 text.") from error
    except OSError as error:
        raise CookiesError(f"{file} cannot be read: {error.strerror}.") from error


def _line(jar: CookieJarInfo) -> str:
    """Owner, name, how many, until when, where to: one line, with tabs between."""
    until = "session" if jar.expires_at is None else f"{datetime.fromtimestamp(jar.expires_at, UTC):%Y-%m-%d}"
    hosts = " ".join(jar.hosts)
    return "\t".join((_shown(jar.owner or "-"), jar.name, counted(jar.cookies, "cookie"), until, hosts))


def _shown(owner: str) -> str:
    """An owner, which a bot has made of anything, on one line."""
    return "".join(sign if sign.isprintable() else "?" for sign in owner)
