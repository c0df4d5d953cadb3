"""The worker's own functions, with yt-dlp's classes of errors told apart from yt-dlp itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from reactor.extractors.ytdlp import worker as ytdlp_worker
from reactor.extractors.ytdlp.process import installed
from reactor.extractors.ytdlp.worker import (
    ANSWER_BYTES_MAX,
    COUNT_MAX,
    ListFound,
    encoded,
    entries_of,
    is_fetchable,
    keep_fetchable,
    others_of,
    report,
)


class Downloader:
    """What `entries_of` and `others_of` need of a YoutubeDL."""

    format_selector = None

    @staticmethod
    def add_extra_info(info: dict[str, Any], extra: dict[str, Any]) -> None:
        info |= {key: value for key, value in extra.items() if key not in info}

    @staticmethod
    def _select_formats(formats: list[dict[str, Any]], _: None) -> list[dict[str, Any]]:
        if any(each["format_id"] == "breaks" for each in formats):
            raise AttributeError
        return formats[-1:]


def entries(n: int) -> Iterator[dict[str, Any]]:
    return ({"url": f"https://h/{place}"} for place in range(n))


def counted(**result: Any) -> dict[str, Any]:
    with pytest.raises(ListFound) as caught:
        entries_of(Downloader(), {"_type": "playlist", **result})
    return caught.value.report


def test_lists_are_counted_as_far_as_that_is_quick() -> None:
    of_a_site = {"pieces": False, "page": False}
    assert counted(entries=entries(2)) == {"count": 2, "more": False, **of_a_site}
    assert counted(entries=None) == {"count": 0, "more": False, **of_a_site}
    assert counted(entries=entries(COUNT_MAX + 5)) == {"count": COUNT_MAX, "more": True, **of_a_site}
    assert counted(_type="multi_video", entries=entries(51))["pieces"] is True
    assert counted(extractor_key="Generic", entries=entries(3))["page"] is True


def test_a_list_that_is_slow_to_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ytdlp_worker, "COUNT_S", -1.0)
    assert counted(entries=entries(500)) == {"count": 2, "more": True, "pieces": False, "page": False}


def test_the_only_entry_knows_where_it_comes_from() -> None:
    result = {"_type": "playlist", "entries": entries(1), "extractor": "one", "webpage_url": "https://h/list"}
    (entry,) = entries_of(Downloader(), result)
    assert entry == {"url": "https://h/0", "extractor": "one", "webpage_url": "https://h/list"}


def test_the_pieces_of_a_film_are_all_kept() -> None:
    found = entries_of(Downloader(), {"_type": "multi_video", "entries": entries(3)})
    assert [each["url"] for each in found] == ["https://h/0", "https://h/1", "https://h/2"]


def test_what_cannot_be_fetched_is_left_out_where_there_is_something_else() -> None:
    told = [{"url": "rtmp://h/x"}, {"url": "https://h/x"}, {"url": "https://h/x", "protocol": "f4m"}, None]
    assert [is_fetchable(each) for each in told] == [False, True, False, False]
    result: dict[str, Any] = {"formats": told[:2]}
    keep_fetchable(result)
    assert result["formats"] == told[1:2]
    alone = {"formats": told[:1]}
    keep_fetchable(alone)
    assert alone["formats"] == told[:1]


def test_what_comes_next_ends_where_yt_dlp_does_not_say() -> None:
    formats = [{"format_id": str(n), "protocol": "m3u8" if n == 1 else "https"} for n in range(4)]
    info = {"formats": formats}
    assert [each[0]["format_id"] for each in others_of(Downloader(), info, formats[3:])] == ["2", "0"]
    broken = {"formats": [{"format_id": "breaks"}, *formats]}
    assert list(others_of(Downloader(), broken, formats[3:])) == []


def test_an_answer_is_one_line_and_not_too_long() -> None:
    line = encoded({"id": 1, "info": {"title": "a\nb\udcff é"}, "resident": 5})
    assert line.count(b"\n") == 1
    assert json.loads(line)["info"]["title"] == "a\nb? é"
    short = encoded({"id": 1, "info": "x" * ANSWER_BYTES_MAX, "resident": 5})
    assert json.loads(short) == {"id": 1, "error": {"kinds": ["AnswerTooLong"]}, "resident": 5}


def test_a_report_goes_to_the_root_of_an_error() -> None:
    class ExtractorError(Exception):
        orig_msg, expected = "what the site said", True
        cause = ConnectionRefusedError("no")

    told = report(ExtractorError("decorated"))
    assert (told["text"], told["expected"], told["status"]) == ("what the site said", True, None)
    roots = ["ConnectionRefusedError", "ConnectionError", "OSError", "Exception"]
    assert told["kinds"] == ["ExtractorError", "Exception", *roots]
    assert len(report(ValueError("x" * 10_000))["text"]) == ytdlp_worker.TEXT_MAX


def test_an_error_that_causes_itself_ends() -> None:
    error = ValueError("round")
    error.cause = error  # type: ignore[attr-defined]
    assert report(error)["text"] == "round"


def test_it_ends_with_its_input() -> None:
    setup = {"parent": os.getpid(), "path": str(installed()), "plugins": None, "data_bytes_max": 2**30}
    requests = [setup, {"id": 1, "do": "suits", "url": "https://vimeo.com/1084537", "deadline_s": 60}]
    done = subprocess.run(
        [sys.executable, "-I", ytdlp_worker.__file__],
        input="".join(json.dumps(request) + "\n" for request in requests),
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
        check=True,
    )
    ready, answer = map(json.loads, done.stdout.splitlines())
    assert list(ready) == ["ready"]
    assert (answer["id"], answer["suits"]) == (1, "Vimeo")


def test_it_ends_when_its_parent_was_gone_before_it_looked() -> None:
    setup = {"parent": 1, "path": str(installed()), "plugins": None, "data_bytes_max": 2**30}
    done = subprocess.run(
        [sys.executable, "-I", ytdlp_worker.__file__],
        input=json.dumps(setup) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
        check=True,
    )
    assert done.stdout == ""
