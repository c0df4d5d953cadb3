"""The simulation is worth what it finds: each way to break the core, within some hundred storms."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS, mutated
from tests.simulation.runs import first_broken

SEEDS = 3000
FOUND_BY = {
    "who is about to end begins more": 500,
    "who is about to end waits though all is over": 4,
    "an owner gets as many bytes in a day as it likes": 815,
    "from one site as many run as there are slots": 47,
    "of one owner as many rows wait as it adds": 207,
    "whoever waits is refused one that is not too many": 15,
    "what the bot's column says of whose a row is is not read": 367,
    "what has given way waits behind what has a higher priority": 106,
    "an owner begins as much in a day as it likes": 30,
    "what was begun before has no room in the day either": 631,
    "not_before is not waited for": 14,
    "of one owner as many run as there are slots": 26,
    "the record of what is published goes before the row says so": 22,
    "joined without the last part": 24,
    "a refused add is final": 126,
    "what stands still may": 34,
    "what drips is not slow": 34,
    "an attempt has all the time there is": 249,
    "an attempt that cannot go on has failed": 12,
    "again at once, each time": 12,
    "any number of parts": 5,
    "a quota of what is fetched, not of what is written": 6,
    "whoever is there when the process dies is blamed": 7,
    "an answer is lost": 6,
    "a process that was asked to end has died": 81,
    "the metadata of a magnet link has the torrent's gid": 1582,
    "what a replaced database had under way is left in aria2": 126,
    "a list that cannot be read again has failed, whatever its entries do": 21,
    "progress is never asked for: all waits for notifications": 1,
    "what is stopped is left in aria2": 2,
    "cancels are not looked for": 2,
    "retries without a limit": 2,
    "a refused save is no news": 1,
    "a deleted row goes on": 1,
    "progress begins anew with each question": 1,
    "retries cost nothing": 2,
    "a last write that was refused is taken for saved": 1,
    "any number of slow ones beside the others": 69,
    "what is only served takes up a slot": 10,
    "what is only served keeps others from it": 161,
    "what does not fit is begun": 1,
    "a validator that is not looked at": 287,
    "new links while aria2 still has the old ones": 16,
    "the entries of a cancelled list go on": 2,
    "links are renewed for ever": 1,
    "what gives way loses what there is of it": 26,
    "to give way costs a retry": 26,
    "what was to be reused and has gone is lost": 11,
    "what has gone is to be reused all the same": 27,
}
"""The storm that found it last, where it was not the first: tried before the others."""


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MUTANTS)
def test_it_is_found(name: str) -> None:
    with mutated(MUTANTS[name]):
        assert first_broken([FOUND_BY.get(name, 0), *range(SEEDS)]) is not None
    assert first_broken(range(1)) is None, "the core is as it was"


def test_none_is_noted_that_is_gone() -> None:
    assert FOUND_BY.keys() <= MUTANTS.keys()
