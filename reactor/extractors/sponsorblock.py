"""Asks a SponsorBlock server which parts of a YouTube video viewers have marked.

It is asked by the first digits of the hash of the video's id: the server learns no more than that it is one of some
hundred videos. What it says is bounded, and never costs the video.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import quote

import anyio

from reactor import numbers
from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.net.failures import status_failure
from reactor.net.redirects import MagnetRedirect, follow, read_body
from reactor.options import SPONSOR_CATEGORIES, SponsorBlock
from reactor.plan import FILM_S_MAX, MARKS_MAX, Chapter, Extraction

ANSWER_BYTES_MAX = 512 * 1024
DEADLINE_S = 10.0
PREFIX = 4
"""Hex digits of the hash that are told."""
DURATION_MAX_S = 2.0
"""Marks that were made of a video whose length differs by more are of another version of it."""

OFF = "The parts that viewers have marked are not known here: SPONSORBLOCK_URL is not set (`sponsorblock`)."
OTHER_SITE = "Viewers have marked parts of YouTube's videos only (`sponsorblock`)."


async def with_marks(film: Extraction, site: str, duration_s: float | None, context: Context) -> Extraction:
    """The extraction with what is marked of it, where the row asks for that; else with the sentence why it is not."""
    wanted = context.options.sponsorblock
    if wanted.mode == "off":
        return film
    finish = film.finish
    if not context.sponsorblock:
        told: dict[str, Any] = {"unmet": (*finish.unmet, OFF)}
    elif site.lower() != "youtube" or not finish.about.id or finish.start_s or finish.end_s:
        told = {"unmet": (*finish.unmet, OTHER_SITE)}
    else:
        try:
            told = {"marks": await marks_of(finish.about.id, duration_s, wanted, context)}
        except DownloadError as error:
            why = f"The parts that viewers have marked could not be asked for: {error.failure.message}"
            told = {"unmet": (*finish.unmet, why)}
    return film.model_copy(update={"finish": finish.model_copy(update=told)})


async def marks_of(
    video_id: str, duration_s: float | None, wanted: SponsorBlock, context: Context
) -> tuple[Chapter, ...]:
    """The marked parts of a video, in order; their titles are the categories. Raises DownloadError."""
    prefix = hashlib.sha256(video_id.encode()).hexdigest()[:PREFIX]
    categories = quote(json.dumps(wanted.categories, separators=(",", ":")))
    url = f"{context.sponsorblock.rstrip('/')}/api/skipSegments/{prefix}?service=YouTube&categories={categories}"
    too_large = DownloadError("The answer is too large.", code="bad_answer")
    try:
        with anyio.fail_after(DEADLINE_S):
            async with follow("GET", url, context.http) as (_, response):
                if response.status == 404:  # nothing is known of any video with this prefix
                    return ()
                if response.status != 200:
                    raise status_failure(response.status, response.url, response.headers)
                body = await read_body(response, context.http, ANSWER_BYTES_MAX, too_large)
    except TimeoutError:
        raise DownloadError("The server does not answer.", code="timeout") from None
    except MagnetRedirect:
        raise _not_understood() from None
    return read_marks(body, video_id, duration_s, wanted)


def read_marks(body: bytes, video_id: str, duration_s: float | None, wanted: SponsorBlock) -> tuple[Chapter, ...]:
    """The marks of one video in an answer. Raises DownloadError (`bad_answer`); what makes no sense is left out."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise _not_understood() from None
    if not isinstance(answer, list):
        raise _not_understood()
    mine = [each for each in answer if isinstance(each, dict) and each.get("videoID") == video_id]
    listed = mine[0].get("segments") if mine else []
    found = (_mark(each, duration_s, wanted) for each in listed) if isinstance(listed, list) else ()
    marks = sorted((each for each in found if each is not None), key=lambda each: each.start_s)
    return tuple(marks[:MARKS_MAX])


def _mark(told: Any, duration_s: float | None, wanted: SponsorBlock) -> Chapter | None:
    if not isinstance(told, dict) or told.get("category") not in (*wanted.categories,) or not _is_skip(told):
        return None
    span = told.get("segment")
    if not isinstance(span, list) or len(span) != 2:
        return None
    start, end = (numbers.bounded(each, most=FILM_S_MAX) for each in span)
    lasts = numbers.bounded(told.get("videoDuration"), most=FILM_S_MAX)
    if duration_s and lasts and abs(lasts - duration_s) > DURATION_MAX_S:
        return None
    if start is None or end is None or end <= start:
        return None
    return Chapter(start_s=start, end_s=end, title=str(told["category"]))


def _is_skip(told: dict[str, Any]) -> bool:
    return told.get("actionType", "skip") == "skip" and told.get("category") in SPONSOR_CATEGORIES


def _not_understood() -> DownloadError:
    return DownloadError("The answer cannot be understood.", code="bad_answer")
