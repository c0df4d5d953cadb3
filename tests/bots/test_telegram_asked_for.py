"""What the words beside a link ask for, and what somebody's settings make of that."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest

from contrib.telegram.links import links_in, words_in
from reactor.errors import ReactorError
from reactor.options import NO_OPTIONS, Options, parse_options
from reactor.row_options import Asked, asked_of, column_of, over_defaults
from tests.bots.modules import loaded
from tests.bots.test_telegram_links import message

asked_for, texts, words_module = loaded("telegram", "asked_for", "texts", "words")
NotUnderstood, options_beside, options_in = asked_for.NotUnderstood, asked_for.options_beside, asked_for.options_in
pytestmark = pytest.mark.timeout(300)  # the first of them imports aiogram


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("mp3", {"want": "audio", "audio": {"format": "mp3"}}),
        ("audio", {"want": "audio", "audio": {"format": "best"}}),
        ("--audio opus --quality=480", {"want": "audio", "audio": {"format": "opus"}, "quality": 480}),
        ("MP4, 720p.", {"container": "mp4", "quality": 720}),
        ("1080 worst", {"quality": "worst"}),
        ("subtitles de,pt-BR", {"subtitles": {"languages": ["de", "pt-BR"]}}),
        ("1:30-2:10 clip 90-95.5", {"clip": [["1:30", "2:10"], ["90", "95.5"]]}),
        ("1-20", {"playlist": {"mode": "all", "items": "1-20"}}),
        ("items 3,-5--1", {"playlist": {"mode": "all", "items": "3,-5--1"}}),
        ("playlist 720", {"playlist": {"mode": "all", "items": "720"}}),
        ("all", {"playlist": {"mode": "all"}}),
        ("files 1,3", {"files": [1, 3]}),
        ("files *.mkv ask", {"files": ["*.mkv"], "ask": "all"}),
        ("ask files use music", {"ask": "files", "use": ["music"]}),
        ("video largest", {"want": "video", "files": "largest"}),
        ("", {}),
    ],
)
def test_words_are_options(words: str, options: dict[str, Any]) -> None:
    assert options_in(words.split()) == options
    parse_options(options, Options)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("mp3 please", "the word “please”"),
        ("subtitles", "“subtitles” needs a value"),
        ("9999p", "`quality`"),
        ("clip 5", "no part of a film"),
        ("2:00-1:00", "`clip`"),
        ("audio mp3 container exe", "`container`"),
        ("x" * 5000, "I do not know the word"),
    ],
)
def test_what_is_not_understood_is_named(words: str, says: str) -> None:
    with pytest.raises((NotUnderstood, ReactorError)) as refused:
        options_in(words.split())
    assert len(said_of(refused.value)) < 400
    assert re.search(says, said_of(refused.value))


def said_of(error: Exception) -> str:
    return unescape(words_module.sentence(error, texts.texts_for("en")))


def test_talk_asks_for_nothing() -> None:
    for talk in ("this one is nice", "all of it!", "best film ever", "see you", ""):
        assert options_beside(talk.split(), talk=True) == {}
    assert options_beside(["720p"], talk=True) == {"quality": 720}
    with pytest.raises(NotUnderstood):
        options_beside(["mp3", "please"], talk=True)
    with pytest.raises(NotUnderstood):
        options_beside(["this", "one"], talk=False)


@pytest.mark.nightly
def test_words_are_what_is_no_link() -> None:
    text = "😀 please https://a.example/x?mp3 720p @fetcher_bot magnet:?xt=urn:btih:0&dn=b files 1,2"
    assert words_in(message(text), after_links=True) == ["720p", "files", "1,2"]
    assert words_in(message(caption=text), after_links=False) == ["😀", "please", "720p", "files", "1,2"]
    said = message("/get mp3 https://a.example/x")
    assert (words_in(said, after_links=False), links_in(said)) == (["mp3"], ["https://a.example/x"])
    hidden = {"type": "text_link", "offset": 0, "length": 4, "url": "https://a.example/"}
    assert words_in(message("this mp3", links=(hidden,)), after_links=True) == ["mp3"]


def test_what_is_said_counts_more_than_settings() -> None:
    settings = {"want": "audio", "audio": {"format": "mp3"}, "subtitles": {"languages": ["de"]}, "ask": "all"}

    def wanted(*words: str) -> dict[str, Any]:
        said = column_of(over_defaults(options_in([*words])))
        found = asked_of(Asked(said, json.dumps(settings)))
        assert isinstance(found, Options)
        return {key: value for key, value in found.said().items() if getattr(NO_OPTIONS, key) != getattr(found, key)}

    assert wanted() == settings
    assert wanted("720p") == {"subtitles": {"languages": ["de"]}, "quality": 720}
    assert wanted("subtitles", "none") == {"want": "audio", "audio": {"format": "mp3"}}
    assert (wanted("flac", "ask")["audio"], wanted("flac", "ask")["ask"]) == ({"format": "flac"}, "all")
