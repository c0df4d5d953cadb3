"""Presets: what an operator lets rows ask for by a name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reactor.core import events
from reactor.core.job import Attempt
from reactor.core.rows import ClaimedRow
from reactor.errors import DownloadError, Failure, SettingsError
from reactor.journal.recording import Recorder
from reactor.journal.stream import Stream
from reactor.options import Options, parse_options
from reactor.preset_options import PresetOptions
from reactor.presets import Presets
from reactor.row_options import Asked

SHIPPED = Path(__file__).parents[1] / "contrib" / "presets.toml"
HOUSE = """
[house]
quality = 720
headers = { hosts = ["site.example"], values = { Authorization = "Bearer hush" } }
format_expression = "bv*[height<=720]+ba"
format_sort = ["res:720", "vcodec:h264"]
extractor_args = { youtube = { lang = ["de"] } }
ytdlp = { age_limit = 12 }
seed_ratio = 1.5

[low]
quality = 144
codec = "av1"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "presets.toml"
    path.write_text(HOUSE)
    return path


def asked(presets: Presets, **said: object) -> Options:
    found = presets.asked_of(Asked(json.dumps(said)))
    assert isinstance(found, Options), found
    return found


def refused(presets: Presets, **said: object) -> str:
    found = presets.asked_of(Asked(json.dumps(said)))
    assert isinstance(found, Failure)
    assert found.code == "bad_options"
    return found.message


def test_the_shipped_presets() -> None:
    presets = Presets(SHIPPED)
    for name in ("phone", "music", "archive", "small", "subtitles"):
        assert type(asked(presets, use=[name])) is Options
    assert asked(presets, use=["music"]).audio.format == "mp3"


def test_the_later_layer_counts_more_and_null_takes_away(file: Path) -> None:
    presets = Presets(file)
    found = asked(presets, use=["house", "low"], codec=None)
    assert (found.quality, found.codec) == (144, "auto")
    assert asked(presets, use=["low", "house"], quality=1080).quality == 1080
    assert asked(presets, quality=1080) == Options(quality=1080)


def test_what_an_owner_always_wants_stands_between_presets_and_the_row(file: Path) -> None:
    presets = Presets(file)

    def wanted(defaults: object, **said: object) -> Options:
        found = presets.asked_of(Asked(json.dumps(said) if said else None, json.dumps(defaults)))
        assert isinstance(found, Options), found
        return found

    always = {"quality": 480, "codec": "h264", "use": ["house"]}
    found = wanted(always)
    assert (found.quality, found.codec, found.home_headers("http://site.example/")) == (
        480,
        "h264",
        {"Authorization": "Bearer hush"},
    )
    assert wanted(always, quality=1080).quality == 1080
    assert wanted(always, quality=None).quality == "best", "what is taken away is taken away from presets, too"
    assert wanted(always, use=["low"]).home_headers("http://site.example/") == {}, "lists are replaced whole"
    assert (wanted(always, use=["low"]).quality, wanted(always, use=None).codec) == (480, "h264")
    assert wanted({"quality": None, "use": ["house"]}).quality == "best"


@pytest.mark.parametrize(
    ("defaults", "named"),
    [
        ('{"qualty": 1}', "`quality`"),
        ("[]", "no JSON object"),
        ("{", "no JSON"),
        ('{"headers": {}}', "headers"),
        ('{"use": ["no"]}', "`no`"),
    ],
)
def test_what_an_owner_wants_that_nobody_understands_fails_his_rows_with_a_sentence(
    file: Path, defaults: str, named: str
) -> None:
    found = Presets(file).asked_of(Asked(None, defaults))
    assert isinstance(found, Failure)
    assert found.code == "bad_options"
    assert named in found.message
    assert "owner" in found.message or "preset" in found.message


def test_what_only_a_preset_may_say(file: Path) -> None:
    found = asked(Presets(file), use=["house"], referer="http://site.example/")
    assert found.home_headers("http://site.example/") == {
        "Authorization": "Bearer hush",
        "Referer": "http://site.example/",
    }
    assert found.ytdlp_params("http://site.example/") == {
        "format": "bv*[height<=720]+ba",
        "format_sort": ["res:720", "vcodec:h264"],
        "extractor_args": {"youtube": {"lang": ["de"]}},
        "age_limit": 12,
    }
    assert found.shares_up_to() == 1.5
    assert type(found.plain()) is Options
    assert found.plain() == Options(quality=720, use=("house",), referer="http://site.example/")
    assert len({found, found}) == 1
    for key in ("headers", "login", "proxy", "folder", "format_expression", "ytdlp", "seed_ratio"):
        assert f'"{key}"' in refused(Presets(file), use=["house"], **{key: {}}), "a row may not say it"


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://site.example/film", True),
        ("http://WWW.Site.Example:8080/", True),
        ("https://site.example./", True),
        ("https://notsite.example/", False),
        ("https://site.example.evil.example/", False),
        ("https://site.example@evil.example/", False),
        ("ftp://site.example/", False),
        ("magnet:?xt=urn:btih:" + "0" * 40, False),
        ("http://[", False),
    ],
)
def test_a_login_and_headers_are_for_their_hosts_whatever_url_a_row_has(tmp_path: Path, url: str, fits: bool) -> None:
    file = tmp_path / "presets.toml"
    file.write_text('[members]\nlogin = { hosts = ["Site.example"], user = "ann", password = "hush" }\n')
    found = asked(Presets(file), use=["members"])
    assert found.home_headers(url) == ({"Authorization": "Basic YW5uOmh1c2g="} if fits else {})
    assert found.ytdlp_params(url) == ({"username": "ann", "password": "hush"} if fits else {})
    assert "hush" not in repr(found)
    assert found.plain() == Options(use=("members",))
    file.write_text('[members]\nheaders = { hosts = ["Site.example"], values = { X-Key = "hush" } }\n')
    found = asked(Presets(file), use=["members"])
    assert found.home_headers(url) == ({"X-Key": "hush"} if fits else {})
    assert "hush" not in repr(found)


@pytest.mark.parametrize("wrong", ["hosts = []", 'hosts = ["*"]', 'hosts = ["http://site.example"]'])
def test_a_login_without_a_host_is_refused(tmp_path: Path, wrong: str) -> None:
    file = tmp_path / "presets.toml"
    file.write_text(f'[members]\nlogin = {{ {wrong}, user = "ann", password = "hush" }}\n')
    with pytest.raises(SettingsError, match=r"login\.hosts") as caught:
        Presets(file)
    assert "hush" not in str(caught.value)


def test_a_recording_does_not_hold_it(file: Path, tmp_path: Path) -> None:
    found = asked(Presets(file), use=["house"])
    written = tmp_path / "recording.ndjson"
    row = ClaimedRow(Attempt(1, 1), "http://h.example/", options=found)
    with written.open("wb") as opened:
        Recorder(Stream(opened.fileno())).note(events.RowsPolled(claimed=(row,)), 0.0, [])
    assert '"use":["house"]' in written.read_text()
    assert "hush" not in written.read_text()


def test_an_unknown_name(file: Path) -> None:
    assert refused(Presets(file), use=["hous"]) == "There is no preset `hous`. Is `house` meant?"
    assert "none here" in refused(Presets(None), use=["house"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[a]\nqualty = 1", 'the preset `a` .* There is no option "qualty". Is `quality` meant'),
        ("[a]\nquality = 1", "`quality` takes"),
        ('[a]\nytdlp = { exec_cmd = "rm" }', "ytdlp"),
        ('[a]\nheaders = { hosts = ["a.example"], values = { Host = "x" } }', "`headers"),
        ('[a]\nheaders = { hosts = ["a.example"], values = { X = "a\\r\\nb" } }', "`headers"),
        ('[a]\nuse = ["b"]', "names other presets"),
        ("[a]\nquality = 2020-01-01", "is no option"),
        ('["a b"]\nquality = 720', "a name that no row can say"),
        ("a = 1", "is no table"),
        ("[a", "is no TOML"),
    ],
)
def test_a_file_that_cannot_be_used(file: Path, text: str, sentence: str) -> None:
    told = list[str]()
    presets = Presets(file, told.append)
    file.write_text(text)
    with pytest.raises(SettingsError, match=f"PRESETS: .*{sentence}"):
        Presets(file)
    for _ in range(2):
        assert asked(presets, use=["low"]).quality == 144, "as it was"
    assert len(told) == 1
    assert str(file) in told[0]


def test_it_is_read_again_when_it_has_changed(file: Path) -> None:
    told = list[str]()
    presets = Presets(file, told.append)
    file.write_text("[low]\nquality = 240\n")
    assert asked(presets, use=["low"]).quality == 240
    file.unlink()
    assert asked(presets, use=["low"]).quality == 240
    new = file.with_name("new")
    new.write_text("[low]\nquality = 360\n")
    new.replace(file)
    assert asked(presets, use=["low"]).quality == 360
    assert len(told) == 1


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        Presets(tmp_path / "none.toml")


def test_its_keys_are_not_those_of_a_row() -> None:
    assert set(PresetOptions.model_fields) > set(Options.model_fields)


@pytest.mark.parametrize("folder", ["../up", "a/b", ".reactor", "", "..", "/etc", "a.b", "x" * 65])
def test_a_folder_is_one_plain_name(folder: str) -> None:
    with pytest.raises(DownloadError, match="`folder` takes a plain name"):
        parse_options({"folder": folder}, PresetOptions)


@pytest.mark.parametrize("proxy", ["site.example:8080", "file:///etc/passwd", "http://a b/", "http://a/\r\nX: 1", ""])
def test_a_proxy_is_a_url_and_is_not_shown(proxy: str) -> None:
    with pytest.raises(DownloadError, match="`proxy` takes a URL"):
        parse_options({"proxy": proxy}, PresetOptions)
    with pytest.raises(DownloadError, match=r"below them\. "):
        parse_options({"login": "ann:hush"}, PresetOptions)
    assert "hush" not in repr(parse_options({"proxy": "http://ann:hush@site.example:8080"}, PresetOptions))
