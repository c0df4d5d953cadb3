"""What waits for a receiver is bounded, and in order for each row."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from reactor.webhooks.outbox import Message, Outbox


def message(seq: int, row: int | None = 1, *, progress: bool = False, size: int = 1) -> Message:
    return Message(seq, row, b"x" * size, 0.0, progress)


def drained(outbox: Outbox, now: float = 0.0) -> list[int]:
    found = []
    while (each := outbox.next(now)) is not None:
        outbox.delivered()
        found.append(each.seq)
    return found


def test_it_is_in_order() -> None:
    outbox = Outbox()
    for seq, row in enumerate([1, 2, None, 1]):
        outbox.put(message(seq, row))
    assert len(outbox) == 4
    assert drained(outbox) == [0, 1, 2, 3]
    assert (len(outbox), outbox.lost, outbox.next_at()) == (0, 0, math.inf)


def test_a_row_waits_behind_what_has_failed_and_others_do_not() -> None:
    outbox = Outbox()
    for seq, row in enumerate([1, 2, 1, 2]):
        outbox.put(message(seq, row))
    assert outbox.next(0.0) == message(0)
    outbox.failed(5.0)
    assert drained(outbox, 4.9) == [1, 3]
    assert outbox.next_at() == 5.0
    assert outbox.next(5.0) == message(0)
    assert outbox.tries() == 1
    outbox.failed(9.0)
    assert outbox.next(9.0) == message(0)
    assert outbox.tries() == 2
    outbox.gave_up()
    assert outbox.lost == 1
    assert outbox.next(9.0) == message(2)
    assert outbox.tries() == 0


def test_of_progress_only_the_latest_waits() -> None:
    outbox = Outbox()
    outbox.put(message(0, 1, progress=True))
    outbox.put(message(1, 2, progress=True))
    assert outbox.next(0.0) == message(0, 1, progress=True)
    for seq in (2, 3):
        outbox.put(message(seq, 1, progress=True))  # the first is on its way
    outbox.delivered()
    assert drained(outbox) == [1, 3]
    assert outbox.lost == 0


def test_without_room_progress_goes_first_then_the_oldest() -> None:
    outbox = Outbox(messages_max=3)
    outbox.put(message(0))
    outbox.put(message(1, 2, progress=True))
    outbox.put(message(2, 3))
    outbox.put(message(3, 4))
    assert outbox.lost == 1
    outbox.put(message(4, 5))
    assert outbox.lost == 2
    assert drained(outbox) == [2, 3, 4]


def test_bytes_count_too_and_what_is_on_its_way_stays() -> None:
    outbox = Outbox(bytes_max=10)
    outbox.put(message(0, size=6))
    assert outbox.next(0.0) is not None
    outbox.put(message(1, 2, size=6))
    assert (outbox.lost, len(outbox)) == (1, 1)
    outbox.delivered()
    outbox.put(message(2, 3, size=11))
    assert (outbox.lost, len(outbox)) == (2, 0)


def test_all_may_be_given_up() -> None:
    outbox = Outbox()
    outbox.put(message(0))
    outbox.put(message(1, 2))
    outbox.next(0.0)
    outbox.clear()
    assert (outbox.lost, len(outbox), outbox.next(0.0)) == (2, 0, None)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.sampled_from(["put", "ok", "fail", "drop"])), max_size=60)
)
def test_whatever_happens_rows_are_in_order_and_nothing_is_uncounted(steps: list[tuple[int, bool, str]]) -> None:
    outbox, now, arrived = Outbox(messages_max=5), 0.0, list[Message]()
    put = superseded = 0
    for seq, (row, progress, what) in enumerate(steps):
        now += 1.0
        if what == "put":
            before, lost = len(outbox), outbox.lost
            outbox.put(message(seq, row, progress=progress))
            put += 1
            superseded += before + 1 - len(outbox) - (outbox.lost - lost)
        elif (found := outbox.next(now)) is not None:
            if what == "ok":
                arrived.append(found)
                outbox.delivered()
            elif what == "fail":
                outbox.failed(now + 2.0)
            else:
                outbox.gave_up()
        assert len(outbox) <= 5
        assert len(arrived) + outbox.lost + superseded + len(outbox) == put
    for each in {each.row for each in arrived}:
        seqs = [one.seq for one in arrived if one.row == each]
        assert seqs == sorted(seqs)
