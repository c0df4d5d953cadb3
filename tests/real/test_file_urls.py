"""A bot on another machine fetches what came, by the URL that its row has."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, urljoin

import anyio
from anyio import to_thread

from reactor import Queue
from tests.real.harness import Reactor, running
from tests.servers import FileServer

DATA = bytes(range(256)) * 10_240
BIG = DATA * 20
"""Of 2.5 MiB, and of 50."""


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The operator's own web server; its address."""
    folder.mkdir(exist_ok=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _fetched(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        return bytes(answer.read())


async def fetched(url: str) -> bytes:
    return await to_thread.run_sync(_fetched, url)


async def _gone(reactor: Reactor, id: int) -> None:
    await reactor.until(lambda: reactor.row(id)["file_url"] is None)


async def test_a_file_and_a_folder_are_fetched_by_their_urls_until_they_are_deleted(tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    with served(downloads) as address:
        settings = {"FILE_URL": f"{address}/{{path}}", "KEEP_DAYS": "100"}
        async with FileServer() as server, running(tmp_path, **settings) as reactor, Queue(reactor.db) as queue:
            name = "100 % of #1, ö?.bin"
            one = await queue.add(server.put(f"/{quote(name)}", DATA))
            (split,) = reactor.add(server.put("/b.bin", BIG), split_mib=45)
            await reactor.until_final()
            file, folder = await queue.get(one), await queue.get(split)
            assert file is not None
            assert folder is not None
            assert file.file_url is not None
            assert folder.file_url is not None
            assert await fetched(file.file_url) == DATA
            assert folder.file_url.endswith("/")
            pieces = [await fetched(urljoin(folder.file_url, quote(each.path))) for each in folder.files]
            assert len(pieces) > 1
            assert b"".join(pieces) == BIG
            await reactor.stop()
            reactor.settings["KEEP_DAYS"] = "1e-9"
            await reactor.start()
            with anyio.fail_after(60):
                await _gone(reactor, one)
                await _gone(reactor, split)
            await reactor.until(lambda: not reactor.files())


async def test_without_the_setting_there_is_none(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        (id,) = reactor.add(server.put("/a.bin", DATA))
        await reactor.until_final()
        assert (reactor.row(id)["status"], reactor.row(id)["file_url"]) == ("downloaded", None)
