"""URLs of what was published."""

from __future__ import annotations

import pytest

from reactor.errors import SettingsError
from reactor.files.served import served_at
from reactor.settings import Settings


@pytest.mark.parametrize(
    ("template", "path", "folder", "url"),
    [
        ("https://f.example", "/d/a.mkv", False, "https://f.example/a.mkv"),
        ("https://f.example/x/", "/d/a.mkv", False, "https://f.example/x/a.mkv"),
        (
            "https://f.example/{path}",
            "/d/Фильм 50%?#.mkv",
            False,
            "https://f.example/%D0%A4%D0%B8%D0%BB%D1%8C%D0%BC%2050%25%3F%23.mkv",
        ),
        ("https://f.example/{path}?dl=1", "/d/a/b", False, "https://f.example/a/b?dl=1"),
        ("http://f.example:81/?f={path}", "/d/season", True, "http://f.example:81/?f=season/"),
        ("https://f.example", "/d/{path}", False, "https://f.example/%7Bpath%7D"),
        ("https://f.example", "/d/\udcff", False, "https://f.example/%FF"),
        ("https://f.example", "/elsewhere/a", False, None),
    ],
)
def test_each_has_the_path_below_the_folder(template: str, path: str, folder: bool, url: str | None) -> None:
    assert served_at(template, "/d", path, folder=folder) == url


@pytest.mark.parametrize(
    "template", ["", "https://f.example", "http://[::1]:80/{path}", "https://f.example/x?f={path}"]
)
def test_a_setting_that_is_taken(template: str) -> None:
    assert Settings.load(file_url=template, _env_file=None).file_url == template


@pytest.mark.parametrize(
    "template",
    [
        *(
            "f.example",
            "ftp://f.example/",
            "https://",
            "https:///{path}",
            "https://{path}/",
            "https://me:pw@f.example/",
        ),
        *("https://f.example/{name}", "https://f.example/{path", "https://f.example/?f=", "https://f.example/ö"),
        *("https://f.example:0/", "https://f.example/a b", "https://[::1{path}]/"),
    ],
)
def test_a_setting_that_says_nothing_is_refused_in_one_sentence(template: str) -> None:
    with pytest.raises(SettingsError, match=r"^FILE_URL: takes a URL .*[^.]\.$"):
        Settings.load(file_url=template, _env_file=None)
