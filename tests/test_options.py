"""What a row may ask for, and the sentence for each thing that it may not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contrib.docs.document import EXAMPLES
from reactor.errors import DownloadError
from reactor.options import (
    NO_OPTIONS,
    OPTIONS_BYTES_MAX,
    Options,
    item_ranges,
    merged,
    model_of,
    parse_options,
    patched,
    read_options,
)


def read(text: str) -> Options:
    """What the column says."""
    return parse_options(read_options(text), Options)


@pytest.mark.parametrize("nothing", [None, "", " ", "{}", b"{}"])
def test_no_options(nothing: str | bytes | None) -> None:
    assert parse_options(read_options(nothing), Options) == NO_OPTIONS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"quality": 720, "container": "mp4"}', {"quality": 720, "container": "mp4"}),
        ('{"clip": [["1:30", "2:10"], [200, "0:1:0:"]]}', None),
        ('{"clip": [["1:30", "2:10"], [200, "1:01:01.5"]]}', {"clip": [[90, 130], [200, 3661.5]]}),
        ('{"clip": [90, 130]}', {"clip": [[90, 130]]}),
        ('{"sponsorblock": "mark"}', {"sponsorblock": {"mode": "mark"}}),
        ('{"sponsorblock": {"categories": ["intro"]}}', {"sponsorblock": {"categories": ["intro"]}}),
        ('{"subtitles": {"languages": ["de"], "as": "embed"}}', {"subtitles": {"languages": ["de"], "as": "embed"}}),
        ('{"files": [2, 5]}', {"files": [2, 5]}),
        ('{"files": ["*.mkv"]}', {"files": ["*.mkv"]}),
        ('{"files": "largest"}', {"files": "largest"}),
        ('{"name": "{title} [{id}]"}', {"name": "{title} [{id}]"}),
    ],
)
def test_options_are_read(text: str, said: dict[str, Any] | None) -> None:
    if said is None:
        with pytest.raises(DownloadError):
            read(text)
    else:
        assert read(text).said() == said


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "The options are no JSON."),
        ('{"max_mib": NaN}', "The options are no JSON."),
        ("[]", "The options are no JSON object."),
        ('{"a":' * 50 + "1" + "}" * 50, "nested too deeply"),
        ('{"name": "' + "x" * OPTIONS_BYTES_MAX + '"}', "too long"),
        ('{"qualty": 720}', 'There is no option "qualty". Is `quality` meant?'),
        ('{"__proto__": {}}', 'There is no option "__proto__".'),
        ('{"audio": {"kbp": 128}}', 'There is no option "audio.kbp". Is `kbps` meant?'),
        ('{"quality": 100}', "The option `quality` takes best, worst or a number of lines from 144 to 4320, not 100."),
        ('{"quality": true}', "not true."),
        ('{"quality": "720"}', 'not "720".'),
        ('{"audio": "mp3"}', "The option `audio` takes an object"),
        ('{"audio": {"kbps": 1}}', "The option `audio.kbps` takes a number from 32 to 320, not 1."),
        ('{"clip": [["2:10", "1:30"]]}', "The option `clip` takes"),
        ('{"clip": [[1, 2, 3]]}', "The option `clip` takes"),
        ('{"clip": 7}', "The option `clip` takes"),
        ('{"name": "{title.__class__}"}', "The option `name` takes"),
        ('{"name": "../x"}', "The option `name` takes"),
        ('{"name": "{title!r}"}', "The option `name` takes"),
        ('{"playlist": {"items": "1-999999999"}}', "The option `playlist.items` takes"),
        ('{"playlist": {"items": "5-1"}}', "The option `playlist.items` takes"),
        ('{"files": [0]}', "The option `files` takes"),
        ('{"subtitles": {"languages": ["../de"]}}', "The option `subtitles.languages` takes"),
        (json.dumps({"subtitles": {"languages": ["de"] * 100}}), "a list of one to five languages"),
        ('{"checksum": "md5=00"}', "The option `checksum` takes"),
        ('{"name": "\\ud800"}', 'The option "name" contains a lone surrogate'),
        ('{"referer": "https://a/\\u0000"}', "The option `referer` takes"),
        ('{"referer": "javascript:1"}', "The option `referer` takes"),
        ('{"referer": "https://a\\r\\nX: y"}', "The option `referer` takes"),
        ('{"cookies": "../mine"}', "The option `cookies` takes"),
        ('{"split_mib": 10}', "The option `split_mib` takes 0, or MiB from 45 to 4000, not 10."),
    ],
)
def test_each_mistake_has_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(DownloadError) as caught:
        read(text)
    assert caught.value.code == "bad_options"
    assert sentence in caught.value.message
    assert len(caught.value.message) < 500


KEYS = {field.alias or name: field for name, field in Options.model_fields.items()}
NONSENSE: tuple[Any, ...] = ({"x": 1}, [[]], -7, 1e308, "x y/../{title.__class__}")
"""What no key takes: other types, and what is out of range."""


@pytest.mark.parametrize("key", KEYS)
def test_each_key_names_itself_whatever_nonsense_it_is_given(key: str) -> None:
    inner = model_of(KEYS[key].annotation)
    for nonsense in NONSENSE:
        asked = [{key: nonsense}] + [{key: {name: nonsense}} for name in (inner.model_fields if inner else ())]
        for said in asked:
            with pytest.raises(DownloadError) as caught:
                read(json.dumps(said))
            assert caught.value.code == "bad_options"
            assert f"`{key}" in caught.value.message or f'"{key}' in caught.value.message, said
            assert len(caught.value.message) < 700


def test_a_megabyte_is_not_read() -> None:
    for text in ('{"name": "' + "x" * 2**20 + '"}', "[" * 2**20, b"{" * 2**20):
        with pytest.raises(DownloadError, match="too long"):
            read_options(text)


def test_what_is_laid_over_others_keeps_what_it_takes_away() -> None:
    found = patched([{"want": None, "quality": 720, "codec": None}, {"codec": "h264", "ask": None}])
    assert found == {"want": None, "quality": 720, "codec": "h264", "ask": None}
    assert merged([{"want": "audio", "ask": "all"}, found]) == {"quality": 720, "codec": "h264"}


def test_layers() -> None:
    house = {"quality": 720, "audio": {"format": "mp3", "kbps": 192}, "files": [1, 2], "codec": "h264"}
    row = {"audio": {"kbps": None, "cover": False}, "files": [3], "codec": None}
    found = merged([house, row])
    assert found == {"quality": 720, "audio": {"format": "mp3", "cover": False}, "files": [3]}
    assert house["files"] == [1, 2]


@pytest.mark.parametrize(
    ("items", "found"), [("1-5,7,-3--1", ((1, 5), (7, 7), (-3, -1))), (" 2 - 3 ", ((2, 3),)), ("2--1", ((2, -1),))]
)
def test_items(items: str, found: tuple[tuple[int, int], ...]) -> None:
    assert item_ranges(items) == found


@pytest.mark.parametrize("said", EXAMPLES.values(), ids=EXAMPLES)
def test_the_examples_of_the_page_are_understood(said: dict[str, Any]) -> None:
    options = read(json.dumps(said))
    assert set(options.said()) == set(said)
    assert read(json.dumps(options.said())) == options
