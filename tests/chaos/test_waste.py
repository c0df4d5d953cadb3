"""The count of what was sent twice, by hand-made answers."""

from __future__ import annotations

import pytest

from tests.chaos.waste import Waste, waste
from tests.servers import Request


def answer(*moments: tuple[float, int], first: int = 0) -> Request:
    headers = {"range": f"bytes={first}-"} if first else {}
    last = moments[-1][1] if moments else 0
    return Request("GET", "/file", headers, status=206 if first else 200, sent=last, moments=[*moments])


@pytest.mark.parametrize(
    ("requests", "deaths", "expected"),
    [
        ([answer((1.0, 100), (2.0, 200))], [], Waste(0, 0, 0)),
        ([answer((1.0, 100)), answer((3.0, 100), first=100)], [2.0], Waste(0, 0, 0)),
        ([answer((1.0, 100)), answer((3.0, 200))], [1.5], Waste(100, 0, 0)),
        ([answer((1.0, 100)), answer((9.0, 200))], [5.0], Waste(100, 100, 0)),
        ([answer((1.0, 100)), answer((9.0, 200))], [], Waste(100, 100, 0)),
        ([answer((1.0, 100), (4.9, 200)), answer((9.0, 300))], [5.0], Waste(200, 100, 0)),
        ([answer((1.0, 100), (4.9, 200)), answer((9.0, 300), first=50)], [5.0], Waste(150, 50, 0)),
        ([answer((1.0, 100)), answer((3.0, 50)), answer((5.0, 100))], [1.5, 3.5], Waste(150, 0, 0)),
        ([answer(), answer((3.0, 50))], [1.5], Waste(0, 0, 0)),
        ([answer((1.0, 100), (1.6, 200)), answer((3.0, 300))], [1.5], Waste(200, 0, 0)),
        ([answer((2.0, 100)), answer((3.0, 100))], [1.5], Waste(100, 100, 0)),
        ([answer((1.0, 100)), answer((3.0, 90)), answer((3.1, 50), first=80)], [1.5], Waste(20, 0, 90)),
        ([answer((3.0, 90)), answer((3.1, 50), first=80)], [3.05], Waste(10, 0, 0)),
        ([answer((3.0, 90)), answer((9.0, 50), first=80)], [], Waste(10, 10, 0)),
    ],
    ids=[
        "one answer",
        "a resume",
        "too young to be kept",
        "old enough",
        "nobody had died",
        "old and young",
        "a resume too early",
        "three answers",
        "an answer without a body",
        "on its way when somebody died",
        "somebody had died before",
        "asked for the size",
        "died, and went on",
        "went on without need",
    ],
)
def test_what_could_have_been_kept(requests: list[Request], deaths: list[float], expected: Waste) -> None:
    assert waste(requests, deaths, kept_s=2.0) == expected
