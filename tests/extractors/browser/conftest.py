"""A browser, and a site with a film, for the tests that name none of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from reactor.extractors.browser.browser import Browser
from tests.media.samples import Samples
from tests.pages import players
from tests.pages.site import Site, clip, master
from tests.tools import needed

TIMEOUT_S = 60.0
"""Far more than a page takes: an error in the test, not a measure."""


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with Browser(timeout_s=TIMEOUT_S) as browser:
        yield browser


@pytest.fixture
async def site(samples: Samples) -> AsyncIterator[Site]:
    needed("chromium")
    players.files()
    async with Site() as site:
        site.media("/hls", master(samples.hls("hls")))
        site.put("/film.mp4", samples.film().read_bytes(), content_type="video/mp4", etag='"1"')
        site.put("/clip.mp4", clip(samples).read_bytes(), content_type="video/mp4")
        yield site
