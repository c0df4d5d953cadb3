"""Settings: their names, and the former names that stay accepted."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from contrib.docs.document import described
from reactor.errors import SettingsError
from reactor.runner import Runner
from reactor.settings import FORMER_NAMES, NAMES, SETTING_NAMES, Settings

VALUES = {"page_address": "127.0.0.1:1", "page_token": "t" * 16, "page_hosts": "nas.lan"}
OTHERS = {"page_address": "127.0.0.1:2", "page_token": "u" * 16, "page_hosts": "get.example"}
ANY_TEXT = ("page_hosts", "operator_cookies")
DESCRIBED = described()
RENAMED = pytest.mark.parametrize(("name", "former"), FORMER_NAMES.items())


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SETTING_NAMES:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def value(name: str, values: dict[str, str], number: str) -> str:
    return values.get(name, number)


def loaded(name: str, **flags: Any) -> str:
    found = getattr(Settings.load(**flags), name)
    return str(found.get_secret_value() if hasattr(found, "get_secret_value") else found).removesuffix(".0")


@RENAMED
def test_a_former_name_is_accepted_in_the_environment(name: str, former: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(former.upper(), value(name, VALUES, "600"))
    assert loaded(name) == value(name, VALUES, "600")
    assert name in vars(Settings.load())
    monkeypatch.setenv(name.upper(), value(name, OTHERS, "599"))
    assert loaded(name) == value(name, OTHERS, "599"), "the new name wins"


@RENAMED
def test_a_former_name_is_accepted_in_the_env_file(name: str, former: str) -> None:
    line = f"{former.upper()}={value(name, VALUES, '600')}\n"
    Path(".env").write_text(line)
    assert loaded(name) == value(name, VALUES, "600")
    Path(".env").write_text(f"{line}{name.upper()}={value(name, OTHERS, '599')}\n")
    assert loaded(name) == value(name, OTHERS, "599"), "the new name wins"


@RENAMED
def test_a_former_name_is_accepted_as_an_argument_and_wins_over_the_environment(
    name: str, former: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name.upper(), value(name, OTHERS, "599"))
    assert loaded(name, **{former: value(name, VALUES, "600")}) == value(name, VALUES, "600")
    both: dict[str, Any] = {former: value(name, OTHERS, "599"), name: value(name, VALUES, "600")}
    assert loaded(name, **both) == value(name, VALUES, "600")
    del both[name]
    Runner(launch=False, **both)


@pytest.mark.parametrize(("name", "former"), [each for each in FORMER_NAMES.items() if each[0] not in ANY_TEXT])
def test_an_error_has_both_names(name: str, former: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(former.upper(), "no")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert caught.value.message.startswith(f"{name.upper()} (formerly {former.upper()}): takes ")


def test_no_name_is_used_twice() -> None:
    assert len(SETTING_NAMES) == len(NAMES) + len(FORMER_NAMES)
    assert FORMER_NAMES.keys() <= {*NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_default_is_what_would_be_read(name: str) -> None:
    default = getattr(Settings, name)
    assert vars(Settings(_env_file=None, **{name: default})) == {name: default}


@pytest.mark.parametrize("name", [name for name in NAMES if getattr(Settings, name) in (None, "")])
def test_the_empty_string_unsets(name: str) -> None:
    assert vars(Settings(_env_file=None, **{name: ""})) == {name: getattr(Settings, name)}


def test_settings_stay_as_they_are() -> None:
    settings = Settings(_env_file=None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.holes = 2  # type: ignore[misc]


@pytest.mark.parametrize("name", NAMES)
def test_a_description_is_one_or_more_sentences(name: str) -> None:
    description = DESCRIBED[name]
    assert description[:1].isupper() or description.startswith(("aria2c", "ffmpeg"))
    assert description.endswith(".")
