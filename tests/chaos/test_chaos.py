"""Five kills for each change, twenty over every scene each night; `just chaos` has two hundred."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.scenes import storm


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
