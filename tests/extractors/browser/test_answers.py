"""What is noted of a page's answers. The answers themselves are tested with a browser: `test_sniffing.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from reactor.extractors.browser.answers import PEEK_BYTES_MAX, Answers, size_of
from tests.extractors.browser.test_embedded import HLS, coded

PAGE = "https://h/p"


@dataclass
class Answer:
    """In place of Playwright's."""

    body_bytes: bytes = b""
    kind: str = ""
    resource: str = "xhr"
    url: str = "https://h/x"
    status: int = 200
    length: int | None = None
    from_service_worker: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        size = len(self.body_bytes) if self.length is None else self.length
        self.headers = {"content-type": self.kind, "content-length": str(size)}
        self.request: Any = SimpleNamespace(
            url=self.url, resource_type=self.resource, method="GET", redirected_from=None, service_worker=None
        )

    async def body(self) -> bytes:
        return self.body_bytes


async def heard(*answers: Answer) -> Answers:
    work: list[Awaitable[Any]] = []
    found = Answers(work.append, lambda: None)
    for each in answers:
        response: Any = each
        found.hear(response, each.request, PAGE)
    await asyncio.gather(*work)
    return found


READ = {
    "a picture's type": Answer(HLS.encode(), "image/png"),
    "a film's type": Answer(HLS.encode(), "video/mp2t"),
    "an element that plays HLS by itself": Answer(HLS.encode(), "text/plain", "media"),
    "JSON": Answer(b'{"m": "%s"}' % coded(HLS).encode(), "application/json"),
}
LEFT = {
    "a long text": Answer(HLS.encode(), "text/plain", length=PEEK_BYTES_MAX + 1),
    "a style": Answer(HLS.encode(), "text/css"),
    "a picture on the page": Answer(HLS.encode(), "image/png", "image"),
    "an error": Answer(HLS.encode(), "text/plain", status=404),
    "any text": Answer(b"hello", "text/plain"),
    "a segment": Answer(HLS.encode(), "video/mp2t", url="https://h/1.ts"),
}


@pytest.mark.parametrize("name", READ)
async def test_any_answer_may_hold_a_manifest(name: str) -> None:
    found = await heard(READ[name])
    assert [(sight.text, sight.frame) for sight in found.sights] == [(HLS, PAGE)]
    assert found.response(0) is not None


@pytest.mark.parametrize("name", LEFT)
async def test_what_is_left_alone(name: str) -> None:
    assert (await heard(LEFT[name])).sights == []


async def test_what_an_element_plays_counts_whatever_its_type() -> None:
    found = await heard(Answer(b"x", "application/octet-stream", "media", length=9_000_000))
    assert [(sight.url, sight.size, sight.text) for sight in found.sights] == [("https://h/x", 9_000_000, None)]


async def test_a_service_worker_has_answered() -> None:
    (sight,) = (await heard(Answer(HLS.encode(), "text/plain", from_service_worker=True))).sights
    assert sight.indirect


@pytest.mark.parametrize(
    ("headers", "size"),
    [
        ({"content-length": "12"}, 12),
        ({"content-length": "5", "content-range": "bytes 0-4/900"}, 900),
        ({"content-range": "bytes 0-4/*"}, None),
        ({"content-length": "12", "content-encoding": "gzip"}, None),
        ({"content-length": "9" * 5000}, 10**18 - 1),
        ({"content-length": "-1"}, None),
        ({}, None),
    ],
)
def test_sizes(headers: dict[str, str], size: int | None) -> None:
    assert size_of(headers) == size
