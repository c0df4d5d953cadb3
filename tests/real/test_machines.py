"""reactor and aria2c on two machines: each scene in namespaces of its own, which need no rights that a user lacks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import ROOT
from tests.real.machines import SCENES

NAMESPACES = ("unshare", "--map-root-user", "--net", "--mount", "--fork", "--kill-child", "--")
WAIT_S = 100.0


@pytest.mark.variants(1)
@pytest.mark.needs("ip", "unshare")
@pytest.mark.parametrize("scene", SCENES)
def test_on_two_machines(scene: str, tmp_path: Path) -> None:
    play = (sys.executable, "-W", "error", "-m", "tests.real.machines", scene, str(tmp_path))
    done = subprocess.run([*NAMESPACES, *play], cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
