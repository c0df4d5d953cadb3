"""A cover alone is the picture that the site shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reactor.extractors.base import Context
from reactor.extractors.ytdlp.cover import cover_alone
from reactor.files.converted import converts
from reactor.options import NO_OPTIONS, Options
from reactor.plan import NO_ABOUT, About
from tests.servers import FileServer

WANTED = Options(want="cover")


async def test_the_picture_of_the_site_is_all_that_is_fetched(server: FileServer, context: Context) -> None:
    url = server.put("/x?sqp=1", b"picture", content_type="image/webp; x=y")
    found = await cover_alone(About(thumbnail=url), "A film", replace(context, options=WANTED))
    assert found is not None
    assert [fetch.urls for fetch in found.fetches] == [(url,)]
    assert (found.finish.how, found.finish.name, converts(found.finish)) == ("file", "A film.webp", True)


@pytest.mark.parametrize("how", [{"status": 404, "content_type": "image/png"}, {"content_type": "text/html"}])
async def test_without_one_the_film_is_fetched_for_it(
    server: FileServer, context: Context, how: dict[str, Any]
) -> None:
    about = About(thumbnail=server.put("/x", b"x", **how))
    assert await cover_alone(about, None, replace(context, options=WANTED)) is None
    assert await cover_alone(NO_ABOUT, None, replace(context, options=WANTED)) is None
    assert await cover_alone(about, None, replace(context, options=NO_OPTIONS)) is None
