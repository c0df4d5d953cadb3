"""One reader, fed for a while: it ends well or with a sentence, and long before the limit of time."""

from __future__ import annotations

import faulthandler
import time
from collections.abc import Callable
from contextlib import suppress

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from tests.fuzz.readers import Reader

EACH = 50
"""Documents between two looks at the clock."""
CPU_S_MAX = 10.0
"""For one of at most 200 000 characters: a hundred times what one takes, less than a quadratic reader does."""
HANGS_S = 110.0
"""One that has the interpreter locked is ended, with all of this process and a word on where it hung."""


def feed(reader: Reader, seconds: float, first_seed: int, *, say: Callable[[str], None] = lambda _: None) -> int:
    """Feed it; how many documents it took. Raises what it raised, and says which document did it."""
    until, number, taken = time.monotonic() + seconds, first_seed, 0

    def check(document: object) -> None:
        nonlocal taken
        taken += 1
        began = time.process_time()
        faulthandler.dump_traceback_later(HANGS_S, exit=True)
        try:
            with suppress(*reader.sentences):
                reader.read(document)
        finally:
            faulthandler.cancel_dump_traceback_later()
        assert time.process_time() - began < CPU_S_MAX

    options = settings(
        max_examples=EACH,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        print_blob=True,
    )
    while True:
        try:
            seed(number)(options(given(reader.documents)(check)))()
        except Exception:
            say(f"found with --seed {number}")
            raise
        number += 1
        if time.monotonic() >= until:
            return taken
