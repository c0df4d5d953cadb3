"""The process that parses manifests, `.torrent` files, metalinks and parts of videos.

Answers are JSON, as `parsing` reads it. This imports neither pydantic nor the client: it is to start quickly.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import Any

from reactor.errors import DownloadError
from reactor.extractors.feed_document import bad_feed, parse_feed
from reactor.extractors.metainfo import (
    bad_torrent,
    has_web_seeds,
    listed,
    metainfo_for_aria2,
    none_of,
    outer_of,
    parse_metainfo,
    selected,
    tracker_answer,
    trackers,
)
from reactor.extractors.metalink_document import bad_metalink, parse_metalink
from reactor.media import containers, dash, hls, measuring, subtitles, variants
from reactor.media.choice import Choice, Like, Quality
from reactor.media.encodings import decoded
from reactor.media.parts import MediaStream, Pick, Selection, Subtitles, bad_manifest
from reactor.workers.child import serve


def main() -> None:
    """Serve until the input ends."""
    serve(
        {
            "manifest": manifest,
            "windows": windows,
            "metainfo": metainfo,
            "metalink": metalink,
            "feed": feed,
            "kinds": kinds,
            "clocks": clocks,
            "cues": cues,
            "tracker": tracker,
        }
    )


def manifest(request: Mapping[str, Any], document: bytes) -> bytes:
    """`url`, `choice`, and the fields of `parsing.Asked` → streams, or the playlists to read next. Raises
    DownloadError, as `hls` and `dash` do."""
    text, url = decoded(_unpacked(document, request["bytes_max"], bad_manifest)), request["url"]
    choice, variant = _choice(request["choice"]), request["variant"]
    if not variant and not hls.is_hls(text):
        if not dash.is_dash(text):
            raise bad_manifest("it is a web page" if "<html" in text[:4096].lower() else "it is neither HLS nor DASH")
        how = {name: request[name] for name in ("server", "avoid", "now_s", "timed")}
        offered = dash.offered(text, url) if request["listed"] else []
        return _streams(dash.parse(text, url, choice, **how), dash.servers(text), offered)
    found = hls.parse(text, url, request["variables"])
    if isinstance(found, hls.Media):
        if request["subtitles"]:
            return _streams([hls.subtitle_stream(found, Subtitles(*request["subtitles"]), prefix=request["prefix"])])
        return _streams([hls.stream(found, prefix=request["prefix"], holds=tuple(request["holds"]))])
    if variant:
        raise bad_manifest("it names itself, or another list of variants, as a variant")
    return _selection(variants.choose(found, choice))


def windows(request: Mapping[str, Any], document: bytes) -> bytes:
    """`url`, `queries`, `choice`, `now_s` → what a running stream has now. Raises DownloadError."""
    from reactor.media.windows import Query
    from reactor.media.windows import windows as windows_of

    text = decoded(_unpacked(document, request["bytes_max"], bad_manifest))
    queries = [Query(**{**each, "holds": tuple(each["holds"])}) for each in request["queries"]]
    found = windows_of(text, request["url"], queries, _choice(request["choice"]), request["now_s"])
    told = [vars_of(each) | {"stream": each.stream and _stream(each.stream)} for each in found]
    return _json(told)


def vars_of(found: Any) -> dict[str, Any]:
    """The fields of a dataclass, as they are."""
    return {each.name: getattr(found, each.name) for each in fields(found)}


def _choice(told: Mapping[str, Any]) -> Choice:
    like = tuple(Like(**each) for each in told["like"])
    texts = None if told["texts"] is None else tuple(told["texts"])
    return Choice(**{**told, "formats": tuple(told["formats"]), "texts": texts, "like": like})


def metainfo(request: Mapping[str, Any], document: bytes) -> bytes:
    """`by_http`, `bytes_max`, `wish`, `files`, `shared`, `inner`, `listed` → a line about it, and its bytes for aria2.

    Raises DownloadError."""
    outer = outer_of(_unpacked(document, request["bytes_max"], bad_torrent))
    found = parse_metainfo(outer)
    files = found.wanted(request["wish"], request["files"])
    if not files:
        raise none_of(found)
    told = {
        "name": found.name,
        "top": found.top,
        "folder": found.folder,
        "size": sum(file.size for file in files),
        "select": selected(files, found.count),
        "paths": [[file.number, file.path] for file in files if file.told],
        "pads": found.pads if request["shared"] or has_web_seeds(outer) else [],
        "trackers": trackers(outer),
        "files": listed(found) if request["listed"] else [],
        "files_total": len(found.files),
        "v1": found.v1,
        "v2": found.v2,
    }
    return _json(told) + b"\n" + metainfo_for_aria2(outer, by_http=request["by_http"], inner=request["inner"])


def feed(request: Mapping[str, Any], document: bytes) -> bytes:
    """`bytes_max`, `url` → its title, and its entries. Raises DownloadError."""
    title, items = parse_feed(decoded(_unpacked(document, request["bytes_max"], bad_feed)), request["url"])
    return _json({"title": title, "items": items})


def metalink(request: Mapping[str, Any], document: bytes) -> bytes:
    """`bytes_max` → the files that it names. Raises DownloadError."""
    text = decoded(_unpacked(document, request["bytes_max"], bad_metalink))
    return _json([asdict(file) for file in parse_metalink(text)])


def tracker(request: Mapping[str, Any], document: bytes) -> bytes:
    """The document is the answer of a tracker → `refused`, and how many have all of it. Raises DownloadError."""
    return _json(tracker_answer(document))


def _unpacked(document: bytes, bytes_max: int, bad: Callable[[str], DownloadError]) -> bytes:
    """The document, unpacked if a server has sent it compressed by gzip without saying so."""
    if not document.startswith(b"\x1f\x8b"):
        return document
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacking.decompress(document, bytes_max)
    except zlib.error as error:
        raise bad("its content cannot be read") from error
    if unpacking.unconsumed_tail:
        raise bad(f"unpacked it is longer than {bytes_max // 1024**2} MiB")
    return unpacked


def kinds(request: Mapping[str, Any], document: bytes) -> bytes:
    """The document is the beginning of a media file → the kinds of its streams, null where they are not known."""
    found = containers.kinds(document)
    return _json({"kinds": None if found is None else sorted(found)})


def clocks(request: Mapping[str, Any], document: bytes) -> bytes:
    """`folder`; the document names parts in it → what each of them holds, and when. Both are `media.measuring`'s."""
    return measuring.answer(Path(request["folder"]), document)


def cues(request: Mapping[str, Any], document: bytes) -> bytes:
    """`folder`; the document names files of subtitles in it → one text. Both are `media.subtitles`'s."""
    return subtitles.answer(Path(request["folder"]), document)


def _streams(streams: Iterable[MediaStream], servers: int = 1, offered: Iterable[Quality] = ()) -> bytes:
    told = [astuple(quality) for quality in offered]
    return _json({"streams": [_stream(stream) for stream in streams], "servers": servers, "qualities": told})


def _stream(stream: MediaStream) -> dict[str, Any]:
    return {
        "form": stream.form,
        "playlist": stream.playlist,
        "duration_s": stream.duration_s,
        "holds": stream.holds,
        "urls": [part.url for part in stream.parts],
        "names": [part.name for part in stream.parts],
        "optional": [place for place, part in enumerate(stream.parts) if part.optional],
        "needed": stream.needed,
        "open_s": stream.open_s,
        "label": stream.label,
        "subtitles": _subtitles(stream.subtitles),
        "traits": astuple(stream.traits),
        "lasts": stream.lasts,
        "late_s": stream.late_s,
        "sections": stream.sections,
    }


def _selection(found: Selection) -> bytes:
    ways = [
        {
            "picks": [_pick(pick) for pick in way.picks],
            "lines": way.lines,
            "subtitles": [_pick(pick) for pick in way.subtitles],
        }
        for way in found.ways
    ]
    return _json({"ways": ways, "variables": found.variables})


def _pick(pick: Pick) -> list[Any]:
    return [pick.url, pick.holds, _subtitles(pick.subtitles), astuple(pick.traits)]


def _subtitles(told: Subtitles | None) -> list[str] | None:
    return [told.language, told.name] if told else None


def _json(told: Mapping[str, Any] | list[dict[str, Any]]) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
