"""One job: a row under way in memory, and the transfers it is made of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Attempt:
    """One try of one row. `number` counts the claims of the row from 1 and is the fencing token of every
    write and every outcome."""

    download_id: int
    number: int


def derive_gid(instance: str, attempt: Attempt, n: int) -> str:
    """The gid of transfer `n` of an attempt: 16 hex digits, the same on every run.

    Because it can be derived again, adding is idempotent: after a lost reply or a crash we ask aria2
    for this gid and adopt what we find (aria2c(1), option --gid)."""
    identity = f"{instance}/{attempt.download_id}/{attempt.number}/{n}".encode()
    return hashlib.sha256(identity).hexdigest()[:16]
