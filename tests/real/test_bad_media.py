"""Pages and manifests that misbehave: a sentence in the row, nothing left running, and the next row goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.media.samples import KEYS, Samples, playlist_of
from tests.pages.site import Site
from tests.real.harness import IDLE, Reactor, running

GOOD = b"good" * 999
HTML = b"<!doctype html><html><body>Please sign in</body></html>"


async def codes(reactor: Reactor, site: Site, urls: dict[str, str]) -> dict[str, str]:
    """The error codes of these rows by their names, when all are over, and a good one after them."""
    ids = dict(zip(urls, reactor.add(*urls.values()), strict=True))
    (good,) = reactor.add(site.put("/good.bin", GOOD))
    for number in (*ids.values(), good):  # each has its patience: a page may take all the time it is given
        await reactor.until_final(number)
    assert reactor.row(good)["status"] == "downloaded"
    rows = {name: reactor.row(number) for name, number in ids.items()}
    for row in rows.values():
        assert row["status"] == "failed", row
        assert row["error"].endswith("."), row
        assert len(row["error"]) < 400, row
    await reactor.until(lambda: not reactor.staged())
    assert reactor.files() == {"good.bin": GOOD}
    return {name: row["error_code"] for name, row in rows.items()}


PAGES = {
    "popups": (
        "<body onclick='open(`/x`)'><script>setInterval(() => open('/popups?' + Math.random()), 5)</script>"
        "<button class=play-button style='width: 90px; height: 60px'>Play</button>",
        "unsupported",
    ),
    "memory": (
        "<script>const all = []; setInterval(() => all.push(new Uint8Array(1e8).fill(7)), 1)</script>",
        "too_much_memory",
    ),
    "file": ("<script>location = 'file:///etc/hostname'</script>", "unsupported"),
    "loading": ("<script>document.write('<img src=/never>')</script>", "unsupported"),
    "looping": ("<script>while (true);</script>", "unsupported"),
    "downloads": ("<script>setInterval(() => location = '/endless', 20)</script>", "too_large"),
}


@pytest.mark.nightly
@pytest.mark.fault(48)
@pytest.mark.needs("chromium")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["looping", "downloads"], id="some"),
        pytest.param(
            [*PAGES], id="all", marks=pytest.mark.nightly
        ),  # each by itself: extractors/browser/test_browser.py
    ],
)
async def test_pages(tmp_path: Path, temporary: Path, names: list[str]) -> None:
    settings = {"BROWSER_TIMEOUT_S": "30", "BROWSER_MEMORY_MIB": "900", "BROWSER_IDLE_S": "0", "YTDLP_TIMEOUT_S": "8"}
    settings |= {"MAX_CONCURRENT_DOWNLOADS": "3", "MAX_DOWNLOAD_RETRIES": "0", "TMPDIR": str(temporary)}
    settings |= {"MAX_FILE_SIZE_MIB": "1"}
    async with Site() as site, running(tmp_path, **settings) as reactor:
        site.put("/never", hang=True)
        site.put("/endless", b"x" * 9999, endless=True, disposition="attachment; filename=x.bin")
        urls = {name: site.html(PAGES[name][0], path=f"/{name}") for name in names}
        urls["endless page"] = site.html("<p>more", path="/more", endless=True, rate=500)
        urls["redirect"] = site.put("/away", redirect="file:///etc/hostname")
        found = await codes(reactor, site, urls)
        expected = {name: PAGES[name][1] for name in names}
        assert found == expected | {"endless page": "timeout", "redirect": "bad_redirect"}
        await reactor.until(lambda: len(reactor.beside()) <= 2)  # yt-dlp's, which stay warm
        assert all(IDLE in line for line in reactor.beside())
        await reactor.until(lambda: not list(temporary.glob("*browser*")))
    assert list(temporary.iterdir()) == []


@pytest.mark.nightly
@pytest.mark.fault(48)
async def test_manifests_and_their_parts(tmp_path: Path, samples: Samples) -> None:
    hls, aes = samples.hls("ts"), samples.encrypted("aes", KEYS[0])
    entry = "#EXTINF:2.0,\npart0.ts\n"
    async with Site() as site, running(tmp_path, MAX_DOWNLOAD_RETRIES="0", HTTP_TIMEOUT_S="60") as reactor:

        def put(folder: str, files: dict[str, bytes], manifest: bytes | None = None) -> str:
            site.media(f"/{folder}", files | ({"index.m3u8": manifest} if manifest is not None else {}))
            return site.url(f"/{folder}/index.m3u8")

        itself = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nindex.m3u8\n"
        urls = {
            "100 MB": site.put("/large.m3u8", playlist_of(entry * 5_000_000)),
            "itself": put("itself", {}, itself),
            "20 001 parts": put("many", hls, playlist_of("".join(f"#EXTINF:1.0,\n{n}.ts\n" for n in range(20_001)))),
            "20 000 parts that are not there": put(
                "gone", {}, playlist_of("".join(f"#EXTINF:1.0,\n{n}.ts\n" for n in range(20_000)))
            ),
            "a page as a part": put("page", hls | {"part1.ts": HTML}),
            "a part that is gone": put("less", {name: data for name, data in hls.items() if name != "part1.ts"}),
            "a long key": put("key", aes | {"secret.key": b"x" * 17}),
            "a page as a key": put("door", aes | {"secret.key": HTML}),
        }
        assert len(site.data("/large.m3u8")) > 100_000_000
        found = await codes(reactor, site, urls)
        assert not reactor.beside()
    assert found == {
        "100 MB": "too_large",
        "itself": "bad_manifest",
        "20 001 parts": "too_many_parts",
        "20 000 parts that are not there": "not_found",
        "a page as a part": "bad_part",
        "a part that is gone": "not_found",
        "a long key": "bad_key",
        "a page as a key": "bad_key",
    }


async def test_a_title_of_ten_thousand_characters(tmp_path: Path, samples: Samples) -> None:
    title = "Ein Film " + "ü" * 10_000 + "../../x"
    async with Site() as site, running(tmp_path) as reactor:
        site.put("/film.mp4", samples.film().read_bytes(), content_type="video/mp4")
        (one,) = reactor.add(site.html(f"<title>{title}</title><video src=/film.mp4></video>"))
        await reactor.until_final()
        await reactor.until(lambda: not reactor.staged())
        row = reactor.row(one)
        assert all(IDLE in line for line in reactor.beside())
    assert row["status"] == "downloaded", row["error"]
    (name,) = reactor.files()
    assert Path(row["file_path"]) == tmp_path / "downloads" / name
    assert len(name.encode()) <= 255
    assert len(row["title"]) <= 1000
