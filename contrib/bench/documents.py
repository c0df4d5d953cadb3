"""What a stranger's document costs: twice the length, twice the time; and what a small one costs by its process."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from itertools import pairwise

import anyio
import h11
from anyio import to_thread
from bencode2 import bencode

from contrib.bench.bench import Bench
from contrib.bench.report import Row, number
from contrib.bench.validity import Invalid
from reactor.extractors.metainfo import parse_metainfo
from reactor.extractors.parsing import Parsers
from reactor.media import dash, hls, variants
from reactor.media.choice import Choice
from reactor.net.client import Response
from reactor.net.cookies import keep_cookies
from reactor.net.jar import Jar
from reactor.plan import Cookie

URL = "https://host.example/films/film/index"
PER_DOUBLING_MAX = 2.3
SMALL_EXTRA_MS_MAX = 5.0
HEAD, END = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n", "#EXT-X-ENDLIST\n"
FREE = '<AdaptationSet mimeType="video/mp4"><Representation/></AdaptationSet>'
VIDEO = '<AdaptationSet mimeType="video/mp4">{}</AdaptationSet>'

Read = Callable[[], int]
"""Reads a document that was made before; how many things it found."""


def documents(bench: Bench) -> list[Row]:
    """A curve for each kind of document and for what it may hold many of, and the price of a small one."""
    most = bench.scale.document_items
    rows = [_curve(kind, how, most, bench.scale.document_rounds) for kind in KINDS for how in KINDS[kind]]
    here, there = anyio.run(_small, bench.scale.samples)
    extra = there - here
    target = f"≤ {SMALL_EXTRA_MS_MAX:g} ms more"
    note = "HLS of 3 kB: the rival is a thread of the daemon's, which nobody could end."
    return [
        *rows,
        Row("3 kB by its process", "ms", there, here, here / there, target, extra <= SMALL_EXTRA_MS_MAX, note),
    ]


def _curve(kind: str, how: str, most: int, rounds: int) -> Row:
    """The worst doubling up to `most`; the curve is the note."""
    counts = [most // 8, most // 4, most // 2, most]
    took = _best_ms({count: KINDS[kind][how](count) for count in counts}, rounds)
    worst = max(after / before for before, after in pairwise(took.values()))
    curve = ", ".join(f"{count:,}: {number(ms)} ms" for count, ms in took.items())
    name = f"{kind}, {how}"
    return Row(
        f"{name}, twice as many", "×", worst, target=f"≤ {PER_DOUBLING_MAX:g} ×", met=worst <= PER_DOUBLING_MAX,
        note=f"{name}: {curve}.",
    )  # fmt: skip


def _best_ms(reads: Mapping[int, Read], rounds: int) -> dict[int, float]:
    """The quickest of several for each count, all counts in turns: what it takes where nobody else wants the
    processor, at the same clock, and without what looks for circles, as in the process that does it."""
    took: dict[int, list[float]] = {count: [] for count in reads}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for count, read in reads.items():
                began = time.process_time()
                found = read()
                took[count].append(1000 * (time.process_time() - began))
                if found < 1:
                    raise Invalid(f"a document of {count} things was not read")
    finally:
        gc.enable()
    return {count: min(each) for count, each in took.items()}


async def _small(samples: int) -> tuple[float, float]:
    """ms in a thread and by a process that is warm, medians."""
    text = HEAD + "".join(f"#EXTINF:2.0,\nsegment-{n:05}.ts\n" for n in range(98)) + END
    here, there = list[float](), list[float]()

    def read() -> int:
        return _media(text)

    async with Parsers() as parsers:
        for _ in range(samples + 1):
            began = time.perf_counter()
            await to_thread.run_sync(read)
            here.append(1000 * (time.perf_counter() - began))
            began = time.perf_counter()
            await parsers.manifest(text.encode(), URL, Choice())
            there.append(1000 * (time.perf_counter() - began))
    return sorted(here[1:])[samples // 2], sorted(there[1:])[samples // 2]


def _media(text: str) -> int:
    media = hls.parse(text, URL)
    assert isinstance(media, hls.Media)
    return len(hls.stream(media).parts)


def _master(text: str) -> int:
    master = hls.parse(text, URL)
    assert isinstance(master, hls.Master)
    return len(variants.choose(master, Choice()).ways)


def _hls(each: str) -> Callable[[int], Read]:
    def made(count: int) -> Read:
        # A key and a segment are two parts, and there may be 20 000.
        text = HEAD + "".join(each.format(n) for n in range(count // 2)) + END
        return lambda: _media(text)

    return made


def _variants(count: int) -> Read:
    each = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g{0}",URI="s{0}"\n#EXT-X-STREAM-INF:BANDWIDTH={0},AUDIO="g{0}"\nv{0}\n'
    text = "#EXTM3U\n" + "".join(each.format(n) for n in range(count))
    return lambda: _master(text)


def _mpd(each: str, around: str = VIDEO) -> Callable[[int], Read]:
    def made(count: int) -> Read:
        inner = around.format(each * count)
        text = f'<MPD mediaPresentationDuration="PT60S"><Period>{inner}</Period></MPD>'
        return lambda: len(dash.parse(text, URL, Choice()))

    return made


def _files(count: int) -> Read:
    files = [{"length": 1, "path": ["folder", f"{n}.bin"]} for n in range(count)]
    pieces = b"x" * 20 * -(-count // 2**14)
    raw = bencode({"info": {"name": "a", "files": files, "piece length": 2**14, "pieces": pieces}})
    return lambda: len(parse_metainfo(raw).files)


def _tree(count: int) -> Read:
    tree: dict[str, object] = {f"{n:06}": {"": {"length": 1}} for n in range(count)}
    for n in range(90):
        tree = {f"folder {n}": tree}
    raw = bencode({"info": {"name": "a", "meta version": 2, "piece length": 2**14, "file tree": tree}})
    return lambda: len(parse_metainfo(raw).files)


def _set_cookies(count: int) -> Read:
    lines = [("Set-Cookie", f"c{n}=1; Path=/films; Max-Age=60") for n in range(count)]
    response = Response(URL, h11.Response(status_code=200, headers=lines), None)  # type: ignore[arg-type]

    def read() -> int:
        jar = Jar()
        keep_cookies(response, jar)
        return len(tuple(jar))

    return read


def _parts(count: int) -> Read:
    cookies = [Cookie(name=f"c{n}", value="v" * 20, domain="host.example") for n in range(300)]

    def read() -> int:
        jar = Jar(cookies)
        return sum(len(jar.of(f"{URL}/{n}")) for n in range(count))

    return read


KINDS: Mapping[str, Mapping[str, Callable[[int], Read]]] = {
    "HLS": {
        "keys": _hls('#EXT-X-KEY:METHOD=AES-128,URI="k{0}"\n#EXTINF:1.0,\ns{0}\n'),
        "init sections": _hls('#EXT-X-MAP:URI="m{0}"\n#EXTINF:1.0,\ns{0}\n'),
        "byte ranges": _hls("#EXTINF:1.0,\n#EXT-X-BYTERANGE:9\nall\n"),
        "variants": _variants,
    },
    "DASH": {
        "<Representation/>": _mpd("<Representation/>"),
        "<S/>": _mpd(
            '<S d="1"/>',
            VIDEO.format(
                '<Representation><SegmentTemplate media="$Time$"><SegmentTimeline>{}'
                "</SegmentTimeline></SegmentTemplate></Representation>"
            ),
        ),
        "<BaseURL>": _mpd("<Representation><BaseURL>a/</BaseURL></Representation>"),
        "<AdaptationSet>": _mpd(VIDEO.format("<Representation/><Role/><ContentProtection/>"), f"{{}}{FREE}"),
    },
    "metainfo": {"files": _files, "files of a tree": _tree},
    "cookies": {"Set-Cookie": _set_cookies, "parts": _parts},
}
"""What there may be many of, by kind of document: how many → how it is read."""
