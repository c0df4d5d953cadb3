"""What the Telegram bot says of a row."""

from __future__ import annotations

import re
from typing import Any

import pytest

from contrib.telegram.words import about, bar, duration, in_short, name_of, plain, size
from reactor.models import Download

URL = "https://user:secret@host.example/a%20film.mkv?token=secret"
REFUSED = '{"code": "refused", "name": "<a>", "why": "b"}'
HOSTILE = '</b><a href="tg://x">&lt;\u202e\u200b\n\x00' + "y" * 10_000


def row(**values: Any) -> Download:
    return Download(**({"id": 7, "url": URL, "status": "pending"} | values))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "In the queue"),
        ({"stage": "waiting"}, "tried again soon"),
        ({"cancelled": True}, "Stopping"),
        ({"status": "downloading", "stage": "detecting"}, "Looking at the link"),
        ({"status": "downloading", "stage": "extracting"}, "Finding out"),
        ({"status": "downloading", "stage": "fetching"}, "0 %"),
        ({"status": "downloading", "stage": "finishing", "progress": 50.0}, "Joining ▓▓▓▓▓▓░░░░░░ 50 %"),
        ({"status": "downloaded", "file_size": 5_000_000}, "Downloaded (5.0 MB)"),
        ({"status": "downloaded", "extra": {"upload_error": "Too <large>"}}, "⚠️ Too &lt;large&gt;"),
        ({"status": "downloading", "stage": "listing"}, "Reading the list"),
        ({"status": "downloading", "stage": "items", "items_total": 50, "items_done": 12}, "12 of 50 came"),
        ({"status": "downloaded", "items_total": 50, "items_done": 49, "error": "1 did <not>."}, "1 did &lt;not&gt;."),
        (
            {"status": "downloaded", "extra": {"upload_error": '{"code": "refused", "name": "<a>", "why": "b"}'}},
            "&lt;a&gt;: b",
        ),
        ({"status": "downloaded", "extra": {"upload_error": '{"code": "of a later version"}'}}, "of a later version"),
        ({"status": "uploading"}, "Sending"),
        (
            {"status": "uploading", "file_size": 8_000_000, "extra": {"sent_bytes": 2_000_000}},
            "25 %\n2.0 MB of 8.0 MB sent",
        ),
        ({"status": "uploading", "cancelled": True}, "Stopping"),
        ({"status": "uploaded"}, "Here it is"),
        ({"status": "cancelled"}, "Cancelled"),
        ({"status": "failed", "error": "It <broke>."}, "❌ It &lt;broke&gt;."),
        ({"status": "failed"}, "❌ It failed."),
        ({"status": "<odd>"}, "&lt;odd&gt;"),
    ],
)
def test_every_state_has_its_words(values: dict[str, Any], says: str) -> None:
    text = about(row(**values))
    assert text.startswith("<b>a film.mkv</b>\n")
    assert says in text
    assert "secret" not in text


def test_what_moves_is_told_in_numbers() -> None:
    moving = row(
        status="downloading",
        stage="fetching",
        progress=25.0,
        file_size=8_000_000,
        download_speed=2.0,
        eta_seconds=3661,
        title="A film",
    )
    assert about(moving) == "<b>A film</b>\n⬇️ ▓▓▓░░░░░░░░░ 25 %\n2.0 MB of 8.0 MB · 2.1 MB/s · 1:01:01 left"
    assert in_short(moving) == "#7 A film (fetching, 25 %)"
    odd = row(status="downloading", progress=-5e300, file_size=2**63, download_speed=1e300, eta_seconds=-1)
    assert "░" * 12 in about(odd)


@pytest.mark.parametrize("column", ["title", "error", "status", "url"])
def test_a_strangers_text_is_only_text(column: str) -> None:
    values: dict[str, Any] = {"status": "failed", "title": "t", "error": "e"} | {column: HOSTILE}
    text = about(row(**values))
    assert len(text) < 2000
    assert re.findall(r"<[^>]*>", text) == ["<b>", "</b>"]
    assert not re.search("[\u202e\u200b\x00]", text)
    assert text.count("\n") == 1
    assert "<" not in in_short(row(**values))


def test_a_name_is_found_in_any_link() -> None:
    assert name_of(row(url="https://host.example/")) == "host.example"
    assert name_of(row(url="magnet:?xt=urn:btih:0&dn=A+film")) == "A film"
    assert name_of(row(url="magnet:?xt=urn:btih:0")) == "magnet link"
    assert name_of(row(url="http://[")) == "Download 7"
    assert name_of(row(url="")) == "Download 7"


def test_numbers_for_people() -> None:
    assert [size(count) for count in (0, 999, 1000, 12_340_000, 5e9)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "12.3 MB",
        "5.0 GB",
    ]
    assert [duration(seconds) for seconds in (0, 61, 3600)] == ["0:00", "1:01", "1:00:00"]
    assert [bar(percent) for percent in (-1, 100, 1e300)] == ["░" * 12, "▓" * 12, "▓" * 12]
    assert plain("a" * 20, 10) == "a" * 9 + "…"
