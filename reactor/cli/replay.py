"""`reactor replay`: replay a recorded run, with each decision and its reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from reactor.cli.options import counted
from reactor.errors import ReactorError

if TYPE_CHECKING:
    from reactor.core.commands import Command
    from reactor.journal.recording import Begun, Step, Unread


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Recording made by `reactor run --record`.")],
    row: Annotated[
        int | None, typer.Option("--row", metavar="ID", help="Only events and decisions about this download.")
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="DB", help="Replay onto the rows of this database, for a bot's tests."),
    ] = None,
    speed: Annotated[
        float, typer.Option("--speed", metavar="X", min=0.01, help="With --into: how many times faster than recorded.")
    ] = 1.0,
) -> None:
    """Replay a recorded run, with each decision and its reason.

    Exits with 1 if this version decides differently from the recorded one. With --into it prints nothing and downloads
    nothing: rows that a bot inserts there get the progress and outcomes of the recorded ones.
    """
    from reactor.journal.recording import read

    if into is not None:
        from reactor.cli.fake_daemon import play_into
        from reactor.cli.runtime import run_async

        with _opened(file) as lines:
            run_async(partial(play_into, into, read(lines), speed))
        return
    player = Player(row)
    with _opened(file) as lines:
        for each in read(lines):
            for line in player.play(each):
                typer.echo(line)
    if not player.runs:
        raise ReactorError(f"{file} is empty.")
    if row is not None and row not in player.rows:
        raise ReactorError(f"There is no download {row} in {file}.")
    if player.unread:
        typer.echo(f"reactor: {counted(player.unread, 'line')} could not be read.", err=True)
    if player.differing:
        typer.echo(f"reactor: {counted(player.differing, 'time')} it decides otherwise today.", err=True)
    raise typer.Exit(1 if player.differing else 0)


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise ReactorError(f"{file} cannot be read: {error.strerror}.") from error


class Player:
    """The core, told again what it was told. Events come in the order of the recording."""

    def __init__(self, row: int | None) -> None:
        self.runs = 0
        self.unread = 0
        """Lines that say nothing to us."""
        self.differing = 0
        """Events after which today's core decides otherwise."""
        self.rows: set[int] = set()
        """Those that anything was about."""
        self._row = row
        self._owners: dict[str, int] = {}

    def play(self, each: Begun | Step | Unread) -> Iterator[str]:
        """What is to be said of one line of the recording."""
        from reactor.journal.recording import Begun, Step

        if isinstance(each, Begun):
            yield from self._begin(each)
        elif isinstance(each, Step):
            yield from self._step(each)
        else:
            self.unread += 1

    def _begin(self, begun: Begun) -> Iterator[str]:
        from reactor.core.machine import Machine

        self.runs += 1
        self._machine, self._begun = Machine(begun.limits), begun
        self._owners.clear()
        self._machine.start(begun.now)
        yield f"{self._moment(begun.now)}  reactor {begun.version} begins"

    def _step(self, step: Step) -> Iterator[str]:
        from reactor.journal.explain import decisions, reason, rows_named, rows_of
        from reactor.journal.recording import name

        commands = self._machine.handle(step.event, step.now)
        self._learn(commands)
        names = tuple(name(command) for command in commands)
        rows, named = rows_of(step.event, self._owners), rows_named((*names, *step.decided))
        self.rows.update(rows, named)
        if self._row is None or self._row in rows:
            whose = "".join(f" #{row}" for row in rows[:3]) + (" …" if len(rows) > 3 else "")
            what = decisions(names)
            if what or rows:
                decided = ": ".join(filter(None, (", ".join(self._machine.steps), what)))
                yield f"{self._moment(step.now)} {whose} {reason(step.event)}" + (f" → {decided}" if decided else "")
        if names != step.decided and (self._row is None or self._row in (*rows, *named)):
            self.differing += 1
            yield f"! {self._moment(step.now)} it was decided then: {', '.join(step.decided) or 'nothing'}"
            yield f"! {self._moment(step.now)} today it would be:   {', '.join(names) or 'nothing'}"

    def _learn(self, decided: list[Command]) -> None:
        """Whose gids are whose."""
        from reactor.core import commands

        for command in decided:
            if isinstance(command, commands.AddTransfers):
                self._owners |= {each.gid: command.attempt.download_id for each in command.additions}

    def _moment(self, now: float) -> str:
        """In the local time, with its date, as `events` has it."""
        at = self._begun.at + now - self._begun.now
        return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
