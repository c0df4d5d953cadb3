"""Where the database is, as people write it: a path, or a URL that was copied from the bot's own settings.

A URL is understood where every program means the same file by it: `sqlite:////srv/bot.db`, `file:///srv/bot.db`. The
others are refused with a sentence that says what to write: SQLAlchemy means bot.db by `sqlite:///bot.db`, Tortoise
means /bot.db, and both look from where the bot runs. What is refused here would otherwise be the name of a new file,
in which the bot's rows are never seen.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from reactor.errors import DatabaseError
from reactor.patterns import pattern
from reactor.server_address import ServerAddress, server_address

URL = pattern(r"(?P<scheme>[a-z][a-z0-9+.-]+):(?P<slashes>/*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
SQLITE = pattern(r"(jdbc:)?sqlite3?(\+\w+)?", re.IGNORECASE)
"""`sqlite`, and with the driver that a framework takes."""
SERVERS = pattern(r"(postgres|postgresql|psql|pgsql|mysql|mariadb|mongodb|redis|mssql|oracle)\b.*", re.IGNORECASE)
UNFILLED = pattern(r"\$(\w+|\{[^}]*\})|%\w+%")
"""A variable that a shell would have filled in."""
READ_ONLY = {("mode", "ro"), ("immutable", "1")}
MEMORY = ":memory:"


def database_place(given: str | os.PathLike[str] | ServerAddress) -> Path | ServerAddress:
    """The path, or the address on a PostgreSQL server. Raises DatabaseError for what is neither."""
    return server_address(given) or database_path(given)


def database_path(given: str | os.PathLike[str]) -> Path:
    """The path that is meant, `~` expanded, symbolic links left alone. May be relative.

    Raises DatabaseError for what is no path of a database file."""
    text = os.fspath(given)
    if isinstance(text, str) and not _is_there(text):
        text = _bare(text)
        if refusal := _refusal(text):
            raise refusal
        if (found := URL.fullmatch(text)) is not None:
            text = _of_url(found) or text
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # ~nobody
        raise DatabaseError(
            f"The home folder in the path {text} is not known.", hint="Write the path in full."
        ) from error


def _is_there(text: str) -> bool:
    """True for a file, whatever its name looks like."""
    try:
        return os.path.isfile(text)  # noqa: PTH113  (Path would take the name for another one: `a//b`)
    except ValueError:
        return False


def _bare(text: str) -> str:
    """Without what a file of settings leaves around it: quotes, a space, the end of the line."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1].strip()
    return text


def _refusal(text: str) -> DatabaseError | None:
    if not text:
        return DatabaseError("The path of the database is empty.", hint="Name the bot's SQLite file.")
    if "\0" in text:
        return DatabaseError("The path of the database has a NUL in it.", hint="Name the bot's SQLite file.")
    if MEMORY in text or ("sqlite:" in text and text.rstrip("/").endswith("sqlite:")):
        return DatabaseError(
            "A database in memory is seen by the connection that has made it and nobody else.",
            hint="Use a file for both, the bot and reactor.",
        )
    if UNFILLED.match(text):
        return DatabaseError(
            f"The path {text} begins with a variable that nobody has filled in.", hint="Write the path in full."
        )
    return None


def _of_url(found: re.Match[str]) -> str | None:
    """The path that a URL means for sure; None when it is no URL."""
    scheme, slashes, rest = found["scheme"], found["slashes"], found["rest"]
    if scheme.lower() == "jdbc":
        inner = URL.fullmatch(rest)
        return None if inner is None else _of_url(inner)
    if SQLITE.fullmatch(scheme) or scheme.lower() == "file":
        path, _, query = rest.partition("?")
        options = dict(parse_qsl(query))
        if options.get("mode") == "memory":
            raise _refusal(MEMORY) or AssertionError
        if READ_ONLY & set(options.items()):
            raise DatabaseError("This URL opens the database for reading only.", hint="reactor has to write into it.")
        return _of_file(scheme, slashes, path.partition("#")[0])
    if SERVERS.fullmatch(scheme) and slashes:
        raise DatabaseError(
            f"This is the URL of a database server ({scheme}://…), and reactor serves SQLite files and PostgreSQL.",
            hint="Let the bot put its rows into an SQLite file, and name that; or write postgresql://….",
        )
    if len(slashes) > 1:
        raise DatabaseError(
            f"This is a URL ({scheme}://…), not the path of a file.", hint="Name the bot's SQLite file."
        )
    return None


def _of_file(scheme: str, slashes: str, path: str) -> str:
    is_file = scheme.lower() == "file"
    if is_file and len(slashes) == 2 and path.lower().startswith("localhost/"):
        slashes, path = "///", path.partition("/")[2]
    wanted = {1, 3} if is_file else {4}
    if not path:
        raise DatabaseError("This URL names no file.", hint="Write the path of the bot's SQLite file.")
    drive = re.match(r"[a-z]:[/\\]", path, re.IGNORECASE) is not None and len(slashes) == 3
    if len(slashes) not in wanted and not drive:
        shown = unquote(path) if is_file else path
        raise DatabaseError(
            f"This is a URL ({scheme}:{slashes}{path}), and programs do not agree where it leads to.",
            hint=f"Write the path: {shown} (looked for from where reactor runs), or better all of it from / on.",
        )
    absolute = path if drive else f"/{path}"
    if is_file:
        return unquote(absolute)
    if "%" in absolute and not _is_there(absolute):  # SQLAlchemy leaves it alone, others do not
        if not _is_there(unquote(absolute)):
            raise DatabaseError(
                f"This URL ({scheme}:///{absolute}) has % in it, and programs do not agree what it means.",
                hint="Write the path.",
            )
        return unquote(absolute)
    return absolute
