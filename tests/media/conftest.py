"""Media, a server, and the way from a manifest to the joined file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from reactor.extractors.base import Context
from reactor.extractors.manifest import extract_manifest
from reactor.media.choice import Choice
from reactor.media.probing import Probed, probe
from reactor.models import Kind
from reactor.plan import Extraction
from reactor.programs import find_ffmpeg
from tests.media.joining import join
from tests.media.samples import Samples
from tests.servers import FileServer

Serve = Callable[[dict[str, bytes]], str]
Fetched = Callable[..., Awaitable[Extraction]]
Joined = Callable[..., Awaitable[tuple[Path, Probed]]]


@pytest.fixture(scope="session")
def ffmpeg() -> Path:
    return find_ffmpeg().path


@pytest.fixture(scope="session")
def samples(ffmpeg: Path, tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return Samples(ffmpeg, tmp_path_factory.mktemp("samples"))


@pytest.fixture
def serve(server: FileServer) -> Serve:
    """Serve files under /stream/; the address of that folder."""

    def put(files: dict[str, bytes]) -> str:
        for name, data in files.items():
            server.put(f"/stream/{name}", data)
        return server.url("/stream/")

    return put


@pytest.fixture
def fetched(context: Context, tmp_path: Path) -> Fetched:
    """Extract the manifest at an address and fetch all its parts into `tmp_path`, as aria2 would."""

    async def fetch(url: str, choice: Choice | None = None, title: str | None = None) -> Extraction:
        extraction = await extract_manifest(url, context, kind=Kind.DIRECT, choice=choice, title=title)
        async with httpx.AsyncClient(trust_env=False) as client:
            for part in extraction.fetches:
                response = await client.get(part.urls[0])
                assert response.status_code == 200, part
                (tmp_path / part.name).write_bytes(response.content)
        return extraction

    return fetch


@pytest.fixture
def joined(ffmpeg: Path, fetched: Fetched, tmp_path: Path) -> Joined:
    """All the way: the joined file, and what is in it. Nothing else may be left beside the parts."""

    async def run(url: str, choice: Choice | None = None) -> tuple[Path, Probed]:
        extraction = await fetched(url, choice)
        path = await join(ffmpeg, tmp_path, extraction)
        names = {part.name for part in extraction.fetches}
        assert {each.name for each in tmp_path.iterdir()} == {*names, path.name}
        return path, await probe(ffmpeg, path)

    return run
