"""The file on the server becomes another one at the worst moment: one version is published, or none."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.real.harness import Reactor, alive, running
from tests.servers import FileServer, Request, Resource

SIZE = 3 * 2**20
OLD, NEW = b"A" * SIZE, b"B" * SIZE
DATE, LATER = "Sat, 01 Nov 2025 00:00:00 GMT", "Sat, 01 Nov 2025 00:00:09 GMT"
KNOWN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "etag": ({"etag": '"1"'}, {"etag": '"2"'}),
    "date": ({"last_modified": DATE}, {"last_modified": LATER}),
    "weak": ({"etag": 'W/"1"'}, {"etag": 'W/"1"'}),
    "none": ({}, {}),
}

ALL = {"MAX_CONCURRENT_DOWNLOADS": str(len(KNOWN))}


def asked(server: FileServer, path: str) -> bool:
    return bool(server.requests(path, "GET"))


class Deaf(FileServer):
    """Knows no If-Range, as many a script that serves files."""

    async def _answer(
        self, request: Request, resource: Resource, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        request.headers.pop("if-range", None)
        return await super()._answer(request, resource, reader, writer)


class Nodes(FileServer):
    """Several servers behind one name, each of which calls the same bytes otherwise."""

    async def _answer(
        self, request: Request, resource: Resource, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        resource = replace(resource, etag=f'"{len(self.log)}"') if resource.status == 200 else resource
        return await super()._answer(request, resource, reader, writer)


@pytest.mark.fault(32)
async def test_files_that_change_while_the_reactor_is_away_begin_anew(tmp_path: Path) -> None:
    async with Deaf() as server, running(tmp_path, **ALL) as reactor:
        for known, (told, _) in KNOWN.items():
            reactor.add(server.put(f"/{known}.bin", OLD, stall_after=SIZE // 2, **told))
        await server.until(lambda: sum(request.sent == SIZE // 2 for request in server.log) >= len(KNOWN))
        await reactor.until(lambda: all((row["progress"] or 0) > 40 for row in reactor.rows()))
        (aria2c,) = reactor.children()
        await reactor.stop(signal.SIGTERM)
        await Reactor.until(Reactor(tmp_path), lambda: not alive(aria2c))
        for known, (_, told) in KNOWN.items():
            server.put(f"/{known}.bin", NEW, **told)
        await reactor.start()
        await reactor.until_final()
        rows = reactor.rows()
    assert {(row["status"], row["retry_count"]) for row in rows} == {("downloaded", 1)}, [row["error"] for row in rows]
    assert reactor.files() == {f"{known}.bin": NEW for known in KNOWN}


@pytest.mark.fault(32)
async def test_files_that_change_when_a_connection_breaks_are_no_mixture(tmp_path: Path) -> None:
    """aria2 goes on by itself: what no If-Range prevents is found at the end."""
    async with Deaf() as server, running(tmp_path, **ALL) as reactor:
        for known, (told, _) in KNOWN.items():
            reactor.add(server.put(f"/{known}.bin", OLD, cut_after=SIZE // 2, rate=4_000_000, **told))
        for known, (_, told) in KNOWN.items():
            await server.until(partial(asked, server, f"/{known}.bin"))
            server.put(f"/{known}.bin", NEW, **told)
        await reactor.until_final()
        rows = reactor.rows()
    assert {(row["status"], row["retry_count"]) for row in rows} == {("downloaded", 1)}, [row["error"] for row in rows]
    assert reactor.files() == {f"{known}.bin": NEW for known in KNOWN}
    retries = [event for event in reactor.events("download_retry_scheduled") if event["code"] == "changed"]
    assert [event["delay_s"] for event in retries] == [0] * len(KNOWN)


@pytest.mark.fault(32)
async def test_a_file_that_always_changes_fails_with_a_sentence(tmp_path: Path) -> None:
    async with Nodes() as server, running(tmp_path, MAX_DOWNLOAD_RETRIES="5") as reactor:
        (one,) = reactor.add(server.put("/a.bin", OLD, cut_after=SIZE // 2))
        await reactor.until_final()
        row = reactor.row(one)
    assert (row["status"], row["error_code"]) == ("failed", "cannot_resume")
    assert reactor.files() == {}


async def test_nodes_that_call_the_same_bytes_otherwise(tmp_path: Path) -> None:
    data = b"A" * (12 * 2**20)
    async with Nodes() as server, running(tmp_path) as reactor:
        (one,) = reactor.add(server.put("/a.bin", data))
        await reactor.until_final()
        row = reactor.row(one)
    assert (row["status"], row["retry_count"]) == ("downloaded", 1), row["error"]
    assert reactor.files() == {"a.bin": data}
