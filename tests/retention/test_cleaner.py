"""Files are deleted, and what is not reactor's, or not any more, is not."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from reactor.files.kept import KeptFiles
from reactor.files.staging import KEPT
from reactor.retention import cleaner as cleaning
from reactor.retention.cleaner import Outcome
from reactor.retention.policy import DAY_S, GRACE_S, Policy
from tests.retention.place import NOW, Place, place_in

OLD: dict[str, Any] = {"age_s": DAY_S / 2}
UPLOADED: dict[str, Any] = {"statuses": frozenset({"uploaded"})}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with place_in(tmp_path) as made:
        yield made


async def test_what_is_old_goes_and_its_row_says_so(place: Place) -> None:
    (place.folder / "mine.txt").write_text("mine")
    id = await place.bring()
    await place.bring("young.bin", age_s=0)
    await place.bring("folder/", age_s=DAY_S - 1)
    done = await place.clean(**OLD)
    assert [(each.file.download_id, each.what, each.freed) for each in done] == [(id, "deleted", 3), (3, "deleted", 3)]
    assert place.names() == ["mine.txt", "young.bin"]
    assert (place.private(), place.entries()) == ([], 1)
    told = place.sql("SELECT status, file_path, notes FROM downloads ORDER BY id")
    assert told[0] == ("downloaded", str(place.folder / "a.bin"), "The file was deleted after 0.5 days.")
    assert told[1][2] is None
    assert await place.clean(**OLD) == []


async def test_a_dry_run_says_the_same_and_changes_nothing(place: Place) -> None:
    for n, name in enumerate(("a", "b/", "c")):
        await place.bring(name, age_s=DAY_S - n)
    (place.folder / "c").write_bytes(b"other")
    before = place.sql("SELECT * FROM downloads"), place.names(), place.entries()
    said = await place.clean(dry_run=True, **OLD)
    assert (place.sql("SELECT * FROM downloads"), place.names(), place.entries()) == before
    assert await place.clean(**OLD) == said
    assert [each.what for each in said] == ["deleted", "deleted", "changed"]
    assert place.names() == ["c"]


async def test_what_the_bot_has_uploaded_goes(place: Place) -> None:
    for name in "abc":
        await place.bring(name, age_s=0)
    place.sql("UPDATE downloads SET status = 'uploaded' WHERE id = 1")
    place.sql("UPDATE downloads SET status = 'uploading' WHERE id = 2")
    before = place.sql("SELECT * FROM downloads")
    assert [each.file.name for each in await place.clean(**UPLOADED)] == ["a"]
    assert place.names() == ["b", "c"]
    assert place.sql("SELECT * FROM downloads") == before, "a row with the bot's status is the bot's"


async def test_the_oldest_go_until_it_is_enough(place: Place) -> None:
    for n, name in enumerate("abcd"):
        await place.bring(name, b"x" * 100, age_s=DAY_S - n)
    await place.bring("young", b"x" * 100, age_s=GRACE_S / 2)
    assert [each.file.name for each in await place.clean(bytes_max=350)] == ["a", "b"]
    assert [each.file.name for each in await place.clean(bytes_max=350)] == []
    assert place.names() == ["c", "d", "young"]
    assert [each.file.name for each in await place.clean(bytes_max=1)] == ["c", "d"]
    assert [each.file.name for each in await place.clean(bytes_max=1, now=NOW + GRACE_S)] == ["young"]


async def test_what_others_have_deleted_does_not_count(place: Place) -> None:
    for n, name in enumerate("abcd"):
        await place.bring(name, b"x" * 100, age_s=DAY_S - n)
    (place.folder / "c").unlink()
    (place.folder / "d").unlink()
    assert await place.clean(bytes_max=200, dry_run=True) == []
    assert place.entries() == 4
    assert await place.clean(bytes_max=200) == []
    assert (place.names(), place.entries()) == (["a", "b"], 2)
    (place.folder / "a").unlink()
    assert await place.clean(age_s=1.0, bytes_max=0) != []
    assert (place.names(), place.entries()) == ([], 0)


async def test_a_file_that_two_rows_have_is_free_with_the_last(place: Place) -> None:
    await place.bring("a", b"x" * 100, age_s=DAY_S)
    await place.bring("b", b"x" * 50, age_s=DAY_S - 1)
    os.link(place.folder / "a", place.folder / "again")
    await place.note(place.folder / "again", 100, age_s=DAY_S - 2)
    assert await place.clean(bytes_max=150) == []
    said = await place.clean(bytes_max=60, dry_run=True)
    done = await place.clean(bytes_max=60)
    assert [(each.file.name, each.freed) for each in done] == [("a", 0), ("b", 50), ("again", 100)]
    assert said == done
    assert place.names() == []


async def test_what_somebody_has_put_in_its_place_stays_for_good(place: Place) -> None:
    id = await place.bring()
    (place.folder / "new").write_bytes(b"mine")
    (place.folder / "new").replace(place.folder / "a.bin")
    (left,) = await place.clean(**OLD)
    assert (left.file.download_id, left.what, left.freed) == (id, "changed", 0)
    assert (place.folder / "a.bin").read_bytes() == b"mine"
    assert place.entries() == 0
    assert place.sql("SELECT notes FROM downloads") == [(None,)]


async def test_another_folder_and_a_disk_that_is_away_are_left(place: Place, tmp_path: Path) -> None:
    await place.bring()
    away = tmp_path / "away"
    place.folder.rename(away)
    place.folder.mkdir()
    assert await place.clean(**OLD) == []
    assert await place.cleaner(**OLD).next_at() is None
    (place.folder / "a.bin").write_bytes(b"abc")
    place.kept = KeptFiles(tmp_path, tmp_path / KEPT, place.store.instance)
    assert await place.clean(**OLD) == []
    place.kept = KeptFiles(away, away / KEPT, place.store.instance)
    assert [each.what for each in await place.clean(**OLD)] == ["deleted"], "a folder that was moved is the same one"
    assert place.names() == ["a.bin"]


@pytest.mark.parametrize("name", ["../precious", "/precious", "..", ".", "", ".reactor", "t/u/x", "t/../x"])
async def test_an_entry_that_is_none_of_ours_deletes_nothing(place: Place, tmp_path: Path, name: str) -> None:
    await place.bring()
    (tmp_path / "precious").write_bytes(b"abc")
    place.sql("UPDATE reactor_published SET name = ?", name)
    assert [each.what for each in await place.clean(**OLD)] == ["changed"]
    assert (tmp_path / "precious").exists()
    assert place.names() == ["a.bin"]


async def test_an_odd_entry_is_left(place: Place) -> None:
    await place.bring()
    place.sql("UPDATE reactor_published SET bytes = 'many', at = 'then', content = x'00', name = x'ff'")
    assert [each.what for each in await place.clean(bytes_max=1, **OLD)] == []
    assert place.names() == ["a.bin"]


async def test_a_row_that_is_gone_has_files_that_are_old_nevertheless(place: Place) -> None:
    await place.bring()
    place.sql("DELETE FROM downloads")
    assert [each.what for each in await place.clean(**OLD)] == ["deleted"]
    assert place.names() == []


async def test_a_disk_that_refuses_is_asked_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    await place.bring("a", age_s=DAY_S)
    await place.bring("b", age_s=DAY_S - 1)
    take = place.kept.take

    def refuse(id: int, name: str, content: str) -> object:
        if name == "a":
            raise PermissionError(13, "Permission denied")
        return take(id, name, content)

    with monkeypatch.context() as patched:
        patched.setattr(place.kept, "take", refuse)
        done = await place.clean(**OLD)
    assert [(each.what, each.why) for each in done] == [
        ("refused", "the disk refuses: Permission denied"),
        ("deleted", None),
    ]
    assert [each.what for each in await place.clean(**OLD)] == ["deleted"]


class Killed(BaseException):
    """At this point the process is no more."""


@pytest.mark.parametrize("name", ["a.bin", "folder/"])
@pytest.mark.parametrize("when", ["taken", "forgotten", "half deleted"])
async def test_a_kill_at_any_point_loses_nothing(
    place: Place, when: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.bring(name, age_s=DAY_S)
    await place.bring("other", age_s=DAY_S - 1)
    published = place.store.published

    class Files:
        instance, page, total = published.instance, published.page, published.total

        async def forget(self, id: int, note: str | None = None) -> bool:
            if when == "taken":
                raise Killed
            done = await published.forget(id, note)
            if when == "forgotten":
                raise Killed
            return done

    def half(id: int) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(place.kept, "delete", half)
        killed = cleaning.Cleaner(Files(), place.kept, Policy(**OLD))
        with pytest.raises(Killed):
            _ = [each async for each in killed.clean(NOW)]
    assert len(place.private()) == 1
    # The row is served again, and another one takes the name.
    await place.bring(name, b"another", age_s=0)
    cleaner = place.cleaner(**OLD)
    await cleaner.finish()
    assert place.private() == []
    assert [each.file.name async for each in cleaner.clean(NOW)] == ["other"]
    assert place.names() == [name.rstrip("/")]
    assert place.entries() == 1


async def test_more_than_a_page(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "PAGE", 3)
    for n in range(10):
        await place.bring(f"{n}.bin", age_s=DAY_S - n)
    assert await place.cleaner(**OLD).next_at() == NOW - DAY_S + DAY_S / 2
    place.sql("UPDATE downloads SET status = 'uploaded' WHERE id = 10")
    assert [each.file.name for each in await place.clean(**UPLOADED)] == ["9.bin"]
    assert [each.file.name for each in await place.clean(bytes_max=6)] == [f"{n}.bin" for n in range(7)]
    assert len(await place.clean(**OLD)) == 2


@pytest.mark.parametrize(
    ("policy", "pages"),
    [({}, 0), ({"bytes_max": 10**9}, 0), ({"age_s": 10 * DAY_S}, 1), ({"bytes_max": 6}, 5)],
    ids=["none", "there is room", "none is old", "full"],
)
async def test_no_more_is_read_than_has_to_be(
    place: Place, monkeypatch: pytest.MonkeyPatch, policy: dict[str, Any], pages: int
) -> None:
    monkeypatch.setattr(cleaning, "PAGE", 3)
    for n in range(10):
        await place.bring(f"{n}.bin")
    published, read = place.store.published, 0

    class Files:
        instance, total, forget = published.instance, published.total, published.forget

        async def page(self, *asked: Any) -> Any:
            nonlocal read
            read += 1
            return await published.page(*asked)

    cleaner = cleaning.Cleaner(Files(), place.kept, Policy(**policy))
    _ = [each async for each in cleaner.clean(NOW, dry_run=True)]
    assert read == pages


async def test_two_at_once_note_and_tell_each_file_once(place: Place) -> None:
    ids = [await place.bring(f"{n}.bin", bytes([n])) for n in range(20)]
    told = list[Outcome]()

    async def clean() -> None:
        cleaner = place.cleaner(age_s=60.0)
        await cleaner.finish()
        told.extend([outcome async for outcome in cleaner.clean(NOW)])

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(clean)
    assert sorted(outcome.file.download_id for outcome in told) == ids
    assert place.names() == []
    notes = place.sql("SELECT DISTINCT notes FROM downloads")
    assert notes == [("The file was deleted after 0.000694444 days.",)]


async def test_where_nothing_is_deleted_what_others_have_deleted_is_forgotten(place: Place) -> None:
    for n in range(3):
        await place.bring(f"{n}.bin")
    (place.folder / "1.bin").unlink()
    await place.cleaner().forget_gone()
    assert place.sql("SELECT name FROM reactor_published ORDER BY name") == [("0.bin",), ("2.bin",)]
