"""`reactor owners` as a person types it."""

from __future__ import annotations

from pathlib import Path

from reactor.sync_queue import SyncQueue
from tests.cli.command import reactor


def test_owners_are_listed_and_given_weights(tmp_path: Path) -> None:
    missing = reactor("owners", cwd=tmp_path)
    assert (missing.returncode, missing.stdout) == (2, "")
    with SyncQueue(tmp_path / "downloads.db") as queue:
        for owner in (42, 42, None):
            queue.add("http://host.example/a", owner=owner)
    listed = reactor("owners", cwd=tmp_path)
    assert listed.stdout.splitlines() == [
        "42  weight 1  2 pending  0 downloading",
        "(none)  weight 1  1 pending  0 downloading",
    ], listed.stderr
    heavy = reactor("owners", "42", "--weight", "2.5", cwd=tmp_path)
    assert heavy.stdout.splitlines() == ["42  weight 2.5  2 pending  0 downloading"], heavy.stderr
    refused = reactor("owners", "42", "--weight", "0", cwd=tmp_path)
    assert refused.returncode == 2
    assert "0.01 to 100" in refused.stderr
    assert reactor("owners", "--weight", "2", cwd=tmp_path).returncode == 2
