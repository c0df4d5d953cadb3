"""What the settings ask of yt-dlp."""

from __future__ import annotations

import pytest

from reactor.errors import SettingsError
from reactor.extractors.ytdlp.extractor import YtdlpConfig, open_ytdlp
from reactor.extractors.ytdlp.selection import choice_of
from reactor.media.choice import Choice
from reactor.settings import Settings


async def test_the_settings_are_handed_on() -> None:
    settings = Settings.load(
        ytdlp_format="worst", ytdlp_proxy="http://u:p@proxy:1", ytdlp_options='{"age_limit": 12}', ytdlp_timeout_s=7.0
    )
    config = YtdlpConfig.of(settings)
    assert config.params["format"] == "worst"
    assert config.params["proxy"] == "http://u:p@proxy:1"
    assert config.params["age_limit"] == 12
    assert config.timeout_s == 7.0
    assert "u:p" not in repr(config)
    async with open_ytdlp(settings) as ytdlp:
        assert ytdlp is not None
        assert (ytdlp.pids, ytdlp.starts) == ((), 0), "nothing starts before it is needed"


@pytest.mark.parametrize(
    ("format_", "choice"),
    [
        ("", Choice()),
        ("bv*[height<=720]+ba/b[height<=480]", Choice(max_lines=720)),
        ("bestvideo[fps>30][height<?1080]+bestaudio", Choice(max_lines=1079)),
        ("ba", Choice(audio_only=True)),
        ("bestaudio[ext=m4a][abr<200] / best", Choice(audio_only=True)),
        ("bv*+ba/b", Choice()),
        ("[height>=720]", Choice()),
    ],
)
def test_the_choice_for_manifests_that_yt_dlp_is_not_asked_about(format_: str, choice: Choice) -> None:
    assert choice_of(format_) == choice


@pytest.mark.parametrize(
    "options",
    [
        "",
        "{}",
        '{"extractor_args": {"generic": {"impersonate": ["chrome"]}}}',
        '{"socket_timeout": 5, "username": "a"}',
    ],
)
def test_options_that_are_taken(options: str) -> None:
    assert "bv*+ba/b" in YtdlpConfig.of(Settings.load(ytdlp_options=options)).params["format"]


@pytest.mark.parametrize(
    "options",
    [
        "{",
        "[]",
        '{"postprocessors": [{"key": "Exec", "exec_cmd": "id"}]}',
        '{"enable_file_urls": true}',
        '{"netrc_cmd": "id"}',
        '{"cookiesfrombrowser": ["chrome"]}',
        '{"js_runtimes": {"deno": {"path": "x"}}}',
    ],
)
def test_options_that_could_run_or_read_something_are_refused(options: str) -> None:
    with pytest.raises(SettingsError, match="YTDLP_OPTIONS"):
        Settings.load(ytdlp_options=options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ('{"socket_timeout": "abc"}', "socket_timeout: input should be a valid number"),
        ('{"http_headers": {"X": 1}}', "http_headers.X: input should be a valid string"),
        ('{"extractor_args": {"generic": "chrome"}}', "extractor_args.generic"),
        ('{"password": ["hush"]}', "password: input should be a valid string"),
    ],
)
def test_options_of_a_wrong_type_are_named_and_no_value_is_shown(options: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as caught:
        Settings.load(ytdlp_options=options)
    assert "hush" not in str(caught.value)
