"""The buttons below a message of the Telegram bot's."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

from reactor.choices import Choices
from reactor.models import Download
from tests.bots.modules import loaded

pytestmark = pytest.mark.timeout(300)  # the first of them imports aiogram

words, asked_for, texts = loaded("telegram", "words", "asked_for", "texts")
about = words.about
T = texts.texts_for("en")
FILM: dict[str, Any] = {
    "formats": [
        {"c": "f1", "label": "1080p av1", "height": 1080, "bytes": 181_403_648, "pick": {"quality": 1080}},
        {"c": "a1", "label": "sound", "pick": {"want": "audio"}},
    ],
    "subtitles": [{"c": "s1", "language": "de", "auto": True, "pick": {"subtitles": {"languages": ["de"]}}}],
}
FILES: dict[str, Any] = {
    "files": [
        {"c": f"t{n}", "n": n, "path": f"S01/e{n}.mkv", "bytes": 1000, "pick": {"files": [n]}} for n in range(1, 51)
    ],
    "files_total": 77,
}


@pytest.fixture(scope="module")
def keyboards() -> ModuleType:
    return loaded("telegram", "keyboards")[0]


def row(found: dict[str, Any] | None = None, **values: Any) -> Download:
    choices = Choices.model_validate_json(json.dumps(found)) if found else None
    return Download(**({"id": 10**17, "url": "http://h/a.bin", "status": "choosing", "choices": choices} | values))


def labels(keyboards: ModuleType, asking: Download) -> dict[str, str]:
    markup = keyboards.keyboard(asking)
    return {one.text: one.callback_data for line in markup.inline_keyboard for one in line} if markup else {}


def test_a_film_is_asked_about_by_quality(keyboards: ModuleType) -> None:
    asking = row(FILM, next_attempt_at=1_800_000_000.0)
    id = asking.id
    assert labels(keyboards, asking) == {
        "1080p av1 · ~181.4 MB": f"choose:{id}:f1",
        "sound": f"choose:{id}:a1",
        "☐ Subtitles: de (automatic)": f"mark:{id}:s1",
        "The best one": f"usual:{id}",
        "Cancel": f"cancel:{id}",
    }
    assert about(asking).splitlines()[1:] == [
        "❓ Which quality?",
        "Without an answer by 2027-01-15 08:00 UTC I take the default.",
    ]
    marked = labels(keyboards, row(FILM, extra={"picked": "s1,gone"}))
    assert "☑ Subtitles: de (automatic)" in marked
    assert marked["Download the marked ones (1)"] == f"marked:{id}"


def test_many_files_stand_on_pages(keyboards: ModuleType) -> None:
    seen: list[str] = []
    for page in (0, 6, 99, -1, "x"):
        found = labels(keyboards, row(FILES, extra={"page": page, "picked": "t3,t50"}))
        files = [label for label in found if "/e" in label]
        seen += [label[2:].split(".")[0] for label in files]
        assert len(files) <= keyboards.PAGE
        assert all(len(data) <= 64 for data in found.values()), "Telegram takes no more"
        assert {"◀", "All of them", "Cancel", "Download the marked ones (2)"} <= found.keys()
    assert seen[:11] == [*(f"S01/e{n}" for n in range(1, 9)), "S01/e49", "S01/e50", "S01/e49"]
    assert "7 of 7 ▶" in labels(keyboards, row(FILES, extra={"page": 6}))
    said = about(row(FILES, extra={"picked": "t3,t50"}))
    assert "Which of the 77 files? These are the first 50." in said
    assert "Marked: 2, 2.0 kB." in said


def test_what_failed_offers_what_would_help(keyboards: ModuleType) -> None:
    help = {"help": [{"c": "h1", "label": "480p", "pick": {"quality": 480}}]}
    failed = labels(keyboards, row(help, status="failed", error_code="too_large"))
    assert failed == {"Take instead: 480p": f"choose:{10**17}:h1", "Try again": f"retry:{10**17}"}
    jar = {"help": [{"c": "h1", "label": "the cookies `mine`", "pick": {"cookies": "mine"}}]}
    assert "With the cookies `mine`" in labels(keyboards, row(jar, status="failed", error_code="needs_login"))
    late = labels(keyboards, row(FILM | {"unanswered": "fail"}, status="failed", error_code="unanswered"))
    assert {"sound", "The best one", "Try again"} <= late.keys()
    assert labels(keyboards, row(FILM, status="uploaded")) == {}
    assert labels(keyboards, row(FILM, cancelled=True)).keys() == {"Cancel"}


@pytest.mark.parametrize(
    ("values", "verb"),
    [
        ({"status": "pending"}, "cancel"),
        ({"status": "cancelled"}, "retry"),
        ({"status": "downloaded"}, None),
        ({"status": "downloaded", "error_code": "partial"}, "retry"),
        ({"status": "downloaded", "extra": {"unsent": "Too large."}}, "retry"),
        ({"status": "uploading"}, "cancel"),
        ({"status": "uploaded"}, None),
    ],
)
def test_what_can_be_done(keyboards: ModuleType, values: dict[str, Any], verb: str | None) -> None:
    assert list(labels(keyboards, row(**values)).values()) == ([f"{verb}:{10**17}"] if verb else [])


def test_settings_are_words(keyboards: ModuleType) -> None:
    buttons = [one for line in keyboards.settings_keyboard(4242, T).inline_keyboard for one in line]
    for one in buttons:
        kind, owner, said = one.callback_data.split(":")
        assert owner == "4242"
        assert asked_for.options_in(said.split()) if kind == "set" else said in ("", "de", "en", "es")
    assert {"Best", "1080p", "Deutsch", "My language: as in Telegram"} <= {one.text for one in buttons}
