"""The picture of a film's page: never at the film's cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reactor.extractors import thumbnail
from reactor.extractors.base import Context
from reactor.extractors.thumbnail import fetch_picture
from tests.servers import FileServer


async def test_a_picture_is_fetched(server: FileServer, context: Context, tmp_path: Path) -> None:
    assert await fetch_picture(context.http, server.put("/a.jpg", b"picture"), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"picture"


@pytest.mark.parametrize(
    "how", [{"status": 404}, {"data": b"x" * 2000}, {"redirect": "magnet:?xt=urn:btih:" + "a" * 40}]
)
async def test_one_that_is_not_to_be_had(
    server: FileServer, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]
) -> None:
    monkeypatch.setattr(thumbnail, "PICTURE_BYTES_MAX", 1000)
    url = server.put("/a.jpg", **{"data": b"x"} | how)
    assert not await fetch_picture(context.http, url, tmp_path / "a")
    assert not (tmp_path / "a").exists()


async def test_nobody_is_there(context: Context, tmp_path: Path) -> None:
    assert not await fetch_picture(context.http, "http://127.0.0.1:1/a.jpg", tmp_path / "a")
