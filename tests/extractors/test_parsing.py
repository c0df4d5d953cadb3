"""Documents in and values out, by a process that may be killed at any moment, or say anything."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import bencode2
import pytest

from reactor.errors import DownloadError
from reactor.extractors import parsing
from reactor.extractors.documents import Parsed
from reactor.extractors.metainfo import parse_metainfo
from reactor.extractors.parsing import Parsers
from reactor.media import hls
from reactor.media.choice import Choice, Traits
from reactor.media.parts import Pick, Selection, Way
from reactor.workers.limits import Limits
from reactor.workers.process import DocumentReader
from tests.extractors.processes import runs, until

ROOT = str(Path(__file__).parents[2])
URL = "https://host/a/index.m3u8"
HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
MEDIA = f"{HEAD}#EXTINF:2.5,\none.ts\n#EXTINF:2.5,\ntwo.ts\n#EXT-X-ENDLIST\n"
INFO = {"name": "ä", "length": 3, "pieces": b"x" * 20, "piece length": 2**14}
TORRENT = bencode2.bencode({"announce": "udp://a/", "info": INFO})
SHORT = replace(parsing.LIMITS, wall_s=0.5)


@pytest.fixture
async def parsers() -> AsyncIterator[Parsers]:
    async with Parsers() as parsers:
        yield parsers


async def read(parsers: Parsers, text: str = MEDIA) -> Any:
    return await parsers.manifest(text.encode(), URL, Choice())


async def test_a_manifest_is_what_it_is_when_it_is_read_here(parsers: Parsers) -> None:
    """By one process, that stays for the next."""
    long = HEAD + "".join(f"#EXTINF:2.5,\nsegment-{n}.ts\n" for n in range(20_000)) + "#EXT-X-ENDLIST\n"
    for text in (MEDIA, long, MEDIA):
        media = hls.parse(text, URL)
        assert isinstance(media, hls.Media)
        assert await read(parsers, text) == Parsed((hls.stream(media),))
    assert parsers.starts == 1
    master = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="avc1,mp4a"\nv.m3u8\n'
    told = Traits(format="hls-0", codec="avc1", bandwidth=1)
    way = Way((Pick("https://host/a/v.m3u8", ("video", "audio"), traits=told),))
    assert await read(parsers, master) == Selection((way,))


async def test_a_torrent_is_what_it_is_when_it_is_read_here(parsers: Parsers) -> None:
    facts, raw = await parsers.metainfo(TORRENT, bytes_max=2**23)
    here = parse_metainfo(TORRENT)
    assert (facts.name, facts.size, facts.folder, facts.v1, facts.v2, raw) == ("ä", 3, False, here.v1, None, TORRENT)
    facts, raw = await parsers.metainfo(TORRENT, bytes_max=2**23, by_http=True)
    assert bencode2.bdecode(raw) == {b"info": bencode2.bdecode(TORRENT)[b"info"]}
    with pytest.raises(DownloadError, match="web page") as caught:
        await parsers.metainfo(b"<html>", bytes_max=2**23)
    assert caught.value.code == "bad_torrent"


async def test_sentences_come_as_they_are(parsers: Parsers) -> None:
    for text, word in ((HEAD, "live"), ("<html>", "bad_manifest"), (HEAD + "#EXT-X-DEFINE:\n", "bad_manifest")):
        with pytest.raises(DownloadError) as caught:
            await read(parsers, text)
        assert caught.value.code == word


async def stopped(parsers: Parsers) -> int:
    """The process, which does nothing any more: what hangs looks like that from here."""
    await read(parsers)
    (pid,) = parsers.pids
    os.kill(pid, signal.SIGSTOP)
    return pid


@pytest.mark.fault(60)
async def test_one_that_hangs_is_given_up_with_a_sentence(parsers: Parsers, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = await stopped(parsers)
    monkeypatch.setattr(parsers, "_limits", SHORT)
    with pytest.raises(DownloadError, match="parsing it takes more than 0") as caught:
        await read(parsers)
    assert (caught.value.code, caught.value.retryable) == ("bad_manifest", False)
    assert not runs(pid)
    monkeypatch.undo()
    pid = await stopped(parsers)
    monkeypatch.setattr(parsers, "_limits", SHORT)
    with pytest.raises(DownloadError) as caught:
        await parsers.metainfo(TORRENT, bytes_max=2**23)
    assert caught.value.code == "bad_torrent"
    monkeypatch.undo()
    assert await read(parsers)


@pytest.mark.fault(60)
async def test_a_cancel_leaves_no_process_and_no_thread(parsers: Parsers) -> None:
    pid = await stopped(parsers)
    threads = threading.active_count()
    with anyio.move_on_after(0.1) as scope:
        await read(parsers)
    assert scope.cancelled_caught
    assert not runs(pid)
    assert parsers.pids == ()
    assert threading.active_count() <= threads
    assert await read(parsers)


async def test_one_that_was_killed_is_replaced(parsers: Parsers) -> None:
    await read(parsers)
    os.kill(parsers.pids[0], signal.SIGKILL)
    assert await read(parsers)
    assert parsers.starts == 2


class Dying(Parsers):
    async def _start(self) -> DocumentReader:
        return await DocumentReader.start("os:abort", (), parsing.LIMITS)


class OutOfTime(Parsers):
    async def _start(self) -> DocumentReader:
        return await DocumentReader.start("tests.extractors.processes:run_out_of_time", (ROOT,), parsing.LIMITS)


async def test_one_that_has_used_up_its_processor_time_is_not_tried_again() -> None:
    async with OutOfTime() as parsers:
        with pytest.raises(DownloadError, match="parsing it takes more than 10 s"):
            await read(parsers)
        assert (parsers.starts, parsers.pids) == (1, ())


async def test_one_that_dies_of_a_document_twice_is_enough() -> None:
    async with Dying() as parsers:
        with pytest.raises(DownloadError, match="the parser crashed on it twice \\(signal 6\\)") as caught:
            await read(parsers)
        assert (caught.value.code, parsers.starts, parsers.pids) == ("bad_manifest", 2, ())


async def test_too_much_memory_too_much_output() -> None:
    async with Parsers(Limits(cpu_s=10, wall_s=60.0, data_bytes=2**26, answer_bytes=200)) as parsers:
        with pytest.raises(DownloadError, match="takes more than 64 MiB of memory"):
            await read(parsers, f"<MPD>{'<Period/>' * 390_000}</MPD>")
        with pytest.raises(DownloadError, match="its content is too large"):
            await read(parsers, MEDIA)


async def test_it_is_started_while_the_document_is_on_its_way(parsers: Parsers) -> None:
    parsers.warm()
    parsers.warm()
    await until(lambda: parsers.starts == 1)
    await read(parsers)
    parsers.warm()
    assert (parsers.starts, len(parsers.pids)) == (1, 1)


async def test_who_comes_meanwhile_waits_for_that_one(parsers: Parsers) -> None:
    parsers.warm()
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            await anyio.lowlevel.checkpoint()
        tasks.start_soon(read, parsers)
    assert parsers.starts == 1


async def test_an_idle_one_is_ended() -> None:
    async with Parsers(idle_s=0.1) as parsers:
        await read(parsers)
        (pid,) = parsers.pids
        await until(lambda: not runs(pid))
        assert parsers.pids == ()


async def test_more_than_there_are_processes_for(parsers: Parsers) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(read, parsers)
    assert parsers.starts <= parsing.READERS_MAX


@pytest.mark.nightly
@pytest.mark.fault(71)
async def test_long_ones_take_seconds_of_the_processor_not_minutes() -> None:
    keys = "".join(f'#EXT-X-KEY:METHOD=AES-128,URI="k{n}"\n#EXTINF:1.0,\ns{n}\n' for n in range(9990))
    qualities = f'<AdaptationSet mimeType="video/mp4">{"<Representation/>" * 100_000}</AdaptationSet>'
    async with Parsers(replace(parsing.LIMITS, cpu_s=20)) as parsers:
        assert await read(parsers, f"{HEAD}{keys}#EXT-X-ENDLIST\n")
        assert await read(parsers, f"<MPD><Period>{qualities}</Period></MPD>")


STREAM = {"form": "hls", "playlist": "", "duration_s": 1.0, "holds": [], "urls": ["u"], "names": ["n"], "optional": []}
WRONG: list[dict[str, Any]] = [
    *({"form": "exe"}, {"playlist": 7}, {"holds": ["title"]}, {"holds": None}, {"urls": ["u", "v"]}, {"urls": [7]}),
    *({"urls": ["u" * 20_000]}, {"names": [None]}, {"urls": [], "names": []}, {"extra": 1}, {"optional": 1}),
    {"urls": ["u"] * 20_001, "names": ["n"] * 20_001},
]
PICKS: list[Any] = [7, [], ["u"], ["u", ["smell"]], [None, []]]


@pytest.mark.variants(6)
@pytest.mark.parametrize(
    "answer",
    [
        *({"streams": [STREAM | wrong]} for wrong in WRONG),
        *({"picks": [wrong]} for wrong in PICKS),
        *({"streams": 7}, {"streams": [7]}, {}, [], None, "streams"),
    ],
)
async def test_what_no_reader_says(parsers: Parsers, monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    said(monkeypatch, encoded(answer))
    with pytest.raises(DownloadError) as caught:
        await read(parsers)
    assert caught.value.code == "bad_answer"


@pytest.mark.parametrize(
    "line",
    [b"", b"7", b"{}", b'{"name": "a", "folder": false, "size": -1, "v1": null, "v2": null}', b"\xff", b"[" * 100_000],
)
async def test_what_no_reader_says_of_a_torrent(parsers: Parsers, monkeypatch: pytest.MonkeyPatch, line: bytes) -> None:
    said(monkeypatch, line)
    with pytest.raises(DownloadError) as caught:
        await parsers.metainfo(TORRENT, bytes_max=2**23)
    assert caught.value.code == "bad_answer"


def encoded(answer: object) -> bytes:

    return json.dumps(answer).encode()


def said(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    async def ask(self: object, document: bytes, request: object) -> tuple[dict[str, Any], bytes]:
        return {}, body

    monkeypatch.setattr(DocumentReader, "ask_about", ask)
