"""What was sent twice, and whether a resume could have kept it: by the server's clock and the moments of the deaths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from tests.servers import Request

ON_ITS_WAY_S = 0.25
"""For so long after somebody has died, what was still in a socket is answered."""


class Waste(NamedTuple):
    """Bytes."""

    twice: int
    """Sent again, by an answer that came later."""
    avoidable: int
    """Of these, what was there long enough before the next death for aria2 or reactor to have written it down, or
    what was asked for again although nobody had died."""


def waste(requests: Iterable[Request], deaths: Sequence[float], kept_s: float) -> Waste:
    """Of the requests for one file, in their order. What is older than `kept_s` when somebody dies could be kept."""
    answers = [_Answer.of(request) for request in requests if request.moments]
    twice = avoidable = 0
    for number, answer in enumerate(answers):
        for sent in answer.pieces:
            for later, again in _again(sent, answers[number + 1 :]):
                young = any(
                    answer.began - ON_ITS_WAY_S < death < later and death - sent.when < kept_s for death in deaths
                )
                twice += again
                avoidable += 0 if young else again
    return Waste(twice, avoidable)


class _Piece(NamedTuple):
    when: float
    first: int
    end: int


class _Answer(NamedTuple):
    began: float
    pieces: tuple[_Piece, ...]

    @classmethod
    def of(cls, request: Request) -> _Answer:
        first = int((request.range or "bytes=0-").removeprefix("bytes=").partition("-")[0]) * (request.status == 206)
        moments = [(request.moments[0][0], 0), *request.moments]
        pieces = [_Piece(when, first + before, first + end) for (_, before), (when, end) in pairwise(moments)]
        return cls(pieces[0].when, tuple(pieces))


def _again(sent: _Piece, answers: Iterable[_Answer]) -> Iterable[tuple[float, int]]:
    """When which part of a piece came again, each byte once: (the answer's beginning, bytes)."""
    left = [(sent.first, sent.end)]
    for answer in answers:
        first, end = answer.pieces[0].first, answer.pieces[-1].end
        came = sum(max(0, min(b, end) - max(a, first)) for a, b in left)
        if came:
            yield answer.began, came
        left = [(x, y) for a, b in left for x, y in ((a, min(b, first)), (max(a, end), b)) if x < y]
