"""How far reactor agrees with what people expect, corpus by corpus: `python -m tests.corpora [NAME …]`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.corpora.agreement import CORPORA, Agreement, agreement


def main(names: list[str]) -> int:
    """Write a count for each corpus, and what disagrees. Returns the exit status."""
    told = {name: agreement(name) for name in names or CORPORA}
    sys.stdout.writelines(f"{line}\n" for name, each in told.items() for line in lines(name, each))
    return 1 if any(each.wrong for each in told.values()) else 0


def lines(name: str, told: Agreement) -> Iterator[str]:
    """What is said of one corpus."""
    yield f"{name}: {told.agreeing} of {told.total} as expected, {len(told.decided)} decided otherwise"
    for case, found in told.decided:
        yield f"  otherwise  {case.label}\n    expected {case.expected!r}, ours {found!r}: {case.why}"
    for case, found in told.wrong:
        yield f"  WRONG  {case.label}\n    expected {case.expected!r}, found {found!r}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
