"""Finding the programs reactor starts."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from reactor import programs
from reactor.errors import ProgramMissing, SettingsError
from reactor.programs import Program, find_aria2c, find_ffmpeg, version_of

Find = Callable[[Path | None], Program]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH; empty."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def script(path: Path, text: str = "exit 0") -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("name", "find", "variable"), [("aria2c", find_aria2c, "ARIA2C_PATH"), ("ffmpeg", find_ffmpeg, "FFMPEG_PATH")]
)
class TestEach:
    def test_the_setting_comes_first(self, name: str, find: Find, variable: str, path: Path, tmp_path: Path) -> None:
        script(path / name)
        chosen = script(tmp_path / "mine")
        assert find(chosen) == Program(name, chosen, "setting")

    def test_then_the_path(self, name: str, find: Find, variable: str, path: Path) -> None:
        there = script(path / name)
        assert find(None) == Program(name, there, "path")

    def test_then_the_wheel(self, name: str, find: Find, variable: str, path: Path) -> None:
        found = find(None)
        assert (found.name, found.origin) == (name, "wheel")
        assert found.path.is_file()

    def test_nowhere(self, name: str, find: Find, variable: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(programs, f"_wheel_{name}", lambda: None)
        with pytest.raises(ProgramMissing, match=rf"{name} was not found.*aria2-reactor\[bundled\].*{variable}"):
            find(None)

    @pytest.mark.parametrize("kind", ["missing", "folder", "not executable"])
    def test_a_setting_that_is_no_program(
        self, name: str, find: Find, variable: str, tmp_path: Path, kind: str
    ) -> None:
        chosen = tmp_path / "chosen"
        if kind == "folder":
            chosen.mkdir()
        elif kind == "not executable":
            chosen.write_text("#!/bin/sh\n")
        with pytest.raises(SettingsError, match=rf"{variable}: .*chosen is not a program"):
            find(chosen)


def test_the_script_of_the_wheel_is_not_started_but_what_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = Path(sysconfig.get_path("scripts"))
    assert (scripts / "aria2c").is_file()
    monkeypatch.setenv("PATH", str(scripts))
    found = find_aria2c()
    assert found.origin == "wheel"
    assert found.path.read_bytes()[:4] == b"\x7fELF"


@pytest.mark.parametrize("find", [find_aria2c, find_ffmpeg])
async def test_the_version(find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    assert any(c.isdigit() for c in await version_of(find(None)))
    monkeypatch.setenv("PATH", "")
    assert any(c.isdigit() for c in await version_of(find(None)))


@pytest.mark.parametrize(
    ("text", "why"),
    [("exit 3", "ended with 3"), ("echo hello", "ended with 0"), ("exec sleep 60", "within"), (None, "Exec format")],
)
async def test_a_program_that_does_not_run(tmp_path: Path, text: str | None, why: str) -> None:
    path = script(tmp_path / "aria2c", text or "")
    if text is None:
        path.write_bytes(b"\x7fELF nonsense")
    deadline_s = 0.3 if why == "within" else 30
    with pytest.raises(ProgramMissing, match=f"aria2c at .* does not run: .*{why}"):
        await version_of(Program("aria2c", path, "path"), deadline_s=deadline_s)
