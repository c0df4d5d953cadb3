"""What extractors from outside may say."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.errors import DownloadError
from reactor.extractors.plugins.api import Onward
from reactor.extractors.plugins.results import error_of, read_result
from reactor.models import Kind
from reactor.options import NO_OPTIONS
from reactor.plan import Extraction, Fetch, Finish, Torrent, Track

KIND = Kind("filehost")


def fetch(**how: Any) -> Fetch:
    return Fetch(**{"urls": ("http://h.example/ä",), "name": "a.bin", **how})


def read(*fetches: Fetch, how: Any = "file", tracks: tuple[Track, ...] = (), **told: Any) -> Any:
    finish = Finish(how=how, name="a/b.bin", tracks=tracks, notes=("one\ntwo",) * 40)
    found = Extraction(kind=Kind.DIRECT, fetches=fetches, finish=finish)
    return read_result({"extraction": found.model_dump_json(exclude={"finish": {"options"}})}, KIND, NO_OPTIONS)


def test_what_becomes_of_a_good_one() -> None:
    found = read(fetch(urls=("http://h.example/ä", "https://mirror.example/a")))
    assert (found.kind, found.finish.name, found.fetches[0].urls) == (KIND, "a_b.bin", ("http://h.example/%C3%A4",))
    assert found.finish.notes == ("one two",) * 20
    checked = read(fetch(urls=("http://h.example/a",) * 20, checksum=f"md5={'0' * 32}"))
    assert len(checked.fetches[0].urls) == 8
    assert read_result({"onward": "magnet:?x"}, KIND, NO_OPTIONS) == Onward("magnet:?x")
    assert read_result({"other": True}, KIND, NO_OPTIONS) is None


TRACK = Track(form="file", first=0, count=2)


@pytest.mark.parametrize(
    ("fetches", "how", "tracks"),
    [
        ((fetch(), fetch(name="b")), "file", ()),
        ((fetch(),), "torrent", ()),
        ((fetch(),), "metadata", ()),
        ((fetch(),), "media", ()),
        ((fetch(),), "media", (TRACK,)),
        ((fetch(),), "folder", (TRACK,)),
        ((fetch(torrent=Torrent(metainfo=b"x")),), "file", ()),
        ((fetch(byte_range=(0, 1)),), "file", ()),
        ((fetch(urls=()),), "file", ()),
        ((fetch(urls=("http://[bad/",)),), "file", ()),
        ((fetch(urls=("http://h/a", "sftp://h/a")),), "file", ()),
        ((fetch(size=2**60),), "file", ()),
        ((fetch(name=".aria2"),), "file", ()),
    ],
)
def test_what_it_may_not_say(fetches: tuple[Fetch, ...], how: str, tracks: tuple[Track, ...]) -> None:
    with pytest.raises(DownloadError) as caught:
        read(*fetches, how=how, tracks=tracks)
    assert caught.value.code in ("bad_answer", "bad_url")


@pytest.mark.parametrize("told", [{}, {"onward": 1}, {"extraction": "{"}, {"extraction": "{}"}, {"other": 1.5}])
def test_nonsense(told: dict[str, Any]) -> None:
    with pytest.raises(DownloadError, match="The extractor filehost gave an answer that cannot be used"):
        read_result(told, KIND, NO_OPTIONS)


@pytest.mark.parametrize("told", [None, {}, {"kind": "sentence", "message": 1}, {"kind": "failed"}, []])
def test_errors_of_no_known_form(told: Any) -> None:
    assert error_of(told, KIND).code == "bad_answer"


def test_a_sentence_is_one_line_with_a_known_code() -> None:
    told = {"kind": "sentence", "message": "x\n" * 999, "hint": None, "code": "made_up", "retryable": 1}
    error = error_of(told, KIND)
    assert (error.code, error.retryable, len(error.message)) == ("unsupported", False, 500)
