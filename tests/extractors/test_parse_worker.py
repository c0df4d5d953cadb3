"""What is done in the process that reads documents, done here; and what that process imports."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import bencode2
import pytest

from reactor.errors import DownloadError
from reactor.extractors import parse_worker
from reactor.extractors.documents import ASKED
from reactor.media.choice import Choice

HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
MEDIA = f"{HEAD}#EXTINF:2.5,\none.ts\n#EXT-X-ENDLIST\n"
MASTER = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="avc1,mp4a"\nv.m3u8\n'
MPD = '<MPD mediaPresentationDuration="PT4S"><Period><AdaptationSet mimeType="video/mp4"><Representation/>'
MPD += "</AdaptationSet></Period></MPD>"


def asked(document: str | bytes, **more: Any) -> Any:
    request = {"url": "https://h/a", "choice": asdict(Choice()), "bytes_max": 2**20, **asdict(ASKED)} | more
    return json.loads(parse_worker.manifest(request, document if isinstance(document, bytes) else document.encode()))


def refused(document: str, **more: Any) -> str:
    with pytest.raises(DownloadError) as caught:
        asked(document, **more)
    return caught.value.message


def test_each_kind_of_manifest() -> None:
    (stream,) = asked(f"\ufeff{MEDIA}", holds=["audio"], prefix="audio-")["streams"]
    assert (stream["form"], stream["urls"], stream["names"]) == ("hls", ["https://h/one.ts"], ["audio-0001.ts"])
    assert (stream["duration_s"], stream["holds"], stream["optional"]) == (2.5, ["audio"], [])
    traits = ["hls-0", None, None, "avc1", "", 1]
    way = {"picks": [["https://h/v.m3u8", ["video", "audio"], None, traits]], "lines": None, "subtitles": []}
    assert asked(MASTER) == {"ways": [way], "variables": {}}
    (stream,) = asked(MPD)["streams"]
    assert (stream["form"], stream["names"]) == ("file", ["video.mp4"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_the_encodings_of_manifests(encoding: str) -> None:
    """With a byte order mark or without, compressed or not, and by the XML declaration."""
    for document, want in ((MEDIA, "https://h/one.ts"), (MPD, "https://h/a")):
        for data in (document.encode(encoding), gzip.compress(document.encode(encoding))):
            assert asked(data)["streams"][0]["urls"] == [want]


def test_an_xml_declaration_names_the_encoding() -> None:
    for name, want in (("iso-8859-1", "\xe9"), ("windows-1251", "\u0439")):
        declared = f'<?xml version="1.0" encoding="{name}"?>'.encode()
        base = MPD.replace("<Period>", "<BaseURL>@</BaseURL><Period>").encode().replace(b"@", b"\xe9")
        assert asked(declared + base)["streams"][0]["urls"] == [f"https://h/{want}"]


def test_what_is_none() -> None:
    assert "it is a web page" in refused("<!doctype html><HTML>")
    assert "neither HLS nor DASH" in refused("{}")
    assert "as a variant" in refused(MASTER, variant=True)
    assert "it is not a playlist" in refused(MPD, variant=True)


def test_a_torrent_and_its_bytes() -> None:
    info = {"name": "a", "length": 3, "pieces": b"x" * 20, "piece length": 2**14}
    raw = bencode2.bencode({"announce": "udp://a/", "info": info})
    asked = {"by_http": False, "bytes_max": 2**16, "wish": "0", "shared": False, "inner": False}
    asked |= {"files": None, "listed": True}
    line, _, more = parse_worker.metainfo(asked, raw).partition(b"\n")
    told = json.loads(line)
    assert {key: told[key] for key in ("name", "top", "folder", "size", "v2")} == {
        "name": "a",
        "top": "a",
        "folder": False,
        "size": 3,
        "v2": None,
    }
    assert (told["select"], told["paths"], told["trackers"]) == ("", [], ["udp://a/"])
    assert (told["files"], told["files_total"]) == ([[1, "a", 3]], 1)
    assert more == raw
    (_, _, more) = parse_worker.metainfo(asked | {"by_http": True}, raw).partition(b"\n")
    assert bencode2.bdecode(more).keys() == {b"info"}
    assert parse_worker.metainfo(asked, gzip.compress(raw)) == line + b"\n" + raw


@pytest.mark.fault(60)
@pytest.mark.parametrize(
    "packed",
    [gzip.compress(b"d" * 2**20, mtime=0), gzip.compress(b"x", mtime=0)[:12], b"\x1f\x8b" + b"x" * 30],
    ids=["a bomb", "cut short", "broken"],
)
def test_what_is_packed_is_bounded(packed: bytes) -> None:
    with pytest.raises(DownloadError) as caught:
        parse_worker.metainfo({"bytes_max": 2**16}, packed)
    assert caught.value.code == "bad_torrent"


def test_the_streams_of_a_file_by_its_first_bytes() -> None:
    webm = b"\x1a\x45\xdf\xa3...\x83\x81\x02...\x83\x81\x01"
    for head, kinds in ((webm, ["audio", "video"]), (webm[:4], None), (b"what is that", None), (b"", None)):
        assert json.loads(parse_worker.kinds({}, head)) == {"kinds": kinds}


def test_it_imports_only_what_it_needs() -> None:
    """Each of these would cost more than all the rest."""
    code = "import sys, reactor.extractors.parse_worker; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "reactor.media.dash" in loaded
    assert not loaded & {"pydantic", "asyncio", "anyio", "h11", "ssl", "sqlite3", "http.cookiejar", "subprocess"}
