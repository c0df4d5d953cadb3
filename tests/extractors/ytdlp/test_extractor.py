"""yt-dlp in its own processes: what it answers, what it refuses, and that nothing of it is left."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest

from reactor.errors import DownloadError
from reactor.extractors.ytdlp import process
from reactor.extractors.ytdlp.extractor import ListRead, NoVideoFound, Ytdlp, YtdlpConfig, listing_of
from reactor.extractors.ytdlp.process import YtdlpSetup
from reactor.lists import Listing, ListRequest
from reactor.net.cookie_files import JarCookie
from reactor.net.cookies import kept_cookies
from reactor.net.jar import without
from reactor.options import PlaylistOptions
from tests.extractors.processes import children, in_group, runs, until

PLUGINS = Path(__file__).parent / "plugins"
SETUP = YtdlpSetup(plugins=PLUGINS)
HERE = "https://trials.test/"


@pytest.fixture(scope="module")
async def warm() -> AsyncIterator[Ytdlp]:
    """One for the tests that leave it as it was."""
    async with Ytdlp(setup=SETUP) as ytdlp:
        yield ytdlp


async def title(ytdlp: Ytdlp, url: str) -> Any:
    return (await ytdlp.extract(url))["title"]


async def refusal(ytdlp: Ytdlp, path: str) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        await ytdlp.extract(HERE + path)
    return caught.value


# Stage 1


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://www.youtube.com/watch?v=jNQXAC9IVRw", "Youtube"),
        ("https://vimeo.com/1084537", "Vimeo"),
        ("https://open.spotify.com/track/2TpxZ7JUBn3uw46aR7qd6V", "KnownDRM"),
        ("https://trials.test/film", "Trials"),
        ("https://example.com/watch", None),
        ("http://127.0.0.1:1/", None),
    ],
)
async def test_the_extractor_of_a_site(warm: Ytdlp, url: str, name: str | None) -> None:
    assert await warm.suits(url) == name


async def test_this_process_never_imports_yt_dlp(warm: Ytdlp) -> None:
    await warm.suits(HERE)
    assert [name for name in sys.modules if name.split(".")[0] == "yt_dlp"] == []
    assert importlib.import_module("reactor.extractors")


# Stage 2


async def test_a_film(warm: Ytdlp) -> None:
    info = await warm.extract(HERE + "film")
    assert (info["title"], info["duration"]) == ("The film", None)
    (format_,) = info["formats"]
    assert (format_["url"], format_["protocol"], format_["ext"]) == ("https://media.test/film.mp4", "https", "mp4")
    assert "Cookie" not in format_["http_headers"]


async def test_a_film_in_pieces(warm: Ytdlp) -> None:
    info = await warm.extract(HERE + "list?n=3&type=multi_video")
    assert (info["title"], [len(each) for each in (info["formats"], *info["then"])]) == ("The list", [1, 1, 1])


async def test_the_next_best(warm: Ytdlp) -> None:
    """Formats that reactor does not fetch are none; what comes next is known where the best is gone."""
    info = await warm.extract(HERE + "several")
    chosen = [[each["url"] for each in formats] for formats in (info["formats"], *info["others"])]
    assert chosen == [["https://media.test/720.mp4"], ["https://media.test/480.mp4"], ["https://media.test/240.mp4"]]


@pytest.mark.fault(45)
@pytest.mark.parametrize(
    ("path", "code", "sentence", "retryable"),
    [
        ("geo", "geo_blocked", "country", False),
        ("login", "needs_login", "signed in", False),
        ("drm", "drm", "DRM", False),
        ("not_live", "not_started", "not live", False),
        ("status?status=404", "not_found", "trials.test answered 404", False),
        ("status?status=429", "rate_limited", "429", True),
        ("status?status=503", "server_error", "503", True),
        ("says?text=" + quote("Private video. Sign in if you've been granted access"), "private", "private", False),
        ("says?text=" + quote("Sign in to confirm your age"), "needs_cookies", "adults", False),
        ("says?text=" + quote("Premieres in 2 hours"), "not_started", "not started", True),
        ("says?text=" + quote("This video has been removed by the uploader"), "not_found", "does not exist", False),
        ("says?text=" + quote("It is a secret") + "&unexpected=1", "extractor_failed", "It is a secret", False),
        ("broken", "extractor_failed", "does not understand", False),
        ("announced?in=7200", "not_started", "announced for", True),
        ("announced?in=900000", "not_started", "announced for", False),
        ("no_url", "bad_answer", "no video URL", False),
        ("no_id", "extractor_failed", "id", False),
        ("nothing", "extractor_failed", "NoneType", False),
        ("told_list?n=31", "playlist", "a list of 31 videos", False),
        ("list?n=500", "playlist", "a list of 500 videos", False),
        ("list?n=20000", "playlist", "more than 10,000 videos", False),
        ("list?n=0", "playlist", "without a video", False),
        ("list?n=60&type=multi_video", "unsupported", "60 pieces", False),
        ("loop", "redirect_loop", "redirect in a loop", False),
    ],
)
async def test_every_error_is_a_sentence(warm: Ytdlp, path: str, code: str, sentence: str, retryable: bool) -> None:
    before = warm.starts
    error = await refusal(warm, path)
    assert (error.code, error.retryable) == (code, retryable), error
    assert sentence in str(error)
    assert (warm.starts, len(warm.pids)) == (max(before, 1), 1), "no process was lost over it"


async def lists(ytdlp: Ytdlp, path: str, **playlist: Any) -> Listing:
    wanted = ListRequest(PlaylistOptions(**playlist), 50)
    with pytest.raises(ListRead) as caught:
        await ytdlp.extract(HERE + path, lists=wanted)
    return listing_of(caught.value.told, wanted, listed_only=False)


@pytest.mark.parametrize(
    ("path", "playlist", "places", "notes"),
    [
        ("list?n=3", {}, [0, 1, 2], ()),
        ("list?n=51", {}, [*range(50)], ("Of more than 50 entries the first 50 were taken (PLAYLIST_MAX).",)),
        ("list?n=20000", {"limit": 2}, [0, 1], ()),
        ("list?n=20000", {"items": "7,3-4"}, [6, 2, 3], ()),
        ("list?n=500", {"items": "-2--1"}, [498, 499], ()),
        ("list?n=500", {"order": "reverse", "limit": 1}, [499], ()),
        ("endless", {"items": "1-999999"}, [*range(50)], None),
        ("nested", {}, [0, 1, 2], ()),
    ],
)
async def test_the_entries_of_a_list(
    warm: Ytdlp, path: str, playlist: dict[str, Any], places: list[int], notes: tuple[str, ...] | None
) -> None:
    found = await lists(warm, path, **playlist)
    assert [entry.url for entry in found.entries] == [f"https://trials.test/film?{place}" for place in places]
    assert notes is None or found.notes == notes
    assert (found.title, len(warm.pids)) == (f"The {path.partition('?')[0]}", 1)


async def test_an_entry_has_a_key_of_its_own_and_one_without_an_address_is_left_out(warm: Ytdlp) -> None:
    found = await lists(warm, "mixed")
    assert [(entry.key, entry.title) for entry in found.entries] == [
        ("trials:one", "One"),
        ("https://trials.test/film?2", None),
    ]
    assert found.notes == ("2 entries have no address of their own.",)


async def test_the_pictures_of_a_post_are_entries_with_the_page_that_they_are_on(warm: Ytdlp) -> None:
    found = await lists(warm, "post")
    assert found.title == "A post"
    assert [(entry.url, entry.title) for entry in found.entries] == [
        ("https://media.test/one.jpg", "Picture 1"),
        ("https://media.test/two.png", "Picture 2"),
        ("https://media.test/film.mp4", "Picture 3"),
    ], "each once"
    assert {entry.referer for entry in found.entries} == {f"{HERE}post"}


@pytest.mark.parametrize(
    ("path", "says"),
    [("endless", "counted from its end"), ("list?n=3", "none of those"), ("list?n=0", "without a video")],
)
async def test_what_cannot_be_counted_or_is_not_there(warm: Ytdlp, path: str, says: str) -> None:
    with pytest.raises(DownloadError, match=says) as caught:
        await lists(warm, path, items="9999" if "=3" in path else "-1")
    assert caught.value.code == "playlist"


@pytest.mark.parametrize("told", [{}, {"entries": 7}, {"title": 1}, {"entries": [{"url": "file:///etc/passwd"}]}])
def test_a_list_that_makes_no_sense_is_a_bad_answer(told: dict[str, Any]) -> None:
    whole = {"title": None, "total": None, "whole": True, "left": 0, "entries": []} | told if told else told
    with pytest.raises(DownloadError) as caught:
        listing_of(whole, ListRequest(PlaylistOptions(), 50), listed_only=False)
    assert caught.value.code == "bad_answer"


async def test_another_version_is_used_as_soon_as_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Ytdlp(setup=SETUP) as ytdlp:
        before = await title(ytdlp, HERE + "count")
        assert (await title(ytdlp, HERE + "count"), ytdlp.starts) == (before, 1)
        monkeypatch.setattr(process, "stamp", lambda _: 1)
        assert (await title(ytdlp, HERE + "count") != before, ytdlp.starts) == (True, 2)


async def test_what_goes_wrong_inside_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Ytdlp(setup=SETUP):
            raise ZeroDivisionError


async def test_an_hour_to_wait_for_is_told(warm: Ytdlp) -> None:
    assert (await refusal(warm, "says?text=" + quote("Premieres in 2 hours"))).retry_after_s == 7200.0
    assert (await refusal(warm, "status?status=429")).retry_after_s == 17.0


async def test_a_list_of_one_video_is_that_video(warm: Ytdlp) -> None:
    assert await title(warm, HERE + "list?n=1") == "The film"


async def test_what_is_printed_is_no_answer(warm: Ytdlp) -> None:
    assert await title(warm, HERE + "prints") == "The prints"
    assert await title(warm, HERE + "film") == "The film"


async def test_nobody_knows_this_page(warm: Ytdlp) -> None:
    with pytest.raises(NoVideoFound, match="browser"):
        await warm.extract(HERE + "says?text=" + quote("Got HTTP Error 403 caused by Cloudflare anti-bot challenge"))


@pytest.mark.fault(45)
@pytest.mark.parametrize("path", ["writes_into_the_answer", "endless_answer"])
async def test_nonsense_in_place_of_an_answer(path: str) -> None:
    async with Ytdlp(setup=SETUP) as ytdlp:
        error = await refusal(ytdlp, path)
        assert error.code in ("bad_answer", "too_large")
        assert await title(ytdlp, HERE + "film") == "The film"


# Settings


async def test_a_format_that_is_none() -> None:
    async with Ytdlp(YtdlpConfig(format="bv*+"), setup=SETUP) as ytdlp:
        error = await refusal(ytdlp, "film")
    assert (error.code, "YTDLP_FORMAT" in str(error)) == ("settings", True)


async def test_cookies_go_with_one_request_and_come_back_as_they_were(warm: Ytdlp) -> None:
    given = (
        JarCookie(name="session", value="s3cret", domain="media.test", host_only=False, http_only=True),
        JarCookie(name="other", value="s3cret", domain="elsewhere.test"),
    )
    (cookie,) = (await warm.extract(HERE + "film", cookies=given))["cookies"]
    assert (cookie["name"], cookie["value"], cookie["domain"]) == ("session", "s3cret", "media.test")
    assert without(kept_cookies((cookie,)), given) == ()
    assert (await warm.extract(HERE + "film"))["cookies"] == []


# Processes


async def test_one_process_serves_one_after_the_other() -> None:
    async with Ytdlp(setup=SETUP) as ytdlp:
        pids = {await title(ytdlp, HERE + "count") for _ in range(3)}
        assert (len(pids), ytdlp.starts) == (1, 1)
    assert in_group(int(pids.pop())) == []


async def test_no_more_processes_than_allowed() -> None:
    pids: list[str] = []

    async def ask() -> None:
        pids.append(await title(ytdlp, HERE + "count"))

    async with Ytdlp(setup=SETUP, workers_max=2) as ytdlp:
        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(ask)
        assert (len(pids), ytdlp.starts) == (6, 2)
        assert len(set(pids)) <= 2


async def test_a_process_that_served_long_enough_is_replaced() -> None:
    async with Ytdlp(setup=SETUP, requests_max=1) as ytdlp:
        first, second = [int(await title(ytdlp, HERE + "count")) for _ in range(2)]
        assert first != second
        assert in_group(first) == in_group(second) == []


async def test_a_process_that_has_grown_is_replaced() -> None:
    async with Ytdlp(setup=SETUP, resident_max=150 * 1024**2) as ytdlp:
        pid = int(await title(ytdlp, HERE + "count"))
        assert await title(ytdlp, HERE + "grows") == "The grows"
        await until(lambda: not runs(pid))
        assert (await title(ytdlp, HERE + "count"), ytdlp.starts) != (str(pid), 1)


async def test_an_idle_process_is_ended() -> None:
    async with Ytdlp(setup=SETUP, idle_s=0.05) as ytdlp:
        pid = int(await title(ytdlp, HERE + "count"))
        await until(lambda: in_group(pid) == [] and ytdlp.pids == ())
        assert await title(ytdlp, HERE + "film") == "The film"


async def test_an_idle_process_that_died_is_not_missed() -> None:
    async with Ytdlp(setup=SETUP) as ytdlp:
        pid = int(await title(ytdlp, HERE + "count"))
        os.kill(pid, signal.SIGKILL)
        assert await title(ytdlp, HERE + "count") != str(pid)


@pytest.mark.fault(45)
@pytest.mark.parametrize("path", ["hangs", "hangs_with_a_child", "hangs_deaf"])
async def test_what_hangs_is_killed_at_its_deadline(tmp_path: Path, path: str) -> None:
    mark = tmp_path / "pids"
    async with Ytdlp(setup=SETUP) as ytdlp:
        await title(ytdlp, HERE + "film")
        with pytest.raises(DownloadError) as caught:
            await ytdlp.extract(f"{HERE}{path}?path={quote(str(mark))}", timeout_s=3.0)
        assert (caught.value.code, caught.value.retryable) == ("timeout", True)
        pids = [int(pid) for pid in mark.read_text().split()]
        await until(lambda: in_group(pids[0]) == [] and not any(map(runs, pids)))
        assert ytdlp.pids == ()
        assert await title(ytdlp, HERE + "film") == "The film"


async def test_a_cancel_kills_at_once(tmp_path: Path) -> None:
    mark = tmp_path / "pids"

    async def ask() -> None:
        await ytdlp.extract(f"{HERE}hangs_with_a_child?path={quote(str(mark))}")

    async with Ytdlp(setup=SETUP) as ytdlp:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await until(lambda: mark.exists() and len(mark.read_text().split()) == 2)
            tasks.cancel_scope.cancel()
        pids = [int(pid) for pid in mark.read_text().split()]
        await until(lambda: in_group(pids[0]) == [] and not any(map(runs, pids)))
        assert ytdlp.pids == ()


async def test_a_cancel_while_it_starts(tmp_path: Path) -> None:
    async with Ytdlp(setup=SETUP) as ytdlp:
        with anyio.move_on_after(0.01) as scope:
            await ytdlp.extract(HERE + "film")
        assert scope.cancelled_caught
        assert ytdlp.pids == ()
        assert await title(ytdlp, HERE + "film") == "The film"


@pytest.mark.fault(45)
@pytest.mark.parametrize("path", ["dies", "exits"])
async def test_what_kills_its_process_twice_is_given_up(path: str) -> None:
    async with Ytdlp(setup=SETUP) as ytdlp:
        error = await refusal(ytdlp, path)
        assert (error.code, error.retryable, ytdlp.starts) == ("worker_died", False, 2)
        assert ("signal 11" if path == "dies" else "exit code 3") in str(error)
        assert ytdlp.pids == ()
        assert await title(ytdlp, HERE + "film") == "The film"


async def test_a_process_that_dies_once_is_forgiven(tmp_path: Path) -> None:
    async with Ytdlp(setup=SETUP) as ytdlp:
        assert await title(ytdlp, f"{HERE}dies_once?path={quote(str(tmp_path / 'mark'))}") == "The dies_once"
        assert ytdlp.starts == 2


@pytest.mark.fault(45)
async def test_too_much_memory() -> None:
    async with Ytdlp(setup=YtdlpSetup(plugins=PLUGINS, data_bytes_max=600 * 1024**2)) as ytdlp:
        error = await refusal(ytdlp, "allocates")
        assert (error.code, error.retryable) == ("out_of_memory", False)
        assert ytdlp.pids == (), "a process that has been at its limit is not used again"
        assert await title(ytdlp, HERE + "film") == "The film"


async def test_nothing_is_left_after_nonsense() -> None:
    before = children()
    async with Ytdlp(setup=SETUP) as ytdlp:
        for path in ("no_url", "no_id", "nothing", "broken", "endless_answer"):
            await refusal(ytdlp, path)
            assert await title(ytdlp, HERE + "film") == "The film"
            assert len(children()) == len(before) + 1, path
    assert children() == before


@pytest.mark.nightly
async def test_nothing_is_left_after_a_storm(tmp_path: Path) -> None:
    before = children()
    ended: list[str] = []

    async def ask(ytdlp: Ytdlp, place: int, path: str) -> None:
        try:
            timeout_s = 3.0 if path.startswith("hangs") and place < 9 else 60.0
            await ytdlp.extract(f"{HERE}{path}?path={quote(str(tmp_path / str(place)))}", timeout_s=timeout_s)
            ended.append("film")
        except DownloadError as error:
            ended.append(error.code)

    async with Ytdlp(setup=SETUP, workers_max=3, requests_max=3) as ytdlp, anyio.create_task_group() as tasks:
        for place, path in enumerate(["film", "hangs_with_a_child", "exits", "film", "dies", "film", "hangs"]):
            tasks.start_soon(ask, ytdlp, place, path)
        await until(lambda: len(ended) == 7)
        tasks.start_soon(ask, ytdlp, 9, "hangs_with_a_child")
        await until((tmp_path / "9").exists)
        tasks.cancel_scope.cancel()
    assert sorted(ended) == ["film", "film", "film", "timeout", "timeout", "worker_died", "worker_died"]
    assert children() == before
