"""`replay` and `why`: explained by day what happened by night."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.cli.command import reactor, refused
from tests.database.sqlite.bot import query
from tests.real.harness import Reactor
from tests.real.swarm import free_port, swarm_in
from tests.servers import FileServer

SECRET = "hunter2"


async def a_night(folder: Path) -> tuple[Path, Reactor, int]:
    """One file that comes, one that is not there, one whose server is away; killed and started again between."""
    recording = folder / "night.ndjson"
    served = Reactor(folder)
    served.more = ("--record", str(recording))
    async with FileServer() as server:
        await served.start()
        port = free_port()
        served.add(
            server.put("/film.bin", b"x" * 5000) + f"?token={SECRET}",
            server.url("/gone.bin"),
            f"http://me:{SECRET}@127.0.0.1:{port}/away.bin",
        )
        await served.until_final()
        await served.stop(signal.SIGKILL)
        await served.start()
        await served.stop()
    return recording, served, port


@pytest.fixture
async def night(tmp_path: Path) -> tuple[Path, Reactor]:
    recording, served, _ = await a_night(tmp_path)
    return recording, served


async def test_a_recorded_failure_is_explained(night: tuple[Path, Reactor]) -> None:
    recording, served = night
    done = reactor("replay", recording, cwd=served.folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(" begins\n") == 2
    of_two = reactor("replay", recording, "--row", 2, cwd=served.folder).stdout
    assert "is nothing at this address" in of_two
    assert "#1" not in of_two
    assert "extracts what there is to fetch" in of_two
    assert "saves that it failed" in of_two
    assert " → teardown.work_failed: " in of_two, "the step has its name"
    text = recording.read_text()
    assert SECRET not in text + done.stdout
    assert "token=" in text


async def test_what_would_be_decided_otherwise_today_is_said(night: tuple[Path, Reactor]) -> None:
    recording, served = night
    lines = recording.read_text().splitlines()
    at = next(n for n, line in enumerate(lines) if '"Extracted"' in line)
    changed = json.loads(lines[at])
    changed["decided"] = ["Exit"]
    lines[at] = json.dumps(changed)
    recording.write_text("\n".join(lines) + "\n")
    done = reactor("replay", recording, cwd=served.folder)
    assert done.returncode == 1
    assert "it was decided then: Exit" in done.stdout
    assert done.stderr == "reactor: 1 time it decides otherwise today.\n"
    of_one = reactor("replay", recording, "--row", 1, cwd=served.folder)
    of_two = reactor("replay", recording, "--row", 2, cwd=served.folder)
    assert sorted((of_one.returncode, of_two.returncode)) == [0, 1], "it is about one of them only"


async def test_a_row_that_is_not_in_it(night: tuple[Path, Reactor]) -> None:
    recording, served = night
    assert "no download 999 in " in refused(
        reactor("replay", recording, "--row", 999, cwd=served.folder), after="begins"
    )


async def test_moments_have_their_date_and_are_local(night: tuple[Path, Reactor]) -> None:
    recording, served = night
    told, elsewhere = (
        reactor("replay", recording, cwd=served.folder, TZ=zone).stdout.splitlines()[0] for zone in ("UTC", "UTC-5:30")
    )
    at = json.loads(recording.read_text().splitlines()[0])["at"]
    for line, zone in ((told, UTC), (elsewhere, timezone(timedelta(hours=5, minutes=30)))):
        assert line.startswith(datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M:%S."))


async def test_a_torn_line_costs_itself_and_nothing_that_comes_after(tmp_path: Path) -> None:
    recording, served = tmp_path / "night.ndjson", Reactor(tmp_path)
    served.more = ("--record", str(recording))
    async with FileServer() as server:
        await served.start()
        served.add(server.put("/film.bin", b"x" * 5000))
        await served.until_final()
        await served.stop(signal.SIGKILL)
        recording.write_bytes(recording.read_bytes()[:-20])
        await served.start()
        served.add(server.put("/song.bin", b"x" * 5000))
        await served.until_final()
        await served.stop()
    done = reactor("replay", recording, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "reactor: 1 line could not be read.\n")
    assert done.stdout.count(" begins\n") == 2
    assert "song.bin" in done.stdout


async def test_a_torrent_is_told_again(tmp_path: Path) -> None:
    recording, served = tmp_path / "night.ndjson", Reactor(tmp_path)
    served.more = ("--record", str(recording))
    async with FileServer() as server, swarm_in(tmp_path / "swarm") as others:
        film = others.make("film.bin", {"film.bin": b"f" * 50_000})
        await others.serve(film)
        await served.start()
        served.add(server.put("/film.torrent", film.metainfo), server.put("/song.bin", b"x" * 5000))
        await served.until_final()
        await served.stop()
    done = reactor("replay", recording, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "it stands under its name" in done.stdout
    assert "song.bin" in done.stdout, "what came after the torrent"
    reactor("add", "--db", "test.db", "https://a.example/1", "https://a.example/2", cwd=tmp_path)
    assert reactor("replay", recording, "--into", "test.db", "--speed", 100, cwd=tmp_path).returncode == 0
    assert query(tmp_path / "test.db", "SELECT status FROM downloads") == [("downloaded",), ("downloaded",)]


async def test_a_recording_that_was_cut_off_is_read_as_far_as_it_goes(night: tuple[Path, Reactor]) -> None:
    recording, served = night
    text = recording.read_bytes()
    recording.write_bytes(text[: len(text) - 20])
    assert reactor("replay", recording, cwd=served.folder).returncode == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty"),
        ("a film\nof lines\n", "not JSON"),
        ('{"v": 1, "event": "reactor_started"}\n{}\n', "no recording"),
        ('{"recording": 99, "version": "9.0"}\n', "version 99"),
    ],
)
def test_what_is_no_recording(tmp_path: Path, content: str, sentence: str) -> None:
    file = tmp_path / "file"
    file.write_text(content)
    assert sentence in refused(reactor("replay", file, cwd=tmp_path))


def test_what_is_not_there(tmp_path: Path) -> None:
    assert "cannot be read" in refused(reactor("replay", tmp_path / "nothing", cwd=tmp_path))


async def test_the_story_of_each(night: tuple[Path, Reactor]) -> None:
    _, served = night

    def why(number: int) -> str:
        done = reactor("why", "--db", served.db, number, cwd=served.folder)
        assert done.returncode == 0, done.stderr
        assert SECRET not in done.stdout
        return done.stdout

    assert "Downloaded 20" in why(1)
    assert "film.bin" in why(1)
    assert "Attempt" not in why(1), "what just worked has no history"
    assert "is nothing at this address" in why(2)
    assert "`reactor retry 2`" in why(2)
    away = why(3)
    assert "Attempt 1, " in away
    assert "Retried after" in away
    assert "Attempt 2, " in away
    assert "Failed 20" in away
    assert "no download 99" in refused(reactor("why", "--db", served.db, 99, cwd=served.folder))


async def test_it_stands_in_for_a_reactor_in_a_bots_tests(night: tuple[Path, Reactor], tmp_path: Path) -> None:
    recording, served = night
    bots = tmp_path / "test.db"
    reactor("add", "--db", bots, "https://a.example/1", "https://a.example/2", "https://a.example/3", cwd=tmp_path)
    done = reactor("replay", recording, "--into", bots, "--speed", 100, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    columns = "status, error_code, retry_count, progress, title"
    played = query(bots, f"SELECT {columns} FROM downloads ORDER BY id")
    assert played == query(served.db, f"SELECT {columns} FROM downloads ORDER BY id")
    assert [row[0] for row in played] == ["downloaded", "failed", "failed"]


async def test_it_does_not_write_where_a_reactor_serves(night: tuple[Path, Reactor]) -> None:
    recording, served = night
    await served.start()
    assert "Another reactor" in refused(reactor("replay", recording, "--into", served.db, cwd=served.folder))
    await served.stop()


async def test_a_bot_can_cancel_what_stands_in(night: tuple[Path, Reactor], tmp_path: Path) -> None:
    recording, _ = night
    bots = tmp_path / "test.db"
    reactor("add", "--db", bots, "https://a.example/1", "https://a.example/2", "https://a.example/3", cwd=tmp_path)
    query(
        bots,
        "CREATE TRIGGER cancel AFTER UPDATE OF status ON downloads WHEN NEW.status = 'downloading' AND NEW.id = 1"
        " BEGIN UPDATE downloads SET cancelled = 1 WHERE id = 1; END",
    )
    assert reactor("replay", recording, "--into", bots, "--speed", 100, cwd=tmp_path).returncode == 0
    assert query(bots, "SELECT status FROM downloads ORDER BY id") == [("cancelled",), ("failed",), ("failed",)]
