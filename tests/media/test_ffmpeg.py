"""What goes wrong while parts are joined, and what is left of it: a sentence, and no process and no file."""

from __future__ import annotations

import gzip
import stat
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from reactor.errors import DownloadError, ProgramMissing
from reactor.media.probing import probe
from reactor.media.process import MEMORY_MAX, run_ffmpeg
from tests.media.conftest import Fetched, Serve
from tests.media.joining import join
from tests.media.samples import KEYS, Samples, body_of, playlist_of

Stand = Callable[[str], Path]


@pytest.fixture
def stand_in(ffmpeg: Path, tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """An ffmpeg that does `script` where a file is to be written, and is the real one otherwise."""

    def make(script: str) -> Path:
        path = tmp_path_factory.mktemp("program") / "ffmpeg"
        path.write_text(f'#!/bin/sh\ncase "$*" in *-movflags*) {script};; *) exec {ffmpeg} "$@";; esac\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return make


async def failure(ffmpeg: Path, folder: Path, fetched: Fetched, url: str) -> DownloadError:
    """The error of joining; nothing but parts is left."""
    extraction = await fetched(url)
    with pytest.raises(DownloadError) as caught:
        await join(ffmpeg, folder, extraction)
    assert {path.name for path in folder.iterdir()} <= {fetch.name for fetch in extraction.fetches}
    return caught.value


async def gone(pid: int) -> None:
    """Wait until a process has ended. One that nobody has asked for its end yet is a zombie: ended too."""
    with anyio.fail_after(30):
        while True:
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                return
            if state == "Z":
                return
            await anyio.sleep(0.01)


PAGE = b"<!DOCTYPE html>\n<html><head><title>403</title></head><body>Forbidden \xc3\xa4</body></html>"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (PAGE, "error page"),
        (b'{"error": "token expired"}', "error page"),
        (b"", "is empty"),
        (b"#EXTM3U\n#EXTINF:2,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", "error page"),
        (b"\xc3\xa4" * 300, "error page"),
    ],
)
async def test_a_page_in_place_of_a_segment(
    samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path, content: bytes, sentence: str
) -> None:
    """It is named, and deleted, so that it is fetched again."""
    url = serve(samples.hls("ts") | {"part1.ts": content}) + "index.m3u8"
    error = await failure(samples.ffmpeg, tmp_path, fetched, url)
    assert (error.code, error.retryable) == ("bad_part", True)
    assert "0002.ts" in error.message
    assert sentence in error.message
    assert {path.name for path in tmp_path.iterdir()} == {"0001.ts", "0003.ts"}


JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(3000) + b"\xff\xd9"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda _: JPEG, "something else than media"),
        (lambda _: b"PK\x03\x04" + bytes(3000), "something else than media"),
        (lambda _: gzip.compress(bytes(5_000_000)), "not media"),
        (lambda data: data[: len(data) // 188 // 4 * 188], "shorter than it is said to be"),
    ],
)
@pytest.mark.fault(68)
async def test_something_else_in_place_of_a_segment(
    samples: Samples,
    serve: Serve,
    fetched: Fetched,
    tmp_path: Path,
    change: Callable[[bytes], bytes],
    sentence: str,
) -> None:
    files = dict(samples.hls("ts"))
    files["part1.ts"] = change(files["part1.ts"])
    error = await failure(samples.ffmpeg, tmp_path, fetched, serve(files) + "index.m3u8")
    assert (error.code, error.retryable) == ("bad_part", True)
    assert sentence in error.message
    assert {path.name for path in tmp_path.iterdir()} == {"0001.ts", "0003.ts"}


@pytest.mark.fault(68)
async def test_a_last_segment_that_ends_in_a_packet(
    samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path
) -> None:
    files = dict(samples.hls("ts"))
    files["part2.ts"] = files["part2.ts"][:3000]
    error = await failure(samples.ffmpeg, tmp_path, fetched, serve(files) + "index.m3u8")
    assert error.code == "bad_part"
    assert "0003.ts" in error.message


@pytest.mark.parametrize("form", ["hls", "dash"])
@pytest.mark.fault(68)
async def test_a_fragment_that_is_cut_short(
    samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path, form: str
) -> None:
    files = dict(samples.fmp4() if form == "hls" else samples.dash("dash"))
    name = next(name for name in sorted(files) if name.endswith(("1.m4s", "00002.m4s")))
    files[name] = files[name][:-10]
    error = await failure(
        samples.ffmpeg, tmp_path, fetched, serve(files) + f"index.{'m3u8' if form == 'hls' else 'mpd'}"
    )
    assert error.code == "bad_part"
    assert "cut short" in error.message


@pytest.mark.fault(68)
async def test_an_encrypted_segment_of_broken_blocks(
    samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path
) -> None:
    files = dict(samples.encrypted("aes", KEYS[0]))
    files["part1.ts"] = files["part1.ts"][:-7]
    error = await failure(samples.ffmpeg, tmp_path, fetched, serve(files) + "index.m3u8")
    assert (error.code, "cut short" in error.message) == ("bad_part", True)


@pytest.mark.fault(69)
async def test_a_codec_that_changes_in_the_midst(
    samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path
) -> None:
    """No player goes on from the one to the other: said, and not published."""
    other = samples.film("mpeg2.mpg", codecs=("-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2"))
    film, ad = samples.hls("ts"), samples.hls("mpeg2", film=other)
    files = film | {name.replace("part", "ad"): data for name, data in ad.items()}
    files["index.m3u8"] = playlist_of(body_of(film["index.m3u8"]), body_of(ad["index.m3u8"]).replace("part", "ad"))
    error = await failure(samples.ffmpeg, tmp_path, fetched, serve(files) + "index.m3u8")
    assert error.code == "unsupported"
    assert "changes midway, from h264 to mpeg2video" in error.message


@pytest.mark.parametrize("key", [b"short", b"x" * 17, b"", PAGE])
async def test_a_key_of_another_length(
    samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path, key: bytes
) -> None:
    url = serve(samples.encrypted("aes", KEYS[0]) | {"secret.key": key}) + "index.m3u8"
    error = await failure(samples.ffmpeg, tmp_path, fetched, url)
    assert error.code == "bad_key"
    assert "error page" in error.message if key == PAGE else f"{len(key)} bytes long, not 16" in error.message
    assert not (tmp_path / "key-1.bin").exists()


async def test_a_wrong_key(samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path) -> None:
    url = serve(samples.encrypted("aes", KEYS[0]) | {"secret.key": KEYS[1]}) + "index.m3u8"
    error = await failure(samples.ffmpeg, tmp_path, fetched, url)
    assert error.code == "join_failed"
    assert "ffmpeg could not join" in error.message


async def test_a_part_that_is_gone(samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path) -> None:
    extraction = await fetched(serve(samples.hls("ts")) + "index.m3u8")
    (tmp_path / "0003.ts").unlink()
    with pytest.raises(DownloadError, match=r"0003\.ts") as caught:
        await join(samples.ffmpeg, tmp_path, extraction)
    assert (caught.value.code, caught.value.retryable) == ("files_missing", True)


async def test_an_ffmpeg_that_is_killed_is_worth_another_try(
    samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path
) -> None:
    extraction = await fetched(serve(samples.hls("ts")) + "index.m3u8")
    killed = tmp_path / "ffmpeg"
    killed.write_text(f'#!/bin/sh\ncase $* in *demuxer=hls*) exec {samples.ffmpeg} "$@";; esac\nkill -9 $$\n')
    killed.chmod(0o755)
    with pytest.raises(DownloadError) as caught:
        await join(killed, tmp_path, extraction)
    assert (caught.value.code, caught.value.retryable) == ("killed", True)


async def test_a_list_of_files_hidden_in_an_encrypted_segment(
    samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path
) -> None:
    """It would have ffmpeg open what else there is: here a film, and only our list of formats is in its way."""
    hidden, closed = samples.root / "hidden.txt", samples.root / "hidden.bin"
    hidden.write_text("ffconcat version 1.0\nfile private.mp4\n")
    code = ("-encryption_key", KEYS[0].hex(), "-encryption_iv", "0" * 32)
    samples.run("-f", "data", "-i", hidden, "-map", "0", "-c", "copy", "-f", "data", *code, f"crypto:{closed}")
    lines = '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x0\n#EXTINF:6.0,\nhidden.ts\n'
    files = {"hidden.ts": closed.read_bytes(), "k": KEYS[0], "index.m3u8": playlist_of(lines)}
    extraction = await fetched(serve(files) + "index.m3u8")
    (tmp_path / "private.mp4").write_bytes(samples.film().read_bytes())
    with pytest.raises(DownloadError) as caught:
        await join(samples.ffmpeg, tmp_path, extraction)
    assert caught.value.code == "join_failed"


async def test_a_result_that_is_too_short(
    samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path, stand_in: Stand
) -> None:
    """By what its parts last, whatever ffmpeg says of itself."""
    program = stand_in(f'exec {samples.ffmpeg} "${{@:1:$(($#-1))}}" -t 4 "${{@: -1}}"')
    program.write_text(program.read_text().replace("#!/bin/sh", "#!/bin/bash"))
    error = await failure(program, tmp_path, fetched, serve(samples.hls("ts")) + "index.m3u8")
    assert error.code == "incomplete"
    assert "lasts 4.0 s, but its parts last 6.0 s" in error.message


async def test_a_result_without_its_sound(samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path) -> None:
    files = samples.hls("picture-mpegts", "-an")
    master = b'#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="avc1.42c00a,mp4a.40.2"\nindex.m3u8\n'
    error = await failure(samples.ffmpeg, tmp_path, fetched, serve(files | {"m.m3u8": master}) + "m.m3u8")
    assert error.code == "incomplete"
    assert "no sound" in error.message


async def test_what_ffmpeg_says_is_told_without_paths(
    samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path, stand_in: Stand
) -> None:
    program = stand_in(
        f"echo '[mp4 @ 0x55d1] {tmp_path}/x.ts: Broken thing.' >&2; echo 'Conversion failed!' >&2; exit 3"
    )
    error = await failure(program, tmp_path, fetched, serve(samples.hls("ts")) + "index.m3u8")
    assert error.message == "ffmpeg could not join the parts of this video: x.ts: Broken thing."


@pytest.mark.fault(43)
async def test_a_full_disk(samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path, stand_in: Stand) -> None:
    program = stand_in("echo 'av_interleaved_write_frame(): No space left on device' >&2; exit 228")
    error = await failure(program, tmp_path, fetched, serve(samples.hls("ts")) + "index.m3u8")
    assert (error.code, error.retryable) == ("no_space", True)


async def test_cancelled_while_joining(
    samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path, stand_in: Stand
) -> None:
    """The whole process group ends, and what it began to write is gone."""
    extraction = await fetched(serve(samples.hls("ts")) + "index.m3u8")
    program = stand_in("sleep 600 & echo half > .joined.mp4; echo $$ $! > ../pids.new; mv ../pids.new ../pids; wait")
    pids = tmp_path.parent / "pids"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(join, program, tmp_path, extraction)
        with anyio.fail_after(30):
            while not pids.exists():
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    for pid in pids.read_text().split():
        await gone(int(pid))
    assert {path.name for path in tmp_path.iterdir()} == {fetch.name for fetch in extraction.fetches}


async def test_it_has_so_much_memory_and_no_more(tmp_path: Path) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text('#!/bin/sh\nuntil [ "$(ulimit -d)" != unlimited ]; do :; done; ulimit -d\n')
    program.chmod(0o755)
    run = await run_ffmpeg(program, [], folder=tmp_path, deadline_s=60.0)
    assert int(run.output) * 1024 == MEMORY_MAX


async def test_the_deadline_ends_it(tmp_path: Path, stand_in: Stand) -> None:
    program = stand_in("sleep 600 & echo $! > pid; wait")
    with pytest.raises(DownloadError) as caught:
        await run_ffmpeg(program, ["-movflags"], folder=tmp_path, deadline_s=1.0)
    assert (caught.value.code, caught.value.retryable) == ("timeout", True)
    await gone(int((tmp_path / "pid").read_text()))


async def test_progress_grows_to_one(samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path) -> None:
    extraction, shares = await fetched(serve(samples.hls("ts")) + "index.m3u8"), list[float]()
    await join(samples.ffmpeg, tmp_path, extraction, progress=shares.append)
    assert len(shares) > 1
    assert shares == sorted(shares)
    assert (shares[0] >= 0.0, shares[-1]) == (True, 1.0)


async def test_probing(samples: Samples, tmp_path: Path) -> None:
    found = await probe(samples.ffmpeg, samples.film())
    assert (found.video, found.audio) == ("h264", "aac")
    text = tmp_path / "notes.txt"
    text.write_text("no media")
    with pytest.raises(DownloadError, match="could not"):
        await probe(samples.ffmpeg, text)


async def test_an_ffmpeg_that_is_not_there(samples: Samples, tmp_path: Path) -> None:
    with pytest.raises(ProgramMissing, match="does not run"):
        await probe(tmp_path / "ffmpeg", samples.film())


@pytest.mark.fault(46)
async def test_an_ffmpeg_that_is_too_old(
    samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    program = tmp_path_factory.mktemp("old") / "ffmpeg"
    program.write_text("#!/bin/sh\necho '-allowed_extensions <string>'\n")
    program.chmod(0o755)
    extraction = await fetched(serve(samples.hls("ts")) + "index.m3u8")
    with pytest.raises(ProgramMissing, match="too old"):
        await join(program, tmp_path, extraction)


@pytest.mark.fault(57)
async def test_it_inherits_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOT_TOKEN", "s3cret")
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nenv\n")
    program.chmod(0o755)
    run = await run_ffmpeg(program, [], folder=tmp_path, deadline_s=60.0)
    assert "PATH=" in run.output
    assert "s3cret" not in run.output


@pytest.mark.parametrize(
    "uri", ["/etc/hostname", "file:///etc/hostname", "key-2.bin", "data:text/plain,0123456789abcdef"]
)
async def test_a_key_that_is_none_of_the_parts(
    samples: Samples, serve: Serve, fetched: Fetched, tmp_path: Path, uri: str
) -> None:
    """A plan that somebody has changed: ffmpeg would open whatever it names."""
    extraction = await fetched(serve(samples.encrypted("aes", KEYS[0])) + "index.m3u8")
    (tmp_path / "key-1.bin").write_bytes(bytes(range(16)))
    (track,) = extraction.finish.tracks
    assert track.playlist
    changed = track.model_copy(update={"playlist": track.playlist.replace("key-1.bin", uri)})
    finish = extraction.finish.model_copy(update={"tracks": (changed,)})
    with pytest.raises(DownloadError, match="not those that its playlist names") as caught:
        await join(samples.ffmpeg, tmp_path, extraction.model_copy(update={"finish": finish}))
    assert caught.value.code == "bad_manifest"
