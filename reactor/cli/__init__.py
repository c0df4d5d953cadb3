"""The command `reactor`: one file per subcommand.

Exit codes: 0 success · 1 it ran, and something failed · 2 it cannot start or go on; one line on stderr says why ·
75 the same, but a later start may succeed unchanged · 130 Ctrl-C. Heavy imports are lazy, so that `--help` is fast.
"""

from __future__ import annotations

import errno
import gc
import io
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any, NoReturn, Protocol, cast

import typer

from reactor import __version__
from reactor.cli.usage import Command
from reactor.errors import ReactorError
from reactor.patterns import pattern


class _UsageError(Protocol):
    """What typer raises for arguments it does not understand."""

    ctx: Any

    def format_message(self) -> str: ...


_USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
"""typer names the parent of its argument errors nowhere public."""

WRONG, MAY_PASS = 2, 75
"""Exit codes for a person, a service unit and `reactor.Runner`: starting again is no use, or may be. 75 is
EX_TEMPFAIL of sysexits(3)."""

_NO_NUMBER = pattern(r"Input should be a valid (integer|number)[^.]*")
_NUMBERS = {"integer": "whole number", "number": "number"}
"""What typer says of a word that is no number, and what we say."""
UNWRITTEN = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""How a write fails that nobody here can help."""
STDERR_S = 2.0
"""How long the last sentence waits for whoever reads stderr."""

VERBS: Mapping[str, str] = {
    "run": "run:run",
    "get": "get:get",
    "add": "add:add",
    "cancel": "cancel:cancel",
    "retry": "retry:retry",
    "choose": "choose:choose",
    "cookies": "cookies:app",
    "defaults": "defaults:defaults",
    "machines": "machines:machines",
    "owners": "owners:owners",
    "clean": "clean:clean",
    "list": "list:list_rows",
    "watch": "watch:watch",
    "top": "top:top",
    "why": "why:why",
    "replay": "replay:replay",
    "events": "events:events",
    "errors": "errors:errors",
    "attach": "attach:attach",
    "detach": "attach:detach",
    "prepare": "prepare:prepare",
    "copy": "copy:copy",
    "doctor": "doctor.command:doctor",
    "update": "update:update",
}
"""Where each is: a command, or an app with commands of its own."""


def app_of(*verbs: str) -> typer.Typer:
    """The command line with these verbs; without any: with all of them, which take typer 30 ms to take in."""
    app = typer.Typer(
        name="reactor",
        help="Downloads the URLs in a database table with aria2.",
        epilog="Precedence of settings: flags, environment, .env.",
        invoke_without_command=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_reactor)
    for verb in verbs or VERBS:
        module, name = VERBS[verb].split(":")
        made = getattr(import_module(f"reactor.cli.{module}"), name)
        if isinstance(made, typer.Typer):
            app.add_typer(made, name=verb)
        else:
            app.command(verb, cls=Command)(made)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"reactor {__version__}")
        raise typer.Exit


def _reactor(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process with its exit code."""
    gc.disable()  # imports leave no garbage, and looking for it is a fifth of their time; `run_async` goes on with it
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for some takes as long as all our models
    _steady_streams()
    try:
        given = sys.argv[1:] if arguments is None else arguments
        code = app_of(*_needed(given))(given, prog_name="reactor", standalone_mode=False)
    except _USAGE_ERROR as error:
        code = _fail(_usage(cast(_UsageError, error)), WRONG)
    except ReactorError as error:
        code = _fail(str(error), MAY_PASS if error.retryable else WRONG)
    except OSError as error:
        if error.errno not in UNWRITTEN or error.filename is not None:
            raise
        code = _unwritten(error)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _needed(given: Sequence[str]) -> Iterable[str]:
    """The verbs that the command line has to know: the one that is asked for; any, where none is; else all of them."""
    return VERBS.keys() & {*given[:1]} or (["errors"] if [*given] == ["--version"] else ())


def _steady_streams() -> None:
    """Have stdin, stdout and stderr open, or what is opened next would be taken for them; and have them take every
    character, whatever the terminal's encoding is."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _usage(error: _UsageError) -> str:
    where = error.ctx.command_path if error.ctx else "reactor"
    said = _NO_NUMBER.sub(lambda found: f"it takes a {_NUMBERS[found[1]]}", error.format_message())
    return f"{said.rstrip('.')}. See {where} --help."


def _unwritten(error: OSError) -> int:
    """What was to be printed was not: the disk is full, or the reader is gone (`| head`), which is news to nobody."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # for what Python still holds and writes at the end
    os.close(nowhere)
    if error.errno == errno.EPIPE:
        return 1
    return _fail(f"The output cannot be written: {error.strerror}.", 1)


def _fail(sentence: str, code: int) -> int:
    from reactor.journal.stderr_log import write_stderr

    write_stderr(" ".join(sentence.split()), wait_s=STDERR_S)
    return code
