"""What the trackers of a torrent that stands still say of it. aria2 asks them, too, and does not tell.

It is asked as a peer that wants nobody's address (BEP 3), and signs off at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from urllib.parse import quote_from_bytes

import anyio

from reactor.egress.inner_urls import PREFIX
from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.net.credentials import for_people
from reactor.net.redirects import MagnetRedirect, follow, read_body
from reactor.plan import Torrent
from reactor.records import dataclass

TRACKERS_MAX = 5
TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 64 * 1024
REASON_MAX = 200
"""Characters."""
_TOO_LONG = DownloadError("This is no answer of a tracker.", code="bad_answer")


@dataclass(frozen=True, slots=True)
class TrackerAnswer:
    """What trackers say of a torrent."""

    refused: str | None = None
    """Why it is refused: a sentence of theirs, fit to be shown. None where one of them does not refuse it."""
    seeds: int | None = None
    """How many have all of it."""


AskTrackers = Callable[[Torrent], Awaitable[TrackerAnswer]]


async def ask_trackers(torrent: Torrent, context: Context) -> TrackerAnswer:
    """Ask the first ones that are asked by HTTP, all at once."""
    urls = [url for url in torrent.trackers if url.lower().startswith(("http://", "https://"))]
    urls = [url for url in urls if not url.startswith(PREFIX)][:TRACKERS_MAX]
    answers: list[TrackerAnswer] = []

    async def ask(url: str) -> None:
        with suppress(DownloadError, MagnetRedirect), anyio.move_on_after(TIMEOUT_S):
            answers.append(await _answer(url, torrent.info_hash or "", context))

    async with anyio.create_task_group() as asking:
        for url in urls:
            asking.start_soon(ask, url)
    return _together(answers)


def _together(answers: Sequence[TrackerAnswer]) -> TrackerAnswer:
    taken = [each for each in answers if each.refused is None]
    if not taken:
        return answers[0] if answers else TrackerAnswer()
    return TrackerAnswer(None, max((each.seeds for each in taken if each.seeds is not None), default=None))


async def _answer(url: str, info_hash: str, context: Context) -> TrackerAnswer:
    body = await _announce(url, info_hash, "started", context)
    with suppress(DownloadError, MagnetRedirect):
        await _announce(url, info_hash, "stopped", context)
    swarm = await context.parsers.tracker(body)
    return TrackerAnswer(_fit(swarm.refused) if swarm.refused else None, swarm.seeds)


async def _announce(url: str, info_hash: str, event: str, context: Context) -> bytes:
    asked = {
        "info_hash": quote_from_bytes(bytes.fromhex(info_hash), safe=""),
        "peer_id": f"-RE0001-{info_hash[:12]}",
        "port": "6881",
        "uploaded": "0",
        "downloaded": "0",
        "left": "1",
        "compact": "1",
        "numwant": "0",
        "event": event,
    }
    return await ask_by_http(url, "&".join(f"{key}={value}" for key, value in asked.items()), context)


async def ask_by_http(url: str, query: str, context: Context) -> bytes:
    """What a tracker answers, bencoded. Raises DownloadError and MagnetRedirect."""
    async with follow("GET", f"{url}{'&' if '?' in url else '?'}{query}", context.http) as (_, response):
        return await read_body(response, context.http, ANSWER_BYTES_MAX, _TOO_LONG)


def _fit(reason: str) -> str:
    """The reason as one sentence."""
    text = for_people(" ".join("".join(filter(str.isprintable, reason.replace("\n", " "))).split()))[:REASON_MAX]
    return text if text.endswith((".", "!", "?")) else f"{text}."
