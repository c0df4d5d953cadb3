"""What a corpus is, and how agreement with it is counted.

A corpus is a module beside this one whose `CASES` are inputs written for it, each with what a person, or a browser,
makes of it. Where reactor decides otherwise on purpose, the case holds what it makes of it, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Protocol

CORPORA = ("dispositions", "magnets", "manifests", "metainfo", "names", "pasted")


class Case(Protocol):
    """One input."""

    @property
    def label(self) -> str:
        """The input, to be shown."""

    @property
    def expected(self) -> str:
        """What is expected by a person who knows nothing of reactor."""

    @property
    def ours(self) -> str | None:
        """What reactor decides, where that is something else."""

    @property
    def why(self) -> str: ...

    def found(self) -> str:
        """What reactor makes of it."""


@dataclass
class Agreement:
    """The result of one corpus."""

    agreeing: int = 0
    total: int = 0
    decided: list[tuple[Case, str]] = field(default_factory=list)
    """Other than expected, on purpose; and what was found."""
    wrong: list[tuple[Case, str]] = field(default_factory=list)


def cases(name: str) -> Sequence[Case]:
    """Those of one corpus."""
    found: Sequence[Case] = import_module(f"tests.corpora.{name}").CASES
    return found


def agreement(name: str) -> Agreement:
    """Try all of a corpus."""
    told = Agreement()
    for case in cases(name):
        found = case.found()
        told.total += 1
        if found == case.expected:
            told.agreeing += 1
        elif found == case.ours:
            told.decided.append((case, found))
        else:
            told.wrong.append((case, found))
    return told
