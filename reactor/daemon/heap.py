"""Memory that is free again, given back to the system.

glibc keeps what was freed for the next one who asks: after a plan of 20 000 parts was read and saved, 7 MiB that
nobody needs any more. They would come on top of what it takes to join the parts.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache

PARTS_MANY = 1000
"""From so many parts on it is worth the milliseconds."""


def give_back(parts: int) -> None:
    """After work for so many parts. Does nothing for few, nor where the system's library is another one."""
    if parts >= PARTS_MANY and (trim := _trim()) is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    """malloc_trim(3)."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
