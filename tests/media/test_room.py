"""What joining writes is bounded, whatever was fetched: reckoned before, watched on the way, looked at in the end."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import anyio
import pytest

from reactor.errors import DownloadError
from reactor.media.room import MIB, Room, Written, reckon
from reactor.models import Kind
from reactor.plan import Extraction, Fetch, Finish, Track
from tests.media.conftest import Fetched, Serve
from tests.media.joining import join
from tests.media.samples import KEYS, SECONDS, Samples, body_of, playlist_of

BLOCK = 4096
HEAD = "#EXTM3U\n#EXT-X-VERSION:7\n"
KEY = '#EXT-X-KEY:METHOD=AES-128,URI="data:;base64,AAAAAAAAAAAAAAAAAAAAAA==",IV=0x' + "0" * 32 + "\n"


def extraction(playlist: str | None, *names: str, form: str = "hls") -> Extraction:
    fetches = tuple(Fetch(urls=(f"http://host.example/{name}",), name=name) for name in names)
    track = Track.model_validate({"form": form, "first": 0, "count": len(names), "playlist": playlist})
    return Extraction(kind=Kind.DIRECT, fetches=fetches, finish=Finish(how="media", name="a.mp4", tracks=(track,)))


def written(playlist: str | None, sizes: dict[str, int], form: str = "hls") -> Written:
    """What it writes beside the playlist itself."""
    found = reckon(extraction(playlist, *sizes, form=form), {name: size for name, size in sizes.items() if size})
    return Written(found.helpers - (BLOCK * -(-len(playlist) // BLOCK) if playlist else 0), found.result)


def test_a_part_counts_as_often_as_it_is_named() -> None:
    assert written(HEAD + "#EXTINF:2,\na.ts\n" * 400, {"a.ts": MIB}) == Written(0, 400 * MIB)
    assert written(HEAD + "#EXT-X-DISCONTINUITY\n#EXTINF:2,\na.ts\n" * 3, {"a.ts": MIB}) == Written(0, 3 * MIB)


def test_so_does_a_byte_range() -> None:
    ranges = "".join(f"#EXTINF:2,\n#EXT-X-BYTERANGE:1000@{n}\na.mp4\n" for n in range(300))
    init = '#EXT-X-MAP:URI="a.mp4",BYTERANGE="500@0"\n'
    assert written(HEAD + init + ranges, {"a.mp4": 0}) == Written(0, 300_000), "before its size is known"
    assert written(HEAD + init + ranges, {"a.mp4": 1100}) == Written(0, 101 * 1000 + sum(range(801, 1000))), "no more"


def test_what_is_encrypted_is_cut_out_once_for_each_range() -> None:
    ranges = "".join(f"#EXTINF:2,\n#EXT-X-BYTERANGE:{MIB}@{16 * (n // 2)}\na.ts\n" for n in range(40))
    assert written(HEAD + KEY + ranges, {"a.ts": 10 * MIB}) == Written(20 * MIB, 40 * MIB)
    small = "".join(f"#EXTINF:2,\n#EXT-X-BYTERANGE:16@{16 * n}\na.ts\n" for n in range(40))
    assert written(HEAD + KEY + small, {"a.ts": MIB}).helpers == 40 * BLOCK, "the smallest file takes a block"


def test_so_are_init_sections() -> None:
    one = f'#EXT-X-DISCONTINUITY\n{KEY}#EXT-X-MAP:URI="i.mp4",BYTERANGE="{MIB}@%d"\n#EXTINF:2,\na.mp4\n'
    inits = "".join(one % n for n in range(9))
    assert written(HEAD + inits, {"a.mp4": 10, "i.mp4": 2 * MIB}) == Written(9 * MIB, 90)


@pytest.mark.parametrize("form", ["concat", "pieces"])
def test_parts_that_make_up_a_track_are_named_in_a_list(form: str) -> None:
    assert written(None, {"0.m4s": 100_000, "1.m4s": 200_000}, form) == Written(BLOCK, 300_000)
    assert written(None, {"0.m4s": 1000}, form) == Written(0, 1000)


async def refusal(samples: Samples, folder: Path, found: Extraction, room: Room) -> DownloadError:
    before = sorted(folder.iterdir())
    with pytest.raises(DownloadError) as caught:
        await join(samples.ffmpeg, folder, found, room=room)
    assert sorted(folder.iterdir()) == before, "nothing is left"
    return caught.value


@pytest.mark.fault(58)
@pytest.mark.parametrize("encrypted", [False, True])
async def test_what_is_named_too_often_is_not_begun(
    samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path, encrypted: bool
) -> None:
    if encrypted:
        files = samples.encrypted("aes", KEYS[0])
        size = len(files["part0.ts"]) // 16 * 16 - 40 * 16
        head = body_of(files["index.m3u8"]).partition("#EXTINF")[0]
        ranges = (f"#EXTINF:{SECONDS}\n#EXT-X-BYTERANGE:{size}@{16 * n}\npart0.ts" for n in range(40))
        files["index.m3u8"] = playlist_of(head + "\n".join(ranges) + "\n")
    else:
        files = samples.hls("ts")
        files["index.m3u8"] = playlist_of("#EXT-X-DISCONTINUITY\n#EXTINF:2,\npart0.ts\n" * 40)
    found = await fetched(serve(files) + "index.m3u8")
    most = 4 * len(files["part0.ts"])
    error = await refusal(samples, tmp_path, found, Room(size_max=most))
    assert error.code == "too_large"
    assert "MAX_FILE_SIZE_MIB" in error.message
    assert not error.failure.retryable
    disk = shutil.disk_usage(tmp_path)
    lasting = await refusal(samples, tmp_path, found, Room(spare=disk.total - len(files["part0.ts"])))
    assert (lasting.code, lasting.failure.retryable) == ("no_space", False), "no disk of this size has room for it"
    passing = await refusal(samples, tmp_path, found, Room(spare=disk.free))
    assert (passing.code, passing.failure.retryable) == ("no_space", True), "it may be there later"


def one_chunk_for_all(samples: Samples, folder: Path) -> None:
    """A small film: its tables name one and the same piece of it for all of its sound, and so for its pictures."""
    samples.run(
        *("-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=15"),
        *("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=15", "-c:v", "mjpeg", "-c:a", "pcm_s16le"),
        *("-f", "mov", "-movflags", "+faststart", folder / "whole.mov"),
    )
    data = bytearray((folder / "whole.mov").read_bytes())
    (folder / "whole.mov").unlink()
    place, end = data.find(b"stco"), 0
    while place > 0:
        count, start = struct.unpack_from(">II", data, place + 4 + 4)
        struct.pack_into(f">{count}I", data, place + 4 + 8, *[start] * count)
        place, end = data.find(b"stco", place + 4), max(end, start + 8192)
    box = data.find(b"mdat") - 4
    struct.pack_into(">I", data, box, end - box)
    (folder / "a.mov").write_bytes(data[:end])


@pytest.mark.fault(58)
async def test_a_result_that_grows_beyond_all_that_was_fetched_is_not_written_to_its_end(
    samples: Samples, tmp_path: Path
) -> None:
    one_chunk_for_all(samples, tmp_path)
    found = extraction(None, "a.mov", form="file")
    size = (tmp_path / "a.mov").stat().st_size
    whole = await join(samples.ffmpeg, tmp_path, found)
    grown = whole.stat().st_size
    assert grown > 20 * size, "it does grow"
    whole.unlink()
    error = await refusal(samples, tmp_path, found, Room(size_max=grown // 4))
    assert error.code == "too_large"
    kept = await join(samples.ffmpeg, tmp_path, found, room=Room(size_max=grown))
    assert kept.stat().st_size == grown, "what is just small enough is whole"


@pytest.mark.fault(58)
async def test_a_disk_that_somebody_fills_ends_what_is_written(tmp_path: Path) -> None:
    ended = anyio.Event()
    room = Room(spare=shutil.disk_usage(tmp_path).free - 24 * MIB)

    async def work() -> None:
        try:
            (tmp_path / "somebody's").write_bytes(bytes(64 * MIB))
            await anyio.sleep_forever()
        finally:
            ended.set()

    with anyio.fail_after(60), pytest.raises(DownloadError) as caught:
        await room.watch(tmp_path, work)
    assert (caught.value.code, caught.value.failure.retryable) == ("no_space", True)
    assert ended.is_set()


async def test_an_error_of_the_work_comes_out_as_it_is(tmp_path: Path) -> None:
    async def work() -> None:
        raise DownloadError("No.", code="join_failed")

    with pytest.raises(DownloadError, match="No"):
        await Room(spare=1).watch(tmp_path, work)
