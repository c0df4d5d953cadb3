"""How old yt-dlp is, by its version."""

from __future__ import annotations

from datetime import date
from importlib import metadata

import pytest

from reactor.extractors.ytdlp.age import age_days, installed_version, is_old


@pytest.mark.parametrize(
    ("version", "days"),
    [
        ("2026.08.01", 31),
        ("2026.8.1", 31),
        ("2026.08.31.232815.dev0", 1),
        ("2026.13.1", None),
        ("2026.02.30", None),
        ("nightly", None),
        ("", None),
    ],
)
def test_its_version_is_a_day(version: str, days: int | None) -> None:
    assert age_days(version, date(2026, 9, 1)) == days


def test_old_is_more_than_sixty_days() -> None:
    assert [is_old(version, date(2026, 9, 1)) for version in ("2026.07.03", "2026.07.02", "x")] == [False, True, False]


def test_without_it_there_is_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed_version() == metadata.version("yt-dlp")

    def none(_: str) -> str:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "version", none)
    assert installed_version() is None
