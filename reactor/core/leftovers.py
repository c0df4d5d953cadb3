"""Leftovers: what an attempt that is over may have left behind, in aria2 or on the disk. Its row is not claimed before
that is cleaned up."""

from __future__ import annotations

from reactor.core import commands, events
from reactor.core.context import Commands, Context
from reactor.core.job import gids_of

INTERVAL_S = 30.0
"""Between two tries to clean up what could not be cleaned up."""


def take_on(leftover: events.Leftover, context: Context) -> Commands:
    """Note a leftover, and clean it up if aria2 can be asked."""
    context.leftovers[leftover.attempt.download_id] = leftover
    return _clean_up(leftover, context) if context.connected else []


def clean_up_all(context: Context) -> Commands:
    """aria2 can be asked, or it is time to try again."""
    context.clean_up_at = None
    return [command for leftover in context.leftovers.values() for command in _clean_up(leftover, context)]


def cleaned_up(event: events.CleanedUp, context: Context) -> Commands:
    """Nothing is left of it: its plan can go, and its row may be claimed. Nothing of an attempt that left nothing."""
    leftover = context.leftovers.get(event.attempt.download_id)
    if leftover is None or leftover.attempt != event.attempt:
        return []
    del context.leftovers[event.attempt.download_id]
    return [commands.ForgetPlan(event.attempt)]


def _clean_up(leftover: events.Leftover, context: Context) -> Commands:
    context.clean_up_at = context.now + INTERVAL_S
    return [clean_up(leftover, context)]


def clean_up(leftover: events.Leftover, context: Context) -> commands.CleanUp:
    """What removes it."""
    gids = gids_of(context.instance, leftover.attempt, leftover.parts)
    return commands.CleanUp(leftover.attempt, gids, leftover.keep_result)
