"""Files that are not to be kept go while reactor runs, and no others."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

from reactor.journal.ndjson import from_line
from tests.real.harness import Reactor, running, serving
from tests.servers import FileServer

DATA = b"x" * 50_000
A_SECOND = str(1 / 86_400)


async def test_what_the_bot_has_uploaded_is_deleted_at_once(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, DELETE_STATUSES="uploaded") as reactor:
        first, second = reactor.add(server.put("/a.bin", DATA), server.put("/b.bin", DATA))
        await reactor.until_final()
        reactor.execute("UPDATE downloads SET status = 'uploading'")
        reactor.execute("UPDATE downloads SET status = 'uploaded' WHERE id = ?", first)
        await reactor.until(lambda: reactor.events("file_deleted"))
        assert reactor.files() == {"b.bin": DATA}
        (told,) = reactor.events("file_deleted")
        assert (told["download_id"], told["size"], told["reason"]) == (first, len(DATA), "status")
        row = reactor.row(first)
        assert (row["status"], row["file_path"]) == ("uploaded", told["path"])
        assert row["notes"] is None, "a row with the bot's status is the bot's"
        reactor.execute("UPDATE downloads SET status = 'uploaded' WHERE id = ?", second)
        await reactor.until(lambda: not reactor.files())
    assert all(from_line(line) for line in reactor.events_file.read_bytes().splitlines())


async def test_what_is_old_goes_in_its_time_also_behind_a_kill(tmp_path: Path) -> None:
    reactor = Reactor(tmp_path)
    async with FileServer() as server, serving(reactor):
        (first,) = reactor.add(server.put("/a.bin", DATA))
        await reactor.until_final()
        (reactor.downloads / "mine.bin").write_bytes(DATA)
        await reactor.stop(signal.SIGKILL)
        reactor.settings |= {"KEEP_DAYS": A_SECOND}
        await reactor.start()
        (second,) = reactor.add(server.put("/b.bin", DATA))
        await reactor.until(lambda: len(reactor.events("file_deleted")) == 2)
        assert reactor.files() == {"mine.bin": DATA}
        assert {event["download_id"] for event in reactor.events("file_deleted")} == {first, second}
    assert [row["status"] for row in reactor.rows()] == ["downloaded"] * 2
    assert all(row["notes"].startswith("The file was deleted after ") for row in reactor.rows())


async def test_one_file_of_two_rows_is_there_as_long_as_one_of_them_has_it(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, DELETE_STATUSES="uploaded") as reactor:
        url = server.put("/a.bin", DATA, etag='"1"')
        (first,) = reactor.add(url)
        await reactor.until_final()  # by then its key is known
        (second,) = reactor.add(url, again="reuse")
        await reactor.until_final()
        reused = Path(reactor.row(second)["file_path"])
        assert reused.stat().st_ino == Path(reactor.row(first)["file_path"]).stat().st_ino
        for id, size in ((first, 0), (second, len(DATA))):
            assert reused.read_bytes() == DATA
            reactor.execute("UPDATE downloads SET status = 'uploaded' WHERE id = ?", id)
            await reactor.until(partial(reactor.events, "file_deleted", id))
            assert [event["size"] for event in reactor.events("file_deleted", id)] == [size]
        assert reactor.files() == {}
        (third,) = reactor.add(url, again="reuse")
        await reactor.until_final(third)
        assert reactor.row(third)["status"] == "downloaded", "what is there no more is fetched anew"


async def test_what_was_changed_is_left_and_said_once(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, DELETE_STATUSES="uploaded") as reactor:
        (id,) = reactor.add(server.put("/a.bin", DATA))
        await reactor.until_final()
        path = Path(reactor.row(id)["file_path"])
        path.write_bytes(b"tagged by the bot")
        reactor.execute("UPDATE downloads SET status = 'uploaded'")
        await reactor.until(lambda: reactor.events("file_left"))
        (left,) = reactor.events("file_left")
        assert (left["download_id"], left["path"], left["for_good"]) == (id, str(path), True)
        assert path.read_bytes() == b"tagged by the bot"


async def test_without_a_setting_everything_is_kept_and_known(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        (id,) = reactor.add(server.put("/a.bin", DATA))
        await reactor.until_final()
        reactor.execute("UPDATE downloads SET status = 'uploaded'")
        reactor.add(server.put("/b.bin", DATA))
        await reactor.until_final(id + 1)
    assert sorted(reactor.files()) == ["a.bin", "b.bin"]
    assert reactor.events("file_deleted") == []
