"""The context that is opened for extractors."""

from __future__ import annotations

from reactor.extractors.context import open_context
from reactor.net.session import open_session

TORRENT = b"d4:infod6:lengthi1e4:name1:a12:piece lengthi16384e6:pieces20:" + b"x" * 20 + b"ee"


async def test_it_has_a_session_and_parsers_and_nothing_optional() -> None:
    async with open_context(open_session(timeout_s=3.0)) as context:
        assert (context.http.timeout_s, context.ytdlp, context.browser) == (3.0, None, None)
        facts, _ = await context.parsers.metainfo(TORRENT, bytes_max=2**20)
        assert (facts.name, facts.size) == ("a", 1)
