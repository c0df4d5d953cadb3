"""What every verb has in common: help, version, one line when something is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reactor import __version__
from tests.cli.command import environment, reactor, refused

VERBS = (
    "run",
    "get",
    "add",
    "cancel",
    "retry",
    "cookies",
    "list",
    "watch",
    "top",
    "why",
    "replay",
    "events",
    "attach",
    "detach",
    "doctor",
    "update",
)
HEAVY = {"aiosqlite", "dotenv", "filelock", "h11", "rich", "watchfiles", "websockets"} | {
    "reactor.core",
    "reactor.extractors",
    "reactor.journal.format",
    "reactor.notices",
    "reactor.ytdlp_options",
}


def test_the_version(tmp_path: Path) -> None:
    done = reactor("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"reactor {__version__}\n")


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_names_every_verb(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = reactor(*arguments, cwd=tmp_path)
    assert done.returncode == 0
    for verb in VERBS:
        assert f"  {verb} " in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(tmp_path: Path, verb: str) -> None:
    done = reactor(verb, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert f"Usage: reactor {verb}" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("verb", [(), *((verb,) for verb in VERBS)], ids=str)
def test_help_is_in_whole_sentences_and_in_words_of_people(tmp_path: Path, verb: tuple[str, ...]) -> None:
    text = reactor(*verb, "--help", cwd=tmp_path, COLUMNS="80").stdout
    assert max(map(len, text.splitlines())) <= 80
    assert not [line for line in text.splitlines() if line.endswith("...") and not line.startswith("Usage: ")]
    assert not set("{}") & set(text)
    assert "[[" not in text
    assert "<list" not in text
    assert "<int" not in text


@pytest.mark.parametrize(
    ("arguments", "code", "unneeded"),
    [
        (["--version"], 0, {*HEAVY, "pydantic", "reactor.models", "reactor.settings", "reactor.cli.doctor"}),
        (["--help"], 0, {*(HEAVY - {"reactor.core"}), "pydantic", "reactor.models", "reactor.settings"}),
        (["add"], 2, {*HEAVY, "asyncio", "reactor.models", "reactor.settings", "reactor.cli.run"}),
        (["add", "http://127.0.0.1/"], 0, {*(HEAVY - {"aiosqlite"}), "reactor.cli.run"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_loads_nothing_that_others_need(
    tmp_path: Path, arguments: list[str], code: int, unneeded: set[str]
) -> None:
    program = (
        f"import sys\nfrom reactor.cli import main\ntry: main({arguments})\n"
        f"except SystemExit as end: print([end.code or 0, *({unneeded} & sys.modules.keys())])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == f"[{code}]"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("brew",), "No such command 'brew'"),
        (("get",), "Missing argument 'URL'"),
        (("add",), "Missing argument 'URL'"),
        (("cancel", "three"), "Invalid value for 'ID': it takes a whole number. See reactor cancel --help."),
        (("run", "--jobs", "x"), "Invalid value for '--jobs' / '-j': it takes a whole number."),
        (("replay", "file", "--speed", "x"), "Invalid value for '--speed': it takes a number."),
        (("cancel", "-3"), "No such option"),
        (("run", "--job", "1"), "No such option"),
        (("events",), "takes a FILE or --schema"),
        (("events", "--schema", "file"), "takes a FILE or --schema"),
        (("run", "--jobs", "0"), "MAX_CONCURRENT_DOWNLOADS: takes 1 or more"),
        (("get", "-j", "5000", "http://127.0.0.1/"), "MAX_CONCURRENT_DOWNLOADS: takes 1000 at most"),
        (("get", "--retries", "-1", "http://127.0.0.1/"), "MAX_DOWNLOAD_RETRIES: takes 0 or more"),
        (("run", "--aria2", "ws://h:99999/"), "ARIA2C_RPC_URL: takes a URL such as ws://"),
        (("run", "--aria2", "ws://[::1/"), "ARIA2C_RPC_URL: takes a URL such as ws://"),
        (("run", "--aria2", "ftp://somewhere"), "ARIA2C_RPC_URL: takes a URL such as ws://"),
        (("doctor", "--aria2", "6800"), "ARIA2C_RPC_URL: takes a URL such as ws://"),
        (("run", "--record", "no/such/folder/night"), "The recording cannot be written to no/such/folder/night"),
        (("get", ""), "A URL is empty."),
        (("add", "http://127.0.0.1/", " "), "A URL is empty."),
        (("add", "http://127.0.0.1/\udcff"), "This URL is not UTF-8: http://127.0.0.1/"),
        (("get", "http://127.0.0.1/\udcff"), "This URL is not UTF-8: http://127.0.0.1/"),
        (("run", "--events", "no/such/folder/events"), "The events cannot be written to no/such/folder/events"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_wrong_arguments_are_refused_in_one_line(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused(reactor(*arguments, cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["run", "list", "watch", "doctor"])
def test_a_wrong_setting_is_refused_with_its_name(tmp_path: Path, verb: str) -> None:
    assert "PROGRESS_INTERVAL: " in refused(reactor(verb, cwd=tmp_path, PROGRESS_INTERVAL="often"))


def test_a_dotenv_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("DOWNLOAD_DIR=Fülme\n".encode("latin-1"))
    assert "The file .env is not UTF-8." in refused(reactor("list", cwd=tmp_path))


def test_settings_are_read_from_dotenv_and_flags_are_stronger(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MAX_CONCURRENT_DOWNLOADS=0\n")
    assert "MAX_CONCURRENT_DOWNLOADS" in refused(reactor("doctor", cwd=tmp_path))
    (tmp_path / ".env").write_text("DOWNLOAD_DIR=from-file\nBROWSER_PATH=none\n")
    assert "from-file" in reactor("doctor", cwd=tmp_path).stdout
    flagged = reactor("doctor", "--dir", "from-flag", cwd=tmp_path, DOWNLOAD_DIR="from-environment").stdout
    assert "from-flag" in flagged
    assert "from-environment" not in flagged
