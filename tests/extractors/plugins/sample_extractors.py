"""Extractors of all sorts, as packages from outside might have them. Loaded in processes of their own only."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reactor.extractors.plugins.api import (
    Detection,
    DownloadError,
    Entries,
    Extraction,
    Fetch,
    File,
    Finish,
    Link,
    Matcher,
    Onward,
    PluginContext,
)
from reactor.models import Kind


class Sample:
    """Does what the path of the URL says."""

    def __init__(self, name: str, *matchers: Matcher) -> None:
        self.name = name
        self.matchers: Sequence[Matcher] = matchers or (Matcher(f"*://*/{name}/*"),)

    async def extract(self, detection: Detection, context: PluginContext) -> Any:
        what = detection.url.rpartition("/")[2].partition("?")[0]
        return await getattr(self, f"_{what}")(detection.url, context)

    async def _file(self, url: str, context: PluginContext) -> Extraction:
        page = await context.get(url, headers={"X-Asked": "yes"})
        return context.file(page.json()["file"], name="../a film.mkv", headers={"Referer": page.url})

    async def _folder(self, url: str, context: PluginContext) -> Extraction:
        page = await context.get(url)
        files = [File(each, headers={"Referer": url}) for each in page.text.split()]
        return context.folder_of("Holiday: 2026", files)

    async def _onward(self, url: str, context: PluginContext) -> Onward:
        return Onward((await context.get(url)).text)

    async def _list(self, url: str, context: PluginContext) -> Entries:
        told = [
            *(Link(f"http://h.example/{n}.zip", f"No. {n}") for n in range(context.reach)),
            Link("h.example/x", key="k"),
        ]
        return Entries("A list", told, whole=False)

    async def _badlist(self, url: str, context: PluginContext) -> Entries:
        return Entries("A list", [Link("file:///etc/passwd")])

    async def _other(self, url: str, context: PluginContext) -> None:
        return None

    async def _magnet(self, url: str, context: PluginContext) -> Extraction:
        return context.file((await context.get(url)).url)

    async def _told(self, url: str, context: PluginContext) -> Extraction:
        own = {"home": str(Path.home()), "token": os.environ.get("BOT_TOKEN"), "key": context.settings.get("key")}
        Path("written").write_text("here")
        raise DownloadError(f"{own['home'] == str(context.folder)} {own['token']} {own['key']} {context.options.name}")

    async def _sentence(self, url: str, context: PluginContext) -> Extraction:
        raise DownloadError("Ask\nlater.", hint="In an hour.", code="rate_limited", retryable=True)

    async def _raises(self, url: str, context: PluginContext) -> Extraction:
        return {"file": context.file(url)}["missing"]

    async def _leaves(self, url: str, context: PluginContext) -> Extraction:
        sys.exit("bye")

    async def _dies(self, url: str, context: PluginContext) -> Extraction:
        os._exit(3)

    async def _hangs(self, url: str, context: PluginContext) -> Extraction:
        time.sleep(3600)  # noqa: ASYNC251 - holds its own loop only
        raise AssertionError

    async def _waits(self, url: str, context: PluginContext) -> Extraction:
        await asyncio.sleep(3600)
        raise AssertionError

    async def _prints(self, url: str, context: PluginContext) -> Extraction:
        print('{"id": 1, "extraction": "mine"}', flush=True)  # noqa: T201
        os.write(1, b"noise\n")
        return context.file("http://host.example/a.bin")

    async def _grows(self, url: str, context: PluginContext) -> Extraction:
        raise DownloadError(str(len(bytearray(8 * 2**30))))

    async def _nonsense(self, url: str, context: PluginContext) -> dict[str, str]:
        return {"url": url}

    async def _local(self, url: str, context: PluginContext) -> Extraction:
        return context.file("file:///etc/passwd")

    async def _outside(self, url: str, context: PluginContext) -> Extraction:
        fetch = Fetch(urls=("http://host.example/a",), name="a:b")
        return Extraction(kind=Kind.DIRECT, fetches=(fetch,), finish=Finish(how="file", name="a"))

    async def _twice(self, url: str, context: PluginContext) -> Extraction:
        fetch = Fetch(urls=("http://host.example/a",), name="a")
        return Extraction(kind=Kind.DIRECT, fetches=(fetch, fetch), finish=Finish(how="folder", name="a"))


good = Sample("good", Matcher("*://*/good/*"), Matcher("*://*/both/*", 5))
late = Sample("late", Matcher("*://*/late/*", -1), Matcher("*://*/both/*", 1))
renamed = Sample("another")
unmatched = Sample("unmatched")
unmatched.matchers = ()
