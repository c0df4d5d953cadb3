"""Parts of videos that viewers have marked, by a SponsorBlock server of our own."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.extractors.sponsorblock import OFF, OTHER_SITE, read_marks, with_marks
from reactor.models import Kind
from reactor.options import Options, SponsorBlock, parse_options
from reactor.plan import About, Chapter, Extraction, Fetch, Finish
from tests.servers import FileServer

ID = "dQw4w9WgXcQ"
PATH = f"/api/skipSegments/{hashlib.sha256(ID.encode()).hexdigest()[:4]}"
WANTED = SponsorBlock(mode="mark", categories=("sponsor", "outro"))


def film(**finish: Any) -> Extraction:
    whole = Finish.model_validate({"how": "media", "name": "x.mp4", "about": About(id=ID), **finish})
    return Extraction(kind=Kind.YTDLP, fetches=(Fetch(urls=("http://h/x",), name="x"),), finish=whole)


def segment(start: Any, end: Any, category: Any = "sponsor", **more: Any) -> dict[str, Any]:
    return {"segment": [start, end], "category": category, "actionType": "skip", "videoDuration": 600, **more}


def answer(*segments: Any, video: str = ID) -> bytes:
    others = {"videoID": "another", "segments": [segment(1, 2)]}
    return json.dumps([others, {"videoID": video, "segments": segments}]).encode()


def asking(context: Context, server: FileServer, mode: str = "mark") -> Context:
    options = parse_options({"sponsorblock": {"mode": mode, "categories": ["sponsor", "outro"]}}, Options)
    return replace(context, sponsorblock=server.url("/"), options=options)


async def test_the_marks_of_a_video(server: FileServer, context: Context) -> None:
    told = answer(segment(590, 600, "outro"), segment(10.5, 20), segment(30, 40, "intro"), segment(5, 6, UUID="x"))
    server.put(PATH, told, content_type="application/json")
    found = await with_marks(film(), "Youtube", 600.0, asking(context, server))
    assert found.finish.marks == (
        Chapter(start_s=5, end_s=6, title="sponsor"),
        Chapter(start_s=10.5, end_s=20, title="sponsor"),
        Chapter(start_s=590, end_s=600, title="outro"),
    )
    (request,) = server.log
    assert parse_qs(urlsplit(request.path).query) == {"service": ["YouTube"], "categories": ['["sponsor","outro"]']}
    assert ID not in request.path, "the server does not learn which video it is"


async def test_a_video_that_nobody_has_marked(server: FileServer, context: Context) -> None:
    found = await with_marks(film(), "Youtube", 600.0, asking(context, server))
    assert (found.finish.marks, found.finish.unmet) == ((), ())


@pytest.mark.parametrize("how", [{"status": 500}, {"data": b"<html>"}, {"data": b"[" * 100_000}, {"data": b"{}"}])
async def test_a_server_that_does_not_help_costs_nothing(
    server: FileServer, context: Context, how: dict[str, Any]
) -> None:
    server.put(PATH, **how)
    found = await with_marks(film(), "Youtube", 600.0, asking(context, server))
    assert found.finish.marks == ()
    (sentence,) = found.finish.unmet
    assert sentence.startswith("The parts that viewers have marked could not be asked for: ")


async def test_who_is_not_asked(server: FileServer, context: Context) -> None:
    asked = asking(context, server)
    assert (await with_marks(film(), "Vimeo", 600.0, asked)).finish.unmet == (OTHER_SITE,)
    assert (await with_marks(film(start_s=5.0), "Youtube", 600.0, asked)).finish.unmet == (OTHER_SITE,)
    assert (await with_marks(film(), "Youtube", 600.0, replace(asked, sponsorblock=""))).finish.unmet == (OFF,)
    whole = film()
    assert await with_marks(whole, "Youtube", 600.0, asking(context, server, "off")) is whole
    assert not server.log


def test_marks_of_another_version_of_the_video_are_not_taken() -> None:
    told = answer(segment(1, 2), segment(3, 4, videoDuration=300), segment(5, 6, videoDuration=0))
    assert [mark.start_s for mark in read_marks(told, ID, 600.0, WANTED)] == [1, 5]
    assert len(read_marks(told, ID, None, WANTED)) == 3


def test_what_is_no_mark_is_left_out() -> None:
    strange = [
        segment(2, 1),
        segment("1", 2),
        segment(1, 1e999),
        segment(1, 2, ["x"]),
        segment(1, 2, actionType="mute"),
    ]
    body = answer(*strange, None, 5, {"segment": 1, "category": "sponsor"}, segment(7, 8))
    assert [mark.start_s for mark in read_marks(body, ID, 600.0, WANTED)] == [7]


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: json.dumps([text]).encode()))
def test_any_answer_is_marks_or_a_sentence(body: bytes) -> None:
    with suppress(DownloadError):
        assert read_marks(body, ID, None, WANTED) == ()
