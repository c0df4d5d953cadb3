"""`reactor replay`: a recorded run once more, with what the core decided and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reactor.errors import ReactorError

if TYPE_CHECKING:
    from reactor.core.commands import Command
    from reactor.journal.recording import Begun, Step


def replay(
    file: Annotated[Path, typer.Argument(help="What `reactor run --record` wrote.")],
    row: Annotated[int | None, typer.Option("--row", metavar="ID", help="Only what is about this download.")] = None,
) -> None:
    """Run a recording through the core again, and tell what it decided and why.

    Exits with 1 when this reactor decides otherwise than the recorded one did.
    """
    from reactor.journal.recording import read

    player, differing = Player(row), 0
    try:
        with file.open("rb") as lines:
            for each in read(lines):
                for line in player.play(each):
                    typer.echo(line)
                    differing += line.startswith("!")
    except OSError as error:
        raise ReactorError(f"{file} cannot be read: {error.strerror}.") from error
    if not player.runs:
        raise ReactorError(f"{file} is empty.")
    if differing:
        typer.echo(f"reactor: {differing} times it decides otherwise today.", err=True)
    raise typer.Exit(1 if differing else 0)


class Player:
    """The core, told again what it was told. Events come in the order of the recording."""

    def __init__(self, row: int | None) -> None:
        self.runs = 0
        self._row = row
        self._owners: dict[str, int] = {}

    def play(self, each: Begun | Step) -> Iterator[str]:
        """What is to be said of one line of the recording."""
        from reactor.journal.recording import Begun

        if isinstance(each, Begun):
            yield from self._begin(each)
        else:
            yield from self._step(each)

    def _begin(self, begun: Begun) -> Iterator[str]:
        from reactor.core.machine import Machine

        self.runs += 1
        self._machine, self._begun = Machine(begun.limits), begun
        self._owners.clear()
        self._machine.start()
        yield f"{self._moment(begun.now)}  reactor {begun.version} begins"

    def _step(self, step: Step) -> Iterator[str]:
        from reactor.journal.reasons import decisions, reason, rows_of
        from reactor.journal.recording import name

        decided = self._machine.handle(step.event, step.now)
        self._learn(decided)
        names = tuple(name(command) for command in decided)
        rows = rows_of(step.event, self._owners)
        if self._row is None or self._row in rows:
            whose = "".join(f" #{row}" for row in rows[:3]) + (" …" if len(rows) > 3 else "")
            what = decisions(names)
            if what or rows:
                yield f"{self._moment(step.now)} {whose} {reason(step.event)}" + (f" → {what}" if what else "")
        if names != step.decided:
            yield f"! {self._moment(step.now)} it was decided then: {', '.join(step.decided) or 'nothing'}"
            yield f"! {self._moment(step.now)} today it would be:   {', '.join(names) or 'nothing'}"

    def _learn(self, decided: list[Command]) -> None:
        """Whose gids are whose."""
        from reactor.core import commands

        for command in decided:
            if isinstance(command, commands.AddTransfers):
                self._owners |= {each.gid: command.attempt.download_id for each in command.additions}

    def _moment(self, now: float) -> str:
        at = self._begun.at + now - self._begun.now
        return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]
