"""What the Discord bot says, in each of its languages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from reactor import RunnerStatus
from reactor.models import Download, Position, WaitReason
from tests.bots.copied import CONTRIB
from tests.bots.languages import check_same_values, check_used
from tests.bots.modules import loaded

pytestmark = pytest.mark.timeout(300)  # the first of them imports discord.py
MADE = ("state_", "not_sent_", "place_", "command_", "option_", "settings_", "menu_")
"""How names of texts begin that are put together."""


def row(**values: Any) -> Download:
    return Download(**({"id": 7, "url": "https://host.example/a_b.mkv", "status": "pending"} | values))


def test_every_language_has_every_text_with_the_same_values_and_no_other() -> None:
    (texts,) = loaded("discord", "texts")
    every = texts.languages()
    assert {"de", "en", "es"} <= every.keys() <= texts.PLURALS.keys()
    for t in every.values():
        check_same_values(t.table, every["en"].table)
        check_used(t.table, CONTRIB / "discord", MADE)
        assert all(len(t.table[name]) <= 100 for name in t.table if name.startswith(("command_", "option_"))), "Discord"


def test_both_bots_read_their_texts_alike() -> None:
    code = [(Path(CONTRIB) / bot / "texts.py").read_text().split('"""', 2)[2] for bot in ("telegram", "discord")]
    assert code[0] == code[1]


def test_fields_of_a_command_are_options_of_a_row() -> None:
    (asked_for,) = loaded("discord", "asked_for")
    assert asked_for.options_of(preset="music, archive", sound="film", subtitles="none") == {
        "use": ["music", "archive"],
        "want": "video",
        "subtitles": None,
    }


@pytest.mark.parametrize("language", ["de", "en", "es"])
def test_every_state_has_its_words(language: str) -> None:
    (words,) = loaded("discord", "words")
    told = [
        words.about(row(status=status, stage=stage, extra={"language": language}))
        for status in (
            "pending",
            "downloading",
            "choosing",
            "downloaded",
            "uploading",
            "uploaded",
            "cancelled",
            "failed",
        )
        for stage in (None, "waiting", "quota", "yielded", "extracting", "finishing")
    ]
    assert all(text.startswith("**a\\_b.mkv**\n") and len(text.splitlines()[1]) > 2 for text in told)
    stopped = row(status="downloaded", extra={"language": language, "upload_error": '{"code": "stopped"}'})
    assert re.search("⚠️ (Es wurde|Stopped|Se detuvo)", words.about(stopped))
    odd = row(status="downloaded", extra={"upload_error": '{"code": "of a later version"}'})
    assert "of a later version" in words.about(odd)


def test_a_magnet_link_is_called_what_it_says() -> None:
    (words,) = loaded("discord", "words")
    assert words.name_of(row(url="MAGNET:?xt=urn:btih:0&dn=A%20film")) == "A film"
    assert words.name_of(row(url="magnet:?xt=urn:btih:0")) == "Download 7"


def test_of_the_downloader_only_what_is_known_is_told() -> None:
    words, texts = loaded("discord", "words", "texts")
    lost = RunnerStatus("waiting", None, None, 2, (), None, None, "It *broke*.")
    there = RunnerStatus("running", 77, 1.0, 0, (row(),), "0.1", "1.36.0", None)
    assert words.about_reactor(lost, texts.texts_for("en")) == (
        r"Downloader: **waiting**, restarts: 2, running: 0. It \*broke\*."
    )
    assert words.about_reactor(there, texts.texts_for("de")) == (
        "Downloader: **running**, Prozess 77, reactor 0.1, aria2 1.36.0, Neustarts: 0, es laufen: 1."
    )


def test_a_place_and_what_was_fetched_are_told() -> None:
    words, texts, store = loaded("discord", "words", "texts", "store")
    t = texts.texts_for("es")
    assert all(words.place_of(Position(7, ahead, why), t) for why in get_args(WaitReason) for ahead in (0, 1, 2))
    some = words.about_stats(store.Stats(1, 1_000_000, 12, 3_400_000_000, 2, "2026-12-01"), t)
    assert (
        some.splitlines()[2:] == ["Desde 2026\\-12\\-01: 12 descargas, 3.4 GB", "Fallidas: 2"] or "12 descargas" in some
    )
