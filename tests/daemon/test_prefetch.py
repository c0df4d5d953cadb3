"""The look cache: asked once, used once, and only where one look tells all."""

from __future__ import annotations

from typing import NoReturn

import anyio
import pytest

from reactor.daemon.prefetch import ANSWERS_MAX, ProbeCache
from reactor.extractors import EXTRACTORS
from reactor.extractors.context import open_context
from reactor.extractors.detect import detect
from reactor.models import Kind
from tests.servers import FileServer


async def test_what_was_found_ahead_is_used_once_and_costs_no_second_question() -> None:
    async with FileServer() as server, open_context() as context:
        url = server.put("/a.bin", b"12345", etag='"1"')
        cache = ProbeCache(context)
        await cache.prefetch(url)
        detection = await detect(url, context)
        found = await cache.take(detection)
        assert found is not None
        assert found.size == 5
        assert await cache.take(detection) is None
        assert len(server.log) == 1


async def test_a_row_whose_turn_comes_while_the_look_is_under_way_waits_for_it() -> None:
    async with FileServer() as server, open_context() as context, anyio.create_task_group() as tasks:
        url = server.put("/a.bin", b"12345", head="hang")
        cache = ProbeCache(context)
        tasks.start_soon(cache.prefetch, url)
        await server.until(lambda: len(server.log) == 1)
        tasks.start_soon(cache.prefetch, url)
        detection = await detect(url, context)
        await anyio.wait_all_tasks_blocked()
        assert len(server.requests(method="HEAD")) == 1
        server.release()
        await cache.take(detection)


async def test_what_goes_wrong_and_what_is_no_file_is_not_kept() -> None:
    async with FileServer() as server, open_context() as context:
        cache = ProbeCache(context)
        missing = server.url("/missing.bin")
        await cache.prefetch(missing)
        assert await cache.take(await detect(missing, context)) is None
        asked = len(server.log)
        for other in ("magnet:?xt=urn:btih:" + "a" * 40, "no url at all", server.url("/page")):
            await cache.prefetch(other)
        assert len(server.log) == asked


async def test_nothing_but_head_is_asked() -> None:
    """A link for one request is the row's own attempt's."""
    async with FileServer() as server, open_context() as context:
        url = server.put("/a.bin", b"12345", head=405)
        cache = ProbeCache(context)
        await cache.prefetch(url)
        assert [request.method for request in server.log] == ["HEAD"]
        assert await cache.take(await detect(url, context)) is None


async def test_only_a_few_answers_are_kept() -> None:
    async with FileServer() as server, open_context() as context:
        cache = ProbeCache(context)
        urls = [server.put(f"/{n}.bin", b"12345") for n in range(ANSWERS_MAX + 1)]
        for url in urls:
            await cache.prefetch(url)
        assert await cache.take(await detect(urls[0], context)) is None
        assert await cache.take(await detect(urls[-1], context)) is not None


async def test_a_mistake_of_ours_is_left_to_the_rows_own_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async def mistaken(*_: object) -> NoReturn:
        raise ValueError

    monkeypatch.setattr(EXTRACTORS[Kind.DIRECT], "extract", mistaken)
    async with FileServer() as server, open_context() as context:
        cache, url = ProbeCache(context), server.url("/a.bin")
        await cache.prefetch(url)
        assert await cache.take(await detect(url, context)) is None
