"""What the Telegram bot says of a row."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest

from reactor.models import Download, Position, WaitReason
from tests.bots.copied import CONTRIB
from tests.bots.languages import check_same_values, check_used, forms
from tests.bots.modules import loaded

words, texts, store = loaded("telegram", "words", "texts", "store")
about, bar, duration, in_short = words.about, words.bar, words.duration, words.in_short
name_of, plain, size = words.name_of, words.plain, words.size
EVERY = texts.languages()
URL = "https://user:secret@host.example/a%20film.mkv?token=secret"
REFUSED = '{"code": "refused", "name": "<a>", "why": "b"}'
HOSTILE = '</b><a href="tg://x">&lt;\u202e\u200b\n\x00' + "y" * 10_000


def row(**values: Any) -> Download:
    return Download(**({"id": 7, "url": URL, "status": "pending"} | values))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "In the queue"),
        ({"stage": "waiting"}, "retried soon"),
        ({"cancelled": True}, "Stopping"),
        ({"status": "downloading", "stage": "detecting"}, "Looking at the link"),
        ({"status": "downloading", "stage": "extracting"}, "Looking for the file"),
        ({"status": "downloading", "stage": "fetching"}, "0 %"),
        ({"status": "downloading", "stage": "finishing", "progress": 50.0}, "Joining ▓▓▓▓▓▓░░░░░░ 50 %"),
        ({"status": "downloaded", "file_size": 5_000_000}, "Downloaded (5.0 MB)"),
        ({"status": "downloaded", "extra": {"upload_error": "Too <large>"}}, "⚠️ Too &lt;large&gt;"),
        ({"status": "downloading", "stage": "listing"}, "Reading the list"),
        ({"status": "downloading", "stage": "items", "items_total": 50, "items_done": 12}, "12 of 50 downloaded"),
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
        "0 B",
        "999 B",
        "1.0 kB",
        "12.3 MB",
        "5.0 GB",
    ]
    assert [duration(seconds) for seconds in (0, 61, 3600)] == ["0:00", "1:01", "1:00:00"]
    assert [bar(percent) for percent in (-1, 100, 1e300)] == ["░" * 12, "▓" * 12, "▓" * 12]
    assert plain("a" * 20, 10) == "a" * 9 + "…"


# Languages


MADE = ("state_", "not_sent_", "place_", "command_", "settings_", "unanswered_")
"""How names of texts begin that are put together."""


@pytest.mark.parametrize("code", sorted(EVERY))
def test_every_language_has_every_text_with_the_same_values_and_no_other(code: str) -> None:
    check_same_values(EVERY[code].table, EVERY["en"].table)
    check_used(EVERY[code].table, CONTRIB / "telegram", MADE)


def test_there_are_three_languages_with_a_rule_for_numbers() -> None:
    assert {"de", "en", "es"} <= EVERY.keys() <= texts.PLURALS.keys()
    for t in EVERY.values():
        needed = {texts.PLURALS[t.language](n) for n in range(1000)}
        assert all(forms(text).keys() in ({""}, needed) for text in t.table.values())


def test_who_speaks_what() -> None:
    assert [texts.texts_for(code).language for code in ("de", "de-AT", "ES", "pt-br", None, "")] == [
        *("de", "de", "es", "en", "en", "en"),
    ]
    german = row(status="uploading", extra={"language": "de"})
    assert "Wird gesendet" in about(german)
    stopped = row(status="downloaded", extra={"language": "es", "upload_error": '{"code": "stopped"}'})
    assert "⚠️ Se detuvo antes de enviarse." in about(stopped)


@pytest.mark.parametrize(
    ("position", "says"),
    [
        (Position(7, 0, "turn"), {"en": "next", "de": "als nächster", "es": "la siguiente"}),
        (Position(7, 1, "turn", 70.0), {"en": "one before it, about a minute", "de": "einer davor, etwa eine Minute"}),
        (Position(7, 3, "turn", 600.0), {"en": "3 before it, about 10 minutes", "es": "3 delante, unos 10 minutos"}),
        (Position(7, 3, "retry"), {"en": "waits for its retry"}),
        (Position(7, 2, "unserved"), {"de": "der Downloader läuft nicht; 2 davor"}),
        *((Position(7, 1, why), {}) for why in get_args(WaitReason)),
    ],
)
def test_a_place_is_told_in_words(position: Position, says: dict[str, str]) -> None:
    told = {code: words.place_of(position, t) for code, t in EVERY.items()}
    assert {code: told[code] for code in says} == says
    assert all(told.values())


def test_what_was_fetched_is_told() -> None:
    none = store.Stats(0, 0, 0, 0, 0, None)
    some = store.Stats(1, 1_000_000, 12, 3_400_000_000, 2, "2026-12-01")
    assert words.about_stats(none, EVERY["en"]) == "Nothing was downloaded here yet."
    assert words.about_stats(some, EVERY["de"]).splitlines()[1:] == [
        "Letzte 24 Stunden: ein Download, 1.0 MB",
        "Seit 2026-12-01: 12 Downloads, 3.4 GB",
        "Gescheitert: 2",
    ]
