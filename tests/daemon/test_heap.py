"""What was freed is given back to the system."""

from __future__ import annotations

from reactor.daemon import heap
from reactor.workers.limits import resident_bytes

MIB = 1024 * 1024


def test_what_was_freed_is_given_back_after_work_for_many_parts_only() -> None:
    if heap._trim() is None:
        return  # another system or C library
    # Smaller than what glibc maps by itself, and the last one lies above all the others.
    blocks = [bytearray(b"x") * (64 * 1024) for _ in range(64 * 16)]
    last = blocks.pop()
    blocks.clear()
    kept = resident_bytes()
    heap.give_back(heap.PARTS_MANY - 1)
    few = resident_bytes()
    heap.give_back(heap.PARTS_MANY)
    assert kept - few < 32 * MIB
    assert few - resident_bytes() > 32 * MIB
    assert last
