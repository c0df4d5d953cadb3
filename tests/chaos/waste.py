"""What was sent twice, and whether a resume could have kept it: by the server's clock and the moments of the deaths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from tests.servers import Request

ON_ITS_WAY_S = 0.25
"""For so long after somebody has died, what was still in a socket is answered."""
PROBED_S = 0.5
"""Within this a client that asked for all, and wants no more than the head of the answer, asks for what is missing."""


class Waste(NamedTuple):
    """Bytes."""

    twice: int
    """Sent again, by an answer that came later."""
    avoidable: int
    """Of these, what was there long enough before the next death for aria2 or reactor to have written it down, or
    what was asked for again although nobody had died."""
    probes: int
    """Not among them: what came after a head that aria2 had asked for. Where a server answers no HEAD, aria2 asks for
    the whole file to learn its size, goes away, and asks for the rest."""


def waste(requests: Iterable[Request], deaths: Sequence[float], kept_s: float) -> Waste:
    """Of the requests for one file, in their order. What is older than `kept_s` when somebody dies could be kept."""
    every = [_Answer.of(request) for request in requests if request.moments]
    probes = [probe for probe, after in pairwise(every) if _is_probe(probe, after, deaths)]
    answers = [answer for answer in every if answer not in probes]
    twice = avoidable = 0
    for number, answer in enumerate(answers):
        for sent in answer.pieces:
            for later, again in _again(sent, answers[number + 1 :]):
                young = any(
                    answer.began - ON_ITS_WAY_S < death < later and death - sent.when < kept_s for death in deaths
                )
                twice += again
                avoidable += 0 if young else again
    return Waste(twice, avoidable, sum(probe.pieces[-1].end for probe in probes))


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


def _is_probe(answer: _Answer, after: _Answer, deaths: Sequence[float]) -> bool:
    died = any(answer.began <= death <= after.began for death in deaths)
    return (
        not answer.pieces[0].first and after.pieces[0].first > 0 and after.began - answer.began < PROBED_S and not died
    )


def _again(sent: _Piece, answers: Iterable[_Answer]) -> Iterable[tuple[float, int]]:
    """When which part of a piece came again, each byte once: (the answer's beginning, bytes)."""
    left = [(sent.first, sent.end)]
    for answer in answers:
        first, end = answer.pieces[0].first, answer.pieces[-1].end
        came = sum(max(0, min(b, end) - max(a, first)) for a, b in left)
        if came:
            yield answer.began, came
        left = [(x, y) for a, b in left for x, y in ((a, min(b, first)), (max(a, end), b)) if x < y]
