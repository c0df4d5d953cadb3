"""Poison: a row that the process dies with, each time, ends; it does not take the others with it for ever.

A death is counted when the next process finds the row under way, and written down before anything is done for it
again. With the third in a row the row fails. A process that was asked to end has not died.

Whoever is there when a process dies need not have killed it: a power cut, an operator's kill -9, another row at the
same time. So a row is acquitted, and its count begins at nothing, when

    it comes further than it ever was                  a byte more, as a share of a known size: what begins from zero
                                                       each time would come as far each time
    its attempt ends                                   failed, cancelled, waiting: the process has lived through it
    a process dies without having worked on it         that death has another cause, and so may those before; unless
                                                       it was with one that others have died with

For the last one, a row with two deaths is held back for a while when the process begins again: not even its plan is
read, for reading it may be what kills. Then it is tried, apart from others with two deaths, and no other row is claimed
for as long as ROW_TRIAL_S; when the process dies while it is, the death is put down to it alone, and not to those that
just happened to be under way beside it: with them the process has lived before.

Whatever is done when its parts are all there comes after the last byte, so that a row that was found there is not
acquitted for fetching them again."""

from __future__ import annotations

from reactor.errors import Failure

CRASHES_MAX = 3
"""With so many deaths in a row a row fails."""
HELD_FROM = 2
"""From so many on it is held back at first, and tried apart from others of its kind."""
HOLD_S = 10.0
"""How long: a process that is killed from outside again and again has been so by then."""
ROW_TRIAL_S = 30.0
"""How long the next of its kind is held back behind it, and no other row is claimed."""
CRASHED = Failure(
    "crashed",
    f"reactor itself ended {CRASHES_MAX} times in a row while it worked on this, so it is left alone.",
    "Try it again after an update; the log of those runs may tell why.",
)
