"""`reactor doctor`: what it finds, what it advises, and that it changes nothing."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

import anyio.to_thread
import pytest

from reactor.aria2.embedded import EmbeddedAria2
from reactor.cli.doctor import media as check_media
from reactor.cli.doctor import remote
from reactor.cli.doctor.database import sqlite_library
from reactor.cli.doctor.findings import file_system
from reactor.cli.doctor.programs import old_openssl
from reactor.cli.doctor.settings import examine_settings
from reactor.models import Download
from reactor.programs import find_aria2c
from reactor.settings import Settings
from tests.cli.command import reactor
from tests.real.test_plugins import install
from tests.servers import FileServer

COLUMNS = len(Download.model_fields.keys() - {"extra"})
"""Those of the contract."""


def doctor(folder: Path, *arguments: object, **more: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and the findings by name. No browser is started unless `more` has its path, or "" for any."""
    done = reactor("doctor", "--json", *arguments, cwd=folder, stdin=b"", **{"BROWSER_PATH": "none", **more})
    assert done.stderr == ""
    return done.returncode, {finding["name"]: finding for finding in json.loads(done.stdout)}


def doctor_here(folder: Path, *arguments: object, **more: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The same without the programs for media and pages, which take seconds to start."""
    with patch.object(check_media, "examine", lambda _: []):
        return doctor(folder, *arguments, **more)


def make_table(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(statement)


def test_an_empty_folder_is_fine_and_stays_empty(tmp_path: Path) -> None:
    code, findings = doctor(tmp_path)
    assert code == 0
    library = old_openssl(find_aria2c())
    assert findings["aria2c"]["state"] == ("note" if library else "ok")
    assert findings["aria2c"]["version"].startswith("1.")
    assert (library or "WebSocket, BitTorrent, HTTPS") in findings["aria2c"]["what"]
    assert findings["ffmpeg"]["state"] == "ok"
    assert findings["database"]["what"].startswith("not there yet")
    assert findings["download folder"]["state"] == "ok"
    assert findings["file watching"]["state"] == "ok"
    assert list(tmp_path.iterdir()) == []


def test_the_lines_for_people_say_the_same(tmp_path: Path) -> None:
    done = reactor("doctor", cwd=tmp_path, BROWSER_PATH="none")
    assert done.returncode == 0
    names = doctor(tmp_path)[1]
    starts = [line[8:25].strip() for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert starts == list(names)
    assert all(line.split()[0] in ("ok", "note", "missing", "→") for line in done.stdout.splitlines())


def test_everything_that_is_not_ok_says_what_to_do(tmp_path: Path) -> None:
    findings = doctor(tmp_path, PATH="", PLAYWRIGHT_BROWSERS_PATH=str(tmp_path), BROWSER_PATH="")[1]
    assert [f["name"] for f in findings.values() if f["state"] != "ok" and not f["advice"]] == []
    assert findings["browser"]["state"] == "missing"


@pytest.mark.parametrize("program", ["no-such-program", "sleep", "false"])
def test_an_aria2c_that_is_none_is_missing(tmp_path: Path, program: str) -> None:
    code, findings = doctor_here(tmp_path, ARIA2C_PATH=program)
    assert code == 1
    assert findings["aria2c"]["state"] == "missing"
    assert findings["aria2c"]["advice"] or "ARIA2C_PATH" in findings["aria2c"]["what"]


@pytest.mark.fault(46)
@pytest.mark.parametrize("program", ["no-such-program", "false"])
def test_direct_downloads_run_without_ffmpeg(tmp_path: Path, program: str) -> None:
    code, findings = doctor(tmp_path, FFMPEG_PATH=program)
    assert code == 0
    assert findings["ffmpeg"]["state"] == "missing"


@pytest.mark.fault(46)
def test_an_ffmpeg_that_is_too_old(tmp_path: Path) -> None:
    old = tmp_path / "ffmpeg"
    old.write_text("#!/bin/sh\necho ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright\n")
    old.chmod(0o755)
    ffmpeg = doctor(tmp_path, FFMPEG_PATH=str(old))[1]["ffmpeg"]
    assert (ffmpeg["state"], ffmpeg["version"]) == ("missing", "4.4.2-0ubuntu0.22.04.1")
    assert "ffmpeg 5" in ffmpeg["advice"]


@pytest.mark.fault(46)
@pytest.mark.parametrize(
    ("says", "state", "what"),
    [("deno 2.3.0 (stable)", "ok", ""), ("deno 1.46.3", "missing", "Too old"), ("hello", "missing", "does not run")],
)
def test_the_runtime_of_yt_dlp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, state: str, what: str
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "deno").write_text(f"#!/bin/sh\necho '{says}'\n")
    (tmp_path / "deno").chmod(0o755)
    found = check_media.deno()
    assert (found.state, what in found.what) == (state, True)
    assert bool(found.advice) == (state != "ok")


@pytest.mark.parametrize(
    ("version", "state", "what"),
    [
        ("2026.09.01", "ok", ""),
        ("2026.07.05", "ok", ""),
        ("2026.07.04", "note", "61 days old"),
        ("2025.01.01", "note", "security holes"),
    ],
)
def test_a_yt_dlp_grows_old(version: str, state: str, what: str) -> None:
    found = check_media.by_age(version, "/site", date(2026, 9, 3))
    assert (found.state, what in found.what) == (state, True)
    assert bool(found.advice) == (state != "ok")


@pytest.mark.needs("chromium")
def test_what_pages_need_is_started(tmp_path: Path) -> None:
    findings = doctor(tmp_path, BROWSER_PATH="")[1]
    assert {name: findings[name]["state"] for name in ("playwright", "browser")} == {
        "playwright": "ok",
        "browser": "ok",
    }
    assert findings["yt-dlp"]["state"] in ("ok", "note"), "it grows old by itself"
    assert findings["yt-dlp"]["version"].startswith("20")
    assert int(findings["browser"]["version"].partition(".")[0]) > 100
    assert findings["browser"]["what"].startswith("shows pages")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("program", "what"), [("no-such-program", "is not a program"), ("false", "does not start")])
def test_a_browser_that_is_none_is_missing(tmp_path: Path, program: str, what: str) -> None:
    code, findings = doctor(tmp_path, BROWSER_PATH=program)
    assert (code, findings["browser"]["state"]) == (0, "missing")
    assert what in findings["browser"]["what"]
    assert "BROWSER_PATH" in findings["browser"]["advice"]


class TestDatabase:
    def test_a_bots_table_is_counted_and_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "bot.db"
        make_table(
            path,
            "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT NOT NULL, status TEXT, chat_id INTEGER);"
            "INSERT INTO downloads (url, status) VALUES ('a', 'pending'), ('b', 'pending'), ('c', 'uploading');",
        )
        before = path.read_bytes()
        code, findings = doctor_here(tmp_path, "--db", path)
        assert code == 0
        assert findings["database"]["what"] == (
            f"journal mode delete, 2 pending, 1 uploading, {COLUMNS - 3} columns missing: `add` and `run` add them"
        )
        assert path.read_bytes() == before
        assert [each.name for each in tmp_path.iterdir()] == ["bot.db"]

    @pytest.mark.parametrize(
        ("statement", "what"),
        [
            ("CREATE TABLE other (x)", "journal mode delete, no table `downloads` yet"),
            ("CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT)", f"0 rows, {COLUMNS - 2} columns missing"),
            ("PRAGMA journal_mode=wal; CREATE TABLE t (x)", "journal mode wal"),
        ],
    )
    def test_a_database_that_will_do(self, tmp_path: Path, statement: str, what: str) -> None:
        make_table(tmp_path / "downloads.db", statement)
        code, findings = doctor_here(tmp_path)
        assert code == 0
        assert what in findings["database"]["what"]

    def test_a_table_without_url_will_not_do(self, tmp_path: Path) -> None:
        make_table(tmp_path / "downloads.db", "CREATE TABLE downloads (id INTEGER PRIMARY KEY, link TEXT)")
        code, findings = doctor_here(tmp_path)
        assert code == 1
        assert "no column `id` or `url`" in findings["database"]["what"]

    @pytest.mark.parametrize("name", ["folder", "text", "text/below"])
    def test_what_is_no_database_will_not_do(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "text").write_text("This is a shopping list, not a database.\n" * 100)
        code, findings = doctor_here(tmp_path, "--db", name)
        assert code == 1
        assert findings["database"]["state"] == "missing"


def test_a_download_folder_that_is_a_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, findings = doctor_here(tmp_path, "--dir", "file")
    assert code == 1
    assert findings["download folder"]["what"].endswith("is not a folder.")


class TestRpc:
    @asynccontextmanager
    async def running(self) -> AsyncIterator[EmbeddedAria2]:
        """An aria2c that somebody else started, as far as doctor can tell."""
        async with EmbeddedAria2(find_aria2c()) as aria2:
            yield aria2

    async def doctor(self, folder: Path, url: str, secret: str) -> tuple[int, dict[str, Any]]:
        code, findings = await anyio.to_thread.run_sync(
            lambda: doctor_here(folder, "--aria2", url, ARIA2C_RPC_SECRET=secret)
        )
        assert findings["aria2c"]["state"] == "note"
        return code, findings["aria2 RPC"]

    async def test_one_that_answers(self, tmp_path: Path) -> None:
        async with self.running() as aria2:
            code, finding = await self.doctor(tmp_path, aria2.url, aria2.secret)
        assert code == 0
        assert finding["state"] == "ok"
        assert finding["version"].startswith("1.")

    async def test_another_secret(self, tmp_path: Path) -> None:
        async with self.running() as aria2:
            code, finding = await self.doctor(tmp_path, aria2.url, "wrong")
        assert code == 1
        assert "secret" in finding["what"] + finding["advice"]
        assert "wrong" not in json.dumps(finding).replace("is wrong", "")

    async def test_some_other_server(self, tmp_path: Path) -> None:
        async with FileServer() as server:
            code, finding = await self.doctor(tmp_path, server.url("/jsonrpc"), "")
        assert code == 1
        assert "not aria2" in finding["what"]

    async def test_nobody(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(remote, "RPC_S", 0.5)
        async with FileServer() as server:
            url = server.url("/jsonrpc")
        code, finding = await self.doctor(tmp_path, url, "")
        assert code == 1
        assert "cannot be reached" in finding["what"]


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ((3, 6, 23), "ok"),
        ((3, 7, 0), "note"),
        ((3, 40, 1), "note"),
        ((3, 44, 5), "note"),
        ((3, 44, 6), "ok"),
        ((3, 45, 0), "note"),
        ((3, 50, 7), "ok"),
        ((3, 51, 2), "note"),
        ((3, 51, 3), "ok"),
        ((4, 0, 0), "ok"),
    ],
)
def test_the_sqlite_versions_with_the_wal_bug(version: tuple[int, int, int], state: str) -> None:
    assert sqlite_library(version).state == state


def test_the_file_system_is_told_by_its_mount() -> None:
    assert file_system(Path("/proc/self")) == "proc"
    assert file_system(Path("/")) != "proc"


@pytest.mark.fault(12)
def test_a_table_that_no_row_could_go_through(tmp_path: Path) -> None:
    make_table(
        tmp_path / "bot.db",
        "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT, finished_at DATETIME NOT NULL)",
    )
    code, findings = doctor_here(tmp_path, DOWNLOAD_DB=str(tmp_path / "bot.db"))
    assert code == 1
    assert "`finished_at` is NOT NULL" in findings["database"]["what"]
    assert findings["database"]["advice"] == "Let `finished_at` be NULL."


def test_rows_that_are_never_served_are_told(tmp_path: Path) -> None:
    make_table(
        tmp_path / "downloads.db",
        """CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT, status TEXT DEFAULT 'queued');
        INSERT INTO downloads (url) VALUES ('u'), ('u'); INSERT INTO downloads (url, status) VALUES ('u', 'sent')""",
    )
    code, findings = doctor_here(tmp_path)
    assert (code, findings["database"]["state"]) == (0, "note")
    assert findings["database"]["advice"] == "Rows with the status “queued” are never served: write “pending”."
    reactor("add", "http://127.0.0.1/a", cwd=tmp_path)
    found = doctor_here(tmp_path)[1]["database"]
    assert found["advice"] == "Rows with the status “queued” are never served (2, the first is 1): write “pending”."


def test_another_table_and_another_file_are_named(tmp_path: Path) -> None:
    make_table(tmp_path / "bot.sqlite3", "CREATE TABLE tasks (link TEXT); INSERT INTO tasks VALUES ('u')")
    found = doctor_here(tmp_path)[1]["database"]
    assert (found["state"], found["advice"]) == ("note", "Is one of these the bot's: bot.sqlite3?")
    found = doctor_here(tmp_path, "--db", "bot.sqlite3")[1]["database"]
    assert (found["state"], "“tasks”" in found["advice"]) == ("note", True)
    code, findings = doctor_here(tmp_path, "--db", "data/bot.db")
    assert (code, "There is no folder" in findings["database"]["what"]) == (1, True)
    assert not (tmp_path / "data").exists()


def test_a_folder_of_downloads_that_code_is_taken_from_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = Settings.load(download_db=tmp_path / "bot.db", download_dir=tmp_path / "files")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path), str(tmp_path / "elsewhere")])
    assert list(examine_settings(settings)) == []
    sys.path.append(str(tmp_path / "files" / "inner"))
    (finding,) = examine_settings(settings)
    assert (finding.name, finding.state) == ("import path", "note")
    assert "files/inner" in finding.what
    assert "PYTHONPATH" in finding.advice


def test_a_database_that_everybody_may_read_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bot.db").touch(mode=0o600)
    settings = Settings.load(download_db="bot.db")
    assert list(examine_settings(settings)) == []
    monkeypatch.setattr("reactor.cli.preflight.exposed", lambda path: "0644" if path.name == "bot.db" else "")
    (finding,) = examine_settings(settings)
    assert (finding.name, finding.state) == ("database mode", "note")
    assert "Every user of this machine can read bot.db (mode 0644)" in finding.what
    assert "chmod 600" in finding.advice


def test_a_database_with_two_names_is_told(tmp_path: Path) -> None:
    make_table(tmp_path / "downloads.db", "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT)")
    assert "database place" not in doctor_here(tmp_path)[1]
    (tmp_path / "other.db").hardlink_to(tmp_path / "downloads.db")
    assert "hard link" in doctor_here(tmp_path)[1]["database place"]["what"]


def test_extractors_of_other_packages_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(install(tmp_path / "site", "good", "late", "unmatched"))
    found = check_media.extractors(Settings(extractors_off="late"))
    assert [(each.name, each.state, each.version) for each in found] == [
        ("extractor good", "ok", "1.0"),
        ("extractor late", "ok", "1.0"),
        ("extractor unmatched", "missing", "1.0"),
    ]
    assert [each.what for each in found[:2]] == ["", "turned off (EXTRACTORS_OFF)"]
    assert "does not say which URLs" in found[2].what
    assert found[2].advice
