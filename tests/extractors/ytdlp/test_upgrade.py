"""Upgrading yt-dlp in place: what pip is asked, and where it is not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from reactor.extractors.ytdlp import upgrade as module
from reactor.extractors.ytdlp.upgrade import NoUpgrade, upgrade, why_not


class Pip:
    """In its place: what it was asked; the version is a newer one then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, code: int = 0, says: str = "") -> None:
        self.asked: list[Sequence[str]] = []
        self._ends = code, says
        monkeypatch.setattr(subprocess, "run", self.run)
        monkeypatch.setattr(module, "installed_version", lambda: "2026.9.1" if self.asked else "2026.7.4")
        monkeypatch.setattr(module, "why_not", lambda _: None)

    def run(self, command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.asked.append(command)
        return subprocess.CompletedProcess(command, self._ends[0], "", self._ends[1])


def test_pip_is_asked_for_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    pip = Pip(monkeypatch)
    assert upgrade() == ("2026.7.4", "2026.9.1")
    (command,) = pip.asked
    assert command[1:5] == ["-m", "pip", "install", "--upgrade"]
    assert command[-1] == "yt-dlp[default,deno]"


def test_what_pip_says_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    Pip(monkeypatch, code=1, says="WARNING: slow\nERROR: No matching distribution.\nbye")
    with pytest.raises(NoUpgrade, match=r"pip failed: ERROR: No matching distribution\."):
        upgrade()


def test_what_is_not_installed_is_not_upgraded(monkeypatch: pytest.MonkeyPatch) -> None:
    pip = Pip(monkeypatch)
    monkeypatch.setattr(module, "installed", lambda: None)
    with pytest.raises(NoUpgrade, match=r"aria2-reactor\[media\]"):
        upgrade()
    assert pip.asked == []


def test_where_pip_may_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pip = Pip(monkeypatch)
    monkeypatch.setattr(module, "why_not", lambda _: "No.")
    with pytest.raises(NoUpgrade, match=r"No\. Upgrade it as it was installed"):
        upgrade()
    assert pip.asked == []


def test_what_forbids_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert why_not(tmp_path) is None
    assert "cannot be written" in str(why_not(tmp_path / "nowhere"))
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert "system's own packages" in str(why_not(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert "no pip" in str(why_not(tmp_path))
