"""Extractors from outside in the whole reactor: installed as packages are, by their entry points."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from tests.extractors.plugins import sample_extractors
from tests.real.harness import running
from tests.servers import FileServer

PICTURES = [b"\xff\xd8" + random.Random(n).randbytes(20_000) for n in range(3)]


def install(site: Path, *names: str) -> Path:
    """A folder as pip would leave it."""
    site.mkdir()
    shutil.copy(sample_extractors.__file__, site)
    known = site / "reactor_samples-1.0.dist-info"
    known.mkdir()
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: reactor-samples\nVersion: 1.0\n")
    lines = "".join(f"{name} = sample_extractors:{name}\n" for name in names)
    (known / "entry_points.txt").write_text(f"[reactor.extractors]\n{lines}")
    return site


async def test_rows_of_extractors_from_outside(tmp_path: Path) -> None:
    site = install(tmp_path / "site", "good", "unmatched")
    server = FileServer()
    async with server, running(tmp_path, PYTHONPATH=str(site)) as reactor:
        pictures = [server.put(f"/{n}/photo.jpg", data, content_type="image/jpeg") for n, data in enumerate(PICTURES)]
        server.put("/good/folder", "\n".join(pictures).encode(), content_type="text/html")
        server.put("/good/onward", server.put("/film.zip", PICTURES[0]).encode())
        ids = reactor.add(*(server.url(f"/good/{what}") for what in ("folder", "onward", "raises", "dies", "folder")))
        await reactor.until_final(*ids)
        folder, onward, raises, dies, again = reactor.rows(*ids)
        assert (folder["status"], folder["url_type"], folder["title"]) == ("downloaded", "good", "Holiday: 2026")
        assert folder["file_size"] == sum(map(len, PICTURES))
        assert {path.name: path.read_bytes() for path in Path(folder["file_path"]).iterdir()} == dict(
            zip(("photo.jpg", "photo (1).jpg", "photo (2).jpg"), PICTURES, strict=True)
        )
        assert Path(again["file_path"]).name == "Holiday_ 2026 (1)"
        assert (onward["status"], onward["url_type"]) == ("downloaded", "direct")
        assert (raises["status"], raises["error_code"]) == ("failed", "extractor_failed")
        assert (dies["status"], dies["error_code"]) == ("failed", "worker_died")
        assert all(
            request.headers["referer"] == server.url("/good/folder")
            for n in range(3)
            for request in server.requests(f"/{n}/photo.jpg", "GET")
        )
        (told,) = reactor.events("extractor_unusable")
        assert told["name"] == "unmatched"
        await reactor.until(lambda: not reactor.staged())
