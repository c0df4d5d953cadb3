"""`reactor doctor` with an aria2c elsewhere: a real file tells whether its disk is what the settings say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from tests.cli.doctor.test_doctor import doctor_here
from tests.real.elsewhere import Elsewhere, elsewhere
from tests.servers import FileServer


@pytest.fixture
async def aria2c(tmp_path: Path) -> AsyncIterator[Elsewhere]:
    async with elsewhere(tmp_path / "there", "--max-concurrent-downloads=1") as aria2c:
        yield aria2c


async def examine(folder: Path, aria2c: Elsewhere, **more: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code and the findings of a doctor who is told of this aria2c."""
    here = folder / "here"
    here.mkdir(exist_ok=True)
    return await anyio.to_thread.run_sync(lambda: doctor_here(here, **aria2c.settings(**more)))


def left(folder: Path) -> list[str]:
    """Every file and folder in it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


async def test_a_shared_disk_is_tried_both_ways_and_nothing_stays(tmp_path: Path, aria2c: Elsewhere) -> None:
    there = tmp_path / "there"
    (tmp_path / "mounted").symlink_to(there)
    options = aria2c.rpc("aria2.getGlobalOption")
    settings = {"DOWNLOAD_PATH_MAP": f"{there}={tmp_path / 'mounted'}", "DOWNLOAD_DIR": str(tmp_path / "mounted/new")}
    code, findings = await examine(tmp_path, aria2c, **settings)
    assert (code, findings["aria2 disk"]["state"]) == (0, "ok")
    assert findings["aria2 disk"]["what"] == "shared: a file went both ways"
    assert findings["aria2 RPC"]["what"].startswith("answers in ")
    assert left(there) == left(tmp_path / "here") == []
    assert aria2c.rpc("aria2.tellActive") == aria2c.rpc("aria2.tellStopped", 0, 10) == []
    assert aria2c.rpc("aria2.getGlobalOption") == options


async def test_a_map_to_another_folder_is_found_out(tmp_path: Path, aria2c: Elsewhere) -> None:
    settings = {
        "DOWNLOAD_PATH_MAP": f"{tmp_path / 'there'}={tmp_path / 'here'}",
        "DOWNLOAD_DIR": str(tmp_path / "here"),
    }
    code, findings = await examine(tmp_path, aria2c, **settings)
    assert (code, findings["aria2 disk"]["state"]) == (1, "missing")
    assert "two folders" in findings["aria2 disk"]["what"]
    assert "DOWNLOAD_PATH_MAP" in findings["aria2 disk"]["advice"]
    assert left(tmp_path / "here") == []


async def test_a_map_that_does_not_hold_the_folder_is_found_out(tmp_path: Path, aria2c: Elsewhere) -> None:
    code, findings = await examine(tmp_path, aria2c, DOWNLOAD_PATH_MAP="/srv=/mnt")
    assert (code, findings["aria2 disk"]["state"]) == (1, "missing")
    assert "does not hold DOWNLOAD_DIR" in findings["aria2 disk"]["what"]


async def test_a_disk_that_is_shared_after_all_is_noticed(tmp_path: Path, aria2c: Elsewhere) -> None:
    there = tmp_path / "there"
    code, findings = await examine(tmp_path, aria2c)
    assert (code, findings["aria2 disk"]["state"]) == (0, "note")
    assert f"DOWNLOAD_PATH_MAP={there}={there}" in findings["aria2 disk"]["advice"]
    assert "download folder" not in findings, "nothing is put there"
    assert left(there) == left(tmp_path / "here") == []


async def test_a_folder_that_aria2c_cannot_write_is_missing(tmp_path: Path, aria2c: Elsewhere) -> None:
    code, findings = await examine(tmp_path, aria2c, ARIA2C_DIR="/dev/null/files")
    assert (code, findings["aria2 disk"]["state"]) == (1, "missing")
    assert "cannot use the folder" in findings["aria2 disk"]["what"]
    assert aria2c.rpc("aria2.tellStopped", 0, 10) == []


async def test_others_before_us_are_left_alone(tmp_path: Path, aria2c: Elsewhere) -> None:
    async with FileServer() as server:
        theirs = aria2c.rpc("aria2.addUri", [server.put("/theirs.bin", bytes(10_000), stall_after=1000)])
        await server.until(lambda: any(request.sent == 1000 for request in server.log))
        code, findings = await examine(tmp_path, aria2c)
        assert (code, findings["aria2 disk"]["state"]) == (0, "note")
        assert "max-concurrent-downloads" in findings["aria2 disk"]["advice"]
        assert [each["gid"] for each in aria2c.rpc("aria2.tellActive")] == [theirs]
        assert aria2c.rpc("aria2.tellWaiting", 0, 10) == aria2c.rpc("aria2.tellStopped", 0, 10) == []


@pytest.mark.parametrize("guarded", [True, False])
async def test_who_is_not_guarded_is_said(tmp_path: Path, aria2c: Elsewhere, guarded: bool) -> None:
    _, findings = await examine(tmp_path, aria2c, EGRESS_GUARD=str(int(guarded)))
    assert ("egress guard" in findings) is guarded
