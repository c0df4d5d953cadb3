"""What authors write with."""

from __future__ import annotations

from pathlib import Path

import pytest

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.extractors.plugins.api import File, Page, PluginContext
from tests.servers import FileServer


@pytest.fixture
def given(context: Context, tmp_path: Path) -> PluginContext:
    return PluginContext("filehost", context.http, folder=tmp_path)


async def test_pages(given: PluginContext, server: FileServer) -> None:
    server.put("/a", "ä".encode("latin-1"), content_type="text/html; charset=iso-8859-1")
    page = await given.get(server.put("/b", redirect="/a"))
    assert (page.url, page.status, page.text) == (server.url("/a"), 200, "ä")
    assert (await given.get(server.url("/gone"), any_status=True)).status == 404
    with pytest.raises(DownloadError) as caught:
        await given.get(server.url("/gone"))
    assert caught.value.code == "not_found"
    with pytest.raises(DownloadError) as caught:
        page.json()
    assert caught.value.code == "bad_answer"
    odd = Page("http://h/", 200, {"content-type": "text/html; charset=no-such"}, "ä".encode())
    assert odd.text == "ä"


async def test_one_of_several_files_is_a_file_and_equal_names_get_numbers(given: PluginContext) -> None:
    one = given.folder_of("Title", [File("http://h/a.jpg", size=3)])
    assert (one.finish.how, one.finish.name, one.title, one.size) == ("file", "a.jpg", "Title", 3)
    many = given.folder_of("T", [File(f"http://h/{n}", name="a.jpg") for n in range(3)], notes=["One is missing."])
    assert [each.name for each in many.fetches] == ["a.jpg", "a (1).jpg", "a (2).jpg"]
    assert (many.finish.how, many.finish.notes, many.kind) == ("folder", ("One is missing.",), "filehost")
