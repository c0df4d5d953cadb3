"""What the browser's process tells of what it has seen, as `extractor.PageFindings` reads it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from reactor.extractors.browser.answers import Answers
from reactor.extractors.browser.elements import Element, Role
from reactor.extractors.browser.patience import with_timeout
from reactor.extractors.browser.ranking import NAMED, Candidate, Form, better_source
from reactor.media.choice import Choice


async def tell(candidate: Candidate, answers: Answers, user_agent: str) -> dict[str, Any]:
    """A candidate, and what was sent and received for it."""
    sight, response = answers.sights[candidate.index], answers.response(candidate.index)
    sent = {"referer": sight.frame, "user-agent": user_agent}
    received: dict[str, str] = {}
    if response:
        sent = await with_timeout(response.request.all_headers(), response.request.headers)
        received = await with_timeout(response.all_headers(), response.headers)
    return {
        "url": sight.url,
        "base": sight.frame if sight.url.startswith(("blob:", "data:")) else sight.url,
        "manifest": candidate.form is not Form.FILE,
        "scripted": sight.resource in ("fetch", "xhr"),
        "named": candidate.named,
        "decor": candidate.role <= Role.SIDE,
        "advertising": candidate.advertising,
        "live": candidate.live,
        "lines": candidate.lines,
        "text": sight.text,
        "content_type": sight.content_type,
        "size": sight.size,
        "sent": sent,
        "received": received,
    }


def with_better_source(
    candidates: list[Candidate],
    answers: Answers,
    elements: Iterable[Element],
    choice: Choice = Choice(),  # noqa: B008 - frozen
) -> list[Candidate]:
    """The candidates; before a file that an element plays, the one of its qualities that is wanted."""
    if not candidates or candidates[0].form is not Form.FILE:
        return candidates
    sight, played = answers.sights[candidates[0].index], candidates[0]
    better = better_source(sight, elements, choice)
    if better is None:
        return candidates
    if better.url in (sight.url, sight.asked):
        return [replace(played, lines=better.height), *candidates[1:]]
    answers.note(replace(sight, url=better.url, asked="", resource=NAMED, size=None))
    return [replace(played, index=len(answers.sights) - 1, named=True, lines=better.height), *candidates]


def made_of_pieces(elements: Iterable[Element]) -> list[dict[str, Any]]:
    """Elements whose one address was made of several answers, as what a player was fed with."""
    return [
        {"type": "video/mp4", "bytes": 0, "source": each.source, "urls": [*each.fetched]}
        | {"duration": each.duration_s, "end": each.duration_s}
        for each in elements
        if len(each.fetched) > 1
    ]


def of_each_frame(buffers: Sequence[Any]) -> list[dict[str, Any]]:
    """What the frames tell of their buffers, each MediaSource with a name of its own."""
    all_told = [(n, one) for n, told in enumerate(buffers) if isinstance(told, list) for one in told]
    return [one | {"source": f"{n}:{one.get('source')}"} for n, one in all_told if isinstance(one, dict)]


def json_ld(titles: Any) -> list[str]:
    """The texts of a page's JSON-LD, in what it told of its titles."""
    told = titles.get("ld") if isinstance(titles, dict) else None
    return [text for text in told if isinstance(text, str)] if isinstance(told, list) else []
