"""The option `name`: our own braces, and text that stays text."""

from __future__ import annotations

import pytest

from reactor.files.name_template import fill_template
from reactor.files.names import clean_name

VALUES = {"title": "A {id} film", "id": "x1", "uploader": "", "date": "2026-01-02"}


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{title}", "A {id} film.mkv"),
        ("{title} [{id}]", "A {id} film [x1].mkv"),
        ("{title} [{uploader}] ({n})", "A {id} film.mkv"),
        ("{uploader} - {title}", "A {id} film.mkv"),
        ("my film.MKV", "my film.mkv"),
        ("v1.5 {ext}", "v1.5 mkv.mkv"),
        ("{date}", "2026-01-02.mkv"),
        ("{uploader}", "was.mkv"),
        (" - ", "was.mkv"),
        ("...", "was.mkv"),
    ],
)
def test_a_template_is_filled(template: str, name: str) -> None:
    assert fill_template(template, VALUES, "was.mkv") == name


@pytest.mark.parametrize("title", ["../../etc/passwd", "a/b\\c", "con", "\u202egpj.exe", "x" * 5000, "\ud800"])
def test_what_is_filled_in_decides_no_folder(title: str) -> None:
    name = clean_name(fill_template("{title}", {"title": title}, "was.mkv"), fallback="was.mkv")
    assert name.endswith(".mkv")
    assert not {"/", "\\", "\0"} & set(name)
    assert len(name.encode()) <= 255


def test_double_suffixes_and_none() -> None:
    assert fill_template("x", {}, "was.tar.gz") == "x.tar.gz"
    assert fill_template("x.y", {}, "") == "x.y"
