"""A URL that stands for several things: pages of entries, and no slot for the list behind them."""

from __future__ import annotations

from dataclasses import replace

from reactor import notices
from reactor.core import commands, events
from reactor.core.job import Attempt, State
from reactor.errors import Failure
from reactor.lists import Entry, Listing
from reactor.models import Kind, Status
from tests.core.world import LASTING, LIMITS, ONE, World, detection

LISTS = replace(LIMITS, list_page=2, playlist_max=7)


def listing(count: int) -> Listing:
    entries = tuple(Entry(key=f"k{n}", url=f"http://host.example/{n}", position=n) for n in range(1, count + 1))
    return Listing(kind=Kind.YTDLP, title="A list", entries=entries, notes=("A note.",))


def found(count: int, **more: int) -> World:
    """Its URL turned out to be a list."""
    world = World(LISTS).up().claim(ONE, **more)
    world.feed(events.Detected(ONE, detection(Kind.YTDLP)))
    return world.feed(events.Listed(ONE, listing(count)))


def test_entries_are_saved_page_by_page_and_then_the_row_is_let_go() -> None:
    world = found(5)
    pages = [world.the(commands.SaveEntries)]
    for _ in range(2):
        pages.append(world.feed(events.EntriesSaved(ONE)).the(commands.SaveEntries))
    assert [[entry.position for entry in page.entries] for page in pages] == [[1, 2], [3, 4], [5]]
    assert {(page.most, page.listed_only) for page in pages} == {(7, False)}
    world.feed(events.EntriesSaved(ONE))
    assert world.of(commands.Discard), "what an earlier attempt has fetched goes"
    saved = world.feed(events.Discarded(ONE)).the(commands.SaveListed)
    assert (saved.kind, saved.title, saved.count, saved.notes) == (Kind.YTDLP, "A list", 5, ("A note.",))
    world.feed(events.Saved(ONE))
    assert world.told() == [notices.ListExpanded(download_id=1, attempt=1, entries=5, notes=("A note.",))]
    assert world.machine.jobs == {}
    assert world.the(commands.PollRows).claim == 1, "its slot is free for its entries"


def test_a_cancel_between_two_pages_adds_no_more() -> None:
    world = found(5).seen(ONE, cancelled=True)
    assert world.machine.jobs[1].state is State.DISCARDING
    assert world.feed(events.EntriesSaved(ONE)).of(commands.SaveEntries) == []
    assert world.feed(events.Discarded(ONE)).the(commands.SaveCancelled)


def test_a_page_that_was_refused_is_judged_by_the_row() -> None:
    world = found(5).feed(events.SaveStale(ONE))
    assert world.of(commands.PollRows)
    world.feed(events.RowsPolled())
    assert world.machine.jobs[1].ending.end == "gone"


def test_a_table_that_takes_no_entry_fails_the_list() -> None:
    world = found(5).feed(events.SaveRejected(ONE, LASTING), events.Discarded(ONE))
    assert world.the(commands.SaveFailed).failure.code == LASTING.code


def test_a_list_in_a_list_in_a_list_is_refused() -> None:
    assert found(5, generation=1).of(commands.SaveEntries)
    world = found(5, generation=2)
    assert world.of(commands.SaveEntries) == []
    assert world.feed(events.Discarded(ONE)).the(commands.SaveFailed).failure.code == "playlist"


def test_a_list_is_over_when_the_rows_say_so() -> None:
    world = World(LISTS).up().claim(Attempt(2, 1))
    partial = Failure("partial", "1 of 5 entries were not downloaded.")
    ended = events.ListEnded(ONE, Status.DOWNLOADED, 4, 1, partial)
    world.feed(events.DatabaseChanged("file"), events.RowsPolled(lists=(ended,), watched=world._watched()))
    (told,) = world.told()
    assert isinstance(told, notices.ListEnded)
    assert (told.download_id, told.status, told.done, told.failed, told.error) == (1, "downloaded", 4, 1, partial.text)
    assert world.of(commands.PollRows), "it may be the last entry of another list"
