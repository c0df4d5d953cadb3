"""What makes a run worth its numbers. Whatever is missing or wrong ends it: no figure comes of a bad sample."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PIECE = 4 * 1024 * 1024


class Invalid(Exception):
    """The run proves nothing; the sentence says why."""


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many of a hundred do not pass."""
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


@dataclass
class Samples:
    """Measured values of one kind, in the order they were taken; `wanted` is how many make them complete."""

    name: str
    wanted: int
    values: list[float] = field(default_factory=list)

    def add(self, value: float) -> None:
        """Take one more. Raises Invalid when it cannot be true."""
        if not math.isfinite(value) or value <= 0:
            raise Invalid(f"{self.name}: a sample of {value} is none")
        self.values.append(value)

    @property
    def median(self) -> float:
        return statistics.median(self._complete())

    @property
    def p99(self) -> float:
        """The smallest value that 99 of 100 do not pass (of fewer than 100 samples: the largest)."""
        return percentile(self._complete(), 99)

    def _complete(self) -> list[float]:
        if len(self.values) != self.wanted or not self.values:
            raise Invalid(f"{self.name}: {len(self.values)} samples instead of {self.wanted}")
        return self.values


def check_bytes(path: Path, expected: bytes) -> None:
    """Raises Invalid unless the file holds exactly these bytes."""
    try:
        found = path.read_bytes()
    except OSError as error:
        raise Invalid(f"{path.name} cannot be read: {error.strerror}") from error
    if found != expected:
        raise Invalid(f"{path.name}: its {len(found)} bytes are not the {len(expected)} that were served")


def check_copy(path: Path, original: Path) -> None:
    """Raises Invalid unless both files hold the same bytes. Reads piece by piece."""
    try:
        with path.open("rb") as found, original.open("rb") as served:
            while piece := served.read(PIECE):
                if found.read(PIECE) != piece:
                    raise Invalid(f"{path.name} differs from what was served before byte {served.tell()}")
            if found.read(1):
                raise Invalid(f"{path.name} is longer than what was served")
    except OSError as error:
        raise Invalid(f"{path.name} cannot be read: {error.strerror}") from error


def check_folder(folder: Path, served: Path, names: Iterable[str]) -> None:
    """Raises Invalid unless `folder` holds these files as they are in `served`, and no others."""
    wanted = sorted(names)
    found = sorted(path.name for path in folder.iterdir() if path.is_file())
    if found != wanted:
        odd = sorted({*found} ^ {*wanted})[:3]
        raise Invalid(f"{len(found)} files instead of {len(wanted)}; one side only: {odd}")
    for name in wanted:
        check_bytes(folder / name, (served / name).read_bytes())
