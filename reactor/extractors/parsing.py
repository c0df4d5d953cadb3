"""Parses documents from outside in a pool of worker processes.

    async with Parsers() as parsers:
        await parsers.manifest(text, url, choice)       streams, or the playlists to read next
        await parsers.metainfo(raw)                     what a `.torrent` says of itself
        await parsers.metalink(raw)                     what a metalink names
        await parsers.feed(raw, url)                    what a feed names
        await parsers.kinds(head)                       which streams a media file holds
        await parsers.clocks(folder, parts)             when each part of a video begins and ends
        await parsers.subtitles(folder, files, …)       files of subtitles as one text

A process reads one document at a time. It is killed when whoever asked is cancelled and when it takes too much time,
and ended when nobody has needed it for a while. What it answers is held against what it may say.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from reactor.errors import DownloadError
from reactor.extractors.documents import ASKED, MANIFEST_BYTES_MAX, Asked, Parsed, Swarm, TorrentFacts
from reactor.extractors.feed_document import KEY_MAX, TITLE_MAX, bad_feed
from reactor.extractors.metainfo import bad_torrent
from reactor.extractors.metalink_document import FILES_MAX, NAME_MAX, URLS_MAX, MetalinkFile, bad_metalink
from reactor.media.choice import QUALITIES_MAX, Choice, Quality, Traits
from reactor.media.clocks import StreamKind
from reactor.media.parts import (
    LABEL_MAX,
    SERVERS_MAX,
    URL_MAX,
    Holds,
    MediaStream,
    Part,
    Pick,
    Selection,
    Subtitles,
    Way,
    bad_manifest,
)
from reactor.numbers import FETCHES_MAX, LIST_MAX, SIZE_MAX, bounded
from reactor.options import FileChoice
from reactor.workers.exchange import WorkerDied
from reactor.workers.limits import Limits
from reactor.workers.pool import Pool
from reactor.workers.process import DocumentReader, bad_answer

if TYPE_CHECKING:
    from reactor.media.measuring import PartFindings, PartQuery
    from reactor.media.subtitles import TextFile, Wanted
    from reactor.media.windows import Query, Window

MIB = 1024 * 1024
READERS_MAX = 4
"""Processes at once; who comes when all are busy waits."""
IDLE_S = 300.0
REQUESTS_MAX = 1000
RESIDENT_MAX = 64 * MIB
"""Bytes of memory; a process that holds more after a document is replaced. A fresh one holds 20 MiB."""
LIMITS = Limits(cpu_s=10, wall_s=60.0, data_bytes=768 * MIB, answer_bytes=80 * MIB)
"""The longest manifest that is read takes 3 s and 300 MiB."""
WISH_MAX = 2000
PATH_MAX = 4096
LATE_MAX_S = 1e9
SOURCES_MAX = 4
"""Streams of a broadcast."""
PLACE_MAX = 2**64
SECTIONS_MAX = 2000
"""Of subtitles: periods of an MPD."""
SIDE_MAX = 1_000_000
"""Pixels of a picture's side."""
LARGE = 64 * 1024
"""Bytes of an answer from which on it is read in a thread."""
_FORMS = ("file", "hls", "concat", "webvtt")
_HOLDS = ("video", "audio")

Bad = Callable[[str], DownloadError]
"""The error for a document; its argument ends the sentence."""


class Parsers(Pool[DocumentReader]):
    """See the module. Leaving the `async with` ends every process."""

    def __init__(self, limits: Limits = LIMITS, *, readers_max: int = READERS_MAX, idle_s: float = IDLE_S) -> None:
        super().__init__(most=readers_max, idle_s=idle_s)
        self._limits = limits

    async def manifest(self, document: bytes, url: str, choice: Choice, asked: Asked = ASKED) -> Parsed | Selection:
        """Parse an HLS or DASH manifest that was found at `url`; it may be compressed by gzip.

        Raises DownloadError: `live`, `drm`, `unsupported`, `too_large`, `too_many_parts`, `bad_manifest`, `bad_key`."""
        request = {"call": "manifest", "url": url, "choice": asdict(choice), "bytes_max": MANIFEST_BYTES_MAX}
        told = asdict(asked) | {"subtitles": asked.subtitles and [asked.subtitles.language, asked.subtitles.name]}
        body = await self._read(document, request | told, bad_manifest)
        answer = await _aside(json.loads, body)
        if isinstance(answer, dict) and isinstance(answer.get("ways"), list):
            return _checked(partial(_selection, answer))  # type: ignore[no-any-return]
        found: Parsed = await _aside(_parsed, answer, size=len(body))
        return found

    async def windows(
        self, document: bytes, url: str, queries: Sequence[Query], choice: Choice, now_s: float
    ) -> list[Window]:
        """What a running stream at `url` has now: `media.windows.windows`. Raises DownloadError, as `manifest` does."""
        request = {"call": "windows", "url": url, "choice": asdict(choice), "bytes_max": MANIFEST_BYTES_MAX}
        request |= {"queries": [asdict(each) for each in queries], "now_s": now_s}
        body = await self._read(document, request, bad_manifest)
        found: list[Window] = await _aside(_windows, json.loads(body), size=len(body))
        return found

    async def metainfo(
        self,
        raw: bytes,
        *,
        bytes_max: int,
        by_http: bool = False,
        wish: str = "",
        files: FileChoice = None,
        shared: bool = False,
        inner: bool = False,
        listed: bool = False,
    ) -> tuple[TorrentFacts, bytes]:
        """Look into a `.torrent`, which may be packed by gzip and has `bytes_max` bytes at most then; what comes with
        it are the bytes for aria2, without what is not asked `by_http` where that is wanted. `wish`: which files, as
        a magnet link's `so` has it; `files`: the same as a row has it, which wins; `shared`: somebody else says that
        the web shares it; `inner`: aria2c is answered `egress.inner_urls`.

        Raises DownloadError (`bad_torrent`, `unsafe_name`, `too_large`, `not_as_wished`)."""
        asked = {"call": "metainfo", "by_http": by_http, "bytes_max": bytes_max, "shared": shared}
        asked |= {"wish": wish[:WISH_MAX], "files": files, "inner": inner, "listed": listed}
        line, _, for_aria2 = (await self._read(raw, asked, bad_torrent)).partition(b"\n")
        told: TorrentFacts = await _aside(_facts, line)
        return told, for_aria2

    async def tracker(self, raw: bytes) -> Swarm:
        """What a tracker has answered. Raises DownloadError."""
        told = _loaded(await self._read(raw, {"call": "tracker"}, bad_torrent))
        return _checked(partial(_swarm, **told))  # type: ignore[no-any-return]

    async def feed(self, raw: bytes, url: str) -> tuple[str, list[tuple[str, str, str]]]:
        """The title of a feed that was found at `url`, and the key, address and title of each of its entries; it may be
        packed by gzip. Raises DownloadError (`bad_feed`)."""
        body = await self._read(raw, {"call": "feed", "url": url, "bytes_max": MANIFEST_BYTES_MAX}, bad_feed)
        found: tuple[str, list[tuple[str, str, str]]] = await _aside(_feed, body)
        return found

    async def metalink(self, raw: bytes) -> list[MetalinkFile]:
        """The files that a metalink names, which may be packed by gzip: at least one, and at least one with an address.

        Raises DownloadError (`bad_metalink`)."""
        body = await self._read(raw, {"call": "metalink", "bytes_max": MANIFEST_BYTES_MAX}, bad_metalink)
        files: list[MetalinkFile] = await _aside(_metalink, body)
        return files

    async def kinds(self, head: bytes) -> set[StreamKind] | None:
        """The kinds of streams in a media file that begins with `head`; None when that does not tell them.

        Raises DownloadError (`bad_part`)."""
        told = _loaded(await self._read(head, {"call": "kinds"}, _bad_media))
        match told:
            case {"kinds": None}:
                return None
            case {"kinds": [*kinds]} if all(kind in _HOLDS for kind in kinds):
                return set(kinds)
        raise bad_answer()

    async def clocks(self, folder: Path, parts: Sequence[PartQuery]) -> list[PartFindings]:
        """Measure parts in a folder: `media.measuring`. Raises Unreadable, OSError."""
        from reactor.media.measuring import Unreadable, asked, found

        body = await self._read(asked(parts), _in_folder("clocks", folder), Unreadable)
        told: list[PartFindings] = await _aside(partial(found, count=len(parts)), body)
        return told

    async def subtitles(self, folder: Path, files: Sequence[TextFile], wanted: Wanted) -> str:
        """Files of subtitles in a folder as one text: `media.subtitles`. Raises DownloadError (`bad_part`)."""
        from reactor.media.subtitles import asked

        body = await self._read(asked(files, wanted), _in_folder("cues", folder), _bad_media)
        text: str = await _aside(bytes.decode, body)
        return text

    async def _read(self, document: bytes, request: Mapping[str, Any], bad: Bad) -> bytes:
        """Have a process read it; when it dies over it, another one, once."""
        how = ""
        for _ in range(2):
            try:
                async with self.slots:
                    with anyio.fail_after(self._limits.wall_s):
                        answer, body = await self._ask(document, request)
            except TimeoutError:
                raise bad(f"parsing it takes more than {self._limits.wall_s:g} s") from None
            except WorkerDied as died:
                if str(died) == "signal 24":  # SIGXCPU
                    raise bad(f"parsing it takes more than {self._limits.cpu_s} s") from None
                how = str(died)
                continue
            if "error" in answer:
                raise self._error(answer["error"], bad)
            return body
        raise bad(f"the parser crashed on it twice ({how})")

    async def _ask(self, document: bytes, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        async with self.lend() as reader:
            answer, body = await reader.ask_about(document, request)
            error = answer.get("error")
            sound = error is None or (isinstance(error, dict) and error.get("kind") == "sentence")
            if not sound or reader.requests >= REQUESTS_MAX or reader.resident_bytes > RESIDENT_MAX:
                await reader.end()
        return answer, body

    def _error(self, told: Any, bad: Bad) -> DownloadError:
        match told:
            case {"kind": "sentence", "message": str(message), "hint": None | str() as hint, "code": str(code)}:
                return DownloadError(message[:2000], hint=hint, code=code)
            case {"kind": "memory"}:
                return bad(f"parsing it takes more than {self._limits.data_bytes // MIB} MiB of memory")
            case {"kind": "too_long"}:
                return bad("its content is too large")
        return bad("it cannot be read")

    async def _start(self) -> DocumentReader:
        return await DocumentReader.start("reactor.extractors.parse_worker:main", _places(), self._limits)


@cache
def _places() -> tuple[str, ...]:
    """Where the library is that metainfo is read with: a user's own one is not found otherwise."""
    library = importlib.util.find_spec("bencode2")
    return (str(Path(library.origin).parents[1]),) if library and library.origin else ()


def _bad_media(why: str) -> DownloadError:
    return DownloadError(f"The beginning of this video cannot be read: {why}.", code="bad_part")


def _in_folder(call: str, folder: Path) -> dict[str, str]:
    return {"call": call, "folder": str(folder.absolute())}


async def _aside(work: Callable[..., Any], told: Any, *, size: int | None = None) -> Any:
    """In a thread, where it takes more than a moment: it cannot hang, and is waited for also by who is cancelled."""
    if (len(told) if size is None else size) < LARGE:
        return _checked(partial(work, told))
    return await to_thread.run_sync(_checked, partial(work, told))


def _checked(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        raise bad_answer() from None


def _loaded(line: bytes) -> Any:
    return _checked(partial(json.loads, line))


def _parsed(told: Any) -> Parsed:
    servers = told["servers"]
    if type(servers) is not int or not 1 <= servers <= SERVERS_MAX:
        raise ValueError(servers)
    qualities = tuple(_quality(*each) for each in told["qualities"][:QUALITIES_MAX])
    return Parsed(tuple(_stream(**each) for each in told["streams"]), servers, qualities)


def _stream(
    form: Any,
    playlist: Any,
    duration_s: Any,
    holds: Any,
    urls: list[Any],
    names: list[Any],
    optional: list[Any],
    needed: list[Any],
    open_s: Any,
    label: Any,
    subtitles: Any,
    traits: Any,
    lasts: list[Any],
    late_s: Any,
    sections: list[Any],
) -> MediaStream:
    maybe = {place for place in optional if isinstance(place, int)}
    parts = tuple(
        Part(_text(url, URL_MAX), _text(name, 255), place in maybe)
        for place, (url, name) in enumerate(zip(urls, names, strict=True))
    )
    least = 0 if form == "webvtt" else 1
    if form not in _FORMS or not least <= len(parts) <= FETCHES_MAX or not isinstance(playlist, str | None):
        raise ValueError(form)
    return MediaStream(
        form,
        parts,
        playlist,
        bounded(duration_s),
        _holds(holds),
        tuple(place for place in needed if type(place) is int and 0 <= place < len(parts)),
        bounded(open_s),
        _text(label, LABEL_MAX),
        _subtitles(subtitles),
        _traits(*traits),
        tuple(bounded(each) or 0.0 for each in lasts[: len(parts)]),
        bounded(late_s, least=-LATE_MAX_S, most=LATE_MAX_S) or 0.0,
        tuple(_section(*each) for each in sections[:SECTIONS_MAX]),
    )


def _windows(told: Any) -> list[Window]:
    if not isinstance(told, list) or not 1 <= len(told) <= SOURCES_MAX:
        raise ValueError(told)
    return [_one_window(**each) for each in told]


def _one_window(
    id: Any,
    holds: Any,
    language: Any,
    stream: Any,
    sections: list[Any],
    first: Any,
    after: Any,
    section: Any,
    last: Any,
    init_url: Any,
    init_name: Any,
    step_s: Any,
    span_s: Any,
    ended: Any,
    fits: Any,
    behind: Any,
) -> Window:
    from reactor.media.windows import Window

    numbers = (first, after, section, *sections)
    if not all(type(each) is int and abs(each) < PLACE_MAX for each in numbers) or len(sections) > FETCHES_MAX:
        raise ValueError(numbers)
    return Window(
        id=_text(id, LABEL_MAX),
        holds=_holds(holds),
        language=_text(language, LABEL_MAX),
        stream=_stream(**stream) if stream else None,
        sections=tuple(sections),
        first=first,
        after=after,
        section=section,
        last=_text(last, URL_MAX),
        init_url=_text(init_url, URL_MAX),
        init_name=_text(init_name, 255),
        step_s=bounded(step_s, most=60.0) or 1.0,
        span_s=bounded(span_s) or 0.0,
        ended=ended is True,
        fits=fits is True,
        behind=behind is True,
    )


def _section(number: Any, start_s: Any, late_s: Any) -> tuple[int, float, float]:
    if type(number) is not int:
        raise ValueError(number)
    late_s = bounded(late_s, least=-LATE_MAX_S, most=LATE_MAX_S) or 0.0
    return number, bounded(start_s, most=LATE_MAX_S) or 0.0, late_s


def _selection(told: Any) -> Selection:
    ways = tuple(
        Way(
            tuple(map(_pick, each["picks"])),
            each["lines"] if type(each["lines"]) is int else None,
            tuple(map(_pick, each["subtitles"])),
        )
        for each in told["ways"]
    )
    if not ways or not all(way.picks for way in ways):
        raise ValueError(told)
    variables = {_text(name, URL_MAX): _text(value, URL_MAX) for name, value in told["variables"].items()}
    return Selection(ways, variables)


def _pick(told: Any) -> Pick:
    return Pick(_text(told[0], URL_MAX), _holds(told[1]), _subtitles(told[2]), _traits(*told[3]))


def _traits(format_id: Any, lines: Any, wide: Any, codec: Any, language: Any, bandwidth: Any) -> Traits:
    name, codec, language = (_text(each, LABEL_MAX) for each in (format_id, codec, language))
    return Traits(name, _side(lines), _side(wide), codec, language, int(bounded(bandwidth) or 0))


def _quality(id: Any, sound: Any, lines: Any, codec: Any, language: Any, rate: Any, silent: Any, _: Any) -> Quality:
    name, codec, language = (_text(each, LABEL_MAX) for each in (id, codec, language))
    return Quality(name, sound is True, _side(lines), codec, language, bounded(rate) or 0.0, silent is True)


def _side(told: Any) -> int | None:
    return told if type(told) is int and 0 < told < SIDE_MAX else None


def _subtitles(told: Any) -> Subtitles | None:
    return None if told is None else Subtitles(_text(told[0], LABEL_MAX), _text(told[1], LABEL_MAX))


def _holds(told: Any) -> Holds:
    if not isinstance(told, list) or not all(each in _HOLDS for each in told):
        raise ValueError(told)
    return tuple(told)


def _text(told: Any, most: int) -> str:
    if not isinstance(told, str) or len(told) > most:
        raise ValueError(told)
    return told


def _facts(line: bytes) -> TorrentFacts:
    match json.loads(line):
        case {
            "name": str(name),
            "top": str(top),
            "folder": bool(folder),
            "size": int(size),
            "select": str(select),
            "paths": [*paths],
            "pads": [*pads],
            "trackers": [*trackers],
            "files": [*files],
            "files_total": int(files_total),
            "v1": None | str() as v1,
            "v2": None | str() as v2,
        } if size >= 0:
            places = tuple((_number(number), _text(path, PATH_MAX)) for number, path in paths)
            urls = tuple(_text(url, URL_MAX) for url in trackers)
            fillers = tuple((_number(number), _number(length)) for number, length in pads)
            told = tuple((_number(n), _text(path, PATH_MAX), _number(size)) for n, path, size in files)
            size = min(size, SIZE_MAX + 1)
            return TorrentFacts(name, top, folder, size, select, places, fillers, urls, v1, v2, told, files_total)
    raise bad_answer()


def _feed(body: bytes) -> tuple[str, list[tuple[str, str, str]]]:
    told = json.loads(body)
    most = (KEY_MAX, URL_MAX, TITLE_MAX)
    items = [tuple(map(_text, (key, url, title), most)) for key, url, title in told["items"][:LIST_MAX]]
    return _text(told["title"], TITLE_MAX), items  # type: ignore[return-value]  # three of each


def _metalink(body: bytes) -> list[MetalinkFile]:
    told = json.loads(body)
    files = [_metalink_file(**each) for each in told[:FILES_MAX]]
    if not any(file.urls or file.torrents for file in files):
        raise ValueError(told)
    return files


def _metalink_file(name: Any, size: Any, checksum: Any, urls: list[Any], torrents: list[Any]) -> MetalinkFile:
    return MetalinkFile(
        _text(name, NAME_MAX),
        None if size is None else _number(size),
        None if checksum is None else _text(checksum, 200),
        tuple(_text(url, URL_MAX) for url in urls[:URLS_MAX]),
        tuple(_text(url, URL_MAX) for url in torrents[:URLS_MAX]),
    )


def _swarm(refused: str | None, seeds: int | None, interval: int, peers: str, peers6: str) -> Swarm:
    return Swarm(refused, seeds, interval, bytes.fromhex(peers), bytes.fromhex(peers6))


def _number(told: Any) -> int:
    if not isinstance(told, int):
        raise ValueError(told)
    return told
