"""Flags of `add` and `get` for what is wanted of a URL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reactor.cli.asked import asked
from tests.cli.command import reactor
from tests.database.sqlite.bot import query
from tests.servers import ThreadedFileServer


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({}, None),
        ({"audio": "mp3"}, {"want": "audio", "audio": {"format": "mp3"}}),
        ({"quality": "720"}, {"quality": 720}),
        ({"quality": "worst"}, {"quality": "worst"}),
        ({"subtitles": "de, en"}, {"subtitles": {"languages": ["de", "en"]}}),
        ({"clip": ["1:30-2:10", "200-210.5"]}, {"clip": [["1:30", "2:10"], ["200", "210.5"]]}),
        ({"playlist": "1-20,-1"}, {"playlist": {"mode": "all", "items": "1-20,-1"}}),
        ({"playlist": "one"}, {"playlist": {"mode": "one"}}),
        ({"files": "1,4"}, {"files": [1, 4]}),
        ({"files": "*.mkv"}, {"files": ["*.mkv"]}),
        ({"ask": "files"}, {"ask": "files"}),
        ({"files": "largest"}, {"files": "largest"}),
        (
            {"audio": "opus", "options": '{"audio": {"kbps": 96}, "strict": true}'},
            {"audio": {"kbps": 96, "format": "opus"}, "strict": True, "want": "audio"},
        ),
    ],
)
def test_what_flags_say(flags: dict[str, Any], said: dict[str, Any] | None) -> None:
    assert asked(**flags) == said


def test_they_stand_in_the_row(tmp_path: Path) -> None:
    flags = ("--audio", "mp3", "--clip", "1:30-2:10", "--use", "music", "--use", "phone")
    done = reactor("add", *flags, "http://127.0.0.1/a", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    ((stored,),) = query(tmp_path / "downloads.db", "SELECT options FROM downloads")
    found = json.loads(stored)
    assert found["audio"] == {"format": "mp3"}
    assert found["use"] == ["music", "phone"]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--quality", "720p"), "The option `quality` takes best, worst or a number of lines"),
        (("--clip", "90"), "90 is no part of a film."),
        (("--clip", "2:10-1:30"), "The option `clip` takes"),
        (("--audio", "mp4"), "The option `audio.format` takes"),
        (("--options", "{"), "The options are no JSON."),
        (("--options", '{"qualty": 1}'), "Is `quality` meant?"),
    ],
)
def test_a_mistake_has_a_sentence_and_adds_nothing(tmp_path: Path, flags: tuple[str, ...], sentence: str) -> None:
    done = reactor("add", *flags, "http://127.0.0.1/a", cwd=tmp_path)
    assert done.returncode != 0
    assert done.stdout == ""
    assert sentence in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_get_does_what_they_say(tmp_path: Path) -> None:
    with ThreadedFileServer() as server:
        done = reactor("get", "--name", "mine {title}", server.put("/a.bin", bytes(1000)), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [Path(done.stdout.strip()).name]
    assert done.stdout.strip().rpartition("/")[2].startswith("mine a")
