"""The journal as a live view: what `reactor get` shows while it works."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from reactor import notices as n
from reactor.journal.format import clean, describe, name_in, size, span
from reactor.journal.stream import Stream

NAME_MAX = 40
"""Columns for a name; the bar takes the rest."""
OTHERS_WIDTH = 55
"""Columns that the rest needs: a bar that says something, two sizes, a speed, a time."""


class LiveView:
    """One bar for each download under way; what is over becomes a line above them.

    Without a terminal there are only lines: what began, what ended, and how."""

    lasting = False

    def __init__(self, stream: Stream) -> None:
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)  # type: ignore[arg-type]
        self._progress = _columns(self._console)
        self._tasks: dict[int, TaskID] = {}
        self._names: dict[int, str] = {}
        self._live = self._console.is_terminal
        if self._live:
            self._progress.start()

    def show(self, entry: n.Entry) -> None:
        """Show what `entry` changes."""
        notice = entry.notice
        match notice:
            case n.DownloadClaimed() | n.DownloadResumed():
                self._begin(notice.download_id, name_in(notice.url))
            case n.DownloadExtracted():
                self._plan(notice)
            case n.DownloadProgressed():
                self._measure(notice)
            case n.DownloadFinishing():
                self._update(notice.download_id, state="checking", eta="", **self._all_of(notice.download_id))
            case n.DownloadYielded():
                self._update(notice.download_id, state="yielded", eta="")
            case n.DownloadRetryScheduled():
                self._update(notice.download_id, state="waiting", eta="")
                self._line(notice.download_id, describe(notice), "yellow")
            case n.DownloadAsked():
                self._end(notice.download_id, f"? {describe(notice)}", "cyan")
            case n.DownloadCompleted():
                self._end(notice.download_id, f"✓ {size(notice.size)} in {span(notice.took_s)}", "green")
                for note in notice.notes:
                    self._line(notice.download_id, clean(note, 300), "yellow")
            case n.DownloadFailed():
                self._end(notice.download_id, f"✗ {describe(notice)}", "red")
            case n.DownloadCancelled():
                self._end(notice.download_id, f"✗ {describe(notice)}", "magenta")
            case n.ListExpanded():
                self._end(notice.download_id, f"≡ {describe(notice)}", "cyan")
            case n.Aria2Lost() | n.DatabaseTroubled() | n.LeaseLost():
                self._console.print(Text(describe(notice), "red"), soft_wrap=True)
            case _:
                pass

    def close(self) -> None:
        """Leave the lines on the screen and give the cursor back."""
        if self._live:
            self._progress.stop()

    def _begin(self, number: int, name: str) -> None:
        self._names.setdefault(number, clean(name, NAME_MAX))
        if self._live and number not in self._tasks:
            self._tasks[number] = self._progress.add_task(self._names[number], total=None, state="", eta="")
        self._update(number, state="checking")

    def _plan(self, notice: n.DownloadExtracted) -> None:
        if notice.title:
            self._names[notice.download_id] = clean(notice.title, NAME_MAX)
        name = self._names.get(notice.download_id, "")
        self._update(notice.download_id, description=name, total=notice.size, state="starting")
        if not self._live:
            self._line(notice.download_id, f"starting ({size(notice.size)})", "")

    def _measure(self, notice: n.DownloadProgressed) -> None:
        self._update(
            notice.download_id,
            completed=notice.completed,
            total=notice.size,
            state=_doing(notice),
            eta="" if notice.eta_s is None else f"{span(notice.eta_s)} left",
        )

    def _update(self, number: int, **fields: object) -> None:
        if self._live and number in self._tasks:
            self._progress.update(self._tasks[number], **fields)  # type: ignore[arg-type]

    def _all_of(self, number: int) -> dict[str, float]:
        """The fields of a bar that is full, where its length is known."""
        total = next((task.total for task in self._progress.tasks if task.id == self._tasks.get(number)), None)
        return {} if total is None else {"completed": total}

    def _line(self, number: int, words: str, style: str) -> None:
        line = Text.assemble(self._names.get(number, f"#{number}"), "  ", (words, style))
        self._console.print(line, soft_wrap=True)

    def _end(self, number: int, words: str, style: str) -> None:
        task = self._tasks.pop(number, None)
        if self._live and task is not None:
            self._progress.remove_task(task)
            self._progress.refresh()  # or the line would be printed above the bar as it was
        self._line(number, words, style)
        self._names.pop(number, None)


def _doing(notice: n.DownloadProgressed) -> str:
    if notice.stage == "fetching":
        return f"{size(notice.speed)}/s"
    return "joining" if notice.stage == "finishing" else "asking peers"


def _columns(console: Console) -> Progress:
    name = Column(max_width=max(8, min(NAME_MAX, console.width - OTHERS_WIDTH)), no_wrap=True, overflow="ellipsis")
    state, eta = Column(min_width=11, no_wrap=True), Column(min_width=9, no_wrap=True)
    return Progress(
        TextColumn("{task.description}", markup=False, table_column=name),
        BarColumn(bar_width=None),
        DownloadColumn(binary_units=True, table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[state]}", markup=False, justify="right", table_column=state),
        TextColumn("{task.fields[eta]}", markup=False, justify="right", table_column=eta),
        console=console,
        expand=True,
        refresh_per_second=8,
        redirect_stdout=False,
    )
