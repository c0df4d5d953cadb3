"""What a row brings, as a key."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.extractors.media_keys import KEY_MAX, media_key
from reactor.models import Kind
from reactor.options import NO_OPTIONS, Options
from reactor.plan import About, Extraction, Fetch, Finish, Torrent


def file(url: str = "http://h.example/a.iso", validator: str | None = '"1"', **more: Any) -> Extraction:
    fetch = Fetch(urls=(url,), name="a.iso", validator=validator, strong=bool(validator), size=7, **more)
    return Extraction(kind=Kind.DIRECT, fetches=(fetch,), finish=Finish(how="file", name="a.iso"))


def film(id: str = "abc", url: str = "https://www.site.example/watch?v=abc") -> Extraction:
    finish = Finish(how="media", name="film.mp4", about=About(id=id, url=url))
    return Extraction(kind=Kind.YTDLP, fetches=file().fetches, finish=finish)


def torrent(select: str = "", how: str = "torrent") -> Extraction:
    fetch = Fetch(name="t", torrent=Torrent(info_hash="a" * 40, select=select))
    return Extraction(kind=Kind.TORRENT, fetches=(fetch,), finish=Finish(how=how, name="t"))


@pytest.mark.parametrize(
    "other",
    [
        file("http://user:secret@H.example/a.iso"),
        file("http://h.example/a.iso?utm_source=x&fbclid=1"),
        file("http://h.example/a.iso#part"),
        file(headers=None, checksum="md5=" + "0" * 32),
    ],
)
def test_the_same_file(other: Extraction) -> None:
    assert media_key(other, NO_OPTIONS) == media_key(file(), NO_OPTIONS) != ""
    assert "example" not in media_key(other, NO_OPTIONS)


@pytest.mark.parametrize(
    "other", [file("http://h.example/b.iso"), file("http://h.example/a.iso?id=2"), file(validator='"2"')]
)
def test_another_file(other: Extraction) -> None:
    assert media_key(other, NO_OPTIONS) not in ("", media_key(file(), NO_OPTIONS))


def test_what_nobody_can_tell_has_none() -> None:
    several = file().model_copy(update={"fetches": file().fetches * 2})
    for odd in (file(validator=None), film(id=""), film(url=""), torrent(how="metadata"), several):
        assert media_key(odd, NO_OPTIONS) == ""


def test_films_and_torrents() -> None:
    assert media_key(film(), NO_OPTIONS) == "ytdlp:site.example:abc"
    assert media_key(torrent(), NO_OPTIONS) == f"torrent:{'a' * 40}"
    assert media_key(torrent("1,3"), NO_OPTIONS) == f"torrent:{'a' * 40}:1,3"
    assert len(media_key(film(id="x" * 1000), NO_OPTIONS)) == KEY_MAX


def test_options_count_where_they_change_the_result() -> None:
    plain = media_key(film(), NO_OPTIONS)
    for same in (Options(name="x", max_mib=1, again="refuse", strict=True), Options(quality="best")):
        assert media_key(film(), same) == plain
    others = [Options(quality=720), Options(quality=480), Options(want="audio"), Options(clip=((1.0, 2.0),))]
    assert len({media_key(film(), each) for each in others} | {plain}) == 5
