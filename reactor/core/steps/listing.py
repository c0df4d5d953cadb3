"""A URL that stands for several things: its entries become rows of their own, a page at a time.

Each page is a transaction that is repeated without harm: an entry has one row, whoever adds it again. So a process that
dies in between begins anew with the list, and adds what is missing. When all have rows the job is over: what becomes of
the list is told by them, in the database."""

from __future__ import annotations

from reactor import notices
from reactor.choices import asks
from reactor.core import commands, events
from reactor.core.context import Commands, Context, of
from reactor.core.job import Asked, End, Ending, Job, State
from reactor.core.steps import teardown
from reactor.errors import Failure

GENERATIONS_MAX = 2
"""A list of lists may be taken apart (a channel, its lists, their films), and nothing deeper: one that contains itself
would have no end."""
TOO_DEEP = Failure("playlist", "This is a list within a list of lists.", "Send its link by itself.")


def listed(job: Job, event: events.Listed, context: Context) -> Commands:
    """Stage 2 is over: there is a list."""
    listing = event.listing
    if job.generation >= GENERATIONS_MAX:
        return teardown.fail(job, TOO_DEEP, context)
    if event.choices is not None and asks(job.options, event.choices):
        job.teardown.asked = Asked(event.choices, listing.title, listing.kind)
        return teardown.stop(job, Ending(End.CHOOSING), context)
    job.state, job.listing, job.listed = State.LISTING, listing, 0
    told = notices.ListFound(**of(job), kind=listing.kind, title=listing.title, entries=len(listing.entries))
    return [commands.Tell(told), _page(job, context)]


def entries_saved(job: Job, event: events.EntriesSaved, context: Context) -> Commands:
    """A page has its rows: on to the next; behind the last one the row of the list is let go."""
    assert job.listing is not None  # that is what was saved
    job.listed += context.limits.list_page
    if job.listed < len(job.listing.entries):
        return [_page(job, context)]
    return teardown.stop(job, Ending(End.LISTED), context)


def _page(job: Job, context: Context) -> commands.SaveEntries:
    assert job.listing is not None
    entries = job.listing.entries[job.listed : job.listed + context.limits.list_page]
    return commands.SaveEntries(job.attempt, entries, context.limits.playlist_max, job.listing.listed_only)
