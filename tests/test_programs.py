"""Finding the programs reactor starts."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import certifi
import pytest

import reactor
from reactor import programs
from reactor.errors import ProgramMissing, SettingsError
from reactor.programs import (
    LAUNCHED,
    Program,
    ca_file,
    child_environment,
    daemon_command,
    daemon_environment,
    find_aria2c,
    find_ffmpeg,
    find_python,
    import_path,
    own_code,
)

pytestmark = pytest.mark.execs

Find = Callable[[Path | None], Program]


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


@pytest.mark.parametrize("where", ["this environment", "another one"])
def test_the_systems_comes_before_the_wheels_in_an_active_environment(
    where: str, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = Path(sysconfig.get_path("scripts"))
    if where == "another one":
        scripts = tmp_path / "venv"
        scripts.mkdir()
        (scripts / "aria2c").write_text("#!/somewhere/bin/python3\nimport sys\n")
        (scripts / "aria2c").chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(scripts), str(path)]))
    assert find_aria2c().origin == "wheel"
    of_the_system = script(path / "aria2c")  # a script of the shell is somebody's own
    assert find_aria2c() == Program("aria2c", of_the_system, "path")


@pytest.mark.parametrize("entry", ["", "."])
def test_no_program_out_of_the_working_folder(
    entry: str, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path / "ffmpeg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.pathsep.join([entry, str(path)]))
    assert find_ffmpeg().origin == "wheel"


@pytest.mark.fault(57)
def test_a_child_gets_what_it_needs_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = (
        "BOT_TOKEN",
        "PAGE_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "HTTPS_PROXY",
        "http_proxy",
        "PYTHONPATH",
        "LD_PRELOAD",
    )
    for name in secret:
        monkeypatch.setenv(name, "s3cret")
    for name in ("LC_TIME", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "LANG"):
        monkeypatch.setenv(name, "kept")
    environment = child_environment()
    assert "s3cret" not in environment.values()
    assert {name for name, value in environment.items() if value == "kept"} == {
        *("LC_TIME", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "LANG")
    }
    assert environment["PATH"] == os.environ["PATH"]
    more = child_environment("BOT_TOKEN", home=tmp_path, LC_ALL="C.UTF-8")
    assert (more["BOT_TOKEN"], more["HOME"], more["TMPDIR"], more["LC_ALL"]) == (
        *("s3cret", str(tmp_path), str(tmp_path), "C.UTF-8"),
    )


class TestPython:
    def test_it_is_this_one(self) -> None:
        assert find_python() == Path(sys.executable)

    @pytest.mark.fault(56)
    @pytest.mark.parametrize(
        ("name", "value"), [("frozen", True), ("frozen", "macosx_app"), ("oxidized", True), ("compiled", True)]
    )
    def test_a_frozen_bot_has_none(self, name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("REACTOR_PYTHON", raising=False)
        if name == "compiled":  # as Nuitka marks its modules
            monkeypatch.setattr(programs, "__compiled__", SimpleNamespace(standalone=value), raising=False)
        else:
            monkeypatch.setattr(sys, name, value, raising=False)
        with pytest.raises(ProgramMissing, match=r"no Python to start reactor with.*REACTOR_PYTHON=/path"):
            find_python()
        with pytest.raises(SettingsError, match="is this bot itself"):
            find_python(Path(sys.executable))
        monkeypatch.setenv("REACTOR_PYTHON", "/bin/sh")
        assert find_python() == Path("/bin/sh")

    def test_a_module_that_nuitka_has_compiled_for_a_python_is_no_frozen_bot(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(programs, "__compiled__", SimpleNamespace(standalone=False), raising=False)
        assert find_python() == Path(sys.executable)

    @pytest.mark.parametrize("executable", [None, "", "/usr/sbin/uwsgi", "/bin/sh"])
    def test_where_it_is_embedded_it_is_the_environments(
        self, executable: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "executable", executable)
        found = find_python()
        assert found.name.startswith("python")
        assert found.parent == Path(sys.prefix, "bin")

    def test_a_bot_that_is_called_like_one_is_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        bot = script(tmp_path / "my-python-bot")
        monkeypatch.setattr(sys, "executable", str(bot))
        monkeypatch.setattr(sys, "argv", [str(bot)])
        assert find_python() != bot

    def test_a_setting_that_is_no_program(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=r"REACTOR_PYTHON: .*nothing is not a program"):
            find_python(tmp_path / "nothing")


EVIL = "import pathlib; pathlib.Path(__file__).with_name('PWNED').touch()\n"


@pytest.fixture
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with what strangers have sent in it."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("aiosqlite", "typing", "typer", "sitecustomize", "usercustomize", "pydantic", "asyncio"):
        (folder / f"{name}.py").write_text(EVIL)
    monkeypatch.chdir(folder)
    return folder


def ran(command: list[str], environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestNoStrangersCode:
    @pytest.mark.fault(55)
    @pytest.mark.parametrize("installed", [True, False], ids=["installed", "in the bot's folder"])
    @pytest.mark.parametrize("value", ["", ".", os.pathsep])
    def test_by_a_bot(self, installed: bool, value: str, strangers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", value)
        home = str(Path(reactor.__file__).parents[1])
        monkeypatch.setattr("site.getsitepackages", lambda: [home] if installed else [])
        command = daemon_command(None, "--help")
        assert ("-m" in command) == installed
        assert "Downloads the URLs in a database table" in ran(command, daemon_environment(None, {}, Path()))
        assert not (strangers / "PWNED").exists()

    def test_by_a_worker(self, strangers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", ".")
        assert "Downloads the URLs in a database table" in ran(own_code("reactor.cli:main", "--help"))
        assert not (strangers / "PWNED").exists()

    @pytest.mark.parametrize("module", [["-m", "reactor"], ["-mreactor"]])
    def test_by_hand(self, module: list[str], strangers: Path) -> None:
        assert "Downloads the URLs in a database table" in ran([sys.executable, *module, "--help"])
        assert not (strangers / "PWNED").exists()

    def test_the_import_path_of_a_bot_stays_but_for_the_folder_of_downloads(self, strangers: Path) -> None:
        entries = ["lib", "/srv/bot", "", ".", str(strangers / "inner"), str(strangers.parent), "/srv/bot/../lib"]
        kept = import_path(os.pathsep.join(entries), strangers)
        assert kept.split(os.pathsep) == ["/srv/bot", str(strangers.parent), "/srv/bot/../lib"]
        elsewhere = import_path(os.pathsep.join(entries[:4]), strangers / "files")
        assert elsewhere.split(os.pathsep) == [str(strangers / "lib"), "/srv/bot", str(strangers)]


def test_another_python_gets_nothing_of_what_a_frozen_bot_sets_for_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    own = {"LD_LIBRARY_PATH": "/bundle", "LD_LIBRARY_PATH_ORIG": "/lib", "PYTHONHOME": "/bundle", "_PYI_X": "1"}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    other = script(tmp_path / "python")
    environment = daemon_environment(other, {"DOWNLOAD_DB": "bot.db"}, tmp_path)
    assert daemon_command(other, "run") == [str(other), "-P", "-m", "reactor", "run"]
    assert environment["LD_LIBRARY_PATH"] == "/lib"
    assert environment["DOWNLOAD_DB"] == "bot.db"
    assert environment[LAUNCHED] == str(os.getpid())
    assert not {"LD_LIBRARY_PATH_ORIG", "PYTHONHOME", "_PYI_X"} & set(environment)


def test_the_file_of_cas_is_that_of_ssl_cert_file_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert ca_file() == certifi.where()
    (tmp_path / "ca.pem").touch()
    assert ca_file() == str(tmp_path / "ca.pem")
