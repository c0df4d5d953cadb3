"""What the first row would have to wait for is done before it comes, once there is nothing else to do.

Patterns are compiled, models built and constructors written when they are needed first, so that the start waits for
none that a run does not need. Nearly every run needs those of a plain file. They are had by taking one from its URL to
its end: through the same functions, in a machine of its own, of whose commands none is carried out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import anyio
import h11

from reactor.aria2.options import addition
from reactor.core import commands, events
from reactor.core.context import Limits
from reactor.core.job import Attempt, derive_gid
from reactor.core.machine import Machine
from reactor.core.rows import ClaimedRow
from reactor.daemon.policy import transfer_policy_of
from reactor.egress.answers import Answers
from reactor.egress.requests import RequestReader
from reactor.extractors.detect import by_text, kind_of_probe
from reactor.extractors.direct import extraction_of
from reactor.files.content import turns_out
from reactor.files.names import candidates, clean_name, tame_name
from reactor.models import Upload
from reactor.net.client import Response
from reactor.net.credentials import redact
from reactor.net.heads import repaired
from reactor.net.probe import read_headers
from reactor.plan import Extraction
from reactor.settings import Settings

URL = "https://host.example/a/film.mkv"
HEAD = b"""HTTP/1.1 200 OK\r
Content-Type: video/x-matroska\r
Content-Length: 1000\r
Content-Disposition: attachment; filename="film.mkv"\r
ETag: "1"\r
Accept-Ranges: bytes\r
\r
"""
TUNNEL = b"CONNECT host.example:443 HTTP/1.1\r\nHost: host.example:443\r\n\r\n"
REQUEST = b"GET /a/film.mkv HTTP/1.1\r\nHost: host.example\r\n\r\n"


async def rehearse(settings: Settings, limits: Limits, quiet: anyio.Event) -> None:
    """One step after the other, with everything else in between, from when `quiet` is set."""
    await quiet.wait()
    for _ in steps(settings, limits):
        await anyio.lowlevel.checkpoint()


def steps(settings: Settings, limits: Limits) -> Iterator[None]:
    """Each takes a few milliseconds."""
    detection = by_text(URL)
    yield
    asked = h11.Connection(h11.CLIENT)
    asked.send(h11.Request(method="HEAD", target="/a/film.mkv", headers=[("Host", "host.example")]))
    asked.receive_data(repaired(HEAD))
    head = asked.next_event()
    assert isinstance(head, h11.Response)
    yield
    seen = read_headers(URL, Response(URL, head, cast("Any", None)))  # nothing of it is read
    yield
    RequestReader().take(TUNNEL)
    answers = Answers()
    answers.asked(REQUEST)
    answers.answered(HEAD)
    yield
    kind_of_probe(seen)
    extraction = extraction_of(seen)
    yield
    tame_name(clean_name(extraction.finish.name))
    next(candidates(extraction.finish.name))
    turns_out(extraction.finish.name, b"\x1aE\xdf\xa3")
    yield
    redact(URL)
    attempt, machine = Attempt(1, 1), Machine(limits)
    gid = derive_gid("rehearsal", attempt, 0)
    addition(extraction.fetches[0], gid=gid, directory="/", policy=transfer_policy_of(settings))
    yield
    machine.start()
    for event in told_of(ClaimedRow(attempt, URL, detection=detection), extraction, gid):
        decided = machine.handle(event, 0.0)
        if any(isinstance(command, commands.MeasureDisk) for command in decided):
            machine.handle(events.DiskMeasured(2**60), 0.0)
        yield


def told_of(row: ClaimedRow, extraction: Extraction, gid: str) -> Iterator[events.Event]:
    """What happens to a row that ends well."""
    attempt = row.attempt
    yield events.Recovered(instance="rehearsal")
    yield events.Aria2Connected("rehearsal", "1.37.0", "")
    yield events.RowsPolled()
    yield events.RowsPolled(claimed=(row,))
    yield events.Extracted(attempt, extraction)
    yield events.TransfersAdded(attempt, (0,))
    yield events.TransferNotified(gid, "complete")
    yield events.Finished(attempt, "/film.mkv", 1000, upload=Upload(mime_type="video/x-matroska"))
    yield events.Saved(attempt)
    yield events.RowsPolled()
