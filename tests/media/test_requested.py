"""From a row's options to a choice, and what is said of what could not be had."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.media.choice import Choice, Traits
from reactor.media.languages import fits
from reactor.media.requested import chooses, requested, unmet
from reactor.options import NO_OPTIONS, Options, parse_options

OPERATOR = Choice(max_lines=480, audio_only=True)


def asks(**said: Any) -> Options:
    return parse_options(said, Options)


@pytest.mark.parametrize(
    ("said", "choice"),
    [
        ({}, OPERATOR),
        ({"language": "de"}, Choice(max_lines=480, audio_only=True, language="de")),
        ({"quality": 720}, Choice(max_lines=720, audio_only=True)),
        ({"quality": "best", "want": "video"}, Choice()),
        ({"quality": "worst", "want": "audio"}, Choice(worst=True, audio_only=True)),
        ({"codec": "av1", "container": "webm"}, Choice(480, audio_only=True, codec="av1", container="webm")),
        ({"format": "137+140"}, Choice(480, audio_only=True, formats=("137", "140"))),
    ],
)
def test_the_row_over_the_operator(said: dict[str, Any], choice: Choice) -> None:
    assert requested(asks(**said), OPERATOR) == choice
    assert chooses(asks(**said)) == bool(said)


def test_nothing_is_said_of_a_row_that_asks_for_nothing() -> None:
    assert unmet(NO_OPTIONS, [Traits(lines=144, codec="vp8", language="fr")]) == ()
    assert unmet(asks(subtitles={"languages": ["de"]}), [Traits()]) == ()


@pytest.mark.parametrize(
    ("said", "found", "sentences"),
    [
        ({"quality": 720}, [Traits(lines=720)], ()),
        ({"quality": 720}, [Traits(lines=716, wide=1274)], ()),
        ({"quality": 1080}, [Traits(lines=800, wide=1920)], ()),
        ({"quality": 720}, [Traits()], ()),
        ({"quality": 720}, [Traits(lines=480)], ("There is no picture of 720 lines: this one has 480.",)),
        ({"quality": 720, "want": "audio"}, [Traits(lines=480)], ()),
        ({"codec": "h265"}, [Traits(codec="hev1.1.6.L93")], ()),
        ({"codec": "av1"}, [Traits(codec="avc1")], ("There is no picture in av1: this one is in h264.",)),
        ({"codec": "av1"}, [Traits()], ()),
        ({"language": "de"}, [Traits(lines=9), Traits(language="ger")], ()),
        ({"language": "de"}, [Traits(language="en")], ("There is no sound in de: this one is in en.",)),
        ({"language": "de"}, [Traits()], ("There is no sound in de: its language is not told.",)),
        ({"format": "a+b"}, [Traits("a"), Traits("b")], ()),
        ({"format": "a+b"}, [Traits("a")], ("There is no format b.",)),
    ],
)
def test_what_could_not_be_had(said: dict[str, Any], found: list[Traits], sentences: tuple[str, ...]) -> None:
    assert unmet(asks(**said), found) == sentences


def test_a_film_without_a_picture() -> None:
    assert unmet(asks(want="video"), [Traits()], sound_alone=True) == ("There is no picture, only sound.",)
    assert unmet(asks(want="auto", quality=720), [Traits()], sound_alone=True) == ()


@pytest.mark.parametrize(
    ("tag", "wanted", "how_well"),
    [
        ("de", "de", 3),
        ("DE", "de", 3),
        ("ger", "de", 3),
        ("deu", "de", 3),
        ("de_AT", "de-at", 3),
        ("de-AT", "de", 2),
        ("deu-AT", "de", 2),
        ("pt", "pt-BR", 1),
        ("pt-PT", "pt-BR", 0),
        ("den", "de", 0),
        ("", "de", 0),
        ("de", "", 0),
        ("x" * 10_000, "de", 0),
    ],
)
def test_tags_of_languages(tag: str, wanted: str, how_well: int) -> None:
    assert fits(tag, wanted) == how_well
