"""A row that asks stands at `choosing` with nothing left of it, and takes up no slot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest

from reactor import notices
from reactor.choices import Choices, FileChoice, FormatChoice, ItemChoice
from reactor.core import commands, events
from reactor.core.job import State
from reactor.core.quotas import Quotas
from reactor.lists import Entry, Listing
from reactor.models import Kind
from reactor.options import Options
from reactor.plan import Extraction
from tests.core.parts import parts
from tests.core.world import LIMITS, ONE, World, detection, magnet, one_file

TWO_FORMATS = Choices(formats=tuple(FormatChoice(c=f"f{n}", label=f"{n}", pick={"quality": n}) for n in (480, 720)))
TWO_FILES = Choices(files=tuple(FileChoice(c=f"t{n}", n=n, path=f"{n}", bytes=n, pick={"files": [n]}) for n in (1, 2)))
ONE_FORMAT = TWO_FORMATS.model_copy(update={"formats": TWO_FORMATS.formats[:1]})


def looked_into(choices: Choices | None, extraction: Extraction | None = None, **asked: Any) -> World:
    world = World().up().claim(ONE, options=Options(**asked))
    world.feed(events.Detected(ONE, detection(Kind.YTDLP)))
    return world.feed(events.Extracted(ONE, extraction or parts(3), choices=choices))


@pytest.mark.parametrize(
    ("ask", "choices", "asked"),
    [
        ("never", TWO_FORMATS, False),
        ("formats", TWO_FORMATS, True),
        ("formats", ONE_FORMAT, False),
        ("formats", TWO_FILES, False),
        ("files", TWO_FILES, True),
        ("items", TWO_FILES, False),
        ("all", TWO_FILES, True),
        ("all", None, False),
    ],
)
def test_it_is_asked_where_that_leaves_a_choice(
    ask: Literal["never", "formats", "files", "items", "all"], choices: Choices | None, asked: bool
) -> None:
    world = looked_into(choices, ask=ask)
    assert bool(world.of(commands.AddTransfers)) is not asked
    assert bool(world.of(commands.Discard)) is asked


def test_what_is_only_looked_into_is_told_however_little_there_is() -> None:
    world = looked_into(ONE_FORMAT, ask="all", want="info").feed(events.Discarded(ONE))
    assert world.the(commands.SaveChoices).choices == ONE_FORMAT


def test_the_row_says_what_there_is_and_its_slot_is_free() -> None:
    world = looked_into(TWO_FORMATS, ask="formats").feed(events.Discarded(ONE))
    saved = world.the(commands.SaveChoices)
    assert (saved.choices, saved.wait_s, saved.title, saved.keep_plan) == (TWO_FORMATS, 86_400.0, "film", False)
    world.feed(events.Saved(ONE))
    assert not world.machine.jobs
    assert [type(each) for each in world.told()] == [notices.DownloadAsked]
    assert world.the(commands.PollRows).claim == 1


def test_a_cancel_that_was_committed_first_wins() -> None:
    world = looked_into(TWO_FORMATS, ask="formats").feed(events.Discarded(ONE))
    world.feed(events.SaveStale(ONE, last=True))
    assert world.machine.jobs[1].state is State.DOUBTED
    world.feed(events.RowsPolled(watched=(events.WatchedRow(1, 1, "downloading", True),))).feed(events.Discarded(ONE))
    assert world.of(commands.SaveCancelled)


def test_what_is_too_large_in_the_best_quality_is_asked_about_first() -> None:
    world = looked_into(TWO_FORMATS, one_file(size=10**15), ask="formats")
    assert not world.of(commands.SaveFailed)


def test_what_is_under_way_is_not_asked_about_any_more() -> None:
    """Its links have run out, and by now the site has more than it had."""
    world = looked_into(ONE_FORMAT, ask="formats")
    job = world.machine.jobs[1]
    job.state = State.EXTRACTING  # as `renew.removed` leaves it
    world.feed(events.Extracted(ONE, parts(3), choices=TWO_FORMATS))
    assert job.state is State.FETCHING


def test_a_magnet_link_asks_once_it_is_known_what_it_stands_for() -> None:
    link = magnet()
    describing = link.model_copy(update={"finish": link.finish.model_copy(update={"how": "metadata"})})
    world = looked_into(None, describing, ask="files").feed(events.TransfersAdded(ONE, (0,)))
    job = world.machine.jobs[1]
    job.state = State.FINISHING  # aria2 has the metadata
    world.feed(events.Extracted(ONE, link, choices=TWO_FILES)).feed(events.Discarded(ONE))
    assert world.the(commands.SaveChoices).choices == TWO_FILES


def test_the_entries_of_a_list_are_asked_about_before_they_have_rows() -> None:
    entries = tuple(Entry(key=f"k{n}", url=f"http://host.example/{n}", position=n) for n in (1, 2))
    listing = Listing(kind=Kind.YTDLP, title="A list", entries=entries)
    items = tuple(ItemChoice(c=f"i{n}", n=n, key=f"k{n}", pick={"playlist": {"keys": [f"k{n}"]}}) for n in (1, 2))
    world = World().up().claim(ONE, options=Options(ask="items"))
    world.feed(events.Detected(ONE, detection(Kind.YTDLP)))
    world.feed(events.Listed(ONE, listing, Choices(items=items))).feed(events.Discarded(ONE))
    assert not world.of(commands.SaveEntries)
    assert (world.the(commands.SaveChoices).title, world.the(commands.SaveChoices).kind) == ("A list", Kind.YTDLP)


@pytest.mark.parametrize(
    ("extraction", "asked", "helps"),
    [
        (parts(3, size=10**15), {}, ["720p", "480p", "240p", "sound"]),
        (parts(3, size=10**15), {"quality": 480}, ["240p", "sound"]),
        (one_file(size=10**15), {}, []),
    ],
)
def test_what_was_too_large_says_what_might_be_had(
    extraction: Extraction, asked: dict[str, Any], helps: list[str]
) -> None:
    world = World(replace(LIMITS, quotas=Quotas(max_file_size=10**9))).up().claim(ONE, options=Options(**asked))
    world.feed(events.Detected(ONE, detection(extraction.kind))).feed(events.Extracted(ONE, extraction))
    found = world.feed(events.Discarded(ONE)).the(commands.SaveFailed).choices
    assert [each.label for each in found.help] == helps if found is not None else helps == []
