"""What trackers say of a torrent that stands still."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from bencode2 import bencode

from reactor.extractors.base import Context
from reactor.extractors.trackers import REASON_MAX, TrackerAnswer, ask_trackers
from reactor.plan import Torrent
from tests.servers import FileServer

HASH = "00ff" * 10


async def asked(context: Context, *urls: str) -> TrackerAnswer:
    return await ask_trackers(Torrent(info_hash=HASH, trackers=urls), context)


async def test_it_is_asked_as_a_peer_that_signs_off_at_once(server: FileServer, context: Context) -> None:
    url = server.put("/announce", bencode({"complete": 2, "incomplete": 1, "peers": b""}))
    assert await asked(context, f"{url}?passkey=1", "udp://127.0.0.1:9/") == TrackerAnswer(None, 2)
    queries = [parse_qs(urlsplit(request.path).query, encoding="latin-1") for request in server.requests("/announce")]
    assert [query["event"] for query in queries] == [["started"], ["stopped"]]
    assert [(query["passkey"], query["info_hash"]) for query in queries] == [(["1"], ["\x00\xff" * 10])] * 2
    assert len(queries[0]["peer_id"][0]) == 20


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (b"Unregistered torrent: passkey not found", "Unregistered torrent: passkey not found."),
        (b"Are you\nlost\x1b[2J?", "Are you lost[2J?"),
        ("Торрент не найден".encode("cp1251"), "Торрент не найден."),
        (b"x" * 1000, "x" * REASON_MAX + "."),
    ],
)
async def test_its_reason_is_a_sentence(server: FileServer, context: Context, reason: bytes, said: str) -> None:
    url = server.put("/announce", bencode({"failure reason": reason}))
    assert (await asked(context, url)).refused == said


async def test_one_that_does_not_refuse_it_counts_more(server: FileServer, context: Context) -> None:
    refuses = server.put("/no", bencode({"failure reason": "No."}))
    takes = server.put("/yes", bencode({"interval": 5}))
    assert await asked(context, refuses, takes) == TrackerAnswer()
    assert await asked(context, refuses) == TrackerAnswer("No.")


@pytest.mark.parametrize(
    "put",
    [
        {"data": b"<html>"},
        {"data": b""},
        {"data": bencode({"failure reason": 1, "complete": -1})},
        {"data": bytes(100), "endless": True},
        {"close": True},
        {"redirect": f"magnet:?xt=urn:btih:{HASH}"},
    ],
)
async def test_what_is_no_answer_says_nothing(server: FileServer, context: Context, put: dict[str, Any]) -> None:
    assert await asked(context, server.put("/announce", **put)) == TrackerAnswer()
    assert await asked(context) == TrackerAnswer()
