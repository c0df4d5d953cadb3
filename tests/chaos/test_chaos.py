"""Five kills for each change, twenty over every scene each night; `just chaos` has two hundred. Of machines
that serve one queue on PostgreSQL twenty faults for each change, none of them longer than a lease, and eighty each
night."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.machines import machine_storm
from tests.chaos.scenes import storm
from tests.database.postgres.server import PROGRAM
from tests.tools import needed


@pytest.mark.fault(17, 18)
@pytest.mark.parametrize(
    ("scene", "kills", "wire", "lock_s"),
    [
        pytest.param("files", 5, False, 0, id="files"),
        *(
            pytest.param(*storm, id=name, marks=pytest.mark.nightly)
            for name, storm in {
                "hls": ("hls", 5, False, 0),
                "torrents": ("torrents", 4, False, 0),
                "socket-cut-every-second": ("files", 3, True, 0),
                "database-locked": ("files", 3, False, 3),
                "files-that-change": ("changing", 4, False, 0),
            }.items()
        ),
    ],
)
async def test_nothing_is_lost(scene: str, kills: int, wire: bool, lock_s: float, tmp_path: Path) -> None:
    report = await storm(scene, tmp_path, seed=1, kills=kills, wire=wire, lock_s=lock_s)
    assert not report.trouble, str(report)
    assert sum(report.kills.values()) == kills
    assert report.downloaded, "the storm was over before anything was fetched"


@pytest.mark.fault(75)
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("faults", "long", "shared"),
    [
        pytest.param(20, False, False, id="brief"),
        pytest.param(80, True, False, id="longer-than-a-lease", marks=pytest.mark.nightly),
        pytest.param(40, True, True, id="longer-than-a-lease-on-one-disk", marks=pytest.mark.nightly),
    ],
)
async def test_nothing_is_lost_between_machines(faults: int, long: bool, shared: bool, tmp_path: Path) -> None:
    needed(PROGRAM)
    report = await machine_storm(tmp_path, seed=2, faults=faults, long=long, shared=shared)
    assert not report.trouble, str(report)
    assert report.faults.total() == faults
    assert report.downloaded, "the storm was over before anything was fetched"
