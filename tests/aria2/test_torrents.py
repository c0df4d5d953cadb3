"""A real swarm on the loopback: a tracker, one aria2c that has all, and one that wants it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reactor.aria2.methods import force_remove, get_files, remove_download_result, tell_status
from reactor.aria2.options import TransferPolicy, addition
from reactor.core.events import TransferStatus
from reactor.errors import Aria2Refused
from reactor.extractors.metainfo import parse_metainfo, trackers
from reactor.plan import Fetch, Torrent
from tests.aria2.conftest import Running, Start, fetched
from tests.aria2.servers import Tracker, make_torrent, some_bytes

GID, SEEDER, AGAIN = "2089b05ecca3d829", "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"
FILES = {"one.bin": some_bytes(300_000, "1"), "below/two.bin": some_bytes(200_000, "2")}
SIZE = 500_000


async def add(aria2: Running, fetch: Fetch, folder: Path, gid: str, seed_ratio: float = 0.0) -> str:
    policy = TransferPolicy(seed_ratio=seed_ratio)
    return await aria2.connection.call(addition(fetch, gid=gid, directory=str(folder), policy=policy))


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def suffixes(folder: Path) -> set[str]:
    return {path.suffix for path in folder.iterdir()}


async def seed(start: Start, metainfo: bytes, folder: Path) -> Running:
    """An aria2c that finds all files there and serves them."""
    seeder = await start()
    fetch = Fetch(name="x", torrent=Torrent(metainfo=metainfo))
    await add(seeder, fetch, folder, SEEDER, seed_ratio=1000)
    await seeder.inbox.notified(SEEDER, "bt_complete")
    report = await seeder.connection.call(tell_status(SEEDER))
    assert (report.status, report.seeder) == (TransferStatus.ACTIVE, True)
    return seeder


@pytest.fixture
def there(tmp_path: Path) -> Path:
    folder = tmp_path / "there"
    write(folder / "a folder", FILES)
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


async def test_several_files(start: Start, tracker: Tracker, there: Path, here: Path) -> None:
    metainfo, _ = make_torrent(tracker.url, "a folder", FILES)
    await seed(start, metainfo, there)
    aria2 = await start()
    report = await aria2.over(await add(aria2, Fetch(name="x", torrent=Torrent(metainfo=metainfo)), here, GID))
    assert (report.status, report.completed, report.info_name) == (TransferStatus.COMPLETE, SIZE, "a folder")
    assert report.files == tuple(str(here / "a folder" / name) for name in FILES)
    assert {name: (here / "a folder" / name).read_bytes() for name in FILES} == FILES
    words = aria2.inbox.words(GID)
    assert words.index("bt_complete") < words.index("complete")


async def test_a_magnet_link_and_the_same_again(start: Start, tracker: Tracker, there: Path, here: Path) -> None:
    metainfo, magnet = make_torrent(tracker.url, "a folder", FILES)
    await seed(start, metainfo, there)
    aria2 = await start()
    fetch = Fetch(urls=(magnet,), name="x", torrent=Torrent())

    metadata = await aria2.over(await add(aria2, fetch, here, GID))
    assert (metadata.status, metadata.files) == (TransferStatus.COMPLETE, ())
    (follower,) = metadata.followed_by
    report = await aria2.over(follower)
    assert (report.status, report.completed, report.info_name) == (TransferStatus.COMPLETE, SIZE, "a folder")
    assert {name: (here / "a folder" / name).read_bytes() for name in FILES} == FILES

    # The metadata was saved beside the files: the second time nobody is asked for it, and our gid is the torrent's.
    assert suffixes(here) == {"", ".torrent"}
    await aria2.connection.call(remove_download_result(follower))
    report = await aria2.over(await add(aria2, fetch, here, AGAIN))
    assert (report.status, report.completed, report.followed_by) == (TransferStatus.COMPLETE, SIZE, ())


async def test_files_that_are_chosen_of_a_magnet_link(start: Start, tracker: Tracker, there: Path, here: Path) -> None:
    metainfo, magnet = make_torrent(tracker.url, "a folder", FILES)
    await seed(start, metainfo, there)
    aria2 = await start()
    fetch = Fetch(urls=(magnet,), name="x", torrent=Torrent(select="2-2,7-9"))
    (follower,) = (await aria2.over(await add(aria2, fetch, here, GID))).followed_by
    report = await aria2.over(follower)
    assert report.files == (str(here / "a folder" / "below/two.bin"),)


async def test_the_metadata_alone(start: Start, tracker: Tracker, there: Path, here: Path) -> None:
    metainfo, magnet = make_torrent(tracker.url, "a folder", FILES)
    await seed(start, metainfo, there)
    aria2 = await start()
    info_hash = magnet.split("btih:")[1][:40]
    fetch = Fetch(urls=(magnet,), name="x", torrent=Torrent(info_hash=info_hash, metadata_only=True))
    (here / f"{info_hash}.torrent.other").touch()
    report = await aria2.over(await add(aria2, fetch, here, GID))
    assert (report.status, report.followed_by, report.info_name) == (TransferStatus.COMPLETE, (), None)
    written = (here / f"{info_hash}.torrent").read_bytes()
    assert parse_metainfo(written).v1 == info_hash
    assert trackers(written) == [f"{tracker.url}/announce"]


async def test_files_that_are_chosen_and_put_elsewhere(start: Start, tracker: Tracker, there: Path, here: Path) -> None:
    metainfo, _ = make_torrent(tracker.url, "a folder", FILES)
    await seed(start, metainfo, there)
    aria2 = await start()
    torrent = Torrent(metainfo=metainfo, select="2", paths=((2, "other/=ä.bin"),))
    report = await aria2.over(await add(aria2, Fetch(name="x", torrent=torrent), here, GID))
    assert report.files == (str(here / "other/=ä.bin"),)
    assert (here / "other/=ä.bin").read_bytes() == FILES["below/two.bin"]
    assert report.total == SIZE - 9 * 32_768, "whole pieces"


async def test_a_long_name_has_no_control_file_and_goes_on_all_the_same(
    start: Start, tracker: Tracker, tmp_path: Path, here: Path
) -> None:
    """aria2 cannot write one under the name of the folder; hashes tell what is there."""
    name = "x" * 250
    write(tmp_path / "there" / name, {"a": some_bytes(300_000, "1")})
    metainfo, _ = make_torrent(tracker.url, name, {"a": some_bytes(300_000, "1")})
    await seed(start, metainfo, tmp_path / "there")
    aria2 = await start()
    fetch = Fetch(name="short", torrent=Torrent(metainfo=metainfo, paths=((1, "short/a"),)))
    report = await aria2.over(await add(aria2, fetch, here, GID))
    assert report.status == TransferStatus.COMPLETE
    assert (here / "short/a").read_bytes() == some_bytes(300_000, "1")


async def test_what_is_there_is_looked_at_and_kept(start: Start, tracker: Tracker, here: Path) -> None:
    metainfo, _ = make_torrent(tracker.url, "a folder", FILES)
    write(here / "a folder", FILES | {"below/two.bin": bytes(200_000)})
    aria2 = await start()
    gid = await add(aria2, Fetch(name="x", torrent=Torrent(metainfo=metainfo)), here, GID)
    await fetched(aria2.connection, gid, 9 * 32_768)
    report = await aria2.connection.call(tell_status(gid, files=True))
    assert (report.status, report.total) == (TransferStatus.ACTIVE, SIZE)
    assert report.completed == 9 * 32_768, "the whole pieces of the first file, and none of the wrong second"
    one, two = await aria2.connection.call(get_files(gid))
    assert (one.number, one.size, one.whole, two.whole) == (1, 300_000, False, False)
    assert await aria2.connection.call(get_files(AGAIN)) == ()


async def test_which_files_are_whole(start: Start, tracker: Tracker, here: Path) -> None:
    files = {"one.bin": some_bytes(2 * 32_768, "1"), "two.bin": some_bytes(200_000, "2"), "zero": b""}
    metainfo, _ = make_torrent(tracker.url, "a folder", files)
    write(here / "a folder", {"one.bin": files["one.bin"]})
    aria2 = await start()
    gid = await add(aria2, Fetch(name="x", torrent=Torrent(metainfo=metainfo, select="1-3")), here, GID)
    await fetched(aria2.connection, gid, 2 * 32_768)
    found = await aria2.connection.call(get_files(gid))
    assert [(file.number, file.size, file.whole) for file in found] == [
        (1, 65_536, True),
        (2, 200_000, False),
        (3, 0, True),
    ]


async def test_one_file(start: Start, tracker: Tracker, tmp_path: Path, here: Path) -> None:
    data = some_bytes(100_000)
    write(tmp_path / "there", {"film.mp4": data})
    metainfo, _ = make_torrent(tracker.url, "film.mp4", {"film.mp4": data})
    await seed(start, metainfo, tmp_path / "there")
    aria2 = await start()
    report = await aria2.over(await add(aria2, Fetch(name="x", torrent=Torrent(metainfo=metainfo)), here, GID))
    assert report.files == (str(here / "film.mp4"),)
    assert (here / "film.mp4").read_bytes() == data


async def test_names_that_climb_out(start: Start, tracker: Tracker, here: Path) -> None:
    files = {"../../escaped": b"x" * 100, "inside": b"y" * 100}
    metainfo, _ = make_torrent(tracker.url, "../up", files)
    aria2 = await start()
    with pytest.raises(Aria2Refused, match="traversal"):
        await add(aria2, Fetch(name="x", torrent=Torrent(metainfo=metainfo)), here, GID)


async def test_a_magnet_link_nobody_serves_is_removed(start: Start, tracker: Tracker, here: Path) -> None:
    _, magnet = make_torrent(tracker.url, "a folder", FILES)
    aria2 = await start()
    gid = await add(aria2, Fetch(urls=(magnet,), name="x", torrent=Torrent()), here, GID)
    assert (await aria2.connection.call(tell_status(gid))).status == TransferStatus.ACTIVE
    assert await aria2.connection.call(force_remove(gid)) is True
    await aria2.inbox.notified(gid, "stop")
    assert await aria2.connection.call(remove_download_result(gid)) is True
    assert suffixes(here) == set()
