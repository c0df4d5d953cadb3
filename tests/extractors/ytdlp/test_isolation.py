"""A home that lies in wait: yt-dlp's process reads nothing of it, and writes nothing into it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reactor.extractors.ytdlp.process import YtdlpProcess, YtdlpSetup
from reactor.extractors.ytdlp.worker import FILE_BYTES_MAX

pytestmark = pytest.mark.execs

PLUGIN = """
import pathlib
pathlib.Path({mark!r}).write_text("a plug-in was loaded")
from yt_dlp.extractor.common import InfoExtractor
class TrapIE(InfoExtractor):
    _VALID_URL = r"https?://trap\\.test/"
"""
SITE = "import pathlib; pathlib.Path({mark!r}).write_text('a module was loaded')"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home, which is the working folder too, full of what yt-dlp or Python would take."""
    home, marks = tmp_path / "home", tmp_path / "marks"
    marks.mkdir()
    configuration = f"--cookies {marks / 'configuration'}\n"
    for name in (
        ".config/yt-dlp/config",
        ".config/yt-dlp.conf",
        ".yt-dlp/config",
        "yt-dlp.conf",
        ".config/yt-dlp/config.txt",
    ):
        _write(home / name, configuration)
    for folder in (".config/yt-dlp/plugins/trap", ".yt-dlp/plugins/trap", "yt-dlp-plugins/trap", "."):
        _write(home / folder / "yt_dlp_plugins/extractor/trap.py", PLUGIN.format(mark=str(marks / "plug-in")))
    _write(home / "sitecustomize.py", SITE.format(mark=str(marks / "module")))
    _write(home / ".netrc", "machine trap.test login anna password s3cret")
    return home


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _everything(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def test_the_trap_works(home: Path, tmp_path: Path) -> None:
    """yt-dlp as it is by itself walks into it."""
    subprocess.run(
        [sys.executable, "-m", "yt_dlp", "--simulate", "http://127.0.0.1:9/film"],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(home)},
        cwd=tmp_path,
        capture_output=True,
        timeout=90,
        check=False,
    )
    assert {"configuration", "plug-in"} <= set(_everything(tmp_path / "marks"))


async def test_ours_does_not_walk_into_it(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "APPDATA", "PYTHONPATH", "PYTHONHOME"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("PYTHONSTARTUP", str(home / "sitecustomize.py"))
    monkeypatch.chdir(home)
    before = _everything(home)
    worker = await YtdlpProcess.start(YtdlpSetup())
    try:
        answer = await worker.ask({"do": "suits", "url": "https://trap.test/film", "deadline_s": 60.0})
        assert answer["suits"] is None
        request: dict[str, Any] = {"do": "extract", "params": {}, "cookies": None, "deadline_s": 60.0}
        answer = await worker.ask({**request, "url": "http://127.0.0.1:9/film"})
        assert "error" in answer
    finally:
        await worker.end()
    assert _everything(tmp_path / "marks") == {}
    assert _everything(home) == before


async def test_its_limits() -> None:
    setup = YtdlpSetup()
    worker = await YtdlpProcess.start(setup)
    try:
        limits = {
            line[:26].strip(): line[26:47].strip()
            for line in Path(f"/proc/{worker.pid}/limits").read_text().splitlines()
        }
        assert limits["Max data size"] == str(setup.data_bytes_max)
        assert limits["Max file size"] == str(FILE_BYTES_MAX)
        assert limits["Max core file size"] == "0"
    finally:
        await worker.end()
