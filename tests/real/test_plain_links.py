"""What one client has learnt reaches the other: cookies, logins, pages that lead on, and what a server does to the
bytes on their way."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import random
from collections import Counter
from pathlib import Path

from tests.ftp import FtpServer
from tests.real.harness import running
from tests.servers import FileServer

DATA = random.Random(7).randbytes(300_000)
TABLE = b"a,b,c\n" * 5000


class Demanding:
    """Gives its file to whoever asks as its path wants it."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.empty_cookies = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self._one((await reader.readuntil(b"\r\n\r\n")).decode(), writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()

    async def _one(self, request: str, writer: asyncio.StreamWriter) -> None:
        first, *lines = request.strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.empty_cookies += headers.get("cookie") == ""
        self.asked[path] += 1
        status, more, body = "200 OK", "", DATA
        cookieless = path == "/cookie.bin" and headers.get("cookie") != "pass=1"
        from_elsewhere = path == "/referer.bin" and headers["host"] not in headers.get("referer", "")
        if path == "/login.bin" and not headers.get("authorization", "").startswith("Digest"):
            status, more, body = "401 Who", 'WWW-Authenticate: Digest realm="x", nonce="abc", qop="auth"\r\n', b""
        elif path == "/way.bin":
            status, more, body = "302 Found", "Location: /cookie.bin\r\nSet-Cookie: pass=1; Path=/\r\n", b""
        elif cookieless or from_elsewhere:
            status, body = "403 Forbidden", b""
        elif path.startswith("/once") and self.asked[path] > 1:
            status, body = "410 Gone", b""
        elif path == "/made.csv":
            body = b"made for question %d\n" % (10 ** self.asked[path])
        elif path == "/odd.bin":
            more = "X-Odd : 1\r\nrubbish\r\n: x\r\n"
        head = f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode()
        writer.write(head + (body if method == "GET" else b""))
        await writer.drain()


async def test_what_the_probe_has_learnt_reaches_the_fetch(tmp_path: Path) -> None:
    demanding = Demanding()
    names = ("login", "way", "referer", "odd")
    async with (
        FileServer() as server,
        FtpServer(DATA) as ftp,
        await asyncio.start_server(demanding, "127.0.0.1", 0) as port,
        running(tmp_path) as reactor,
    ):
        base = f"127.0.0.1:{port.sockets[0].getsockname()[1]}"
        urls = [f"http://{'me:secret@' if name == 'login' else ''}{base}/{name}.bin" for name in names]
        packed = (("Content-Encoding", "gzip"),)
        page = b'<meta http-equiv="refresh" content="1; url=/real/film.zip">'
        server.put("/real/film.zip", DATA, content_type="application/zip")
        reactor.add(
            *urls,
            f"http://{base}/made.csv",
            server.put("/table.csv", gzip.compress(TABLE), headers=packed, content_type="text/csv"),
            server.put("/table.tar.gz", gzip.compress(TABLE), headers=packed, content_type="application/gzip"),
            server.put("/get/film.zip", page, content_type="text/html"),
            ftp.url,
            f"http://{base}/once",
            f"http://{base}/once.zip?token=x",
        )
        await reactor.until_final()
        await reactor.until(lambda: not reactor.staged())
        files, rows = reactor.files(), reactor.rows()
    assert [row["error"] for row in rows] == [None] * 11
    assert files.pop("made.csv").startswith(b"made for question 1")
    assert files.pop("table.csv") == TABLE
    assert gzip.decompress(files.pop("table.tar.gz")) == TABLE
    assert files == dict.fromkeys(
        ("login.bin", "way.bin", "referer.bin", "odd.bin", "film.zip", "real.bin", "once", "once.zip"), DATA
    )
    assert demanding.empty_cookies == 0


MIRRORED = random.Random(9).randbytes(20_000_000)


async def test_a_metalink_is_the_file_that_its_mirrors_have(tmp_path: Path) -> None:
    """Also one that is known only when it has arrived. A mirror that dies in the midst does not matter, one that is
    wrong does."""
    sha = hashlib.sha256(MIRRORED).hexdigest()
    async with FileServer() as one, FileServer() as two, running(tmp_path) as reactor:
        one.put("/film.iso", MIRRORED, cut_after=3_000_000)
        two.put("/film.iso", MIRRORED)
        one.put("/inner.iso", redirect="http://169.254.169.254/secret")
        urls = [f"http://127.0.0.1:1/{n}.iso" for n in range(3)]
        urls += ["http://169.254.169.254/x.iso", one.url("/inner.iso"), one.url("/film.iso"), two.url("/film.iso")]
        listed = "".join(f"<url>{url}</url>" for url in urls)
        text = f'<metalink><file name="../film.iso"><hash type="sha-256">%s</hash>{listed}</file></metalink>'
        good, bad = (text % digest for digest in (sha, "0" * 64))
        ids = reactor.add(
            one.put("/a.meta4", good.encode()),
            one.put("/hidden/b.iso", good.encode(), chunked=True),
            one.put("/c.meta4", bad.encode()),
        )
        await reactor.until_final(*ids)
        first, second, third = reactor.rows(*ids)
        assert (first["status"], first["url_type"]) == ("downloaded", "metalink"), first
        assert (second["status"], second["url_type"]) == ("downloaded", "metalink"), second
        assert (third["status"], third["error_code"]) == ("failed", "checksum")
        assert reactor.files() == {"film.iso": MIRRORED, "film (1).iso": MIRRORED}
        assert two.requests("/film.iso", "GET"), "the other one went on"
