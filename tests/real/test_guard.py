"""Nobody gets in: the real reactor against servers that want to be let in, and a listener that counts who comes.

Only 127.0.0.1 may be dialed here; 127.0.0.2 stands for everything that is not meant for strangers.
"""

from __future__ import annotations

import asyncio
import json
from itertools import count
from pathlib import Path

import psutil
import pytest

from tests.aria2.servers import make_torrent
from tests.media.samples import KEYS, Samples, playlist_of
from tests.real.harness import Reactor, running
from tests.servers import FileServer

PUBLIC = {
    "ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
    "MAX_CONCURRENT_DOWNLOADS": "4",
    "TORRENT_STALL_TIMEOUT_S": "3",
    "BROWSER_TIMEOUT_S": "20",
}
DATA = b"bytes" * 20_000
SECRET = "S3CRET-w0rd"


class Private(FileServer):
    """A server that nobody may get to. Counts connections, whatever is said on them."""

    def __init__(self) -> None:
        super().__init__(host="127.0.0.2")
        self.entries = 0

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.entries += 1
        await super()._connected(reader, writer)


def words(reactor: Reactor) -> dict[int, str | None]:
    """The error codes of all rows."""
    return {row["id"]: row["error_code"] for row in reactor.rows()}


@pytest.mark.fault(36)
async def test_no_spelling_of_an_address_gets_in(tmp_path: Path) -> None:
    hosts = ["127.0.0.2", "127.2", "2130706434", "0x7f000002", "0177.0.0.2", "127.0.0.2.", "[::ffff:127.0.0.2]"]
    more = ["127.0.0.1@127.0.0.2", "１２７.0.0.2", "127。0。0。2", "[::ffff:7f00:2]", "127.0.0.1%2f@127.0.0.2"]
    async with Private() as private, running(tmp_path, **PUBLIC) as reactor:
        private.put("/file.bin", DATA)
        private.put("/page", b"<html>", content_type="text/html")
        reactor.add(*[private.url(path, host=host) for host in [*hosts, *more] for path in ("/file.bin", "/page")])
        await reactor.until_final()
        assert private.entries == 0
        assert set(words(reactor).values()) <= {"refused_address", "bad_url", "unsupported", "dns"}
        assert [*words(reactor).values()].count("refused_address") >= 2 * len(hosts)
        refused = reactor.row(1)
    assert refused["retry_count"] == 0
    assert "ALLOWED_PRIVATE_HOSTS" in refused["error"]
    assert reactor.files() == {}


@pytest.mark.fault(37)
async def test_no_redirect_gets_in(tmp_path: Path) -> None:
    """At our own look, and at aria2's, which comes after it."""
    async with FileServer() as server, Private() as private, running(tmp_path, **PUBLIC) as reactor:
        target = private.put("/file.bin", DATA)
        size = (("Content-Length", str(len(DATA))), ("Content-Type", "application/octet-stream"))
        urls = [
            server.put("/at-once.bin", redirect=target),
            server.put("/in-two.bin", redirect="/at-once.bin"),
            server.put("/later.bin", redirect=target, head=200, head_headers=size),
            server.put("/page", redirect=private.put("/page", b"<html>", content_type="text/html")),
        ]
        reactor.add(*urls)
        await reactor.until_final()
        assert private.entries == 0
        assert set(words(reactor).values()) == {"refused_address"}, reactor.rows()


async def test_no_manifest_gets_in(tmp_path: Path, samples: Samples) -> None:
    """By its segments, its keys, its beginning, its qualities, and the parts of a DASH."""
    plain, locked = samples.hls("ts"), samples.encrypted("aes", KEYS[0])
    async with FileServer() as server, Private() as private, running(tmp_path, **PUBLIC) as reactor:
        inside = private.url("/")
        for name, data in (plain | locked).items():
            server.put(f"/{name}", data)
            private.put(f"/{name}", data)
        index = plain["index.m3u8"].decode()
        key = locked["index.m3u8"].decode().replace('URI="', f'URI="{inside}')
        assert inside in key
        master = f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=200000\n{inside}index.m3u8\n"
        first = next(line for line in index.splitlines() if line.endswith(".ts"))
        begin = index.replace("#EXTINF", f'#EXT-X-MAP:URI="{inside}init.mp4"\n#EXTINF', 1)
        dash = samples.dash("dash")["index.mpd"].decode().replace("<Period", f"<BaseURL>{inside}</BaseURL><Period", 1)
        manifests = {
            "segments.m3u8": index.replace(first, inside + first),
            "redirected.m3u8": index.replace(first, "away.ts"),
            "key.m3u8": key,
            "master.m3u8": master,
            "begin.m3u8": begin,
            "film.mpd": dash,
        }
        server.put("/away.ts", redirect=f"{inside}{first}")
        reactor.add(
            *[
                server.put(f"/films/../{name}".replace("/films/..", ""), text.encode())
                for name, text in manifests.items()
            ]
        )
        await reactor.until_final()
        assert private.entries == 0
        assert {row["status"] for row in reactor.rows()} == {"failed"}
        assert set(words(reactor).values()) == {"refused_address"}, reactor.rows()


@pytest.mark.nightly
@pytest.mark.needs("chromium")
async def test_no_page_gets_in(tmp_path: Path) -> None:
    """By what yt-dlp finds on it, and by what a browser is made to ask."""
    async with FileServer() as server, Private() as private, running(tmp_path, **PUBLIC) as reactor:
        inside = private.put("/film.mp4", DATA, content_type="video/mp4")
        socket = inside.replace("http", "ws")
        pages = {
            "/video": f'<video src="{inside}"></video>',
            "/og": f'<meta property="og:video" content="{inside}"><meta property="og:type" content="video">',
            "/refresh": f'<meta http-equiv="refresh" content="0; url={private.url("/page")}">',
            "/asks": f"""<img src="{inside}"><iframe src="{inside}"></iframe><link rel="preconnect" href="{inside}">
                <link rel="stylesheet" href="{inside}"><script src="{inside}"></script><script>
                fetch("{inside}", {{mode: "no-cors"}}); new WebSocket("{socket}"); new EventSource("{inside}");
                navigator.sendBeacon("{inside}", "x"); new Worker(URL.createObjectURL(new Blob(["fetch('{inside}')"])));
                open("{inside}"); navigator.serviceWorker.register("/service.js"); fetch("/done")</script>""",
        }
        asks = f"self.addEventListener('install', e => e.waitUntil(fetch('{inside}').finally(() => fetch('/asked'))))"
        server.put("/service.js", asks.encode(), content_type="text/javascript")
        reactor.add(
            *[server.put(path, f"<html>{text}".encode(), content_type="text/html") for path, text in pages.items()]
        )
        await reactor.until_final()
        assert server.requests("/done"), "a browser has been there"
        assert server.requests("/asked"), "a service worker, too"
        assert private.entries == 0
        assert {row["status"] for row in reactor.rows()} == {"failed"}, reactor.rows()
        assert words(reactor)[1] == "refused_address"


@pytest.mark.fault(36)
async def test_no_part_gets_in(tmp_path: Path) -> None:
    """Neither by its own URL nor by a redirect; what fetches many of them passes the guard as well."""
    parts = [f"part{n}.ts" for n in range(20)]
    async with FileServer() as server, Private() as private, running(tmp_path, **PUBLIC) as reactor:
        for name in parts:
            private.put(f"/{name}", DATA)
            server.put(f"/away/{name}", redirect=private.url(f"/{name}"))

        def listed(path: str, base: str) -> str:
            return server.put(path, playlist_of("".join(f"#EXTINF:2.0,\n{base}/{name}\n" for name in parts)))

        inside, away = reactor.add(listed("/in.m3u8", private.url("")), listed("/to.m3u8", server.url("/away")))
        await reactor.until(lambda: len(reactor.children()) == 2)
        await reactor.until_final()
        assert private.entries == 0
        assert words(reactor) == {inside: "refused_address", away: "refused_address"}
        await reactor.until(lambda: not reactor.staged())


@pytest.mark.fault(40)
async def test_no_torrent_gets_in_but_by_its_peers(tmp_path: Path) -> None:
    async with FileServer() as server, Private() as private, running(tmp_path, **PUBLIC) as reactor:
        metainfo, magnet = make_torrent(private.url(""), "film.bin", {"film.bin": DATA})
        seeded = metainfo[:-1] + b"8:url-list%d:%s" % (len(private.url("/film.bin")), private.url("/film.bin").encode())
        private.put("/film.bin", DATA)
        private.put("/film.torrent", metainfo)
        server.put("/film.torrent", seeded + b"e")
        reactor.add(server.url("/film.torrent"), magnet.replace("btih:", "btih:ab")[: len(magnet)])
        reactor.add(private.url("/film.torrent"), server.put("/away.torrent", redirect=private.url("/film.torrent")))
        await reactor.until_final()
        assert private.entries == 0
        assert {row["status"] for row in reactor.rows()} == {"failed"}
        assert [*words(reactor).values()][2:] == ["refused_address"] * 2


@pytest.mark.fault(37)
async def test_our_own_doors_are_shut_whatever_is_allowed(tmp_path: Path) -> None:
    async with running(tmp_path, ALLOWED_PRIVATE_HOSTS="0.0.0.0/0, ::/0, localhost") as reactor:
        (aria2c,) = reactor.children()
        ports = _listening(aria2c) | _listening(reactor.process.pid if reactor.process else 0)
        assert len(ports) >= 2, "aria2's RPC and the guard"
        hosts = ("127.0.0.1", "localhost", "127.9.9.9", "0.0.0.0")
        reactor.add(*[f"http://{host}:{port}/jsonrpc.bin" for port in ports for host in hosts])
        await reactor.until_final()
        assert set(words(reactor).values()) == {"refused_address"}, reactor.rows()


def _listening(pid: int) -> set[int]:
    """The loopback ports that a process listens on."""
    found = psutil.Process(pid).net_connections("tcp4")
    return {each.laddr.port for each in found if each.status == psutil.CONN_LISTEN and each.laddr.ip == "127.0.0.1"}


async def test_without_the_guard_everything_may_be_asked_and_credentials_stay_home(tmp_path: Path) -> None:
    size = (("Content-Length", str(len(DATA))), ("Content-Type", "application/octet-stream"))
    async with FileServer() as server, Private() as other, running(tmp_path, EGRESS_GUARD="false") as reactor:
        other.put("/file.bin", DATA)
        away = server.put("/later.bin", redirect=other.url("/file.bin"), head=200, head_headers=size)
        reactor.add(other.url("/file.bin"), away, away.replace("//", f"//anna:{SECRET}@"))
        await reactor.until_final()
        assert [row["status"] for row in reactor.rows()] == ["downloaded", "downloaded", "failed"], reactor.rows()
        assert words(reactor)[3] == "bad_redirect"
    assert not [request for request in other.log if "authorization" in request.headers]
    assert [request for request in server.log if "authorization" in request.headers]


async def test_a_login_in_a_pages_address_goes_to_no_other_host(tmp_path: Path, samples: Samples) -> None:
    """Neither by itself nor in a Referer, to a file and to the parts of one; nor does the page's query."""
    async with FileServer() as site, FileServer() as other, running(tmp_path) as reactor:
        other.put("/film.mp4", samples.film().read_bytes(), content_type="video/mp4")
        for name, data in samples.hls("ts").items():
            other.put(f"/{name}", data)
        for path, film in (("/file", "/film.mp4"), ("/parts", "/index.m3u8")):
            page = f"<html><video src='{other.url(film)}'></video>".encode()
            site.put(path, page, content_type="text/html", user=("anna", SECRET))
            reactor.add(f"{site.url(path, user=f'anna:{SECRET}')}?token={SECRET}")
        await reactor.until_final()
        assert [row["status"] for row in reactor.rows()] == ["downloaded"] * 2, reactor.rows()
    assert len(other.requests()) > 3
    assert {request.headers.get("referer") for request in other.log if request.path != "/favicon.ico"} <= {
        *(None, site.url("/")),
    }
    assert site.url("/") in {request.headers.get("referer") for request in other.log}, "but for where it comes from"
    leaks = [request for request in other.log if SECRET in repr(request) or "authorization" in request.headers]
    assert leaks == []


@pytest.mark.fault(42)
async def test_programs_and_shortcuts_are_renamed_unless_they_are_wanted(tmp_path: Path) -> None:
    names = ["setup.exe", "Run Me.DESKTOP", "film.mp4.lnk", "x.sh", "film.mp4"]
    for wanted in (False, True):
        folder = tmp_path / str(wanted)
        folder.mkdir()
        async with FileServer() as server, running(folder, ALLOW_EXECUTABLES=str(wanted)) as reactor:
            for n, name in enumerate(names):
                reactor.add(server.put(f"/{n}.bin", DATA, disposition=f'attachment; filename="{name}"'))
            await reactor.until_final()
            expected = names if wanted else [*(f"{name}.renamed" for name in names[:-1]), names[-1]]
            assert [Path(row["file_path"]).name for row in reactor.rows()] == expected
            assert {(folder / "downloads" / name).read_bytes() for name in expected} == {DATA}


async def test_torrents_can_be_turned_off(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, TORRENTS="false") as reactor:
        server.put("/film.torrent", b"d")
        reactor.add(server.url("/film.torrent"), f"magnet:?xt=urn:btih:{'ab' * 20}")
        await reactor.until_final()
        assert [*words(reactor).values()] == ["unsupported"] * 2
        assert "TORRENTS" in reactor.row(1)["error"]


@pytest.mark.needs("chromium")
async def test_nothing_that_is_told_or_shown_holds_a_secret(tmp_path: Path) -> None:
    """A login, a signed query and a cookie, in rows that succeed, fail, are refused and are sent on."""
    signed = f"X-Amz-Signature={SECRET}&Expires=1"
    size = (("Content-Length", str(len(DATA))), ("Content-Type", "application/octet-stream"))
    async with FileServer() as server, Private() as private, running(tmp_path, **PUBLIC) as reactor:
        server.put("/file.bin", DATA, user=("anna", SECRET), rate=60_000)
        server.put("/forbidden.bin", status=403, headers=(("Set-Cookie", f"session={SECRET}"),))
        server.put("/broken.bin", DATA, cut_after=10, head=200, head_headers=size)
        server.put("/away.bin", redirect=f"{private.url('/file.bin')}?{signed}", head=200, head_headers=size)
        server.put("/page", f"<html><video src='{private.url('/a.mp4')}?{signed}'>".encode(), content_type="text/html")
        server.put("/none", b"<html>", content_type="text/html")
        urls = [server.url(path, user=f"anna:{SECRET}") for path in ("/file.bin", "/forbidden.bin", "/no.bin")]
        urls += [
            f"{server.url(path)}?{signed}" for path in ("/forbidden.bin", "/broken.bin", "/away.bin", "/page", "/none")
        ]
        urls += [
            f"{private.url('/file.bin', user=f'anna:{SECRET}')}?{signed}",
            f"http://no-such.invalid/a.bin?{signed}",
        ]
        reactor.add(*urls)
        shown: set[str] = set()
        looks = count()

        def final() -> bool:
            if next(looks) % 5 == 0:  # to read what every process of the machine was started by takes long
                shown.update(_command_lines(reactor))
            return all(row["status"] in ("downloaded", "failed") for row in reactor.rows())

        await reactor.until(final)
        rows = [{name: value for name, value in row.items() if name != "url"} for row in reactor.rows()]
        assert [row["status"] for row in rows] == ["downloaded"] + ["failed"] * 9, rows
        printed = await reactor.stop()
    assert private.entries == 0
    assert any("aria2c" in line for line in shown)
    assert any("ytdlp/worker" in line for line in shown)
    assert any("--proxy-server=" in line for line in shown), "a browser"
    everything = {"events": reactor.events_file.read_text(), "rows": json.dumps(rows), "output": printed}
    everything |= {"processes": "\n".join(shown)}
    leaks = {name: [line for line in text.splitlines() if SECRET in line] for name, text in everything.items()}
    assert not any(leaks.values()), leaks
    assert "no-such.invalid" in everything["events"]


def _command_lines(reactor: Reactor) -> set[str]:
    """Of everything that it has started."""
    assert reactor.process is not None
    found = set()
    for process in psutil.Process(reactor.process.pid).children(recursive=True):
        try:
            found.add(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found
